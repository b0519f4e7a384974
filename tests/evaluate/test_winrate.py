from __future__ import annotations

import random

import pytest

from psychocounsel.backends import PairVerdict
from psychocounsel.errors import BackendError, TooLittleDataError
from psychocounsel.evaluate.winrate import Answer, compare_everything, win_rates
from psychocounsel.progress import silent
from psychocounsel.records import ClientSpeech

SPEECHES = [ClientSpeech.make(f"speech {i}") for i in range(60)]


class LongerWins:
    """Prefers the longer response; knows nothing of positions."""

    spec, simulated = "test/longer", True

    def compare(self, conversation, first, second):
        verdict = "tie" if len(first) == len(second) else "a" if len(first) > len(second) else "b"
        return PairVerdict(verdict, {"clarity": verdict})


class FirstWins(LongerWins):
    """A judge that always says A."""

    def compare(self, conversation, first, second):
        return PairVerdict("a", {"clarity": "a"})


class Fails(LongerWins):
    def compare(self, conversation, first, second):
        raise BackendError("no answer")


def answers(mine, other, settings=("free",)):
    rows = []
    for setting in settings:
        for i, speech in enumerate(SPEECHES):
            rows.append(Answer(speech.id, setting, "dpo", mine(i)))
            rows.append(Answer(speech.id, setting, "reference", other(i)))
    return rows


def rates(rows, judge):
    return win_rates(compare_everything(SPEECHES, rows, judge, "reference", silent), resamples=200, seed=1)


def test_wins_ties_and_losses_are_counted_by_hand():
    rng = random.Random(4)
    mine = [rng.randint(1, 4) for _ in SPEECHES]
    other = [rng.randint(1, 4) for _ in SPEECHES]
    (rate,) = rates(answers(lambda i: "x" * mine[i], lambda i: "x" * other[i]), LongerWins())
    wins = sum(m > o for m, o in zip(mine, other, strict=True))
    ties = sum(m == o for m, o in zip(mine, other, strict=True))
    assert (rate.wins, rate.ties, rate.losses) == (wins, ties, 60 - wins - ties)
    assert rate.win_rate.value == pytest.approx((wins + ties / 2) / 60)
    assert rate.win_rate.low < rate.win_rate.value < rate.win_rate.high
    assert rate.by_principle["clarity"].value == rate.win_rate.value
    assert (rate.flips, rate.asked, rate.win_rate.n) == (0, 60, 60)


def test_a_judge_that_always_says_a_is_all_flips_and_half_a_point():
    (rate,) = rates(answers(lambda i: "x", lambda i: "yy"), FirstWins())
    assert rate.flips == 60
    assert rate.win_rate.value == 0.5
    assert rate.ties == 60


def test_lost_answers_are_counted_with_their_reason_and_not_as_ties():
    rows = answers(lambda i: "xx", lambda i: "y")
    rows[0] = Answer(SPEECHES[0].id, "free", "dpo", "", "empty answer")
    del rows[2:4]
    (rate,) = rates(rows, LongerWins())
    assert rate.win_rate.n == 58
    assert rate.asked == 60
    assert rate.lost == {"dpo: empty answer": 1, "no answer of dpo was asked for": 1}
    assert rate.win_rate.value == 1.0


def test_a_judge_that_never_answers_is_an_error_and_not_a_draw():
    with pytest.raises(TooLittleDataError, match="judge failed"):
        rates(answers(lambda i: "x", lambda i: "y"), Fails())


def test_settings_and_models_are_kept_apart():
    rows = answers(lambda i: "xx", lambda i: "y", settings=("free", "length-constrained"))
    found = {(r.setting, r.model): r.win_rate.value for r in rates(rows, LongerWins())}
    assert found == {("free", "dpo"): 1.0, ("length-constrained", "dpo"): 1.0}
