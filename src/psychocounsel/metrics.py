"""Figures with their n and interval. A metric over nothing refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from psychocounsel.errors import TooLittleDataError

Floats = NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured quantity."""

    value: float
    low: float
    """Lower end of the 95 % bootstrap interval."""
    high: float
    """Upper end."""
    n: int
    """Items measured."""
    clusters: int
    """Independent units that were resampled (speeches)."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _some(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise TooLittleDataError(f"{name} over nothing: there is no item to measure.")
    if not np.isfinite(array).all():
        raise TooLittleDataError(f"{name}: {int((~np.isfinite(array)).sum())} of {array.size} values are not numbers.")
    return array


def pair_accuracy(margins: ArrayLike) -> float:
    """Share of pairs with reward(chosen) above reward(rejected); an exact tie counts one half."""
    m = _some(margins, "accuracy")
    return float(np.mean((m > 0) + 0.5 * (m == 0)))


def pair_auc(margins: ArrayLike) -> float:
    """Area under the ROC curve of the margin as a sign of which of the two is chosen.

    Each pair stands in both orders, (chosen, rejected) with label 1 and margin m, (rejected, chosen) with 0 and -m, so
    the figure does not depend on the order in which pairs are stored. In [0, 1].
    """
    m = _some(margins, "AUC")
    ranked = np.sort(-m)
    below = np.searchsorted(ranked, m, "left")
    upto = np.searchsorted(ranked, m, "right")
    return float(np.mean((below + upto) / 2) / m.size)


def _sigmoid(x: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -x))


def pair_brier(margins: ArrayLike) -> float:
    """Mean of (1 - p)^2, with p = sigmoid(margin) the probability that the model gives to the chosen one. In [0, 1]."""
    return float(np.mean((1 - _sigmoid(_some(margins, "Brier score"))) ** 2))


def pair_ece(margins: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: confidence max(p, 1-p) against accuracy, over equal bins of [0.5, 1]. In [0, 1]."""
    m = _some(margins, "ECE")
    confidence = _sigmoid(np.abs(m))
    right = (m > 0) + 0.5 * (m == 0)
    which = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    gaps = [
        abs(right[which == b].mean() - confidence[which == b].mean()) * np.mean(which == b) for b in np.unique(which)
    ]
    return float(np.sum(gaps))


def bootstrap(
    values: ArrayLike,
    clusters: Sequence[str],
    statistic: Callable[[Floats], float],
    *,
    resamples: int,
    seed: int,
) -> Figure:
    """Return `statistic(values)` with its percentile interval, resampling whole clusters with replacement."""
    array = _some(values, "a bootstrap")
    names, index = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    members = [np.flatnonzero(index == c) for c in range(len(names))]
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        picked = generator.integers(0, len(names), len(names))
        drawn.append(statistic(array[np.concatenate([members[c] for c in picked])]))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Figure(statistic(array), float(low), float(high), int(array.size), len(names))


def mean(values: Floats) -> float:
    return float(np.mean(values))


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation; NaN where one side is constant, as it is undefined there."""
    from scipy.stats import spearmanr

    x, y = _some(a, "a correlation"), _some(b, "a correlation")
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(spearmanr(x, y).statistic)
