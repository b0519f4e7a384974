"""Whether what lies in a run belongs together: every step whole, and made from the parents that lie there now."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from psychocounsel.artifacts import MANIFEST, STARTED, Manifest, complete_manifest, read_manifest
from psychocounsel.errors import ArtifactError

Kind = Literal["reward-model", "policy", "dataset"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LEAF: dict[Kind, str] = {"reward-model": "reward", "policy": "align/chosen", "dataset": "pair"}
"""The step that makes what is published."""
EVALUATE = "evaluate"


def kinds_in(run: Path) -> list[Kind]:
    """Return what a run has to publish. Raises ArtifactError where there is no run, or it is half made."""
    if not run.is_dir():
        raise ArtifactError(f"there is no run at {run}. Name a run's folder, such as runs/quickstart.")
    half = sorted(str(p.parent.relative_to(run)) for p in run.rglob(STARTED) if _half(run, p.parent))
    if half:
        raise ArtifactError(f"{run} is half made: {', '.join(half)} not finished. Run its recipe again to finish it.")
    found = [kind for kind, leaf in LEAF.items() if (run / leaf / MANIFEST).is_file()]
    if "policy" not in found and (run / "align").is_dir():
        raise ArtifactError(f"{run}/align has no chosen policy. Run its recipe again to finish it.")
    if not found:
        raise ArtifactError(f"{run} has nothing to publish: no pairs, reward model or policy. Run its recipe first.")
    return found


def _half(run: Path, step: Path) -> bool:
    """Whether a step of the run itself has begun and not ended; a variant that came to nothing is none of its steps."""
    return step.relative_to(run).parts[0] != "ablations" and not (step / MANIFEST).exists()


def lineage(run: Path, leaf: str) -> dict[str, Manifest]:
    """Return the manifests of a step and of all that it was made from, itself last.

    Raises ArtifactError where one is missing, or is another than the one that it was made from.
    """
    found: dict[str, Manifest] = {}
    _follow(run, leaf, found)
    return found


def _follow(run: Path, name: str, found: dict[str, Manifest]) -> None:
    manifest = read_manifest(run / name)
    if manifest is None:
        raise ArtifactError(f"{run} has no finished {name}. Run its recipe again to make it.")
    for parent, digest in manifest.parents.items():
        if parent not in found:
            _follow(run, parent, found)
        if found[parent].digest != digest:
            raise ArtifactError(
                f"{run / name} was made from another {parent} than lies there now, so that one card cannot speak for "
                "both. Run its recipe again."
            )
    found[name] = manifest


def check_files(run: Path, steps: list[str]) -> None:
    """Raise ArtifactError where a file of these steps is missing or was changed after it was made."""
    for name in steps:
        complete_manifest(run / name)
