"""Cross-validation of a reward model that learns ratings: how well it rates responses of people it never saw.

Every response is rated once, by a model that saw nothing of its group (the seeker, client or dialogue). Intervals are
by bootstrap over groups. `benchmarks/epitome.py` measures a baseline on the same folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from psychocounsel.errors import TooLittleDataError
from psychocounsel.records import content_seed
from psychocounsel.statistics.intervals import Figure, Resampling, ends

Array = NDArray[np.float64]
APART = 4.0
"""Points between sums of ratings at which two responses are clearly apart: two steps of labels with three levels."""


def assign(groups: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each response; a group is never parted, and folds differ by a group's size at most."""
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    if len(sizes) < folds:
        raise TooLittleDataError(f"reward: {folds} folds need as many groups, and there are {len(sizes)}.")
    filled, fold_of = [0] * folds, {}
    for group in sorted(sizes, key=lambda g: (-sizes[g], content_seed("fold", seed, g))):
        fold = min(range(folds), key=lambda f: (filled[f], f))
        fold_of[group] = fold
        filled[fold] += sizes[group]
    return np.array([fold_of[group] for group in groups])


@dataclass(frozen=True, slots=True)
class Predicted:
    """Out-of-fold predictions beside the labels. n responses, P principles."""

    groups: NDArray[np.str_]
    """[n]"""
    folds: NDArray[np.int64]
    """[n]"""
    ratings: Array
    """[n, P], as people gave them."""
    levels: Array
    """[n, P], the likeliest rating."""
    expected: Array
    """[n, P], the mean rating."""


def macro_f1(truth: Array, predicted: Array, weights: Array) -> float:
    """Return the mean F1 of the levels that occur in `truth` or `predicted`, each response counted `weights` times."""
    scores = []
    for level in np.union1d(truth, predicted):
        hit = weights[(truth == level) & (predicted == level)].sum()
        total = weights[truth == level].sum() + weights[predicted == level].sum()
        scores.append(2 * hit / total if total else 0.0)
    return float(np.mean(scores))


class Ranking:
    """The share of pairs of responses of one fold, their totals at least `apart`, that scores put in order.

    Equal scores count half.
    """

    def __init__(self, totals: Array, scores: Array, folds: NDArray[np.int64], apart: float) -> None:
        self.parts = []
        for fold in np.unique(folds):
            here = np.flatnonzero(folds == fold)
            t, s = totals[here], scores[here]
            above = (t[:, None] - t[None, :] >= apart - 1e-9).astype(float)
            self.parts.append((here, above, above * (np.sign(s[:, None] - s[None, :]) + 1) / 2))

    def __call__(self, weights: Array) -> float:
        """Return it with each response counted `weights` times; NaN where no pair is so far apart."""
        asked = sum(weights[here] @ above @ weights[here] for here, above, _ in self.parts)
        right = sum(weights[here] @ put @ weights[here] for here, _, put in self.parts)
        return float(right / asked) if asked else float("nan")


def figures(predicted: Predicted, keys: Sequence[str], weights: Array, resamples: int, seed: int) -> dict[str, Any]:
    """Return ranking accuracy and each principle's macro-F1, with intervals; `weights` are the rubric's.

    For macro-F1 a rating between two levels (a panel's mean) counts as the nearest, the higher of two.
    """
    share = weights / weights.sum()
    span = predicted.ratings.shape[1]
    totals, scores = predicted.ratings @ share * span, predicted.expected @ share * span
    names, place = np.unique(predicted.groups, return_inverse=True)

    def figure(statistic: Callable[[Array], float]) -> dict[str, Any]:
        blocks = Resampling(len(names), resamples, seed).counts()
        values = np.array([statistic(draw[place]) for block in blocks for draw in block])
        low, high = ends(values, len(names))
        return Figure(statistic(np.ones(len(place))), float(low), float(high), len(place), len(names)).as_dict()

    found: dict[str, Any] = {
        "ranking": figure(Ranking(totals, scores, predicted.folds, 1e-6)),
        "ranking_apart": figure(Ranking(totals, scores, predicted.folds, APART)),
    }
    for number, key in enumerate(keys):
        truth, levels = np.floor(predicted.ratings[:, number] + 0.5), predicted.levels[:, number]
        found[f"macro_f1/{key}"] = figure(partial(macro_f1, truth, levels))
    return found
