"""Folders that appear whole or not at all, and never in place of something that is not ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from psychocounsel import __version__
from psychocounsel.artifacts import locked, sha256_of, telling_disk_errors, write_text
from psychocounsel.errors import ArtifactError
from psychocounsel.publish.lineage import KINDS

SUMS = "SHA256SUMS"
_FIRST = "# psychocounsel publish"
_UPLOADER = ".cache"
"""What `hf upload` may leave in a folder to go on from."""


def write_folders(out: Path, writers: dict[str, Callable[[Path], None]]) -> None:
    """Let each writer fill a folder, then put them all into `out`, each with its list of digests written last.

    What an earlier call wrote there is replaced as long as nobody has changed it. Raises ArtifactError where `out`
    holds anything else; then nothing is written.
    """
    out = out.resolve()
    check_out(out, list(writers))
    staging = out.with_name(f".{out.name}.publishing")
    with locked(staging), telling_disk_errors(out):
        for left in [path for path in staging.iterdir() if path.is_dir()]:
            shutil.rmtree(left)  # by a call that was killed
        for name, write in writers.items():
            folder = staging / name
            folder.mkdir()
            write(folder)
            write_text(folder / SUMS, _sums(folder))
        out.mkdir(parents=True, exist_ok=True)
        for name in writers:
            if (out / name).exists():
                (out / name).rename(staging / f"old {name}")
            (staging / name).rename(out / name)
        shutil.rmtree(staging)


def check_out(out: Path, names: list[str]) -> None:
    """Raise ArtifactError where `out` holds what this package did not write, or one of `names` was changed since."""
    if out.is_file():
        raise ArtifactError(f"{out} is a file. Name a folder to publish into.")
    for path in sorted(out.iterdir()) if out.exists() else []:
        beside = path.name in KINDS and path.name not in names
        why = "" if beside else _not_ours(path)
        if why:
            raise ArtifactError(
                f"{out} holds something else: {why}. Nothing was written. Name another folder, or move that away."
            )


def _not_ours(folder: Path) -> str:
    """Return why a folder is not as `write_folders` left it; empty if it is."""
    try:
        first, *lines = (folder / SUMS).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return f"{folder.name} is not from here"
    if not first.startswith(_FIRST):
        return f"{folder.name} is not from here"
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in _files(folder):
        if name not in listed:
            return f"{folder.name}/{name} was added"
        if sha256_of(folder / name) != listed.pop(name):
            return f"{folder.name}/{name} was changed"
    return f"{folder.name}/{next(iter(listed))} is gone" if listed else ""


def _files(folder: Path) -> list[str]:
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return [name for name in names if name != SUMS and not name.startswith(f"{_UPLOADER}/")]


def _sums(folder: Path) -> str:
    lines = [f"{sha256_of(folder / name)}  {name}" for name in _files(folder)]
    return "\n".join([f"{_FIRST} {__version__}", *lines]) + "\n"
