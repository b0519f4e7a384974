"""What a trial measures: one judge against people, with the people's own ceiling and trivial baselines beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from psychocounsel.statistics import agreement
from psychocounsel.statistics.intervals import Figure, Floats, Moments, finite, some

Who = Literal["judge", "people", "baseline"]
RANKING = "ranking"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a trial."""

    measure: str
    """What was measured: `ranking`, or a statistic of agreement by name."""
    label: str
    """Which label of the set it is about."""
    who: Who
    name: str
    """Spec of the judge, name of the baseline, or who the people are."""
    figure: Figure


@dataclass(slots=True)
class Trial:
    """A judge on one labelled set."""

    on: str
    """Name of the set."""
    citation: str
    licence: str
    judge: str
    """Spec of the judge."""
    simulated: bool
    """Whether the judge is rules of this package, and no model or person."""
    asked: int
    """Responses that it was to rate."""
    rated: int
    """Responses with a rating."""
    lost: dict[str, int]
    """Responses without one, by reason."""
    clusters: int
    """Seekers or transcripts that the rated ones come from."""
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a reader of the figures must know."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; a bound that there is none of is null."""
        beats = {label: self.beats(RANKING, label) for label in self.labels(RANKING)}
        found: dict[str, Any] = finite(asdict(self) | {"beats": beats})
        return found

    def labels(self, measure: str) -> list[str]:
        """Return the labels that a measure was taken for, in order."""
        return list(dict.fromkeys(line.label for line in self.lines if line.measure == measure))

    def of(self, measure: str, label: str) -> list[Line]:
        return [line for line in self.lines if (line.measure, line.label) == (measure, label)]

    def beats(self, measure: str, label: str) -> dict[str, dict[str, bool]]:
        """Return for each reading of the judge which baselines its whole interval lies above."""
        lines = self.of(measure, label)
        baselines = [line for line in lines if line.who == "baseline"]
        return {
            own.name: {line.name: own.figure.above(line.figure) for line in baselines}
            for own in lines
            if own.who == "judge"
        }


def matched_levels(scores: ArrayLike, labels: Sequence[int], levels: int) -> NDArray[np.intp]:
    """Cut scores into levels so that their shares come as near to the labels' as equal scores allow.

    A scale of 1 to 5 says nothing of where `weak` ends and `strong` begins; the same cut is made for judges and
    baselines, so that what is compared is the order they put responses in and not the words on their scale.
    """
    score = some(scores, "levels")
    shares = np.cumsum(np.bincount(np.asarray(labels), minlength=levels))[:-1]
    values, counts = np.unique(score, return_counts=True)
    upto = np.concatenate([[0], np.cumsum(counts)])
    cuts = [int(np.argmin(np.abs(upto - share))) for share in shares]
    return np.searchsorted(cuts, np.searchsorted(values, score), side="right")


def two_raters(a: ArrayLike, b: ArrayLike, levels: int, ordered: bool) -> dict[str, Moments]:
    """Return every statistic of agreement between two raters of the same items, labels from 0 to `levels` - 1.

    Of labels without an order there is no weighted kappa, ordinal alpha or ICC.
    """
    x, y = np.asarray(a), np.asarray(b)
    found = {"accuracy": agreement.accuracy(x, y), "Cohen's kappa": agreement.cohen_kappa(x, y, levels)}
    if ordered:
        found["weighted kappa"] = agreement.cohen_kappa(x, y, levels, "quadratic")
    return found | many_raters(np.stack([x, y], axis=1).astype(np.float64), levels, ordered)


def many_raters(table: Floats, levels: int, ordered: bool) -> dict[str, Moments]:
    """Return the statistics of agreement between any number of raters, ratings (items, raters)."""
    found = {
        "Fleiss' kappa": agreement.fleiss_kappa(table, levels),
        "alpha, nominal": agreement.krippendorff_alpha(table, levels),
    }
    if ordered:
        found["alpha, ordinal"] = agreement.krippendorff_alpha(table, levels, "ordinal")
        found["ICC(2,1)"] = agreement.icc(table)
    return found | {"Gwet's AC1": agreement.gwet_ac1(table, levels)}
