"""How wide a study's interval will be, by raters and items; and how many items an interval of a given width needs.

Each item has a true label, drawn by the prevalence of the labels, and raters err apart from each other. Either they
know or guess: a rater gives the true label with probability p, and draws one by the same prevalence otherwise. Two
raters then agree beyond chance with probability p², which is Krippendorff's alpha under every metric (and Scott's pi,
and Cohen's and Fleiss' kappa, in the limit of many items). Or, of ordered labels, they miss by a little: a rater's
label is the true one and a normal error, rounded. Every way in which the raters of an item can answer is summed over,
with its chance; nothing is simulated. `expansion` has how the moments become a width.

The interval is that of `statistics.intervals`: it resamples items, so it is for other items rated by such raters.
Agreement with a label is that of `annotate.results.against`: items of tied votes are dropped, and only then are items
resampled. So it is the expansion of an untied item's outcome, and the items that it counts are the untied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations_with_replacement
from math import ceil, comb, isfinite
from typing import Any, Literal

import numpy as np
from scipy.special import gammaln, ndtr

from psychocounsel.annotate.design.expansion import Expansion, expand, limit_of
from psychocounsel.errors import InputError
from psychocounsel.statistics.agreement import krippendorff_alpha
from psychocounsel.statistics.intervals import Floats, Moments, mean_of

Measure = Literal["alpha", "ordinal alpha", "agreement", "label agreement"]
"""Krippendorff's alpha, nominal or ordinal; the share of pairs of raters that agree; the share of items on which the
majority of the raters agrees with a label, which is as good as one more rater. Items whose votes are tied have no
majority and are dropped, as `annotate agree` drops them."""
Errors = Literal["guess", "miss"]
"""What a rater does who is wrong. Of ordered labels a guess is often far off, so `guess` gives the wider interval."""
MEASURES: tuple[Measure, ...] = ("alpha", "ordinal alpha", "agreement", "label agreement")
LEAST_ITEMS, MOST_ITEMS = 20, 1_000_000
"""Under 20 items neither the expansion nor an interval is to be trusted. Of agreement with a label: 20 untied ones."""
RARE = 20
"""Items of the rarest label under which the width is less sure (docs/annotate/design.md)."""
WAYS = 1500
"""Ways to answer one item that are summed at most: ten raters and five labels have 1,001."""

_MISSES = 0.05, 200.0
"""Raters' errors in labels, between which one is looked for: alpha is 1 and 0 there."""
_NEVER = 1e-200
"""What stands for a chance of 0, whose logarithm is needed."""


@dataclass(frozen=True, slots=True)
class Precision:
    """What a study is expected to show."""

    value: float
    """The measure's true value under the model."""
    width: float
    """Mean full width of its 95 % interval."""
    error: float
    """Standard error of the estimate, to first order."""
    items: int
    per_item: int
    untied: float | None = None
    """Of agreement with a label: the items that are expected to have a majority, which alone are measured."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, without `untied` where it means nothing."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def expected_width(
    items: int,
    per_item: int,
    kappa: float,
    prevalence: int | Sequence[float],
    measure: Measure = "alpha",
    errors: Errors = "guess",
) -> Precision:
    """Return the expected width of the 95 % interval of a study of `items` items by `per_item` raters each.

    `kappa` is agreement beyond chance, in [0, 1). `prevalence` is how often each label is right, or how many labels
    there are, all as often. `errors` may be `miss` for ordinal alpha alone.

    Raises InputError where a parameter cannot be.
    """
    if items < LEAST_ITEMS:
        raise InputError(f"an interval over items needs {LEAST_ITEMS} items or more, not {items}.")
    expansion = _expansion(per_item, kappa, prevalence, measure, errors)
    if items < _least(expansion):
        raise InputError(
            f"an interval needs {LEAST_ITEMS} items or more whose votes are not tied; of {items} items by {per_item} "
            f"raters about {items * expansion.kept:.1f} are untied. Take {_least(expansion)} items."
        )
    return _expected(expansion, items, per_item, measure)


def items_needed(
    width: float,
    per_item: int,
    kappa: float,
    prevalence: int | Sequence[float],
    measure: Measure = "alpha",
    errors: Errors = "guess",
) -> Precision:
    """Return the smallest study, from LEAST_ITEMS (untied) on, whose expected interval is no wider than `width`.

    Raises InputError where a parameter cannot be, or it takes more than MOST_ITEMS items.
    """
    if not (isfinite(width) and width > 0):
        raise InputError("the width of an interval must be above 0, such as 0.2.")
    expansion = _expansion(per_item, kappa, prevalence, measure, errors)
    if expansion.width(MOST_ITEMS) > width:
        raise InputError(f"a width of {width:g} takes more than {MOST_ITEMS:,} items. Ask for a wider one.")
    low, high = _least(expansion) - 1, MOST_ITEMS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if expansion.width(middle) <= width else (middle, high)
    return _expected(expansion, high, per_item, measure)


def shares_of(prevalence: int | Sequence[float]) -> Floats:
    """Return how often each label is right, as shares that sum to 1. Raises InputError where they are none."""
    given = np.ones(max(prevalence, 0)) if isinstance(prevalence, int) else np.asarray(prevalence, dtype=np.float64)
    if given.ndim != 1 or given.size < 2 or not np.isfinite(given).all() or (given <= 0).any():
        raise InputError("prevalence needs two labels or more, each with a share above 0, such as 0.4 0.4 0.2.")
    return np.asarray(given / given.sum(), dtype=np.float64)


def _expected(expansion: Expansion, items: int, per_item: int, measure: Measure) -> Precision:
    untied = round(items * expansion.kept, 1) if measure == "label agreement" else None
    return Precision(expansion.value, expansion.width(items), expansion.error(items), items, per_item, untied)


def _least(expansion: Expansion) -> int:
    """Return the fewest items of which LEAST_ITEMS are expected to be kept."""
    return ceil(LEAST_ITEMS / expansion.kept - 1e-9)  # a share of 1 is a sum of chances, and may be a little less


def _expansion(
    per_item: int, kappa: float, prevalence: int | Sequence[float], measure: Measure, errors: Errors
) -> Expansion:
    if measure not in MEASURES:
        raise InputError(f"no measure is called {measure!r}; there are {', '.join(MEASURES)}.")
    if not 0 <= kappa < 1:
        raise InputError(f"kappa must be at least 0 and under 1, not {kappa:g}.")
    if per_item < (1 if measure == "label agreement" else 2):
        raise InputError(f"agreement needs two raters an item, not {per_item}.")
    if errors == "miss" and measure != "ordinal alpha":
        raise InputError("raters miss by a little where labels are ordered; ask for ordinal alpha, or let them guess.")
    shares = shares_of(prevalence)
    if comb(per_item + shares.size - 1, per_item) > WAYS:
        raise InputError(
            f"{per_item} raters an item and {shares.size} labels can answer in more than {WAYS:,} ways, which is more "
            "than is summed here. Name fewer of either."
        )
    ways = _ways(per_item, shares.size)
    if errors == "miss":
        missing = _missing(miss_of(kappa, shares), shares.size)
        return expand(_alpha(ways, "ordinal"), shares @ _given_truth(ways, missing))
    rater = kappa**0.5 * np.eye(shares.size) + (1 - kappa**0.5) * shares
    given_truth = _given_truth(ways, rater)
    if measure in ("alpha", "ordinal alpha"):
        return expand(_alpha(ways, "nominal" if measure == "alpha" else "ordinal"), shares @ given_truth)
    if measure == "label agreement":
        most = ways == ways.max(axis=1, keepdims=True)
        untied = most.sum(axis=1) == 1
        joint = np.einsum("t,tl,tw->lw", shares, rater, given_truth[:, untied])
        kept = float(joint.sum())
        right = float(joint[most[untied].T].sum()) / kept
        return replace(expand(mean_of([0, 1]), np.array([1 - right, right])), kept=kept)
    return expand(mean_of(((ways**2).sum(1) - per_item) / (per_item * (per_item - 1))), shares @ given_truth)


def miss_of(kappa: float, shares: Floats) -> float:
    """Return the standard deviation of raters' errors, in labels, at which ordinal alpha is `kappa`."""
    ways = _ways(2, shares.size)  # alpha does not depend on how many raters an item has
    moments, (low, high) = _alpha(ways, "ordinal"), _MISSES
    for _ in range(60):
        middle = (low * high) ** 0.5
        value = limit_of(moments, shares @ _given_truth(ways, _missing(middle, shares.size)))
        low, high = (middle, high) if value > kappa else (low, middle)
    return low


def _missing(error: float, levels: int) -> Floats:
    """Return the chance of each label given the true one, (labels, labels), of raters with a normal error."""
    places = np.arange(levels)
    ends = ndtr((np.concatenate([[-np.inf], places[:-1] + 0.5, [np.inf]]) - places[:, None]) / error)
    return np.asarray(np.diff(ends, axis=1))


def _alpha(ways: Floats, metric: Literal["nominal", "ordinal"]) -> Moments:
    levels = ways.shape[1]
    return krippendorff_alpha(
        np.stack([np.repeat(np.arange(levels), row.astype(np.intp)) for row in ways]), levels, metric
    )


def _ways(per_item: int, levels: int) -> Floats:
    """Return every way in which raters can answer one item, as counts of each label, (ways, levels)."""
    chosen = combinations_with_replacement(range(levels), per_item)
    return np.array([np.bincount(each, minlength=levels) for each in chosen], dtype=np.float64)


def _given_truth(ways: Floats, rater: Floats) -> Floats:
    """Return the multinomial chance of each way to answer, for each label that may be the true one, (labels, ways)."""
    orders = gammaln(ways[0].sum() + 1) - gammaln(ways + 1).sum(axis=1)
    return np.asarray(np.exp(np.log(np.maximum(rater, _NEVER)) @ ways.T + orders))
