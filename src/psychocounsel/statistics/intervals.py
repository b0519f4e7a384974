"""Bootstrap intervals that resample whole clusters (speeches, seekers, transcripts), never single rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from psychocounsel.errors import TooLittleDataError

Floats = NDArray[np.float64]
Formula = Callable[[Floats], Floats]
CONFIDENCE = 0.95
_UNDEFINED = 0.05
"""Share of resamples that may leave a statistic undefined before its interval is not given."""
_BLOCK = 4_000_000
"""Counts held at a time."""
_SAVED = 10
"""Clusters a kind from which drawing kinds is the faster way."""
_LEAST = 0.05
"""What the denominator of BCa may shrink to, with a skewness that no interval of resamples can follow."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured quantity."""

    value: float
    low: float
    """Lower end of the 95 % bootstrap interval; NaN where there is none to give (one cluster)."""
    high: float
    """Upper end."""
    n: int
    """Items measured."""
    clusters: int
    """Independent units that were resampled (speeches)."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def above(self, other: Figure) -> bool:
        """Whether the whole interval lies above the other's. False where either has none."""
        return self.low > other.high


def finite(value: Any) -> Any:
    """Return `value` as JSON can hold it everywhere: what is not a finite number becomes null."""
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def some(values: ArrayLike, name: str) -> Floats:
    """Return `values` as floats. Raises TooLittleDataError where there is none, or one is not a number."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise TooLittleDataError(f"{name} over nothing: there is no item to measure.")
    if not np.isfinite(array).all():
        raise TooLittleDataError(f"{name}: {int((~np.isfinite(array)).sum())} of {array.size} values are not numbers.")
    return array


def paired(a: ArrayLike, b: ArrayLike, name: str) -> tuple[Floats, Floats]:
    """Return both as `some` does. Raises ValueError where they are not as many, which numpy would stretch to fit."""
    x, y = some(a, name), some(b, name)
    if x.shape != y.shape:
        raise ValueError(f"{name}: {x.size} values stand beside {y.size}; give one of each to every item.")
    return x, y


def numbered(clusters: Sequence[str], items: int | None = None) -> tuple[NDArray[np.intp], int]:
    """Return the number of each item's cluster, in the order of their names, and how many clusters there are."""
    if items is not None and len(clusters) != items:
        raise ValueError(f"{items} items, but {len(clusters)} clusters are named.")
    names = list(map(str, clusters))
    number = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.fromiter((number[name] for name in names), np.intp, len(names)), len(number)


def ends(drawn: Floats, clusters: int, influence: Floats | None = None) -> tuple[Floats, Floats]:
    """Return the 95 % interval of resampled statistics (resamples, ...), as wide as few clusters ask for.

    With the `influence` of each cluster on the statistic, (clusters, ...) in any unit, the quantiles are those of
    Efron's BCa interval (1987, JASA 82, 171-185) with its bias term z0 at what it is for a mean, the acceleration a: an
    interval that allows for skewness and needs no further resamples for it. Without, the plain percentiles.

    A bootstrap of n units is too narrow by sqrt((n-1)/n) and uses the normal's tails; the quantiles are moved out to
    Phi(t sqrt(n/(n-1))) with t that of n-1 degrees of freedom (Hesterberg 2015, The American Statistician 69(4), 3.2).
    Undefined resamples are left out; where over 5 % of them are, the interval is NaN.
    """
    from scipy.special import ndtr, stdtrit

    low, high = np.full(drawn.shape[1:], np.nan), np.full(drawn.shape[1:], np.nan)
    if clusters < 2:
        return low, high
    reach = stdtrit(clusters - 1, (1 - CONFIDENCE) / 2) * np.sqrt(clusters / (clusters - 1)) * np.array([1.0, -1.0])
    for place in np.ndindex(low.shape):
        column = drawn[(slice(None), *place)]
        kept = column[np.isfinite(column)]
        if kept.size and kept.size >= (1 - _UNDEFINED) * column.size:
            a = 0.0 if influence is None else _acceleration(influence[(slice(None), *place)])
            moved = a + (a + reach) / np.maximum(1 - a * (a + reach), _LEAST)
            low[place], high[place] = np.quantile(kept, ndtr(moved))
    return low, high


def _acceleration(influence: Floats) -> float:
    """Return how fast the spread of a statistic changes with its value: a sixth of its skewness."""
    u = influence[np.isfinite(influence)]  # a statistic may be undefined without one of the clusters
    u = u - u.mean() if u.size else u
    squares = float((u**2).sum())
    return float((u**3).sum() / (6 * squares**1.5)) if squares > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Resampling:
    """Draws of whole clusters with replacement. The columns of one call are drawn together, so they stay paired."""

    clusters: int
    resamples: int
    seed: int

    def counts(self, width: int = 0) -> Iterator[Floats]:
        """Yield how often each cluster was drawn, (block, clusters), in blocks that make up all resamples.

        `width` is how many numbers the caller makes of a row, so that blocks can be kept small.
        """
        generator = np.random.default_rng(self.seed)
        step = max(1, _BLOCK // max(self.clusters, width, 1))
        for start in range(0, self.resamples, step):
            rows = min(step, self.resamples - start)
            drawn = generator.integers(0, self.clusters, (rows, self.clusters))
            drawn += np.arange(rows)[:, None] * self.clusters
            yield np.bincount(drawn.ravel(), minlength=rows * self.clusters).reshape(rows, -1).astype(np.float64)

    def totals(self, sums: Any) -> Floats:
        """Return the resampled totals, (resamples, k), of per-cluster sums (clusters, k), dense or scipy-sparse.

        Clusters that bring the same are drawn together: how often each kind comes is multinomial. That is the same
        distribution, and for the few values that verdicts have it saves nearly all of the draws.
        """
        first, times = _kinds(sums)
        if len(first) * _SAVED > self.clusters:
            return np.concatenate([np.asarray(counts @ sums) for counts in self.counts(sums.shape[1])])
        drawn = np.random.default_rng(self.seed).multinomial(self.clusters, times / self.clusters, self.resamples)
        return np.asarray(drawn.astype(np.float64) @ sums[first])


def _kinds(sums: Any) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first row of each kind and how many rows are alike. Rows are told apart by a random projection."""
    mark = sums @ np.random.default_rng(0).random(sums.shape[1])
    _, first, times = np.unique(mark, return_index=True, return_counts=True)
    return first, times


def per_cluster(features: Floats, index: NDArray[np.intp], clusters: int) -> Floats:
    """Return the sums of item features (items, k), or (items,), over each cluster, (clusters, k) or (clusters,)."""
    if features.ndim == 1:
        return np.asarray(np.bincount(index, features, clusters), dtype=np.float64)
    if clusters == len(features):  # one item each
        sums = np.empty_like(features)
        sums[index] = features
        return sums
    return np.stack([np.bincount(index, column, clusters) for column in features.T], axis=1)


@dataclass(frozen=True, slots=True)
class Moments:
    """A statistic that is a formula over sums of what each item brings, so that resampling it is a matrix product."""

    features: Floats
    """(items, k)"""
    formula: Formula
    """Totals (..., k) to the statistic (...)."""
    bounds: tuple[float, float] | None = None
    """Least and greatest value of the mean that the formula computes; None where it is no bounded mean."""

    @property
    def value(self) -> float:
        return float(self.formula(self.features.sum(axis=0)))

    def figure(self, clusters: Sequence[str], *, resamples: int, seed: int) -> Figure:
        """Return the statistic with its interval; `clusters` names the cluster of each item."""
        index, count = numbered(clusters, len(self.features))
        sums = per_cluster(self.features, index, count)
        drawn = Resampling(count, resamples, seed).totals(sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            influence = self.value - self.formula(sums.sum(axis=0) - sums)  # what leaving a cluster out takes away
            low, high = ends(self.formula(drawn), count, influence)
        return held(Figure(self.value, float(low), float(high), len(self.features), count), self.bounds)


def held(figure: Figure, bounds: tuple[float, float] | None) -> Figure:
    """Widen the interval of a bounded mean whose resamples are all the same, as when every speech was won.

    Seen alike n times, another outcome may still have a chance of up to 1 - .025^(1/n) (Clopper and Pearson): the mean
    lies that far towards either bound.
    """
    if bounds is None or figure.clusters < 2 or not figure.high - figure.low <= 1e-12 * (bounds[1] - bounds[0]):
        return figure
    unseen = 1 - ((1 - CONFIDENCE) / 2) ** (1 / figure.clusters)
    low = figure.value - unseen * (figure.value - bounds[0])
    high = figure.value + unseen * (bounds[1] - figure.value)
    return Figure(figure.value, low, high, figure.n, figure.clusters)


def _ratio(totals: Floats) -> Floats:
    return totals[..., 0] / totals[..., 1]


def mean_of(values: ArrayLike, bounds: tuple[float, float] | None = None) -> Moments:
    """Return the mean over items. `bounds`, where values have any, keep an interval from shrinking to a point."""
    array = some(values, "a mean")
    return Moments(np.stack([array, np.ones_like(array)], axis=1), _ratio, bounds)


def mean_figure(
    values: ArrayLike,
    clusters: Sequence[str],
    *,
    resamples: int,
    seed: int,
    bounds: tuple[float, float] | None = None,
) -> Figure:
    """Return the mean over items with its interval by cluster."""
    return mean_of(values, bounds).figure(clusters, resamples=resamples, seed=seed)


def bootstrap(
    values: ArrayLike,
    clusters: Sequence[str],
    statistic: Callable[[Floats], float],
    *,
    resamples: int,
    seed: int,
) -> Figure:
    """Return `statistic(values)` with its interval, for a statistic that no sums make up.

    Slow: it is called once a resample and once a cluster.
    """
    array = some(values, "a bootstrap")
    index, count = numbered(clusters, len(array))
    members = [np.flatnonzero(index == c) for c in range(count)]
    generator = np.random.default_rng(seed)
    drawn = np.array(
        [
            statistic(array[np.concatenate([members[c] for c in generator.integers(0, count, count)])])
            for _ in range(resamples)
        ]
    )
    value = statistic(array)
    without = np.array([statistic(array[index != c]) for c in range(count)]) if count > 1 else np.zeros(1)
    low, high = ends(drawn, count, value - without)
    return Figure(value, float(low), float(high), int(array.size), count)
