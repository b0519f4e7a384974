"""Self-preference: what a judge gives models of its own family beyond what other judges give the same models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.intervals import Figure, Floats, Moments


@dataclass(frozen=True, slots=True)
class FamilyVerdict:
    """One verdict, as far as families go."""

    judge_family: str
    """Of the judge, as `families.family_of` says."""
    model_family: str
    """Of the model whose points these are."""
    win: float
    """1 won, 0.5 tied, 0 lost."""
    cluster: str
    """What it is resampled with: the speech."""


def self_preference(rows: Iterable[FamilyVerdict], family: str) -> Figure:
    """Return the win rate of `family`'s models with its own judge minus that with judges of other families.

    In [-1, 1]; 0 where it sees them as the others do. The others' verdicts are what tells preference from merit, so the
    two should be on the same speeches and opponents. A judge that is only surer than the others also differs from them,
    which is why a finding asks for more than 0. `n` counts its own verdicts. Raises TooLittleDataError where the family
    has no model or no judge here, or no other judge read its models.
    """
    rows = [row for row in rows if row.model_family == family]
    own = np.array([row.judge_family == family for row in rows], dtype=np.float64)
    if not own.any() or own.all():
        what = "verdict of its own judge on its models" if not own.any() else "judge of another family on its models"
        raise TooLittleDataError(f"self-preference of {family}: there is no {what} to compare.")
    wins = np.array([row.win for row in rows])
    features = np.stack([own * wins, own, (1 - own) * wins, 1 - own], axis=1)
    found = Moments(features, _difference).figure([row.cluster for row in rows], resamples=2000, seed=0)
    return Figure(found.value, found.low, found.high, int(own.sum()), found.clusters)


def _difference(totals: Floats) -> Floats:
    difference: Floats = totals[..., 0] / totals[..., 1] - totals[..., 2] / totals[..., 3]
    return difference
