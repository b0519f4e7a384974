"""What people decided on each main item of a study: a coordinator's decision first, else what the raters say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median_low
from typing import Literal

import numpy as np

from psychocounsel.annotate.results.answers import VERDICTS, Answers
from psychocounsel.annotate.results.codes import OVERALL, UNDECIDED, Codes, majority
from psychocounsel.annotate.results.label_errors import decision_of
from psychocounsel.annotate.study import Item
from psychocounsel.principles import LOWEST

By = Literal["adjudicated", "raters"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One item's label."""

    item: Item
    by: By
    """Who decided it overall (of ratings: any principle)."""
    verdict: str
    """`a`, `b` or `tie`, of a pair; empty of a response."""
    verdicts: dict[str, str]
    """Principle key to verdict, where it was decided."""
    scores: dict[str, int]
    """Principle key to 1..5, of a response: the lower of two middle ratings, a whole number and cautious."""
    votes: dict[str, int]
    """Overall verdict, or rating, to how many raters gave it."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The items that have a label, and why the others have none."""

    found: list[Decision]
    undecided: dict[str, list[Item]]
    """Main items without a label, by reason."""


UNFIT = "adjudicated as one that cannot be judged"
CANNOT = "most raters cannot judge it"


def decide(answers: Answers, least_votes: int = 1) -> Decisions:
    """Return the label of every main item: what was adjudicated, else the verdict of most raters or the median rating.

    A coordinator's "I cannot judge" takes an item out, and so does that of more raters than agree on anything else.
    Votes that are tied, or fewer than `least_votes`, leave an item undecided.
    """
    tables = {task: answers.codes(task) for task in answers.tasks}
    labels = _verdicts(tables) if answers.plan.kind == "pairs" else _medians(tables)
    votes = _votes(tables[OVERALL])
    cannot = Counter(a.item for a in answers.of() if a.verdict == "cannot" and not a.skipped)
    found: list[Decision] = []
    undecided: dict[str, list[Item]] = {}
    for item in answers.main:
        decision = answers.adjudicated.get(item.id)
        if decision is not None and (decision.cannot or decision.skipped or decision.verdict == "cannot"):
            undecided.setdefault(UNFIT, []).append(item)
            continue
        given = {task: place for task in answers.tasks if (place := decision_of(decision, task)) is not None}
        places = labels.get(item.id, {}) | given
        few = "" if given else _too_few(cannot[item.id], votes.get(item.id, {}), least_votes)
        if why := few or _lacking(answers, item, places, tables):
            undecided.setdefault(why, []).append(item)
            continue
        whole = {task: int(place) for task, place in places.items()}
        pairs = answers.plan.kind == "pairs"
        by: By = "adjudicated" if (OVERALL in given if pairs else given) else "raters"
        rest = {task: place for task, place in whole.items() if task != OVERALL}
        found.append(
            Decision(
                item, by,
                VERDICTS[whole[OVERALL]] if pairs else "",
                {task: VERDICTS[place] for task, place in rest.items()} if pairs else {},
                {} if pairs else {task: place + LOWEST for task, place in rest.items()},
                votes.get(item.id, {}),
            )
        )  # fmt: skip
    return Decisions(found, undecided)


def _too_few(cannot: int, votes: dict[str, int], least: int) -> str:
    """Return why raters' votes on an item decide nothing; empty where they do."""
    if cannot > max(votes.values(), default=0):
        return CANNOT
    return f"fewer than {least} votes" if 0 < sum(votes.values()) < least else ""


def _lacking(answers: Answers, item: Item, places: dict[str, float], tables: dict[str, Codes]) -> str:
    """Return why an item has no label; empty where it has one."""
    if answers.plan.kind == "pairs":
        if OVERALL in places:
            return ""
        return "votes are tied" if item.id in tables[OVERALL].items else "nobody judged it"
    absent = [key for key in answers.plan.rubric.keys if key not in places]
    if not absent:
        return ""
    return "nobody judged it" if len(absent) == len(answers.plan.rubric.keys) else "a principle has no rating"


def _verdicts(tables: dict[str, Codes]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for task, codes in tables.items():
        if codes.items:
            for item, place in zip(codes.items, majority(codes.table, len(codes.levels)), strict=True):
                if place != UNDECIDED:
                    found.setdefault(item, {})[task] = float(place)
    return found


def _medians(tables: dict[str, Codes]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for task, codes in tables.items():
        for item, row in zip(codes.items, codes.table, strict=True):
            found.setdefault(item, {})[task] = float(median_low(row[~np.isnan(row)].tolist()))
    return found


def _votes(codes: Codes) -> dict[str, dict[str, int]]:
    found = {}
    for item, row in zip(codes.items, codes.table, strict=True):
        places, counts = np.unique(row[~np.isnan(row)], return_counts=True)
        found[item] = {codes.levels[int(place)]: int(n) for place, n in zip(places, counts, strict=True)}
    return found
