"""Marks finer than a sentence come from other tools, and outlive clicks on a page that has no words for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_study import client, enter, filled, small_design

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import SPANS, Answer, Assignment, Item, Span
from psychocounsel.annotate.web import shown
from psychocounsel.annotate.web.shown import mark_name, marks_of, spans_of
from psychocounsel.errors import InputError
from psychocounsel.records import Turn

TEXTS = ("You should leave today. What keeps you there? I hear you.", "Go on. I listen.")
FINE = (
    Span(side="a", start=5, end=9, kind="harmful"),
    Span(side="a", start=0, end=4, kind="good"),
    Span(side="a", start=30, end=35, kind="good"),
    Span(side="b", start=3, end=12, kind="harmful"),
)
"""Two in the first sentence of a, one amid its second, and one of b that begins in its first and ends in its second."""


@pytest.fixture(params=[False, True], ids=["a first", "b first"])
def each(request):
    return Assignment("R01", "an item", 0, flipped=request.param)


def an_item(*texts):
    return Item("an item", "main", (Turn("client", "I am stuck."),), texts)


ITEM = an_item(*TEXTS)


def as_shown(spans, known, each):
    return marks_of(Answer(spans=spans), known, each)


def field(each, side, place):
    return mark_name(shown.shown_side(side, each.flipped), place)


def test_finer_marks_stay_as_they_are_where_no_sentence_is_marked_anew(each):
    kept = spans_of(as_shown(FINE, ITEM, each), ITEM, each, FINE)
    assert sorted(kept, key=repr) == sorted(FINE, key=repr)
    assert [span for span in kept if span.side == "a"] == list(FINE[:3])  # in their own order


def test_a_changed_sentence_replaces_its_own_marks_and_no_others(each):
    page = as_shown(FINE, ITEM, each) | {field(each, "a", 0): "harmful"}
    found = spans_of(page, ITEM, each, FINE)
    assert set(found) == {Span(side="a", start=0, end=23, kind="harmful"), *FINE[2:]}
    assert spans_of(page, ITEM, each, found) == found  # the same form sent twice


def test_a_mark_that_is_taken_back_takes_what_stood_for_it(each):
    page = as_shown(FINE, ITEM, each)
    page.pop(field(each, "a", 0))
    assert set(spans_of(page, ITEM, each, FINE)) == set(FINE[2:])


def test_a_sentence_that_showed_no_mark_and_gets_one_has_that_alone(each):
    page = as_shown(FINE, ITEM, each) | {field(each, "a", 1): "harmful"}
    found = spans_of(page, ITEM, each, FINE)
    assert FINE[2] not in found
    assert Span(side="a", start=24, end=45, kind="harmful") in found


def test_a_response_without_a_sentence_keeps_its_marks(each):
    blank, mark = an_item("  ", "Go on."), (Span(side="a", start=0, end=1, kind="good"),)
    assert spans_of({}, blank, each, mark) == mark


def test_without_a_save_before_it_a_form_marks_sentences(each):
    assert spans_of({field(each, "b", 0): "good", field(each, "b", 1): "bad"}, ITEM, each) == (
        Span(side="b", start=0, end=6, kind="good"),
    )


def test_marks_that_an_answer_cannot_hold_are_said_and_not_dropped(each):
    long = an_item(" ".join(f"Sentence {n}." for n in range(SPANS + 2)), "Go on.")
    page = {field(each, "a", place): "good" for place in range(SPANS)}
    assert len(spans_of(page, long, each)) == SPANS
    with pytest.raises(InputError, match=rf"{SPANS} marks at most, and this one has {SPANS + 2}\. Take 2 of them back"):
        spans_of(page | {field(each, "a", SPANS): "good", field(each, "b", 0): "good"}, long, each)


def test_a_comment_that_is_edited_leaves_imported_marks_alone(where):
    """As web/rater.py calls it: with the spans of the newest save."""
    store = Store.make(where, small_design())
    with client(store) as who:
        page = enter(who, store)
        number = store.numbers["R01"][0]
        known, each = store.items[store.assignments[number].item], store.assignments[number]
        spans = (Span(side="a", start=5, end=9, kind="harmful"), Span(side="a", start=0, end=4, kind="good"))
        store.save(number, Answer(spans=spans), "import-1")
        marks = marks_of(Answer(spans=spans), known, each)
        who.post("/rate/1", data=filled(page, comment="edited", action="save") | marks)
    answer = store.events.answers("R01")[number].answer
    assert answer.comment == "edited"
    assert answer.spans == spans


def test_a_form_with_more_marks_than_an_answer_holds_is_refused_in_words(tmp_path):
    made = small_design()
    first = replace(made.items[0], texts=(" ".join(f"Sentence {n}." for n in range(SPANS + 1)), "Go on."))
    store = Store.make(tmp_path / "study.sqlite", replace(made, items=(first, *made.items[1:])))
    with client(store) as who:
        page = enter(who, store)
        marks = {field(store.assignments[1], "a", place): "good" for place in range(SPANS + 1)}
        refused = who.post("/rate/1", data=filled(page) | marks)
    assert refused.status_code == 400
    assert f"{SPANS} marks at most" in refused.text
    assert not store.events.answers()
