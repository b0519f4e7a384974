"""On which items raters disagree, and what each of them said, in the words and the order of one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psychocounsel.annotate.exchange.sides import shown_side
from psychocounsel.annotate.results.answers import place_of
from psychocounsel.annotate.results.codes import OVERALL
from psychocounsel.annotate.study import Item, StudyPlan
from psychocounsel.records import Annotation, content_seed

MOST = 2 / 3
"""Share of the raters who judged an item that settles it."""
POINTS = 2
"""Between the lowest and the highest rating of an item on which raters disagree."""
_WORDS = {"first": "first", "second": "second", "tie": "equally good", "cannot": "cannot judge"}
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A main item that the raters leave open."""

    place: int
    """Of the item in the design, from 1."""
    item: Item
    tally: tuple[tuple[str, int], ...]
    """What was said overall, in words, and by how many, the most first."""
    reason: str


@dataclass(frozen=True, slots=True)
class Vote:
    """What one rater said of an item, in words."""

    rater: str
    again: bool
    """Whether they saw it the second time."""
    overall: str
    principles: tuple[str, ...]
    """In the rubric's order; a dash where there is nothing."""
    marks: tuple[tuple[str, str, str], ...]
    """Which response, `good` or `harmful`, and the text that is marked."""
    comment: str
    risk: bool


def why_open(votes: Sequence[str | float]) -> str:
    """Return why first answers to one item do not settle it; empty where they do, or fewer than two judged it.

    Votes are `a`, `b` and `tie`, or ratings from 1 to 5; who cannot judge has none.
    """
    if len(votes) < 2:
        return ""
    ratings = [vote for vote in votes if isinstance(vote, int | float)]
    if ratings:
        apart = max(ratings) - min(ratings)
        return f"ratings lie {apart:.0f} points apart" if apart >= POINTS else ""
    if "a" in votes and "b" in votes:
        return "verdicts on opposite sides"
    most = max(Counter(votes).values())
    return "" if most >= MOST * len(votes) - _EPSILON else "no two thirds for one verdict"


def flipped(plan: StudyPlan, item: Item) -> bool:
    """Return whether coordinators see b first. By content, so that no place tells which of the two a label prefers."""
    return len(item.texts) > 1 and content_seed("adjudication", plan.seed, item.id) % 2 == 1


def disagreements(
    plan: StudyPlan, items: Mapping[str, Item], annotations: Iterable[Annotation]
) -> list[Disagreement]:  # fmt: skip
    """Return the main items on which raters' first answers disagree, in the design's order."""
    said: dict[str, list[Annotation]] = {}
    for each in annotations:
        if each.role == "main" and each.repeat == 0 and not each.skipped:
            said.setdefault(each.item, []).append(each)
    found = []
    for place, item in enumerate(items.values(), 1):
        mine = said.get(item.id, [])
        votes = [a.verdict or a.overall for a in mine if place_of(a, OVERALL) is not None]
        if reason := why_open([vote for vote in votes if vote is not None]):
            tally = Counter(_overall(a, flipped(plan, item)) for a in mine)
            found.append(Disagreement(place, item, tuple(tally.most_common()), reason))
    return found


def votes_on(plan: StudyPlan, item: Item, annotations: Iterable[Annotation]) -> list[Vote]:
    """Return what raters said of an item, finished or skipped, sides as coordinators see them."""
    turned = flipped(plan, item)
    return [_vote(plan, item, each, turned) for each in annotations if each.item == item.id]


def _vote(plan: StudyPlan, item: Item, each: Annotation, turned: bool) -> Vote:
    given: Mapping[str, str | float] = each.principle_verdicts if plan.kind == "pairs" else each.scores
    marks = []
    for span in each.spans:
        side, start, end, kind = span.split()
        text = item.texts["ab".index(side)][int(start) : int(end)]
        marks.append((shown_side(side, turned), kind, text))
    principles = tuple(_words(given.get(key), turned) for key in plan.rubric.keys)
    return Vote(
        each.rater, each.repeat > 0, _overall(each, turned), principles, tuple(marks), each.comment, each.risk
    )  # fmt: skip


def _overall(each: Annotation, turned: bool) -> str:
    return "skipped" if each.skipped else _words(each.verdict or each.overall, turned)


def _words(said: str | float | None, turned: bool) -> str:
    if said is None or said == "":
        return "-"
    return _WORDS[shown_side(said, turned)] if isinstance(said, str) else f"{said:.0f}"
