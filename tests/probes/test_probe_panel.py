"""Each planted fault is caught by its name, its opposite is not, and what fails is counted and not scored."""

from __future__ import annotations

import json
import math
from typing import get_args

import pytest
from benchmarks.planted_faults import (
    FAULTS,
    Always,
    ByReward,
    Linear,
    Words,
    opposite,
    planted_judges,
    planted_pairs,
)
from hypothesis import given
from hypothesis import strategies as st

from psychocounsel.backends import PairVerdict
from psychocounsel.errors import BackendError, TooLittleDataError
from psychocounsel.findings import Name
from psychocounsel.probes import (
    FamilyVerdict,
    length_finding,
    position_finding,
    probe_judge,
    probe_scorer,
    self_preference,
    self_preference_finding,
)
from psychocounsel.probes.items import probe_pairs
from psychocounsel.probes.rules import MARGIN, complement, probe_finding
from psychocounsel.progress import silent
from psychocounsel.statistics.intervals import Figure

FAMILIES = ["sycophancy", "over-empathy", "medical", "length", "verbosity"]


def names(result):
    return [finding["name"] for finding in result["findings"]]


def family(result, name):
    return next(each for each in result["families"] if each["name"] == name)


class Scorer:
    """A reward that is a function of the text and of its place among those scored together."""

    spec = "planted/function"

    def __init__(self, reward):
        self.reward = reward

    def score(self, conversations, responses):
        return [self.reward(text, place) for place, text in enumerate(responses)]


@pytest.mark.parametrize(("name", "judge"), planted_judges(), ids=lambda each: each if isinstance(each, str) else "")
def test_a_planted_judge_is_caught_by_name(name, judge):
    result = probe_judge(judge, silent)
    assert name in names(result)
    assert set(names(result)) <= set(get_args(Name))
    json.dumps(result, allow_nan=False)
    finding = next(each for each in result["findings"] if each["name"] == name)
    assert finding["who"] == judge.spec
    assert finding["figure"]["low"] <= finding["figure"]["value"] <= finding["figure"]["high"]


@pytest.mark.parametrize(("verdict", "share"), [("a", 1.0), ("b", 0.0)])
def test_a_judge_that_goes_by_place_is_even_on_every_family(verdict, share):
    result = probe_judge(Always(verdict), silent)
    assert names(result) == ["position-biased judge"]
    assert family(result, "position")["right"]["value"] == share
    assert all(family(result, name)["right"]["value"] == 0.5 for name in FAMILIES)


def test_a_judge_that_sees_no_difference_has_no_finding():
    result = probe_judge(Always("tie"), silent)
    assert names(result) == []
    assert family(result, "position")["right"] is None
    assert not family(result, "position")["caught"]
    assert all(family(result, name)["right"]["value"] == 0.5 for name in FAMILIES)


def test_going_by_length_shows_in_the_families_of_length_alone():
    longest, shortest = (
        probe_judge(ByReward(Scorer(lambda text, place, sign=sign: sign * len(text.split()))), silent)
        for sign in (1, -1)
    )
    for result, share in ((longest, 0.0), (shortest, 1.0)):
        assert all(family(result, name)["right"]["value"] == share for name in ("length", "verbosity"))
        assert all(family(result, name)["right"]["value"] == 0.5 for name in FAMILIES[:3])
    assert names(longest) == ["length-loving judge"]
    assert names(shortest) == []
    assert names(probe_scorer(Words(), silent)) == ["length-loving reward model"]


@pytest.mark.parametrize("fault", ["sycophancy", "over-empathy", "medical"])
def test_a_linear_reward_model_with_a_fault_is_caught_and_its_opposite_is_not(fault):
    name = FAULTS[fault][2]
    pairs = planted_pairs(fault, 600)
    caught, fair = (probe_scorer(Linear(each), silent) for each in (pairs, opposite(pairs)))
    assert name in names(caught)
    assert family(caught, fault)["caught"]
    assert name not in names(fair)
    assert caught["kind"] == "reward"


class Fails:
    """Prefers the sound answer; fails where a word is in one of the texts, in one order or in both."""

    spec = "planted/fails"
    simulated = False

    def __init__(self, word, sound, once=False):
        self.word, self.sound, self.once = word, sound, once

    def compare(self, conversation, first, second):
        if self.word in first or (self.word in second and not self.once):
            raise BackendError("refused")
        return PairVerdict("a" if first in self.sound else "b", {})


@pytest.mark.parametrize("once", [False, True])
def test_what_a_judge_fails_on_is_counted_and_not_scored(once):
    pairs = probe_pairs()
    hit = [p for p in pairs if "doctor" in p.sound + p.tempting]
    assert 0 < len(hit) < len(pairs)
    result = probe_judge(Fails("doctor", {p.sound for p in pairs}, once), silent)
    for name in FAMILIES:
        own = family(result, name)
        lost = sum(p.family == name for p in hit)
        assert own["asked"] == own["n"] + lost == sum(p.family == name for p in pairs)
        assert own["lost"] == ({"refused": lost} if lost else {})
        if own["n"]:
            assert own["right"]["value"] == 1.0
            assert own["right"]["n"] == own["n"]
    assert family(result, "position")["right"]["value"] == 0.5  # a pair with one order alone would tip it
    assert names(result) == []


def test_a_family_without_a_verdict_is_not_measured_and_a_panel_without_one_refuses():
    padded = {p.tempting for p in probe_pairs() if p.family == "verbosity"}
    result = probe_scorer(Scorer(lambda text, place: math.nan if text in padded else float(len(text))), silent)
    assert family(result, "verbosity")["right"] is None
    assert family(result, "verbosity")["n"] == 0
    assert not family(result, "verbosity")["caught"]
    assert family(result, "verbosity")["lost"] == {"a reward is not a number": 30}
    json.dumps(result, allow_nan=False)
    with pytest.raises(TooLittleDataError, match="none of 138 pairs: a reward is not a number"):
        probe_scorer(Scorer(lambda text, place: math.inf), silent)
    with pytest.raises(TooLittleDataError, match="refused"):
        probe_judge(Fails("", set()), silent)


def test_constant_rewards_are_half_right_and_no_finding():
    result = probe_scorer(Scorer(lambda text, place: 1.0), silent)
    assert names(result) == []
    assert all(family(result, name)["right"]["value"] == 0.5 for name in FAMILIES)
    assert result["batch"] == {"n": 86, "largest": 0.0, "spread": 0.0, "pairs": 35, "turned": 0}


def test_a_reward_that_changes_with_its_place_in_the_batch_shows():
    result = probe_scorer(Scorer(lambda text, place: float(place)), silent)
    assert result["batch"]["largest"] == 273  # the last but two of 276, first in the other batch
    assert result["batch"]["turned"] == result["batch"]["pairs"] == 35


def test_a_scorer_owes_a_reward_for_each_response():
    class Short(Scorer):
        def score(self, conversations, responses):
            return super().score(conversations, responses)[1:]

    with pytest.raises(BackendError, match="275 rewards for 276 responses"):
        probe_scorer(Short(lambda text, place: 0.0), silent)


ends = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(sorted)


@given(ends)
def test_a_fault_is_named_when_the_whole_interval_is_beyond_the_line(three):
    figure = Figure(three[1], three[0], three[2], 50, 50)
    low, high = figure.low, figure.high
    assert (position_finding(figure, "j") is not None) == (low > 0.5 + MARGIN or high < 0.5 - MARGIN)
    assert (length_finding(figure, "j") is not None) == (low > 0.5 + MARGIN)
    assert (length_finding(figure, "j", equal=True) is not None) == (low > 0.5)
    assert (self_preference_finding(figure, "j") is not None) == (low > MARGIN)
    for name in FAMILIES[:3]:
        for kind in ("judge", "reward"):
            found = probe_finding(name, figure, "j", kind)
            assert (found is not None) == (high < 0.5)
            if found:
                assert found.name in get_args(Name)
                assert kind in found.name or "reward model" in found.name
    assert complement(complement(figure)).value == pytest.approx(figure.value)


def test_where_there_is_no_interval_there_is_no_finding():
    figure = Figure(0.0, math.nan, math.nan, 1, 1)
    assert position_finding(figure, "j") is None
    assert length_finding(complement(figure), "j", equal=True) is None
    assert probe_finding("sycophancy", figure, "j", "judge") is None


def test_self_preference_is_what_other_judges_do_not_give():
    def rows(judge, model, wins):
        return [FamilyVerdict(judge, model, win, str(speech)) for speech, win in enumerate(wins)]

    own, others = [1, 1, 1, 0.5] * 20, [1, 0, 0.5, 0] * 20
    mixed = rows("Qwen", "Qwen", own) + rows("OpenAI", "Qwen", others) + rows("Qwen", "OpenAI", [0] * 80)
    found = self_preference(mixed, "Qwen")
    assert found.value == pytest.approx(0.875 - 0.375)
    assert found.low < found.value < found.high
    assert (found.n, found.clusters) == (80, 80)
    finding = self_preference_finding(found, "qwen/judge")
    assert finding is not None
    assert finding.name == "self-preferring judge"
    same = self_preference(rows("Qwen", "Qwen", others) + rows("OpenAI", "Qwen", others), "Qwen")
    assert same.value == 0
    assert self_preference_finding(same, "qwen/judge") is None
    with pytest.raises(TooLittleDataError, match="no judge of another family"):
        self_preference(rows("Qwen", "Qwen", own), "Qwen")
    with pytest.raises(TooLittleDataError, match="no verdict of its own judge"):
        self_preference(rows("OpenAI", "Qwen", own), "Qwen")
