"""From candidates to who rates what: blocks, the draw, sides, orders, practice and checks."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations

import pytest
from designing import KEYS, made, pair, pairs, response

from psychocounsel.annotate.design import Candidates
from psychocounsel.annotate.design.blocks import assign, balance_of
from psychocounsel.annotate.design.candidates import Draft, make_item
from psychocounsel.annotate.design.orders import order_of
from psychocounsel.annotate.design.practice import CHECK_PAIR, CHECK_RESPONSE
from psychocounsel.annotate.design.sampling import allocate, draw, stratum_of
from psychocounsel.annotate.study import Answer, Expected
from psychocounsel.errors import InputError
from psychocounsel.records import Turn

# Blocks


@pytest.mark.parametrize(
    ("items", "raters", "per_item", "shared"),
    [(7, 7, 3, 1), (14, 7, 3, 2), (13, 13, 4, 1), (12, 9, 3, 1), (10, 6, 3, 2), (11, 11, 5, 2), (21, 21, 5, 1),
     (20, 5, 2, 2), (15, 10, 4, 2), (6, 4, 4, 6)],
)  # fmt: skip
def test_designs_that_can_be_exact_are(items, raters, per_item, shared):
    blocks = assign(items, raters, per_item)
    times = Counter(two for block in blocks for two in combinations(sorted(block), 2))
    assert set(map(len, blocks)) == {per_item}
    assert len(blocks) == items
    assert times == dict.fromkeys(combinations(range(raters), 2), shared)
    assert balance_of(blocks, raters).exact


@pytest.mark.parametrize("seed", range(6))
def test_other_designs_are_as_even_as_they_can_be(seed):
    chance = random.Random(seed)
    raters = chance.randint(2, 14)
    per_item = chance.randint(1, min(raters, 5))
    items = chance.randint(raters, 120)
    blocks = assign(items, raters, per_item, seed)
    found = balance_of(blocks, raters)
    loads = [sum(rater in block for block in blocks) for rater in range(raters)]
    assert (found.least_load, found.most_load) == (min(loads), max(loads))
    assert found.most_load - found.least_load <= 1
    assert sum(loads) == items * per_item
    assert found.most_shared - found.least_shared <= 2
    assert blocks == assign(items, raters, per_item, seed)


# The draw


def test_shares_are_proportional_and_pass_nobody_over():
    assert allocate([60, 30, 10], 10) == [6, 3, 1]
    assert allocate([97, 1, 2], 10) == [8, 1, 1]
    assert allocate([50, 30, 20], 2) == [1, 1, 0]
    assert allocate([2, 5], 7) == [2, 5]
    assert allocate([], 0) == []
    with pytest.raises(ValueError, match="cannot be drawn"):
        allocate([2], 3)
    chance = random.Random(1)
    for _ in range(200):
        sizes = [chance.randint(1, 40) for _ in range(chance.randint(1, 12))]
        n = chance.randint(0, sum(sizes))
        shares = allocate(sizes, n)
        assert sum(shares) == n
        assert all(given <= size for given, size in zip(shares, sizes, strict=True))
        if n >= len(sizes):
            assert min(shares) >= 1
            big = [(g, n * s / sum(sizes)) for g, s in zip(shares, sizes, strict=True) if n * s / sum(sizes) >= 1]
            if len(big) == len(sizes):
                assert all(abs(given - wanted) < 1 for given, wanted in big)


def test_a_draw_keeps_the_levels_of_risk_and_follows_from_content():
    candidates = pairs(240).items
    drawn = draw(candidates, 60, seed=1)
    there, taken = (Counter(item.risk for item in items) for items in (candidates, drawn))
    assert {risk: taken[risk] / 60 - n / 240 for risk, n in there.items()} == pytest.approx(dict.fromkeys(there, 0))
    shuffled = list(candidates)
    random.Random(3).shuffle(shuffled)
    assert draw(shuffled, 60, seed=1) == drawn
    assert draw(candidates, 60, seed=2) != drawn
    assert len({item.id for item in drawn}) == 60
    assert stratum_of(replace(candidates[0], risk="", topic="", gap=None)) == ("unknown", "unknown", "no gap")


def test_a_rare_level_is_drawn_and_speeches_before_second_pairs_of_one():
    one_speech = [pair(n, gap=1.2, risk="none", topic="work", speech=1000) for n in range(30)]
    others = [pair(n, gap=1.2, risk="none", topic="work") for n in range(30, 40)]
    drawn = draw([*one_speech, *others, pair(50, risk="imminent")], 12, seed=0)
    assert Counter(item.risk for item in drawn) == {"none": 11, "imminent": 1}
    assert len({item.speech_id for item in drawn}) == 12


# A whole study


def by_rater(design):
    found = defaultdict(list)
    for each in design.assignments:
        found[each.rater].append(each)
    return found


@pytest.mark.parametrize("numbers", [{}, {"raters": 11, "items": 40, "per_item": 4}, {"raters": 5, "items": 33}])
def test_sides_are_balanced_within_raters_items_and_labels(numbers):
    design, summary = made(**numbers)
    items = {item.id: item for item in design.items}
    first = [a for a in design.assignments if items[a.item].role == "main" and not a.repeat]
    by_item = defaultdict(list)
    for each in first:
        by_item[each.item].append(each.flipped)
    assert {len(flips) for flips in by_item.values()} == {design.plan.per_item}
    assert all(abs(2 * sum(flips) - len(flips)) <= 1 for flips in by_item.values())
    for rater in design.raters:
        mine = [each for each in first if each.rater == rater]
        assert abs(2 * sum(each.flipped for each in mine) - len(mine)) <= 1
        preferred_first = sum(("b" if each.flipped else "a") == items[each.item].label for each in mine)
        assert abs(2 * preferred_first - len(mine)) <= 2
    assert summary.flips == (max(len(by_rater_) % 2 for by_rater_ in _loads(first).values()), design.plan.per_item % 2)
    least, most = summary.preferred_first
    assert 0.4 <= least <= 0.5 <= most <= 0.6


def _loads(first):
    loads = defaultdict(list)
    for each in first:
        loads[each.rater].append(each)
    return loads


def test_orders_begin_with_practice_and_spread_checks_and_repeats():
    design, summary = made()
    items = {item.id: item for item in design.items}
    orders = by_rater(design)
    assert list(orders) == list(design.raters) == [f"R{n:02d}" for n in range(1, 8)]
    assert list(design.assignments) == sorted(design.assignments, key=lambda a: (a.rater, a.position))
    sequences = set()
    for mine in orders.values():
        assert [each.position for each in mine] == list(range(18 + 4 + 3 + 3))
        roles = [items[each.item].role for each in mine]
        assert roles[:3] == ["calibration"] * 3
        assert [each.item for each in mine[:3]] == [each.item for each in orders["R01"][:3]]
        checks = [n for n, role in enumerate(roles) if role == "attention"]
        assert len(checks) == 3
        assert checks[0] >= 3 + 3
        assert all(later - earlier >= 4 for earlier, later in combinations(checks, 2))
        again = [each for each in mine if each.repeat]
        assert len({each.item for each in again}) == len(again) == 4
        for each in again:
            before = next(other for other in mine if other.item == each.item)
            assert (before.repeat, before.flipped) == (0, not each.flipped)
            assert each.position - before.position >= len(mine) / 3
            assert items[each.item].role == "main"
        sequences.add(tuple(each.item for each in mine if items[each.item].role == "main"))
    assert len(sequences) == 7
    practice = [each.flipped for mine in orders.values() for each in mine[:3]]
    assert abs(2 * sum(practice) - len(practice)) <= 1
    assert summary.minutes == (28 * 75 / 60, 28 * 75 / 60)


@pytest.mark.parametrize(
    ("main", "checks", "repeats", "practice"), [(1, 0, 1, 0), (2, 3, 2, 0), (5, 9, 0, 2), (9, 1, 9, 3)]
)
def test_short_orders_hold_everything_once(main, checks, repeats, practice):
    some = [pair(n) for n in range(30)]
    order = order_of(
        "R01",
        some[:main],
        attention=some[10 : 10 + checks],
        calibration=some[20 : 20 + practice],
        repeats=repeats,
        seed=1,
    )
    assert Counter(shown.item.id for shown in order if not shown.repeat) == Counter(
        item.id for item in (*some[:main], *some[10 : 10 + checks], *some[20 : 20 + practice])
    )
    seen = set()
    for shown in order:
        assert (shown.item.id in seen) == bool(shown.repeat)
        seen.add(shown.item.id)
    assert sum(shown.repeat for shown in order) == repeats


def test_a_study_follows_from_content_and_seed():
    shuffled = list(pairs().items)
    random.Random(5).shuffle(shuffled)
    design, _ = made()
    assert made(Candidates(tuple(shuffled), "a test"))[0] == design
    assert made(seed=1)[0].assignments != design.assignments


def test_practice_and_checks_are_made_of_what_was_not_drawn():
    design, summary = made()
    main = {item.speech_id for item in design.items if item.role == "main"}
    practice = [item for item in design.items if item.role == "calibration"]
    checks = [item for item in design.items if item.role == "attention"]
    assert not main & {item.speech_id for item in (*practice, *checks)}
    left = sorted((i.gap for i in pairs().items if i.speech_id not in main), reverse=True)
    assert [item.gap for item in practice] == pytest.approx(left[:3])
    assert all(item.expected.verdict == item.label for item in practice)
    assert all("endpoint/judge" not in item.expected.why and "model-" not in item.expected.why for item in practice)
    for item in checks:
        place = item.texts.index(CHECK_PAIR)
        assert item.expected.verdict == "ba"[place]
        assert item.risk in ("none", "low")
        assert (item.label, item.label_scores, item.gap, item.models[place]) == ("", {}, None, "attention check")
    assert any("labeller's taste" in note for note in summary.notes)


def test_where_labels_are_simulated_practice_and_summary_say_so():
    by_rules = tuple(replace(item, labeller="offline/j") for item in pairs().items)
    design, summary = made(Candidates(by_rules, "a test", simulated=True))
    assert design.plan.simulated
    assert design.plan.source == "a test"
    assert any("simulated" in note for note in summary.notes)
    assert all("no person" in item.expected.why for item in design.items if item.role == "calibration")
    by_model, _ = made(Candidates(pairs().items, "a test", simulated=True))  # of simulated responses a model's labels
    assert not any("no person" in item.expected.why for item in by_model.items if item.role == "calibration")


def test_a_study_of_single_responses():
    candidates = Candidates(tuple(response(n) for n in range(40)), "a test")
    design, summary = made(candidates, items=21, kind="responses")
    assert not any(each.flipped for each in design.assignments)
    practice, check = (next(i for i in design.items if i.role == role) for role in ("calibration", "attention"))
    assert practice.expected.scores == practice.label_scores["a"]
    assert check.texts == (CHECK_RESPONSE,)
    assert check.expected.met(Answer(scores=dict.fromkeys(KEYS, 1)))
    assert not check.expected.met(Answer(scores=dict.fromkeys(KEYS, 4)))
    assert summary.seconds == 60
    assert summary.flips == (0, 0)
    json.dumps(summary.as_dict())


def test_what_is_there_twice_or_says_the_same_is_left_out_and_counted():
    same = make_item("main", (Turn("client", "Hello."),), [Draft("Yes. "), Draft("Yes.")])
    _, summary = made(Candidates((*pairs(60).items, pair(3), same), "a test", left_out={"of another split": 5}))
    assert summary.left_out == {"of another split": 5, "there twice": 1, "both responses are the same": 1}
    assert summary.candidates == 60
    assert sum(stratum.candidates for stratum in summary.strata) == 60
    assert sum(stratum.drawn for stratum in summary.strata) == 42


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"raters": 2}, "3 raters an item are more than the 2 raters"),
        ({"items": 151}, "151 items are more than the 150 candidates"),
        ({"repeats": 19}, "19 repeats are more than the 18 items"),
        ({"items": 149}, "1 labelled candidates are left"),
        ({"items": 2, "raters": 60}, "leave some of 60 raters"),
        ({"kind": "responses"}, "a study of responses is of items with 1 response"),
        ({"attention": 200, "calibration": 0}, "200 attention checks are more than the 150"),
    ],
)
def test_numbers_that_cannot_be_met_are_refused(numbers, words):
    with pytest.raises(InputError, match=words):
        made(**numbers)


def speeches_of_pairs(speeches, each):
    """Several pairs a speech, of all risks, topics and gaps."""
    return Candidates(
        tuple(pair(n * each + k, gap=0.2 + k * 0.6, speech=f"x{n}") for n in range(speeches) for k in range(each)),
        "a test",
    )


def test_two_pairs_of_a_speech_are_drawn_only_where_speeches_have_run_out():
    there = speeches_of_pairs(120, 6)
    for items in (60, 100):
        assert len({item.speech_id for item in draw(there.items, items, 3)}) == items
    assert len({item.speech_id for item in draw(there.items, 130, 3)}) == 120


def test_practice_and_checks_are_of_speeches_that_the_study_has_not_where_there_are_any():
    design, summary = made(speeches_of_pairs(60, 6), items=40)
    main = {item.speech_id for item in design.items if item.role == "main"}
    assert len(main) == 40
    assert not main & {item.speech_id for item in design.items if item.role != "main"}
    assert not [note for note in summary.notes if "practice items are of" in note]
    _, summary = made(speeches_of_pairs(40, 6), items=42)
    assert any("practice items are of a client speech or response that the study has" in note for note in summary.notes)


def test_an_item_of_ones_own_is_not_drawn_as_well():
    there = pairs(50)
    own = replace(there.items[7], id="own", role="calibration", expected=Expected("a"))
    design, summary = made(there, items=42, own=[own])
    assert there.items[7].id not in {item.id for item in design.items}
    assert summary.left_out == {"among your own practice items or checks": 1}
    with pytest.raises(InputError, match="among your own"):
        made(there, items=50, own=[own], attention=0)


def test_items_that_were_trained_on_are_told():
    there = pairs(60)
    learnt = Candidates(tuple(replace(item, split="train") for item in there.items), "a test")
    _, summary = made(learnt)
    assert any("42 of the 42 items are of train or dev" in note for note in summary.notes)
    _, summary = made(there)
    assert not [note for note in summary.notes if "train" in note]


def test_a_check_that_asks_for_a_score_is_passed_by_that_score_alone():
    candidates = Candidates(tuple(response(n) for n in range(60)), "a test")
    design, _ = made(candidates, kind="responses")
    check = next(item for item in design.items if item.role == "attention")
    for score, passed in ((1, True), (2, False)):
        answer = Answer(overall=score, scores=dict.fromkeys(KEYS, score), done=True)
        assert check.expected.met(answer) is passed
