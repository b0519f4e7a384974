"""What is seen in simulated raters' answers, how items are left open, and how far a study has come."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import krippendorff
import numpy as np
import pytest
from small_study import KEYS, made_store

from psychocounsel.annotate.results.answers import Checks
from psychocounsel.annotate.results.raters import seconds_of
from psychocounsel.annotate.store import Stored
from psychocounsel.annotate.store.store import annotation
from psychocounsel.annotate.study import Answer, Assignment, Expected, Item, StudyPlan, item_id
from psychocounsel.annotate.web.disagreements import disagreements, flipped, votes_on, why_open
from psychocounsel.annotate.web.progress import flags_of, progress_of, works_of
from psychocounsel.annotate.web.remarks import remarks, repeats_of, usual_seconds
from psychocounsel.records import Turn

PAIRS, RESPONSES = StudyPlan(name="s"), StudyPlan(name="s", kind="responses")
NOW = datetime(2026, 7, 1, tzinfo=UTC)
NO_CHECKS = Checks(0, 0)


def an_item(n, kind="pairs", role="main", expected=None):
    turns = (Turn("client", f"I am tired of it, {n}."),)
    texts = (f"What tires you most, {n}?", f"Rest more, {n}.")[: 2 if kind == "pairs" else 1]
    return Item(item_id(turns, texts, role), role, turns, texts, speech_id=f"s{n}", expected=expected)


def given(plan, answers, rater="R01", repeats=()):
    """Annotations of main items: `answers` says (flipped, Answer), `repeats` the second ones by number of item."""
    found = []
    again = [(n, 1, flip, answer) for n, flip, answer in repeats]
    for n, repeat, flip, answer in [*((n, 0, *each) for n, each in enumerate(answers)), *again]:
        item = an_item(n, plan.kind)
        each = Assignment(rater, item.id, len(found), flip, repeat)
        found.append(annotation(plan, item, each, Stored(answer, NOW, 1)))
    return found


def verdict(whole, principles=None, seconds=60.0):
    return Answer(verdict=whole, verdicts=principles or dict.fromkeys(KEYS, whole), seconds=seconds, done=True)


def thoughtful(rng, n=40, noise=0.8, seconds=60.0):
    """Someone who weighs each principle, sees sides in any order and takes their time; five items come again."""
    worth = np.random.default_rng(5).normal(0, 1.5, (n, len(KEYS)))

    def once(k):
        seen = worth[k] + rng.normal(0, noise, len(KEYS))
        by_key = {key: ("a" if x > 0.3 else "b" if x < -0.3 else "tie") for key, x in zip(KEYS, seen, strict=True)}
        whole = "a" if seen.mean() > 0.1 else "b" if seen.mean() < -0.1 else "tie"
        return verdict(whole, by_key, float(seconds * rng.lognormal(0, 0.4)))

    answers = [(bool(rng.integers(2)), once(k)) for k in range(n)]
    return given(PAIRS, answers, repeats=[(k, not answers[k][0], once(k)) for k in range(5)])


def clicking(rng, n=40):
    """Someone who draws every answer, with a habit of few ties."""

    def once():
        whole = str(rng.choice(["a", "b", "tie"], p=[0.45, 0.45, 0.1]))
        return verdict(whole, {key: str(rng.choice(["a", "b", "tie"])) for key in KEYS})

    answers = [(bool(rng.integers(2)), once()) for _ in range(n)]
    return given(PAIRS, answers, repeats=[(k, not answers[k][0], once()) for k in range(5)])


def test_thoughtful_raters_are_seldom_remarked_on_and_some_who_draw_their_answers_are():
    def share(rule):
        said = [remarks(rule(np.random.default_rng(seed)), Checks(2, 0), 60.0) for seed in range(100)]
        assert all("repeated items" in words for each in said for words in each)  # nothing else is to be seen
        return sum(map(bool, said)) / len(said)

    assert share(thoughtful) < 0.02
    assert share(clicking) > 0.15  # five repeats tell little


@pytest.mark.parametrize("place", ["first", "second"])
def test_who_always_takes_one_place_is_seen_whatever_the_sides_are(place):
    rng = np.random.default_rng(1)
    answers = []
    for _ in range(20):
        flip = bool(rng.integers(2))
        side = "ab"[flip != (place == "second")]
        answers.append((flip, verdict(side, dict.fromkeys(KEYS, "tie"))))
    (words,) = remarks(given(PAIRS, answers), NO_CHECKS, None)
    assert words == f"The response shown {place} was preferred in 20 of 20 decided pairs."
    assert remarks(given(PAIRS, answers[:11]), NO_CHECKS, None) == ()  # eleven are too few to tell
    mixed = [*answers[:17], *[(not flip, each) for flip, each in answers[17:]]]
    assert remarks(given(PAIRS, mixed), NO_CHECKS, None) == ()  # 17 of 20 are not over 85 %


def test_only_ties_or_one_rating_throughout_are_seen():
    ties = [(False, verdict("tie", dict.fromkeys(KEYS, "a")))] * 12
    assert remarks(given(PAIRS, ties), NO_CHECKS, None) == ("12 of 12 pairs were called equally good.",)
    fours = [(False, Answer(overall=4, scores=dict.fromkeys(KEYS, 3), done=True))] * 13
    (words,) = remarks(given(RESPONSES, fours), NO_CHECKS, None)
    assert words == "13 of 13 responses got the same rating overall, 4."


def test_every_principle_like_the_whole_is_seen_and_what_cannot_be_judged_is_left_out():
    rng = np.random.default_rng(2)
    straight = [(bool(rng.integers(2)), verdict(str(rng.choice(["a", "b", "tie"])))) for _ in range(20)]
    unsure = [(False, Answer(verdict="cannot", done=True))] * 5
    (words,) = remarks(given(PAIRS, straight + unsure), NO_CHECKS, None)
    assert words == "Every principle was answered like the overall judgement in 20 of 20 items."
    turned = {"a": "b", "b": "a", "tie": "a"}
    varied = [
        (flip, verdict(each.verdict, each.verdicts | {KEYS[-1]: turned[each.verdict]})) for flip, each in straight[:2]
    ]  # fmt: skip
    assert remarks(given(PAIRS, varied + straight[2:]), NO_CHECKS, None) == ()  # 18 of 20 are not over 90 %


def test_a_median_under_a_third_of_the_usual_is_seen():
    quick = [thoughtful(np.random.default_rng(n), seconds=s) for n, s in enumerate((60, 70, 80, 12))]
    usual = usual_seconds(quick)
    assert usual == pytest.approx(np.median([np.median([a.seconds for a in m if not a.repeat]) for m in quick]))
    found = [[w for w in remarks(mine, NO_CHECKS, usual) if "median" in w] for mine in quick]
    assert [len(words) for words in found] == [0, 0, 0, 1]
    own = np.median([a.seconds for a in quick[3] if not a.repeat])
    said = f"A median of {own:.0f} s an item, under a third of the {usual:.0f} s that is usual among the raters."
    assert found[3] == [said]
    assert usual_seconds(quick[:2]) is None  # two raters have nothing usual
    assert usual_seconds([quick[0], quick[1], quick[2][:4]]) is None  # four items are no measure of a time
    untimed = [replace(a, seconds=0.0) for a in quick[0]]
    assert remarks(untimed, NO_CHECKS, 60.0) == remarks(quick[0], NO_CHECKS, 60.0)  # imported, with no clock


def test_who_has_withdrawn_sets_no_usual_time():
    raters = [f"R0{n}" for n in range(1, 6)]
    answers = [(n % 2 == 0, verdict("ab"[n % 2], dict.fromkeys(KEYS, "tie"))) for n in range(6)]

    def said(rater, seconds):
        return [replace(a, seconds=seconds) for a in given(PAIRS, answers, rater)]

    annotations = [a for rater, s in zip(raters, (20, 22, 24, 900, 900), strict=True) for a in said(rater, s)]
    items = {item.id: item for item in map(an_item, range(6))}
    assignments = [Assignment(rater, item, n) for rater in raters for n, item in enumerate(items)]
    slow = works_of(assignments, items, [a for a in annotations if a.rater != "R01"])
    assert [work.code for work in slow if work.remarks] == ["R02", "R03"]
    works = works_of(assignments, items, annotations, {"R04", "R05"})
    assert [work.code for work in works if work.remarks] == []
    assert [work.finished for work in works] == [6] * 5


def test_answers_without_a_clock_are_in_no_median_time():
    mine = [replace(a, seconds=s) for a, s in zip(given(PAIRS, [(False, verdict("a"))] * 3), (0, 40, 50), strict=True)]
    assert seconds_of(mine) == 45
    assert seconds_of(mine[:1]) is None


def test_repeats_that_agree_less_than_chance_are_seen():
    first = ["a", "b"] * 8
    again = [(n, False, verdict("b" if first[n] == "a" else "a")) for n in range(5)]
    principles = dict.fromkeys(KEYS, "tie")
    mine = given(PAIRS, [(False, verdict(side, principles)) for side in first], repeats=again)
    repeats = repeats_of(mine)
    assert (repeats.same, repeats.asked, repeats.chance) == (0, 5, 0.5)
    (words,) = remarks(mine, NO_CHECKS, None)
    assert words.startswith("0 of 5 repeated items got the same answer overall; ")
    assert words.endswith(" would give 2.5.")
    few = given(PAIRS, [(False, verdict(side, principles)) for side in first], repeats=again[:3])
    assert remarks(few, NO_CHECKS, None) == ()
    assert math.isnan(repeats_of([]).chance)
    skewed = given(PAIRS, [(False, verdict("a", principles))] * 11 + [(False, verdict("b", principles))], repeats=[
        (n, False, verdict("b" if n == 0 else "a", principles)) for n in range(5)
    ])  # fmt: skip
    assert repeats_of(skewed).same < repeats_of(skewed).chance * 5  # 4 and 4.2: nothing to speak of
    assert [words for words in remarks(skewed, NO_CHECKS, None) if "repeated" in words] == []


def test_failed_checks_are_said_and_passed_ones_are_not():
    checks = [an_item(50 + n, role="attention", expected=Expected("a")) for n in range(3)]
    said = [
        annotation(PAIRS, item, Assignment("R01", item.id, n), Stored(answer, NOW, 1))
        for n, (item, answer) in enumerate(zip(checks, (verdict("a"), verdict("b"), Answer(skipped=True)), strict=True))
    ]
    assignments = [Assignment("R01", item.id, n) for n, item in enumerate(checks)]
    (work,) = works_of(assignments, {item.id: item for item in checks}, said)
    assert (work.attention, work.finished, work.skipped, work.total) == (Checks(1, 1), 3, 1, 3)
    assert work.remarks == ("1 of 2 attention checks answered otherwise than expected.",)


@pytest.mark.parametrize(
    ("votes", "reason"),
    [
        ("ab", "opposite"), ("aab", "opposite"), ("aaab", "opposite"), ("aat", ""), ("att", ""), ("aatt", "no two"),
        ("at", "no two"), ("aaatt", "no two"), ("aaaatt", ""), ("a", ""), ("", ""), ("aaa", ""), ("ttt", ""),
    ],
)  # fmt: skip
def test_an_item_is_open_without_two_thirds_or_with_opposite_sides(votes, reason):
    found = why_open([{"t": "tie"}.get(vote, vote) for vote in votes])
    assert reason in found
    assert bool(reason) == bool(found)


def test_ratings_are_open_two_points_apart():
    assert why_open([3, 4, 4]) == ""
    assert why_open([2.0, 4.0, 3.0]) == "ratings lie 2 points apart"
    assert why_open([5]) == ""


def test_disagreements_are_of_first_answers_to_main_items_in_the_order_of_the_page():
    items = {item.id: item for item in (an_item(0, role="attention"), an_item(1), an_item(2))}
    _, main, same = items.values()
    votes = [("R01", main, 0, "a"), ("R02", main, 0, "b"), ("R03", main, 0, "b"), ("R04", main, 0, "cannot"),
             ("R01", main, 1, "b"), ("R01", same, 0, "a"), ("R02", same, 0, "a"), ("R02", same, 1, "b")]  # fmt: skip
    said = [
        annotation(PAIRS, item, Assignment(rater, item.id, n, repeat=repeat), Stored(verdict(side), NOW, 1))
        for n, (rater, item, repeat, side) in enumerate(votes)
    ]
    (found,) = disagreements(PAIRS, items, said)
    b = "first" if flipped(PAIRS, main) else "second"
    assert found.place == 2
    assert found.reason == "verdicts on opposite sides"
    assert found.tally[0] == (b, 2)
    assert dict(found.tally) == {"first": 1 + (b == "first"), "second": 1 + (b == "second"), "cannot judge": 1}
    assert [(vote.rater, vote.again) for vote in votes_on(PAIRS, main, said)] == [
        ("R01", False), ("R02", False), ("R03", False), ("R04", False), ("R01", True),
    ]  # fmt: skip


def test_coordinators_see_b_first_in_about_half_of_the_items():
    turned = sum(flipped(PAIRS, an_item(n)) for n in range(400))
    assert 160 <= turned <= 240
    assert not any(flipped(RESPONSES, an_item(n, "responses")) for n in range(20))


def test_danger_is_told_of_unfinished_items_too_the_newest_first():
    items = [an_item(n) for n in range(3)]
    assignments = {n + 1: Assignment("R01", item.id, n) for n, item in enumerate(items)}
    later = datetime(2026, 7, 2, tzinfo=UTC)
    answers = {
        1: Stored(Answer(risk=True, comment="Call them."), NOW, 1),
        2: Stored(verdict("a"), NOW, 1),
        3: Stored(Answer(risk=True, skipped=True), later, 2),
    }
    flagged = {number: stored for number, stored in answers.items() if stored.answer.risk}
    found = flags_of(assignments, [item.id for item in items], flagged, answers)
    assert [(flag.place, flag.at, flag.comment) for flag in found] == [(3, later, ""), (1, NOW, "Call them.")]


@pytest.mark.parametrize(("kind", "metric"), [("pairs", "nominal"), ("responses", "ordinal")])
def test_live_agreement_is_krippendorffs_of_those_who_have_not_withdrawn_and_is_kept_until_something_happens(
    tmp_path, kind, metric
):
    store = made_store(tmp_path, kind, raters=("R01", "R02", "R03", "R04"), count=14)
    assert [(line.figure, line.why) for line in progress_of(store).live.lines] == [
        (None, "no item has labels of two raters.")
    ] * 2
    rng, told = np.random.default_rng(3), {}
    for number, each in store.assignments.items():
        if kind == "pairs":
            answer = verdict(str(rng.choice(["a", "a", "b", "tie"])))
            value = "ab tie".index(answer.verdict[0])
        else:
            value = int(rng.integers(1, 6))
            answer = Answer(overall=value, scores=dict.fromkeys(KEYS, value), done=True)
        store.save(number, answer, f"k{number}")
        if store.items[each.item].role == "main":
            told[each.rater, each.item] = value

    def alpha(raters):
        items = list(dict.fromkeys(item for _, item in told))
        table = [[told[rater, item] for item in items] for rater in raters]
        return krippendorff.alpha(reliability_data=np.array(table, float), level_of_measurement=metric)

    before = progress_of(store)
    assert before.live.lines[0].figure.value == pytest.approx(alpha(["R01", "R02", "R03", "R04"]))
    assert before.live.items == 12
    assert progress_of(store) is before
    store.events.append("R04", "withdrawn", "w", {}, None)
    after = progress_of(store)
    assert after.live.lines[0].figure.value == pytest.approx(alpha(["R01", "R02", "R03"]))
    assert after.withdrawn == {"R04"}
    assert after.work("R04").finished == 14
    low, high = after.live.lines[0].figure.low, after.live.lines[0].figure.high
    assert low < after.live.lines[0].figure.value < high
    store.close()
