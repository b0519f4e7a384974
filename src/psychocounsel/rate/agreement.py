"""How far the judges of a panel agree: Krippendorff's alpha for ordinal ratings, and how often they are near."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from psychocounsel.principles import Rubric
from psychocounsel.records import Rating


def ordinal_alpha(ratings: NDArray[np.float64]) -> float:
    """Return Krippendorff's alpha with the ordinal distance for ratings [judges, items], NaN where none was given.

    1 is full agreement, 0 what chance gives; NaN where no item has two ratings or all ratings are the same value.
    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.
    """
    pairable = (~np.isnan(ratings)).sum(0) >= 2
    if not pairable.any():
        return float("nan")
    ratings = ratings[:, pairable]
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = np.stack([(ratings == value).sum(0) for value in values], 1).astype(np.float64)  # [items, values]
    per_item = counts.sum(1)
    together = counts.T @ (counts / (per_item - 1)[:, None])
    together -= np.diag((counts / (per_item - 1)[:, None]).sum(0))
    totals = together.sum(1)
    below = np.cumsum(totals) - totals / 2
    distance = (below[:, None] - below[None, :]) ** 2
    expected = (np.outer(totals, totals) * distance).sum() / (totals.sum() - 1)
    return float(1 - (together * distance).sum() / expected) if expected > 0 else float("nan")


def agreement(by_judge: Sequence[Sequence[Rating]], rubric: Rubric) -> dict[str, Any]:
    """Return by principle alpha, and over pairs of judges the shares of equal ratings and of those within 1."""
    out: dict[str, Any] = {}
    for key in rubric.keys:
        table = np.array([[float(r.scores.get(key, np.nan)) for r in ratings] for ratings in by_judge])
        gaps = np.concatenate([np.abs(a - b) for a, b in combinations(table, 2)])
        gaps = gaps[~np.isnan(gaps)]
        alpha = ordinal_alpha(table)
        out[key] = {
            "alpha": None if np.isnan(alpha) else round(alpha, 3),
            "equal": round(float((gaps < 0.5).mean()), 3) if gaps.size else None,
            "within_1": round(float((gaps <= 1).mean()), 3) if gaps.size else None,
            "n": int((~np.isnan(table)).all(0).sum()),
        }
    return out
