"""Agreement between raters, corrected for chance. Each returns `Moments`: the value, and its interval by cluster.

Labels are whole numbers from 0 to `levels` - 1; a rating that is missing is NaN (or below 0) where a statistic allows
for it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.intervals import Floats, Formula, Moments, mean_of, paired, some

Weights = Literal["nominal", "linear", "quadratic"]
Metric = Literal["nominal", "ordinal", "interval"]


def _labels(values: ArrayLike, levels: int, name: str) -> NDArray[np.intp]:
    array = some(values, name)
    whole = array.astype(np.intp)
    if (whole != array).any() or whole.min() < 0 or whole.max() >= levels:
        raise ValueError(f"{name}: labels must be whole numbers from 0 to {levels - 1}.")
    return whole


def accuracy(a: ArrayLike, b: ArrayLike) -> Moments:
    """Share of items to which both give the same label."""
    x, y = paired(a, b, "accuracy")
    return mean_of(x == y, (0.0, 1.0))


def _distance(levels: int, weights: Weights) -> Floats:
    apart = np.abs(np.subtract.outer(np.arange(levels), np.arange(levels))).astype(np.float64)
    return {"nominal": (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}[weights]


def cohen_kappa(a: ArrayLike, b: ArrayLike, levels: int, weights: Weights = "nominal") -> Moments:
    """Cohen's kappa of two raters (1960; weighted: 1968). NaN where both give one and the same label throughout."""
    x, y = (_labels(each, levels, "Cohen's kappa") for each in paired(a, b, "Cohen's kappa"))
    cells = np.zeros((x.size, levels * levels))
    cells[np.arange(x.size), x * levels + y] = 1
    apart = _distance(levels, weights)

    def formula(totals: Floats) -> Floats:
        table = totals.reshape(*totals.shape[:-1], levels, levels)
        expected = np.einsum("...i,...j,ij->...", table.sum(-1), table.sum(-2), apart) / table.sum((-1, -2))
        observed = (table * apart).sum((-1, -2))
        return _one_minus(observed, expected)

    return Moments(cells, formula)


def _one_minus(observed: Floats, expected: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(expected > 0, 1 - observed / expected, np.nan))


def tallies(ratings: ArrayLike, levels: int, name: str = "agreement") -> Floats:
    """Return how many raters gave each label to each item, (items, levels), of ratings (items, raters), NaN missing."""
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise TooLittleDataError(f"{name} over nothing: ratings must be a table of items by raters.")
    given = ~np.isnan(table) & (table >= 0)
    if not given.any():
        raise TooLittleDataError(f"{name} over nothing: there is no rating at all.")
    _labels(table[given], levels, name)
    return np.stack([(given & (table == level)).sum(axis=1) for level in range(levels)], axis=1).astype(np.float64)


def _raters(counts: Floats, name: str) -> Floats:
    raters: Floats = counts.sum(axis=1)
    if not (raters >= 2).any():
        raise TooLittleDataError(f"{name}: no item has two ratings.")
    return raters


def fleiss_kappa(ratings: ArrayLike, levels: int) -> Moments:
    """Fleiss' kappa (1971) of ratings (items, raters). Every item needs the same number of raters, two at least."""
    counts = tallies(ratings, levels, "Fleiss' kappa")
    raters = _raters(counts, "Fleiss' kappa")
    if len(set(raters.tolist())) > 1:
        raise TooLittleDataError(
            f"Fleiss' kappa: items have {int(raters.min())} to {int(raters.max())} ratings; it needs as many of each. "
            "Krippendorff's alpha and Gwet's AC1 do not."
        )
    each = raters[0]
    agreed = ((counts**2).sum(axis=1) - each) / (each * (each - 1))

    def formula(totals: Floats) -> Floats:
        items = totals[..., -1]
        shares = totals[..., :levels] / (items * each)[..., None]
        return _one_minus(1 - totals[..., levels] / items, 1 - (shares**2).sum(-1))

    return Moments(np.column_stack([counts, agreed, np.ones(len(counts))]), formula)


def gwet_ac1(ratings: ArrayLike, levels: int) -> Moments:
    """Gwet's AC1 (2008) of ratings (items, raters), missing ones allowed. Steady where one label is rare."""
    counts = tallies(ratings, levels, "Gwet's AC1")
    raters = _raters(counts, "Gwet's AC1")
    several, any_ = raters >= 2, raters >= 1
    agreed = np.divide((counts**2).sum(1) - raters, raters * (raters - 1), out=np.zeros(len(counts)), where=several)
    shares = np.divide(counts, raters[:, None], out=np.zeros_like(counts), where=any_[:, None])

    def formula(totals: Floats) -> Floats:
        share = totals[..., :levels] / totals[..., -1:]
        chance = (share * (1 - share)).sum(-1) / max(levels - 1, 1)
        return _one_minus(1 - totals[..., levels] / totals[..., levels + 1], 1 - chance)

    return Moments(np.column_stack([shares, agreed, several, any_]).astype(np.float64), formula)


def krippendorff_alpha(ratings: ArrayLike, levels: int, metric: Metric = "nominal") -> Moments:
    """Krippendorff's alpha (2011) of ratings (items, raters), missing ones allowed; items rated once do not count."""
    counts = tallies(ratings, levels, "Krippendorff's alpha")
    raters = _raters(counts, "Krippendorff's alpha")
    counts, raters = counts * (raters >= 2)[:, None], np.where(raters >= 2, raters, 2)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(levels)
    pairs[:, diagonal, diagonal] -= counts
    cells = (pairs / (raters - 1)[:, None, None]).reshape(len(counts), levels * levels)
    return Moments(cells, _alpha(levels, metric))


def _alpha(levels: int, metric: Metric) -> Formula:
    fixed = _distance(levels, "nominal" if metric == "nominal" else "quadratic")

    def formula(totals: Floats) -> Floats:
        table = totals.reshape(*totals.shape[:-1], levels, levels)
        sums = table.sum(-1)
        n = sums.sum(-1)
        apart = np.broadcast_to(fixed, table.shape)
        if metric == "ordinal":
            middle = np.cumsum(sums, axis=-1) - sums / 2
            apart = (middle[..., :, None] - middle[..., None, :]) ** 2
        observed = (table * apart).sum((-1, -2))
        expected = np.einsum("...i,...j,...ij->...", sums, sums, apart)
        with np.errstate(divide="ignore", invalid="ignore"):
            return _one_minus(observed, expected / (n - 1))

    return formula


def icc(scores: ArrayLike, *, of_mean: bool = False) -> Moments:
    """Intraclass correlation of scores (items, raters), none missing: two-way random effects, absolute agreement.

    ICC(2,1) of one rater, or ICC(2,k) of the raters' mean (Shrout and Fleiss 1979). Its interval is for other items
    rated by the same raters. NaN where all scores are the same.
    """
    x = some(scores, "ICC")
    if x.ndim != 2 or x.shape[1] < 2 or x.shape[0] < 2:
        raise TooLittleDataError("ICC: scores must be a table of at least two items by two raters.")
    x = x - x.mean() if np.ptp(x) else np.zeros_like(x)  # sums of squares of far-off numbers lose digits
    k = x.shape[1]

    def formula(totals: Floats) -> Floats:
        by_rater, squares, rows, items = totals[..., :k], totals[..., k], totals[..., k + 1], totals[..., k + 2]
        grand = by_rater.sum(-1) ** 2 / (items * k)
        between_items, between_raters = rows / k - grand, (by_rater**2).sum(-1) / items - grand
        error = squares - grand - between_items - between_raters
        with np.errstate(divide="ignore", invalid="ignore"):
            item_ms, rater_ms = between_items / (items - 1), between_raters / (k - 1)
            error_ms = error / ((items - 1) * (k - 1))
            extra = (rater_ms - error_ms) / items
            below = item_ms + extra if of_mean else item_ms + (k - 1) * error_ms + k * extra
            return np.asarray((item_ms - error_ms) / below)

    return Moments(np.column_stack([x, (x**2).sum(1), x.sum(1) ** 2, np.ones(len(x))]), formula)
