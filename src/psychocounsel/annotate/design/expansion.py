"""The expected width of a bootstrap interval, from the chances of what an item can bring.

The interval of `statistics.intervals` is an Efron BCa interval with its ends moved out to those of Student's t, at R.
To first order it is 2 R s / sqrt(n) wide, with s the standard deviation of an item's influence (the delta method). To
second order it is 1 + c / n times that. The first part of c is for an influence that is skewed (g) or has heavy tails
(k): in the Cornish-Fisher expansion of the resampled quantiles (Hall 1992, The Bootstrap and Edgeworth Expansion, 2.5),
BCa's acceleration g / (6 sqrt(n)) gives g² ((2 + R²) / 12 - (2 R² - 5) / 36) + k (R² - 3) / 24. The second is for s
being that of a sample: its mean over samples is s and half its curvature along each outcome, over n.

Where items are dropped before anything is resampled, as those of tied votes are, n is how many are left. It differs
from study to study: with a share q kept of N items, n has the mean qN and 1 / sqrt(n) is 1 + 3 (1 - q) / (8 qN) times
1 / sqrt(qN) in mean, to the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from psychocounsel.statistics.intervals import CONFIDENCE, Floats, Moments

_LARGE = 1e9
"""Items in the limit: the small-sample term of alpha has gone."""
_STEP = 1e-4
"""Step of the derivative that is an item's influence, as a share of all items."""
_PULL = 1e-3
"""How far the distribution is pulled towards an outcome to measure a curvature."""
_Z2 = 3.8415
"""R² in the limit."""
_MOST = 0.5
"""Second order over first, at most: beyond it the expansion says nothing but that an interval is wide."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """A statistic's value and what its interval's width follows from."""

    value: float
    spread: float
    """Standard deviation of an item's influence, s."""
    second: float
    """c"""
    kept: float = 1.0
    """Share of items that are not dropped."""

    def width(self, items: int) -> float:
        """Return the expected full width of the 95 % interval of a study of `items` items."""
        n = items * self.kept
        reach = -float(stdtrit(n - 1, (1 - CONFIDENCE) / 2)) * sqrt(n / (n - 1))
        first = 2 * reach * self.error(items) * (1 + 3 * (1 - self.kept) / (8 * n))
        more = min(_MOST, abs(self.second) / n)
        return first * (1 + more) if self.second > 0 else first / (1 + more)

    def error(self, items: int) -> float:
        """Return the standard error of the estimate, to first order."""
        return self.spread / sqrt(items * self.kept)


def expand(moments: Moments, chances: Floats) -> Expansion:
    """Return the expansion of a statistic. `moments` has one row for each outcome, and `chances` how likely each is."""
    u = _influence(moments, chances)
    variance = float(chances @ u**2)
    value = limit_of(moments, chances)
    if not variance > 0:
        return Expansion(value, 0.0, 0.0)
    skew, tail = float(chances @ u**3) / variance**1.5, float(chances @ u**4) / variance**2 - 3
    shape = skew**2 * ((2 + _Z2) / 12 - (2 * _Z2 - 5) / 36) + tail * (_Z2 - 3) / 24
    return Expansion(value, variance**0.5, shape + _curvature(moments, chances, variance) / 2)


def _curvature(moments: Moments, chances: Floats, variance: float) -> float:
    """Return the curvature of the standard deviation along an outcome, in mean over outcomes, as a share of itself."""
    pulls = np.eye(chances.size) - chances
    to, back = (
        np.array([world @ _influence(moments, world) ** 2 for world in chances + way * _PULL * pulls])
        for way in (1, -1)
    )
    slope, bend = (to - back) / (2 * _PULL), (to + back - 2 * variance) / _PULL**2
    return float(chances @ (bend / (2 * variance) - slope**2 / (4 * variance**2)))


def limit_of(moments: Moments, chances: Floats) -> float:
    """Return what a statistic comes to over ever more items, where outcomes have these chances."""
    return float(moments.formula(chances @ moments.features * _LARGE))


def _influence(moments: Moments, chances: Floats) -> Floats:
    """Return what one more item of each outcome adds to the statistic, times the number of items; its mean is 0."""
    whole, one = chances @ moments.features * _LARGE, _STEP * _LARGE * moments.features
    influence = (moments.formula(whole + one) - moments.formula(whole - one)) / (2 * _STEP)
    return np.asarray(influence - chances @ influence)
