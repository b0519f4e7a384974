"""How far raters agree with each other on one question, by every statistic that the data allow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from psychocounsel.annotate.results.answers import VERDICTS, Answers, place_of
from psychocounsel.annotate.results.codes import OVERALL, Codes
from psychocounsel.annotate.study import speech_of
from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics import agreement
from psychocounsel.statistics.intervals import Figure, Floats, Moments, mean_of

RESAMPLES = 2000
"""Of every interval."""
SHARE, FLEISS, NOMINAL, ORDINAL, AC1, ICC = (
    "share of pairs agreeing",
    "Fleiss' kappa",
    "alpha, nominal",
    "alpha, ordinal",
    "Gwet's AC1",
    "ICC(2,1)",
)
POOLED = "alpha of raters together"
"""Of ratings: how reliable the mean of an item's raters is, by the Spearman-Brown formula from ordinal alpha."""
FIRST = "preferred what was shown first"
MEASURES = (SHARE, FLEISS, NOMINAL, ORDINAL, AC1, ICC, POOLED)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure, or why there is none."""

    measure: str
    figure: Figure | None
    why: str = ""
    """Why there is no figure; empty where there is one."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement between raters on one question."""

    task: str
    items: int
    """Items with a label at least."""
    raters: int
    ratings: int
    """Labels given."""
    levels: tuple[str, ...]
    lines: tuple[Line, ...]
    missing: dict[str, int] = field(default_factory=dict)
    """Labels that were asked for and are not there, by reason."""

    def figure(self, measure: str) -> Figure | None:
        return next((line.figure for line in self.lines if line.measure == measure), None)


def measured(measure: str, clusters: Sequence[str], make: Callable[[], Moments], seed: int) -> Line:
    """Return a figure with its interval, or why there is none: one that cannot be had keeps no other from being had."""
    try:
        figure = make().figure(clusters, resamples=RESAMPLES, seed=seed)
    except TooLittleDataError as error:
        return Line(measure, None, str(error))
    if math.isnan(figure.value):
        return Line(measure, None, f"{measure} is undefined: every label is the same.")
    return Line(measure, figure)


def pairwise(table: Floats, levels: int) -> Moments:
    """Share of the pairs of an item's raters who gave the same label, its mean over items (each with two or more)."""
    counts = agreement.tallies(table, levels, "agreement")
    n = counts.sum(axis=1)
    return mean_of(((counts**2).sum(axis=1) - n) / (n * (n - 1)), (0.0, 1.0))


def agree(codes: Codes, seed: int, missing: Mapping[str, int] | None = None) -> Agreement:
    """Return every statistic that fits the labels, over items with two: without an order no ordinal alpha or ICC."""
    several, levels = codes.rated(2), len(codes.levels)
    makers: dict[str, Callable[[], Moments]] = {
        SHARE: lambda: pairwise(_some(several), levels),
        FLEISS: lambda: agreement.fleiss_kappa(_some(several), levels),
        NOMINAL: lambda: agreement.krippendorff_alpha(_some(several), levels),
        AC1: lambda: agreement.gwet_ac1(_some(several), levels),
    }
    if codes.ordered:
        makers[ORDINAL] = lambda: agreement.krippendorff_alpha(_some(several), levels, "ordinal")
    if codes.numbers:
        makers[ICC] = lambda: agreement.icc(_whole(codes))
    lines = [measured(name, several.clusters, makers[name], seed) for name in MEASURES if name in makers]
    if codes.ordered:
        lines.append(_pooled(next(line for line in lines if line.measure == ORDINAL), codes))
    given = codes.given
    return Agreement(
        codes.task, int((given > 0).sum()), len(codes.raters), int(given.sum()), codes.levels, tuple(lines),
        dict(missing or {}),
    )  # fmt: skip


def _pooled(single: Line, codes: Codes) -> Line:
    """Return the reliability of as many raters together as an item has in the mean, and of the interval's ends."""
    if single.figure is None:
        return Line(POOLED, None, single.why)
    given = codes.given
    k = float(given[given > 0].mean())  # items of one rater too: their label is one rater's

    def together(alpha: float) -> float:
        return k * alpha / (1 + (k - 1) * alpha) if 1 + (k - 1) * alpha > 0 else math.nan

    figure = single.figure
    value, low, high = (together(alpha) for alpha in (figure.value, figure.low, figure.high))
    if math.isnan(value):
        return Line(POOLED, None, "raters agree less than by chance.")
    return Line(POOLED, replace(figure, value=value, low=low, high=high))


def shown_first(answers: Answers) -> Line | None:
    """Return the share of overall verdicts for one response that are for the one shown first; None of no pairs.

    Half is what raters give who do not look at the order, where each response comes first as often as the other.
    """
    if answers.plan.kind != "pairs":
        return None
    places = [(each, place_of(each, OVERALL)) for each in answers.of()]
    decided = [(each, VERDICTS[int(place)]) for each, place in places if place is not None]
    decided = [(each, verdict) for each, verdict in decided if verdict != "tie"]

    def make() -> Moments:
        if not decided:
            raise TooLittleDataError("no overall verdict prefers one response.")
        return mean_of([verdict == each.shown_first for each, verdict in decided], (0.0, 1.0))

    clusters = [speech_of(answers.items[each.item]) for each, _ in decided]
    return measured(FIRST, clusters, make, answers.seed)


def _some(codes: Codes) -> Floats:
    if not codes.items:
        raise TooLittleDataError("no item has labels of two raters.")
    return codes.table


def _whole(codes: Codes) -> Floats:
    if np.isnan(codes.table).any():
        raise TooLittleDataError("it needs every rater to rate every item; alpha does not.")
    scores: Floats = np.asarray(codes.numbers)[codes.table.astype(int)]
    return scores
