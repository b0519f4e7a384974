"""What a rater's browser is sent of an item: texts in the order shown, and nothing that tells who wrote them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psychocounsel.annotate.exchange.sides import own_side, shown_side, shown_texts
from psychocounsel.annotate.study import SPANS, Answer, Assignment, Item, Span, StudyPlan
from psychocounsel.errors import InputError
from psychocounsel.records import Turn

_SENTENCE = re.compile(r"\S.*?(?:[.!?…]+[\"'”’)\]]*(?=\s|$)|(?=\n)|$)", re.S)
_WORDS = {"first": "the first", "second": "the second", "tie": "equally good", "cannot": "cannot be judged"}


@dataclass(frozen=True, slots=True)
class Part:
    """A sentence of a response, which may be marked."""

    start: int
    """First character, as code points of the whole response."""
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class ShownResponse:
    side: str
    """`first` or `second`."""
    title: str
    text: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item as one rater sees it."""

    earlier: tuple[Turn, ...]
    speech: str
    responses: tuple[ShownResponse, ...]
    practice: bool
    """Whether it is a calibration item, which is told."""


def item(known: Item, each: Assignment) -> ShownItem:
    """Return what is shown of an item."""
    texts = shown_texts(known, each)
    titles = ("First response", "Second response") if len(texts) > 1 else ("Response",)
    responses = tuple(
        ShownResponse(side, title, text, parts(text))
        for side, title, text in zip(("first", "second"), titles, texts, strict=False)
    )
    return ShownItem(known.conversation[:-1], known.conversation[-1].text, responses, known.role == "calibration")


def parts(text: str) -> tuple[Part, ...]:
    """Cut a response into its sentences; what lies between them is white space."""
    found = (Part(m.start(), m.end(), m[0]) for m in _SENTENCE.finditer(text))
    return tuple(Part(p.start, p.start + len(p.text.rstrip()), p.text.rstrip()) for p in found if p.text.strip())


def feedback(known: Item, each: Assignment, answer: Answer, plan: StudyPlan) -> dict[str, object]:
    """Return what was expected of a calibration item, in this rater's own order of sides."""
    expected = known.expected
    assert expected is not None
    lines = []
    if expected.verdict is not None:
        lines.append(f"Expected overall: {_WORDS[shown_side(expected.verdict, each.flipped)]}.")
        if answer.verdict is not None:
            lines.append(f"You said: {_WORDS[shown_side(answer.verdict, each.flipped)]}.")
    for principle in plan.rubric.principles:
        if principle.key in expected.scores:
            mine = answer.scores.get(principle.key)
            said = f"; you said {mine}" if mine is not None else ""
            lines.append(f"{principle.name}: expected {expected.scores[principle.key]}{said}.")
    return {"met": expected.met(answer), "lines": lines, "why": expected.why}


def mark_name(side: str, place: int) -> str:
    """Return the name of the field that marks a sentence of a response."""
    return f"mark_{side}_{place}"


def spans_of(
    data: Mapping[str, Any], known: Item, each: Assignment, stored: tuple[Span, ...] = ()
) -> tuple[Span, ...]:  # fmt: skip
    """Return what a form marks. Any value but `good` and `harmful` marks nothing.

    `stored` are the spans of the newest save, which the form was made from. Those of a sentence whose mark is as the
    form showed it stay as they are: another tool's may be finer, and the form has no words for them. A span belongs to
    the sentence in which it begins. Raises InputError where there would be more of them than an answer holds.
    """
    shows, found = _marks(stored, known, each), list[Span]()
    for response in item(known, each).responses:
        side = own_side(response.side, each.flipped)
        mine = [span for span in stored if span.side == side]
        if not response.parts:
            found += mine
        starts = [part.start for part in response.parts]
        for place, part in enumerate(response.parts):
            name = mark_name(response.side, place)
            kind = data.get(name) if data.get(name) in ("good", "harmful") else None
            if kind == shows.get(name):
                found += [span for span in mine if max(0, bisect_right(starts, span.start) - 1) == place]
            elif kind:
                found.append(Span.model_validate({"side": side, "start": part.start, "end": part.end, "kind": kind}))
    if len(found) > SPANS:
        raise InputError(
            f"This was not saved: an answer holds {SPANS} marks at most, and this one has {len(found)}. "
            f"Take {len(found) - SPANS} of them back."
        )
    return tuple(found)


def marks_of(answer: Answer, known: Item, each: Assignment) -> dict[str, str]:
    """Return name of a field to the mark that it shows."""
    return _marks(answer.spans, known, each)


def _marks(spans: tuple[Span, ...], known: Item, each: Assignment) -> dict[str, str]:
    by_place = {(shown_side(s.side, each.flipped), s.start): s.kind for s in spans}
    return {
        mark_name(response.side, place): by_place[response.side, part.start]
        for response in item(known, each).responses
        for place, part in enumerate(response.parts)
        if (response.side, part.start) in by_place
    }
