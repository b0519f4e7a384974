"""How the label, a reward model, a judge, and one rater by the others, stand to people.

People are asked twice. Their `majority` is the best there is to know of an item. The ceiling is one rater against the
majority of the others; the rest is then put to those same `others`, as votes of fewer raters are undecided more often.
Of ratings from 1 to 5 it is the mean in place of the majority.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from psychocounsel.annotate.results.agreement import RESAMPLES, Line, measured
from psychocounsel.annotate.results.codes import Codes, nearest
from psychocounsel.annotate.results.given import Given, Who
from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics import agreement
from psychocounsel.statistics.intervals import Floats, Moments, bootstrap, mean_of

Reference = Literal["majority", "others"]
ACCURACY, DECIDED, KAPPA, WEIGHTED, DIFFERENCE, RANKS = (
    "accuracy",
    "accuracy, ties apart",
    "Cohen's kappa",
    "weighted kappa",
    "mean difference",
    "rank correlation",
)


@dataclass(frozen=True, slots=True)
class Against:
    """One who labels beside people, on one question."""

    task: str
    who: Who
    name: str
    """Spec of the labeller or judge; empty where there is none to tell."""
    reference: Reference
    lines: tuple[Line, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    """Items (of the others: labels) that could not be compared, by reason."""


def against_people(codes: Codes, given: list[Given], seed: int) -> list[Against]:
    """Return how each of `given` stands to the raters, and the raters' own ceiling."""
    if not codes.items:
        return []
    whole = codes.reference(codes.table)
    ceiling = _Side.of_raters(codes)
    found = [_against(codes, each, whole, seed) for each in given]
    if ceiling.items.size:
        found.append(
            _compare(codes, "a rater", "", "others", ceiling, codes.table[ceiling.items, ceiling.raters], seed)
        )
        for each in given:
            if not each.rewards:
                found.append(
                    _compare(codes, each.who, each.name, "others", ceiling, _given(codes, each, ceiling), seed)
                )
    return found


@dataclass(frozen=True, slots=True)
class _Side:
    """People's side of a comparison."""

    items: np.ndarray
    """(n), places of items in the table."""
    raters: np.ndarray
    """(n), who was left out."""
    said: Floats
    """(n), what people say together; NaN where they are undecided."""

    @classmethod
    def of_raters(cls, codes: Codes) -> _Side:
        """For each label, what all but its rater say."""
        parts = []
        for rater in range(len(codes.raters)):
            mine = np.flatnonzero(~np.isnan(codes.table[:, rater]))
            rest = codes.without(rater)
            mine = mine[(~np.isnan(rest[mine])).any(axis=1)]
            parts.append((mine, np.full(mine.size, rater), codes.reference(rest)[mine] if mine.size else np.zeros(0)))
        items, raters, said = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(items.astype(int), raters.astype(int), said)


def _given(codes: Codes, given: Given, side: _Side) -> Floats:
    return np.array([given.places.get(codes.items[n], np.nan) for n in side.items], dtype=np.float64)


def _against(codes: Codes, given: Given, whole: Floats, seed: int) -> Against:
    side = _Side(np.arange(len(codes.items)), np.full(len(codes.items), -1), whole)
    labels = _given(codes, given, side)
    if given.rewards and codes.ordered:
        return _ranks(codes, given, whole, labels, seed)
    return _compare(codes, given.who, given.name, "majority", side, labels, seed)


def _compare(
    codes: Codes, who: Who, name: str, reference: Reference, side: _Side, labels: Floats, seed: int
) -> Against:  # fmt: skip
    undecided, absent = np.isnan(side.said), np.isnan(labels)
    kept = ~undecided & ~absent
    people, other = side.said[kept], labels[kept]
    clusters = [codes.clusters[n] for n in side.items[kept]]
    levels = len(codes.levels)
    makers: dict[str, Callable[[], Moments]]
    if codes.ordered:
        makers = {
            WEIGHTED: lambda: _kappa(nearest(other), nearest(people), levels, "quadratic"),
            ACCURACY: lambda: agreement.accuracy(nearest(other), nearest(people)),
        }
        if reference == "majority":  # to the others, one rater's difference is 0 by construction
            makers[DIFFERENCE] = lambda: mean_of(other - people, (1.0 - levels, levels - 1.0))
    else:
        makers = {
            ACCURACY: lambda: agreement.accuracy(other, people),
            KAPPA: lambda: _kappa(other, people, levels, "nominal"),
        }
    lines = [measured(measure, clusters, make, seed) for measure, make in makers.items()]
    if "tie" in codes.levels:
        apart = np.flatnonzero(people != codes.levels.index("tie"))
        chosen = [clusters[n] for n in apart]
        lines.insert(1, measured(DECIDED, chosen, lambda: agreement.accuracy(other[apart], people[apart]), seed))
    left_out = {
        "tied votes": int(undecided.sum()),
        "without this label": int((absent & ~undecided).sum()),
    }
    return Against(codes.task, who, name, reference, tuple(lines), {why: n for why, n in left_out.items() if n})


def _kappa(other: Floats, people: Floats, levels: int, weights: agreement.Weights) -> Moments:
    """Return Cohen's kappa. Where one side gives one label throughout it is 0 whatever the other says: none then."""
    if other.size and (np.ptp(other) == 0 or np.ptp(people) == 0):
        raise TooLittleDataError("one side gives the same label throughout, so that kappa says nothing.")
    return agreement.cohen_kappa(other, people, levels, weights)


def _ranks(codes: Codes, given: Given, whole: Floats, rewards: Floats, seed: int) -> Against:
    """Compare orders alone: rewards are on no scale of people's."""
    kept = np.flatnonzero(~np.isnan(whole) & ~np.isnan(rewards))
    people, other = whole[kept], rewards[kept]
    clusters = [codes.clusters[n] for n in kept]
    left_out = {"without a reward": len(codes.items) - kept.size} if kept.size < len(codes.items) else {}
    try:
        figure = bootstrap(
            np.arange(kept.size), clusters, lambda n: _spearman(people[n.astype(int)], other[n.astype(int)]),
            resamples=RESAMPLES, seed=seed,
        )  # fmt: skip
    except TooLittleDataError as error:
        line = Line(RANKS, None, str(error))
    else:
        undefined = "" if figure.value == figure.value else "one side is the same throughout, or there are too few."
        line = Line(RANKS, None, undefined) if undefined else Line(RANKS, figure)
    return Against(codes.task, given.who, given.name, "majority", (line,), left_out)


def _spearman(a: Floats, b: Floats) -> float:
    from scipy.stats import rankdata

    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
