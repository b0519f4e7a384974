"""What a stage leaves on disk: Parquet and models in a folder, and `manifest.json` written last.

A manifest's existence means that the folder is complete. Files go to a temporary name first and are renamed, so a
`kill -9` at any moment leaves either a whole file or none. A step's fingerprint covers its recipe section, seed,
package version and its parents' contents: a changed recipe reruns what depends on the change and nothing else.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from psychocounsel import __version__
from psychocounsel.errors import ArtifactError, PsychocounselError, ResourceError
from psychocounsel.records import content_id

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
STARTED = "started.json"
"""Which fingerprint the unfinished files of a folder belong to; gone once the manifest is there."""
SCRATCH = "checkpoints"
"""Folder for a step's own resumption; kept through a kill, removed when the step completes, never in a manifest."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an artifact."""

    sha256: str
    bytes: int
    rows: int | None = None
    """Rows of a Parquet file; None for any other."""


@dataclass(slots=True)
class Manifest:
    """How an artifact came to be."""

    stage: str
    fingerprint: str
    section: dict[str, Any]
    """The recipe's section, with every default filled in."""
    seed: int
    simulated: bool
    """True if anything in it, or in what it was made from, is simulated."""
    parents: dict[str, str] = field(default_factory=dict)
    """Parent step to the digest of its contents."""
    files: dict[str, FileEntry] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    """Rows asked, made, lost and why; and the step's headline figures."""
    backends: list[str] = field(default_factory=list)
    """Specs of every backend that was used."""
    prompts: dict[str, str] = field(default_factory=dict)
    """Prompt or rubric name to digest."""
    wall_seconds: float = 0.0
    """Time spent on this step, over all the attempts that a kill cut off and kept work from."""
    peak_rss_bytes: int = 0
    """The process's highest resident memory up to the end of the step."""
    machine: str = ""
    """Cores and GPU that it was made on; empty in manifests of earlier versions."""
    created: str = ""
    package_version: str = __version__
    schema_version: int = SCHEMA_VERSION

    @property
    def digest(self) -> str:
        """Digest of the contents alone: equal files give an equal digest, whenever they were made."""
        return content_id(sorted((name, f.sha256) for name, f in self.files.items()), self.simulated)


def sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def telling_disk_errors(where: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors that say what to do.

    Libraries that save models raise errors of their own when a disk is full; those are known by the space that is left.
    """
    try:
        yield
    except PsychocounselError:
        raise
    except Exception as error:
        code = error.errno if isinstance(error, OSError) else None
        if code in (errno.ENOSPC, errno.EDQUOT) or (code is None and _space_left(where) < _LITTLE_SPACE):
            raise ResourceError(
                f"no space left on the disk while writing {where}. Free some space (or pass output=DIR on another "
                "disk) and run the same command again: finished steps are kept."
            ) from None
        if code in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise ResourceError(f"not allowed to write {where}. Pass output=DIR for a folder you may write.") from None
        if code in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
            raise ResourceError(f"a file stands where {where} should be a folder. Pass another output=DIR.") from None
        raise


_LITTLE_SPACE = 1 << 20
"""Bytes under which a failed write is blamed on the disk."""


def _space_left(where: Path) -> int:
    while not where.exists():
        where = where.parent
    return shutil.disk_usage(where).free


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` on a temporary path beside `path`, flush it to disk, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with telling_disk_errors(path):
            write(temporary)
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    def write(temporary: Path) -> None:
        temporary.write_text(text, "utf-8")

    write_atomically(path, write)


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=True) + "\n")


def read_manifest(folder: Path) -> Manifest | None:
    """Return the folder's manifest, or None where there is none. Raises ArtifactError if it cannot be read."""
    path = folder / MANIFEST
    try:
        raw = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ArtifactError(f"{path} is not valid JSON. Delete it; the step will be made again.") from None
    if raw.get("schema_version") != SCHEMA_VERSION:
        raise ArtifactError(
            f"{path} has schema version {raw.get('schema_version')}, this package reads {SCHEMA_VERSION}. "
            "Run with another output=DIR, or with the package version that wrote it."
        )
    try:
        files = {name: FileEntry(**entry) for name, entry in raw.pop("files").items()}
        return Manifest(files=files, **raw)
    except (TypeError, KeyError):
        raise ArtifactError(f"{path} lacks or adds fields. Delete it; the step will be made again.") from None


def broken_files(folder: Path, manifest: Manifest) -> list[str]:
    """Return what in the folder is not what its manifest says, as phrases; empty if all is well."""
    broken = []
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            broken.append(f"{name} is missing")
        elif path.stat().st_size != entry.bytes:
            broken.append(f"{name} has {path.stat().st_size} bytes, its manifest says {entry.bytes}")
        elif sha256_of(path) != entry.sha256:
            broken.append(f"{name} was changed after it was made")
    return broken


def complete_manifest(folder: Path) -> Manifest:
    """Return the manifest of a complete folder. Raises ArtifactError where it is missing, half-written or changed."""
    manifest = read_manifest(folder)
    if manifest is None:
        if not folder.exists():
            raise ArtifactError(f"there is no artifact at {folder}. Run the stage that makes it first.")
        raise ArtifactError(f"{folder} is half-written (it has no {MANIFEST}). Run its recipe again to finish it.")
    broken = broken_files(folder, manifest)
    if broken:
        raise ArtifactError(f"{folder} is damaged: {'; '.join(broken)}. Run its recipe again to make it anew.")
    return manifest


@dataclass(slots=True)
class Step:
    """One folder of a run, about to be made or already there."""

    folder: Path
    stage: str
    section: dict[str, Any]
    seed: int
    parents: dict[str, Manifest]
    simulated: bool = False
    counts: dict[str, Any] = field(default_factory=dict)
    backends: list[str] = field(default_factory=list)
    prompts: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        parents = {name: m.digest for name, m in self.parents.items()}
        return content_id(SCHEMA_VERSION, __version__, self.stage, self.section, self.seed, parents)

    @property
    def scratch(self) -> Path:
        """Where the step may keep what lets it go on after a kill."""
        return self.folder / SCRATCH

    def state(self) -> tuple[Manifest | None, str]:
        """Return the manifest if the step is done, else None, and the reason in words."""
        try:
            manifest = read_manifest(self.folder)
        except ArtifactError as error:
            return None, str(error)
        if manifest is None:
            return None, "half-written" if (self.folder / STARTED).exists() else "not made yet"
        if manifest.fingerprint != self.fingerprint:
            return None, why_changed(manifest, self)
        broken = broken_files(self.folder, manifest)
        return (None, "; ".join(broken)) if broken else (manifest, "done")

    @contextmanager
    def making(self) -> Iterator[Path]:
        """Open the folder for writing; on leaving without an error, write the manifest.

        What an earlier attempt with the same fingerprint left in `scratch` is kept; everything else is cleared.
        """
        with telling_disk_errors(self.folder):
            spent_before = self._clear()
            start = time.monotonic()
            self._note_start(spent_before)
            try:
                yield self.folder
            except BaseException:
                self._note_start(spent_before + time.monotonic() - start)
                raise
            self._finish(spent_before + time.monotonic() - start)

    def _clear(self) -> float:
        spent = 0.0
        started = self.folder / STARTED
        (self.folder / MANIFEST).unlink(missing_ok=True)
        keep = set()
        if started.is_file():
            try:
                note = json.loads(started.read_text("utf-8"))
            except json.JSONDecodeError:
                note = {}
            if note.get("fingerprint") == self.fingerprint:
                spent, keep = float(note.get("spent", 0.0)), {SCRATCH}
        # A child step lives in a folder of its own inside this one's only in `align`, which has no files of its own.
        for path in self.folder.iterdir() if self.folder.is_dir() else []:
            if path.name in keep:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.folder.mkdir(parents=True, exist_ok=True)
        return spent

    def _note_start(self, spent: float) -> None:
        try:
            write_json(self.folder / STARTED, {"fingerprint": self.fingerprint, "spent": spent})
        except ResourceError:
            if spent == 0.0:
                raise  # the disk was full from the start; on the way out the first cause is the one to tell

    def _finish(self, wall: float) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        (self.folder / STARTED).unlink(missing_ok=True)
        files = {}
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
            rows = None
            if path.suffix == ".parquet":
                import pyarrow.parquet

                rows = pyarrow.parquet.read_metadata(path).num_rows
            files[str(path.relative_to(self.folder))] = FileEntry(sha256_of(path), path.stat().st_size, rows)
        manifest = Manifest(
            stage=self.stage,
            fingerprint=self.fingerprint,
            section=self.section,
            seed=self.seed,
            simulated=self.simulated or any(p.simulated for p in self.parents.values()),
            parents={name: p.digest for name, p in self.parents.items()},
            files=files,
            counts=self.counts,
            backends=self.backends,
            prompts=self.prompts,
            wall_seconds=round(wall, 3),
            peak_rss_bytes=peak_memory(),
            machine=machine(),
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
        write_json(self.folder / MANIFEST, asdict(manifest))


def peak_memory() -> int:
    """Return the bytes that this process held at most.

    Linux's own peak is read where there is one: `getrusage` hands a parent's peak down to the programs that it starts.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def machine() -> str:
    """Return the cores and the GPUs at hand, in words."""
    cores = len(os.sched_getaffinity(0))
    torch = sys.modules.get("torch")  # a step that used a GPU has loaded it
    if torch is None or not torch.cuda.is_available():
        return f"{cores} CPU cores"
    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return f"{cores} CPU cores, {len(names)} x {names[0]}"


def why_changed(manifest: Manifest, step: Step) -> str:
    """Say in words what makes a finished step out of date."""
    if manifest.package_version != __version__:
        return f"made by version {manifest.package_version}"
    changed = [k for k in step.section if manifest.section.get(k) != step.section[k]]
    if changed:
        return f"{', '.join(changed)} changed"
    if manifest.seed != step.seed:
        return "seed changed"
    moved = [n for n, p in step.parents.items() if manifest.parents.get(n) != p.digest]
    return f"{', '.join(moved)} changed" if moved else "recipe changed"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process alone; a killed process lets go by dying."""
    import fcntl

    with telling_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("w")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ResourceError(
                f"another process is running into {folder}. Wait for it, stop it, or pass another output=DIR."
            ) from None
        yield
