"""Items where people contradict the label.

Of pairs: two votes or more, and at least two thirds of all votes, are for one and the same other verdict (the other
response, or a tie). Of ratings: two raters or more, and at least two thirds of them, are two points or more from the
label on the same side. Where a coordinator has decided an item, the decision counts in place of the votes: a label
that it upholds is none of these, one that it overturns (of ratings: by two points) is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np

from psychocounsel.annotate.results.answers import SCALE, VERDICTS, Answers
from psychocounsel.annotate.results.codes import OVERALL, Codes
from psychocounsel.annotate.results.given import label_of
from psychocounsel.annotate.study import Answer, Item
from psychocounsel.artifacts import write_text
from psychocounsel.principles import LOWEST
from psychocounsel.statistics.intervals import Floats

LEAST_VOTES = 2
LEAST_SHARE = 2 / 3
POINTS = 2.0
"""From the label, of a rating that contradicts it."""
_EPSILON = 1e-9
COLUMNS = ("task", "item", "label", "people", "votes", "strength", "gap", "labeller", "adjudicated")


@dataclass(frozen=True, slots=True)
class LabelError:
    """A label that people contradict."""

    task: str
    item: str
    """The item's id."""
    label: str
    """A verdict, or a rating."""
    people: str
    """What they say instead: a verdict, or their median rating."""
    votes: dict[str, int]
    """Label to the raters who gave it."""
    strength: float
    """Share of the raters who contradict it as `people` do; 1 where a coordinator decided so."""
    gap: float | None
    """Of the labelled pair; None where there is none."""
    labeller: str
    adjudicated: bool


def label_errors(answers: Answers, codes: dict[str, Codes]) -> list[LabelError]:
    """Return every contradicted label: the strongest first, then by the gap, the surest labels first.

    Labels of a pair on single principles (the labeller's ratings of both compared) are among them, after the overall
    ones; so are labels on single principles of a rated response.
    """
    found = []
    for place, (task, table) in enumerate(codes.items()):
        rows = dict(zip(table.items, table.table, strict=True))
        for item in answers.main:
            label = label_of(answers, item, task)
            if label is None:
                continue
            votes = rows.get(item.id, np.zeros(0))
            votes = votes[~np.isnan(votes)]
            error = _error(answers, item, task, label, votes)
            if error is not None:
                found.append((place, error))
    found.sort(key=lambda one: (one[0] > 0, -one[1].strength, -(one[1].gap or 0.0), one[0], one[1].item))
    return [error for _, error in found]


def _error(answers: Answers, item: Item, task: str, label: float, votes: Floats) -> LabelError | None:
    pairs = answers.plan.kind == "pairs"
    decided = decision_of(answers.adjudicated.get(item.id), task)
    if decided is not None:
        apart = decided != label if pairs else abs(decided - label) >= POINTS - _EPSILON
        found = (decided, 1.0) if apart else None
    else:
        found = _by_votes(label, votes) if pairs else _by_ratings(label, votes)
    if found is None:
        return None
    names = VERDICTS if pairs else tuple(map(str, SCALE))
    counts = {name: int((votes == place).sum()) for place, name in enumerate(names)}
    said, strength = found
    shown = (names[int(label)], names[int(said)]) if pairs else (f"{label + LOWEST:.3g}", f"{said + LOWEST:.3g}")
    return LabelError(
        task, item.id, *shown, counts, strength, item.gap if task == OVERALL else None, item.labeller,
        decided is not None,
    )  # fmt: skip


def _by_votes(label: float, votes: Floats) -> tuple[float, float] | None:
    """Return the other verdict that two thirds give, and their share."""
    for place in range(len(VERDICTS)):
        n = int((votes == place).sum())
        if place != label and n >= LEAST_VOTES and n >= LEAST_SHARE * votes.size - _EPSILON:
            return float(place), n / votes.size
    return None


def _by_ratings(label: float, votes: Floats) -> tuple[float, float] | None:
    """Return the median of ratings of which two thirds lie far from the label on one side, and their share."""
    for side in (1, -1):
        n = int((side * (votes - label) >= POINTS - _EPSILON).sum())
        if n >= LEAST_VOTES and n >= LEAST_SHARE * votes.size - _EPSILON:
            return float(np.median(votes)), n / votes.size
    return None


def decision_of(answer: Answer | None, task: str) -> float | None:
    """Return what a coordinator decided on a question, as a place in the levels; None where it was not decided."""
    if answer is None or answer.skipped or answer.cannot or answer.verdict == "cannot":
        return None
    verdict = answer.verdict if task == OVERALL else answer.verdicts.get(task)
    if verdict is not None:
        return float(VERDICTS.index(verdict)) if verdict in VERDICTS else None
    score = answer.overall if task == OVERALL else answer.scores.get(task)
    return None if score is None else float(score - LOWEST)


def write_errors(path: Path, errors: Sequence[LabelError]) -> None:
    """Write them as CSV, with ids and without any text of a client or a response."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(errors))
    write_text(path, out.getvalue())


def _cells(errors: Sequence[LabelError]) -> Iterator[list[object]]:
    from psychocounsel.annotate.exchange.cells import defused

    for each in errors:
        votes = " ".join(f"{name}:{n}" for name, n in each.votes.items() if n)
        yield [
            each.task, each.item, each.label, each.people, votes, f"{each.strength:.3f}",
            "" if each.gap is None else f"{each.gap:.4g}", defused(each.labeller), int(each.adjudicated),
        ]  # fmt: skip
