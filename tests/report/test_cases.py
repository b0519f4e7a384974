from __future__ import annotations

from pathlib import Path

import pytest
from written_run import Page, make_report

from psychocounsel import layout
from psychocounsel.records import ClientSpeech, Comparison
from psychocounsel.report.cases import select, verdict_of
from psychocounsel.tables import read_records


def speech(number: int, risk: str = "none", split: str = "test") -> ClientSpeech:
    return ClientSpeech.make(f"speech {number}", risk=risk, split=split)


def comparison(order: str, verdict: str, error: str = "", **principles: str) -> Comparison:
    return Comparison("i", "s", "free", "base", "reference", "j", order, verdict, principles, 1, 1, error)


def test_every_case_is_shown_with_its_answers(usual_run: Path, usual_page: Page):
    assert len(usual_page.all("article", "case")) == 10
    page = make_report(usual_run, report={"cases": 12})
    try:
        assert len(page.all("article", "case")) == 12  # all there are
        # base, dpo-iter and the reference, free and length-constrained
        assert len(page.all("section", "answer")) == 12 * 6
        for one in read_records(usual_run / layout.SPEECHES, ClientSpeech):
            assert (one.id in page.html) is (one.split == "test")
    finally:
        make_report(usual_run)


def test_earlier_turns_are_shown_before_the_speech(usual_page: Page):
    assert usual_page.words.count("Before that, ") > 0
    one = usual_page.html.split("Before that, ")[1]
    assert one.index("Go on.") < one.index("I cannot sleep.")


def test_a_case_at_risk_is_marked(usual_page: Page):
    assert len(usual_page.all("article", "grave")) == 1
    assert "risk: imminent" in usual_page.words


@pytest.mark.parametrize("wanted", [1, 2, 5, 10])
def test_speeches_at_risk_are_always_among_the_cases(wanted: int):
    speeches = [speech(n) for n in range(200)] + [speech(1000, "elevated"), speech(1001, "imminent")]
    chosen = select(speeches, wanted)
    assert len(chosen) == wanted
    levels = {s.risk for s in chosen}
    assert "imminent" in levels
    assert ("elevated" in levels) is (wanted >= 5)


def test_speeches_at_risk_do_not_crowd_out_the_rest():
    speeches = [speech(n) for n in range(10)] + [speech(100 + n, "elevated") for n in range(500)]
    assert 3 <= sum(s.risk == "elevated" for s in select(speeches, 10)) < 10 or len(select(speeches, 10)) == 10
    few = [speech(n) for n in range(50)] + [speech(100 + n, "imminent") for n in range(3)]
    assert sum(s.risk == "imminent" for s in select(few, 10)) == 3


def test_cases_follow_content_and_not_position():
    speeches = [speech(n, "elevated" if n % 9 == 0 else "none") for n in range(60)]
    assert select(speeches, 8) == select(speeches[::-1], 8)
    assert len({s.id for s in select(speeches, 8)}) == 8


def test_only_test_speeches_are_shown():
    speeches = [speech(n, "imminent", "train") for n in range(5)] + [speech(n) for n in range(10, 13)]
    assert {s.split for s in select(speeches, 10)} == {"test"}
    assert len(select(speeches, 10)) == 3
    assert select([], 10) == []


def test_verdicts_of_both_orders_together():
    assert verdict_of([comparison("ab", "a"), comparison("ba", "a")]).outcome == "win"
    assert verdict_of([comparison("ab", "b"), comparison("ba", "b")]).outcome == "loss"
    assert verdict_of([comparison("ab", "a"), comparison("ba", "b")]).outcome == "flip"
    assert verdict_of([comparison("ab", "tie"), comparison("ba", "tie")]).outcome == "tie"
    assert verdict_of([comparison("ab", "tie"), comparison("ba", "b")]).outcome == "loss"
    lost = verdict_of([comparison("ab", "tie", "time out"), comparison("ba", "tie", "time out")])
    assert (lost.outcome, lost.words) == ("", "no verdict (time out)")
    assert verdict_of([]).words == "no verdict (not compared)"
    both = verdict_of([comparison("ab", "a", safety="a", clarity="a"), comparison("ba", "a", safety="a", clarity="b")])
    assert (both.better, both.worse) == (("safety",), ())
