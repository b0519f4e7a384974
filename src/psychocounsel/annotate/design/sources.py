"""Where a study's candidates come from: a run's folder or a file."""

from __future__ import annotations

from pathlib import Path

from psychocounsel.annotate.design.candidates import Candidates
from psychocounsel.annotate.design.rows import read_file
from psychocounsel.annotate.design.runs import read_run
from psychocounsel.annotate.study import Kind
from psychocounsel.errors import InputError


def read_candidates(source: Path, kind: Kind = "pairs", split: str | None = None) -> Candidates:
    """Return what a study may be drawn from.

    Of a run's folder: its pairs or responses of `split`, by default `test`, for a model was trained on the others. Of
    a file: its rows, of `split` where it is named. Raises InputError or ArtifactError where it cannot be read.
    """
    if source.is_dir():
        return read_run(source, kind, split or "test")
    if not source.exists():
        raise InputError(f"{source}: there is no such run or file.")
    return read_file(source, kind, split)
