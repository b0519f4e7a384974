"""How well margins, reward(chosen) - reward(rejected), tell the chosen response from the rejected one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.intervals import (
    Figure,
    Floats,
    Moments,
    Resampling,
    ends,
    mean_of,
    numbered,
    paired,
    per_cluster,
    some,
)

_UNIT = (0.0, 1.0)
HOTTEST = 1e3
"""Beyond it a temperature says no more than that the margins carry nothing."""


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)) without overflow."""
    with np.errstate(over="ignore"):  # exp(-x) is then infinite, and the result 0
        return np.asarray(1 / (1 + np.exp(-x)))


def _right(m: Floats) -> Floats:
    return np.asarray((m > 0) + 0.5 * (m == 0))


def accuracy(margins: ArrayLike) -> Moments:
    """Share of pairs with reward(chosen) above reward(rejected); an exact tie counts one half."""
    return mean_of(_right(some(margins, "accuracy")), _UNIT)


def brier(margins: ArrayLike) -> Moments:
    """Mean of (1 - p)^2, with p = sigmoid(margin) the probability that the model gives to the chosen one. In [0, 1]."""
    return mean_of((1 - sigmoid(some(margins, "Brier score"))) ** 2)


def log_loss(margins: ArrayLike) -> Moments:
    """Mean of -log sigmoid(margin), in nats. The Bradley-Terry loss."""
    return mean_of(np.logaddexp(0.0, -some(margins, "log loss")))


def calibration(margins: ArrayLike, bins: int = 10) -> tuple[Floats, Floats, Floats]:
    """Return confidence max(p, 1-p), whether it was right (a tie: one half) and the bin of [0.5, 1] of each pair."""
    m = some(margins, "ECE")
    confidence = sigmoid(np.abs(m))
    return confidence, _right(m), np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)


def ece(margins: ArrayLike, bins: int = 10) -> Moments:
    """Expected calibration error: confidence max(p, 1-p) against accuracy, over equal bins of [0.5, 1]. In [0, 1].

    The estimate is biased upward: noise within a bin never cancels, as it would in a mean, so that it is above 0 for a
    model that is calibrated perfectly. `figure` gives an interval that allows for it, and 0 may lie in it.
    """
    confidence, right, which = calibration(margins, bins)
    gaps = np.zeros((len(right), bins + 1))
    gaps[np.arange(len(right)), which] = right - confidence
    gaps[:, bins] = 1
    return _Gaps(gaps, lambda totals: np.abs(_shares(totals)).sum(axis=-1))


def _shares(totals: Floats) -> Floats:
    return totals[..., :-1] / totals[..., -1:]


@dataclass(frozen=True, slots=True)
class _Gaps(Moments):
    """A sum of sizes, |g_1| + ... + |g_k|, of means g that are estimated with errors e."""

    def figure(self, clusters: Sequence[str], *, resamples: int, seed: int) -> Figure:
        """Return it with an interval that holds the true sum at least as often as it says, and mostly more often.

        A bootstrap of such a sum adds its bias a second time, and its percentiles hold the truth of a calibrated model
        never. The estimate is above the truth by at most sum |e|, and below it by at most -sum e sign(g), as |x| is
        convex: the interval's ends take the quantiles of these two.
        """
        index, count = numbered(clusters, len(self.features))
        sums = per_cluster(self.features, index, count)
        seen = _shares(sums.sum(axis=0))
        errors = _shares(Resampling(count, resamples, seed).totals(sums)) - seen
        above, _ = ends(-np.abs(errors).sum(axis=1), count)
        below, _ = ends((errors * np.sign(seen)).sum(axis=1), count)
        low = np.maximum(self.value + above, 0.0)
        return Figure(self.value, float(low), float(self.value - below), len(self.features), count)


def auc(margins: ArrayLike) -> float:
    """Area under the ROC curve of the margin as a sign of which of the two is chosen.

    Each pair stands in both orders, (chosen, rejected) with label 1 and margin m, (rejected, chosen) with 0 and -m, so
    the figure does not depend on the order in which pairs are stored. In [0, 1].
    """
    m = np.sort(some(margins, "AUC"))
    return float(_weighted_auc(np.ones((1, m.size)), m)[0])


def _weighted_auc(weights: Floats, m: Floats) -> Floats:
    """AUC of sorted margins (n) under each row of weights (rows, n)."""
    upto = np.zeros((len(weights), m.size + 1))
    np.cumsum(weights, axis=1, out=upto[:, 1:])
    total = upto[:, -1]
    # For each pair i, the weight of the pairs j with -m_j < m_i, and half of those with -m_j = m_i.
    above = np.searchsorted(m, -m, "right")
    from_ = np.searchsorted(m, -m, "left")
    below = total[:, None] - (upto[:, above] + upto[:, from_]) / 2
    return np.asarray(np.einsum("ij,ij->i", weights, below) / total**2)


def auc_figure(margins: ArrayLike, clusters: Sequence[str], *, resamples: int, seed: int) -> Figure:
    """Return `auc` with its interval by cluster."""
    m = some(margins, "AUC")
    index, count = numbered(clusters, m.size)
    order = np.argsort(m, kind="stable")
    ordered, whose = m[order], index[order]
    drawn = [_weighted_auc(counts[:, whose], ordered) for counts in Resampling(count, resamples, seed).counts()]
    value = auc(m)
    above = (np.searchsorted(ordered, -m, "right") + np.searchsorted(ordered, -m, "left")) / 2
    influence = per_cluster(1 - above / m.size - value, index, count)
    low, high = ends(np.concatenate(drawn), count, influence)
    return Figure(value, float(low), float(high), m.size, count)


def temperature(margins: ArrayLike) -> float:
    """Return the T > 0 that minimises the log loss of margins / T (Guo et al. 2017). Fit it on development pairs only.

    Raises TooLittleDataError where no T does: every pair right (T would be 0), or too many wrong (infinite).
    """
    from scipy.optimize import brentq

    m = some(margins, "a temperature")

    def slope(scale: float) -> float:
        return float(-np.mean(m * sigmoid(-m * scale)))

    if slope(1 / HOTTEST) >= 0:
        raise TooLittleDataError("temperature: the margins order the pairs no better than chance; scaling cannot help.")
    if not (m < 0).any():
        raise TooLittleDataError(
            "temperature: no pair is ordered wrongly, so the best temperature is 0; use more pairs."
        )
    hottest = 1.0
    while slope(hottest) < 0:
        hottest *= 2
    return 1 / float(brentq(slope, 1 / HOTTEST, hottest, xtol=1e-12))


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Spearman's rank correlation; NaN where one side is constant, as it is undefined there."""
    from scipy.stats import spearmanr

    x, y = paired(a, b, "a correlation")
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(spearmanr(x, y).statistic)
