from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from judging import SPEECHES, Fails, FirstWins, LongerWins, answers, judged, rates, table

from psychocounsel.errors import BackendError, TooLittleDataError
from psychocounsel.evaluate.answers import Answer
from psychocounsel.evaluate.compare import compare_everything, meetings
from psychocounsel.evaluate.verdicts import read_verdicts, verdicts_in
from psychocounsel.evaluate.winrate import labels_of
from psychocounsel.progress import silent
from psychocounsel.records import ClientSpeech, Comparison
from psychocounsel.statistics.intervals import mean_figure
from psychocounsel.statistics.lengths import length_controlled
from psychocounsel.tables import write_records


def test_wins_ties_and_losses_are_counted_by_hand():
    rng = random.Random(4)
    mine = [rng.randint(1, 4) for _ in SPEECHES]
    other = [rng.randint(1, 4) for _ in SPEECHES]
    (rate,) = rates(answers(dpo=lambda i: "x" * mine[i], reference=lambda i: "x" * other[i]), LongerWins())
    wins = sum(m > o for m, o in zip(mine, other, strict=True))
    ties = sum(m == o for m, o in zip(mine, other, strict=True))
    assert (rate.wins, rate.ties, rate.losses) == (wins, ties, 60 - wins - ties)
    assert rate.win_rate.value == pytest.approx((wins + ties / 2) / 60)
    assert rate.win_rate.low < rate.win_rate.value < rate.win_rate.high
    assert rate.by["principle"]["clarity"].value == rate.win_rate.value
    assert (rate.flips, rate.asked, rate.win_rate.n, rate.at_risk) == (0, 60, 60, 0)


def test_an_interval_is_that_of_the_mean_over_speeches():
    rng = random.Random(4)
    mine = [rng.randint(1, 3) for _ in SPEECHES]
    rows = answers(dpo=lambda i: "x" * mine[i], reference=lambda i: "xx")
    (rate,) = rates(rows, LongerWins())
    verdicts = judged(rows, LongerWins())
    points = [np.nanmean(verdicts.points[verdicts.speech.at(s.id)]) for s in SPEECHES]
    alone = mean_figure(points, [s.id for s in SPEECHES], resamples=4000, seed=9, bounds=(0, 1))
    assert (rate.win_rate.low, rate.win_rate.high) == pytest.approx((alone.low, alone.high), abs=0.03)


def test_a_judge_that_always_says_a_is_all_flips_and_half_a_point():
    (rate,) = rates(answers(dpo=lambda i: "x", reference=lambda i: "yy"), FirstWins())
    assert rate.flips == 60
    assert rate.win_rate.value == 0.5
    assert rate.ties == 60


def test_all_ties_are_no_certainty():
    (rate,) = rates(answers(dpo=lambda i: "x", reference=lambda i: "y"), LongerWins())
    assert rate.ties == 60
    assert rate.win_rate.low < 0.5 < rate.win_rate.high
    assert rate.length_controlled is None
    assert "longer than the other" in rate.length_note


def test_lost_answers_are_counted_with_their_reason_and_not_as_ties():
    rows = answers(dpo=lambda i: "xx", reference=lambda i: "y")
    rows[0] = Answer(SPEECHES[0].id, "free", "dpo", "", "empty answer")
    del rows[2:4]
    (rate,) = rates(rows, LongerWins())
    assert rate.win_rate.n == 58
    assert rate.asked == 60
    assert rate.lost == {"dpo: empty answer": 1, "no answer of dpo was asked for": 1}
    assert rate.win_rate.value == 1.0


def test_a_speech_judged_in_one_order_alone_is_lost_and_brings_no_bias_of_position_back():
    class FirstOrNothing(FirstWins):
        """Says A, but fails where the reference is shown first, on every other speech."""

        def compare(self, conversation, first, second):
            if first == "yy" and conversation[-1].text in {s.text for s in SPEECHES[::2]}:
                raise BackendError("no answer")
            return super().compare(conversation, first, second)

    (rate,) = rates(answers(dpo=lambda i: "x", reference=lambda i: "yy"), FirstOrNothing())
    assert (rate.win_rate.value, rate.win_rate.n) == (0.5, 30)
    assert (rate.wins, rate.ties, rate.asked, sum(rate.lost.values())) == (0, 30, 60, 30)


def test_a_judge_that_never_answers_is_an_error_and_not_a_draw():
    with pytest.raises(TooLittleDataError, match="judge failed"):
        rates(answers(dpo=lambda i: "x", reference=lambda i: "y"), Fails())


def test_a_model_without_a_verdict_is_lost_and_takes_no_other_with_it():
    dead = [replace(a, text="", error="server is gone") for a in answers(a=lambda i: "") if a.model == "a"]
    alive = answers(b=lambda i: "xxx", reference=lambda i: "xx")
    found = table(judged([*dead, *alive], LongerWins()))
    by_model = {rate.model: rate for rate in found.rates}
    assert by_model["a"].win_rate is None
    assert list(by_model["a"].lost.values()) == [60]
    assert "server is gone" in next(iter(by_model["a"].lost))
    assert by_model["a"].words is None
    (alone,) = rates(alive, LongerWins())
    assert by_model["b"] == alone
    assert found.tests == []


def test_settings_and_models_are_kept_apart():
    rows = answers(("free", "length-constrained"), dpo=lambda i: "xx", reference=lambda i: "y")
    found = {(r.setting, r.model): r.win_rate.value for r in rates(rows, LongerWins())}
    assert found == {("free", "dpo"): 1.0, ("length-constrained", "dpo"): 1.0}


def test_slices_are_the_win_rates_of_their_speeches():
    rows = answers(dpo=lambda i: "xx" if i % 2 else "x", reference=lambda i: "yy" if i % 5 else "")
    rows = [r if r.text else replace(r, text="y") for r in rows]
    (rate,) = rates(rows, LongerWins())
    for kind, labels in labels_of(SPEECHES).items():
        for label, figure in rate.by.get(kind, {}).items():
            mine = [s for s in SPEECHES if labels[s.id] == label]
            (alone,) = rates([r for r in rows if r.speech_id in {s.id for s in mine}], LongerWins(), mine)
            assert figure.value == pytest.approx(alone.win_rate.value)
            assert figure.n == len(mine)
    assert set(rate.by) == {"principle", "topic", "stage", "turn"}
    assert list(rate.by["turn"]) == ["1", "2"]


def test_speeches_at_risk_are_in_their_slice_and_in_no_pooled_figure():
    speeches = [replace(s, screened="imminent" if i < 6 else "none") for i, s in enumerate(SPEECHES)]
    rows = answers(dpo=lambda i: "xx" if i < 6 else "x", reference=lambda i: "yy" if i >= 6 else "y")
    (rate,) = rates(rows, LongerWins(), speeches)
    assert (rate.win_rate.value, rate.win_rate.n, rate.at_risk, rate.asked) == (0.0, 54, 6, 54)
    assert rate.by["risk"]["imminent"].value == 1.0
    assert rate.by["topic"]["work"].value == 0.0
    assert list(rate.by["risk"]) == ["none", "imminent"]


def test_where_all_are_at_risk_there_is_no_pooled_rate():
    speeches = [replace(s, risk="elevated") for s in SPEECHES]
    (rate,) = rates(answers(dpo=lambda i: "xx", reference=lambda i: "y"), LongerWins(), speeches)
    assert rate.win_rate is None
    assert rate.by["risk"]["elevated"].value == 1.0


def test_the_graver_of_label_and_screen_counts():
    assert ClientSpeech.make("x", risk="low", screened="elevated").risk_level == "elevated"
    assert ClientSpeech.make("x", risk="imminent", screened="none").risk_level == "imminent"
    assert ClientSpeech.make("x").risk_level == ""


def test_two_models_are_compared_on_the_same_speeches_and_corrected_for_all_pairs():
    rng = random.Random(2)
    length = {m: [rng.randint(1, 9) + bonus for _ in SPEECHES] for m, bonus in (("a", 0), ("b", 1), ("c", 6))}
    rows = answers(**{m: (lambda i, m=m: "x" * length[m][i]) for m in length}, reference=lambda i: "xxxxx")
    found = table(judged(rows, LongerWins()))
    rate = {r.model: r.win_rate.value for r in found.rates}
    tests = {(t.model, t.other): t for t in found.tests}
    assert set(tests) == {("a", "b"), ("a", "c"), ("b", "c")}
    for (one, other), test in tests.items():
        assert test.difference.value == pytest.approx(rate[one] - rate[other])
        assert test.p_holm >= test.p
    assert tests["a", "c"].p_holm < 0.05
    assert tests["a", "c"].difference.high < 0


def test_a_league_ranks_every_model_and_each_meets_each():
    assert meetings(["a", "b", "reference"], "reference", True) == [("a", "reference"), ("b", "reference"), ("a", "b")]
    rng = random.Random(3)
    rows = answers(
        good=lambda i: "x" * rng.randint(3, 9), bad=lambda i: "x" * rng.randint(1, 4), reference=lambda i: "xxxx"
    )
    found = table(judged(rows, LongerWins(), league=True))
    (standing,) = found.ranking
    assert [rank.model for rank in standing.ranks] == ["good", "reference", "bad"]
    assert sum(rank.strength.value for rank in standing.ranks) == pytest.approx(0, abs=1e-9)
    assert ("good", "bad") in {(r.model, r.against) for r in found.rates}


def test_a_model_that_won_everything_has_no_rank_and_says_why():
    rows = answers(best=lambda i: "xxx", other=lambda i: "x" * (1 + i % 3), reference=lambda i: "xx")
    (standing,) = table(judged(rows, LongerWins())).ranking
    assert standing.ranks == []
    assert "best" in standing.refused


def test_the_rate_at_equal_length_is_the_regressions_on_tokens():
    rng = random.Random(1)
    lengths = [(rng.randint(20, 60), rng.randint(15, 45)) for _ in SPEECHES]
    rows = answers(dpo=lambda i: "word, " * lengths[i][0], reference=lambda i: "word " * lengths[i][1])
    noisy = random.Random(5)

    class OftenLonger(LongerWins):
        def compare(self, conversation, first, second):
            found = super().compare(conversation, first, second)
            return found if noisy.random() < 0.6 else FirstWins().compare(conversation, first, second)

    verdicts = judged(rows, OftenLonger())
    (rate,) = table(verdicts).rates
    speeches = [verdicts.speech.names[place] for place in verdicts.speech.places]
    mine, other = ([lengths[[s.id for s in SPEECHES].index(k)][side] for k in speeches] for side in (0, 1))
    alone = length_controlled(verdicts.points, 2 * np.array(mine), np.array(other), speeches, resamples=200, seed=1)
    assert rate.length_controlled == alone.win_rate
    assert rate.length_effect == alone.per_tokens
    assert rate.tokens == pytest.approx(2 * np.mean(mine))


def test_columns_hold_what_the_objects_hold(tmp_path):
    rows = answers(
        ("free", "length-constrained"), dpo=lambda i: "xx" if i else "", reference=lambda i: "y" * (1 + i % 3)
    )
    rows = [replace(r, error="empty answer") if not r.text else r for r in rows]
    objects = compare_everything(SPEECHES, rows, LongerWins(), "reference", silent)
    write_records(tmp_path / "c.parquet", Comparison, objects)
    for columns in (read_verdicts(tmp_path / "c.parquet"), verdicts_in(objects)):
        assert len(columns) == len(objects)
        for place, row in enumerate(objects):
            assert columns.model.names[columns.model.places[place]] == row.model_a
            assert columns.setting.names[columns.setting.places[place]] == row.setting
            assert columns.speech.names[columns.speech.places[place]] == row.speech_id
            assert columns.error.names[columns.error.places[place]] == row.error
            assert columns.forward[place] == (row.order == "ab")
            worth = {"a": 1.0, "tie": 0.5, "b": 0.0}
            given = columns.points[place], columns.by_principle["clarity"][place]
            wanted = (
                (float("nan"),) * 2 if row.error else (worth[row.verdict], worth[row.principle_verdicts["clarity"]])
            )
            assert given == pytest.approx(wanted, nan_ok=True)
            assert columns.tokens[place] == row.tokens_a
