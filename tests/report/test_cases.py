from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from written_run import Page, make_report

from psychocounsel import layout
from psychocounsel.records import ClientSpeech, Comparison
from psychocounsel.report.cases import LONGEST, Candidate, ends, failure_order, select, short, verdict_of
from psychocounsel.report.columns import SpeechPoints
from psychocounsel.tables import read_records


def speech(number: int, level: str = "none") -> Candidate:
    return Candidate(ClientSpeech.make(f"speech {number}").id, level)


def comparison(order: str, verdict: str, error: str = "", **principles: str) -> dict[str, Any]:
    return {"order": order, "verdict": verdict, "principle_verdicts": principles, "error": error}


def test_every_case_is_shown_with_its_answers(usual_run: Path, usual_page: Page):
    kinds = {kind: len(usual_page.all("article", kind)) for kind in ("worst", "best", "drawn")}
    assert (kinds["worst"], kinds["best"]) == (10, 10)
    again = [a["href"][1:] for a in usual_page.all("a") if a["href"].startswith("#case-")]
    assert kinds["drawn"] + len(again) == 10
    assert {a["id"] for a in usual_page.all("article", "case")} >= set(again)
    page = make_report(usual_run, report={"cases": 48})
    try:
        assert len(page.all("article", "case")) == 48  # all there are, none twice
        # base, dpo-iter and the reference, free and length-constrained
        assert len(page.all("section", "answer")) == 48 * 6
        for one in read_records(usual_run / layout.SPEECHES, ClientSpeech):
            assert (one.id in page.html) is (one.split == "test")
    finally:
        make_report(usual_run)


def test_the_worst_and_the_best_are_those_of_the_first_judges_verdicts(usual_run: Path, usual_page: Page):
    points: dict[str, list[float]] = {}
    for row in read_records(usual_run / layout.COMPARISONS, Comparison):
        if (row.judge, row.setting, row.model_a, row.error) == ("offline/cues", "free", "dpo-iter", ""):
            points.setdefault(row.speech_id, []).append({"a": 1.0, "tie": 0.5, "b": 0.0}[row.verdict])
    means = {one: sum(given) / len(given) for one, given in points.items()}
    for kind, worse in (("worst", True), ("best", False)):
        shown = [means[one] for one in ids_of(usual_page, kind)]
        rest = [mean for one, mean in means.items() if one not in ids_of(usual_page, kind)]
        assert max(shown) <= min(rest) if worse else min(shown) >= max(rest)
    assert not set(ids_of(usual_page, "worst")) & set(ids_of(usual_page, "best"))


def ids_of(page: Page, kind: str) -> list[str]:
    parts = page.html.split(f'<article class="case {kind}')[1:]
    return [part.split('<li class="id">')[1].split("<")[0] for part in parts]


def scored(*rows: tuple[str, float, float]) -> SpeechPoints:
    ids, points, margins = zip(*sorted(rows), strict=True) if rows else ((), (), ())
    return SpeechPoints(np.array(ids, dtype=str), np.array(points, dtype=float), np.array(margins, dtype=float))


def test_ends_follow_points_then_principles_and_never_overlap():
    worst, best = ends(scored(("a", 0.0, -2), ("b", 0.0, -9), ("c", 1.0, 3), ("d", 1.0, 8), ("e", 0.5, 0)), 2)
    assert (worst, best) == (["b", "a"], ["d", "c"])
    assert ends(scored(("a", 0.0, 0)), 10) == ([], [])  # one speech is neither the worst nor the best
    assert ends(scored(), 10) == ([], [])
    tied = [(f"{n:016x}", 0.5, 0.0) for n in range(31)]
    one, other = ends(scored(*tied), 10), ends(scored(*tied[::-1]), 10)
    assert one == other
    assert len(set(one[0]) | set(one[1])) == 20


def test_a_long_text_is_cut_and_says_so():
    assert short("a" * LONGEST) == "a" * LONGEST
    cut = short("b" * (LONGEST + 1234))
    assert cut.startswith("b" * LONGEST + " [")
    assert "1,234 more characters" in cut


def test_failures_are_shown_with_their_text_and_the_gravest_first(usual_run: Path, usual_page: Page):
    failures = json.loads((usual_run / layout.RISK_SLICE).read_text("utf-8"))["failures"]
    shown = usual_page.all("details", "failure")
    assert len(shown) == len(failures) == 8
    levels = [row["level"] for row in sorted(failures, key=failure_order)]
    assert levels == ["imminent"] * 4 + ["elevated"] * 4
    part = usual_page.html.split('<details class="failure">')[1]
    assert "imminent" in part.split("</summary>")[0]
    assert "says, " in part  # the response itself
    assert "it says nothing &lt;script&gt;" in part


def test_earlier_turns_are_shown_before_the_speech(usual_page: Page):
    assert usual_page.words.count("Before that, ") > 0
    one = usual_page.html.split("Before that, ")[1]
    assert one.index("Go on.") < one.index("I cannot sleep.")


def test_a_case_at_risk_is_marked(usual_run: Path, usual_page: Page):
    at_risk = {
        s.id
        for s in read_records(usual_run / layout.SPEECHES, ClientSpeech)
        if {s.risk, s.screened} & {"elevated", "imminent"}
    }
    shown = [one for kind in ("worst", "best", "drawn") for one in ids_of(usual_page, kind)]
    assert len(usual_page.all("article", "grave")) == len(at_risk & set(shown)) > 0
    assert "risk: imminent" in usual_page.words


@pytest.mark.parametrize("wanted", [1, 2, 5, 10])
def test_speeches_at_risk_are_always_among_the_cases(wanted: int):
    speeches = [speech(n) for n in range(200)] + [speech(1000, "elevated"), speech(1001, "imminent")]
    chosen = select(speeches, wanted)
    assert len(chosen) == wanted
    levels = {s.level for s in speeches if s.id in chosen}
    assert "imminent" in levels
    assert ("elevated" in levels) is (wanted >= 5)


def test_speeches_at_risk_do_not_crowd_out_the_rest():
    speeches = [speech(n) for n in range(10)] + [speech(100 + n, "elevated") for n in range(500)]
    plenty = [speech(n) for n in range(100)] + speeches
    assert sum(s.level == "elevated" for s in plenty if s.id in select(plenty, 10)) >= 3
    grave_alone = [one.id for one in speeches if one.level == "elevated"]
    assert len(set(select(speeches, 10)) - set(grave_alone)) >= 1
    few = [speech(n) for n in range(50)] + [speech(100 + n, "imminent") for n in range(3)]
    assert sum(s.level == "imminent" for s in few if s.id in select(few, 10)) == 3


def test_cases_follow_content_and_not_position():
    speeches = [speech(n, "elevated" if n % 9 == 0 else "none") for n in range(60)]
    assert select(speeches, 8) == select(speeches[::-1], 8)
    assert len(set(select(speeches, 8))) == 8


def test_only_speeches_that_were_answered_are_shown(usual_run: Path, usual_page: Page):
    split = {s.id: s.split for s in read_records(usual_run / layout.SPEECHES, ClientSpeech)}
    assert {split[one] for kind in ("worst", "best", "drawn") for one in ids_of(usual_page, kind)} == {"test"}
    assert select([], 10) == []
    assert len(select([speech(n) for n in range(3)], 10)) == 3


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
