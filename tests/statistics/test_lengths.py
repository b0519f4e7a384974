from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.lengths import _pull, length_controlled

NAMES = [str(i) for i in range(400)]


def study(seed, n=400, skill=0.3, bias=1.2):
    rng = np.random.default_rng(seed)
    mine, other = rng.normal(90, 25, n).round(), rng.normal(60, 20, n).round()
    apart = mine - other
    chance = expit(skill + bias * np.tanh(apart / np.hypot(25, 20)))
    return (rng.random(n) < chance).astype(float), mine, other


@pytest.mark.parametrize("seed", range(4))
def test_it_equals_a_logistic_regression_of_statsmodels(seed):
    won, mine, other = study(seed)
    won[:50] = 0.5
    apart = mine - other
    design = sm.add_constant(np.tanh(apart / apart.std()))
    theta, phi = sm.GLM(won, design, family=sm.families.Binomial()).fit().params
    found = length_controlled(won, mine, other, NAMES, resamples=20, seed=1)
    assert found.win_rate.value == pytest.approx(1 / (1 + np.exp(-theta)), abs=1e-8)
    assert found.per_tokens == pytest.approx(phi, abs=1e-6)


def test_a_planted_length_bias_is_taken_out_to_within_the_interval():
    """100 studies: the raw win rate is far off, the controlled one is right on average and 95 % intervals hold it."""
    truth = 1 / (1 + np.exp(-0.3))
    found, raw = [], []
    for seed in range(100):
        won, mine, other = study(seed)
        raw.append(won.mean())
        found.append(length_controlled(won, mine, other, NAMES, resamples=200, seed=1).win_rate)
    values = np.array([rate.value for rate in found])
    error = values.std() / np.sqrt(100)
    assert abs(values.mean() - truth) < 3 * error
    assert np.mean(raw) - truth > 30 * error
    held = sum(rate.low <= truth <= rate.high for rate in found)
    assert 88 <= held <= 99  # of 95 asked: each bound is passed by chance less than once in 100
    assert sum(rate.low <= np.mean(raw) <= rate.high for rate in found) < 10


def test_what_speeches_differ_in_besides_length_does_not_bias_it():
    """The estimate is the chance at equal length over all speeches, hard and easy ones together."""
    rng = np.random.default_rng(0)
    n = 200_000
    mine, other, skill = rng.normal(90, 25, n), rng.normal(60, 20, n), rng.normal(0.5, 1, n)
    won = rng.random(n) < expit(skill + 1.0 * np.tanh((mine - other) / np.hypot(25, 20)))
    found = length_controlled(won, mine, other, [str(i) for i in range(n)], resamples=2, seed=1).win_rate.value
    assert won.mean() > expit(skill).mean() + 0.05
    assert found == pytest.approx(expit(skill).mean(), abs=0.006)


@pytest.mark.parametrize("turned", [False, True])
def test_turning_the_comparison_turns_the_rate(turned):
    won, mine, other = study(3, skill=-0.2, bias=-0.5 if turned else 0.5)
    there = length_controlled(won, mine, other, NAMES, resamples=2, seed=1)
    back = length_controlled(1 - won, other, mine, NAMES, resamples=2, seed=1)
    assert there.win_rate.value == pytest.approx(1 - back.win_rate.value)
    assert there.per_tokens == pytest.approx(back.per_tokens)


def test_rounding_lengths_moves_nothing_that_shows(monkeypatch):
    rng = np.random.default_rng(0)
    won, mine, other = study(1)
    mine = mine + rng.random(400)  # 400 different differences
    rounded = length_controlled(won, mine, other, NAMES, resamples=200, seed=1).win_rate
    monkeypatch.setattr("psychocounsel.statistics.lengths._BINS", 100_000)
    exact = length_controlled(won, mine, other, NAMES, resamples=200, seed=1).win_rate
    assert (rounded.low, rounded.high) == pytest.approx((exact.low, exact.high), abs=1e-3)


def test_the_influence_of_a_speech_is_what_leaving_it_out_takes_away():
    won, mine, other = study(4, n=60)
    spread = (mine - other).std()

    def theta(kept):
        design = sm.add_constant(np.tanh((mine - other)[kept] / spread))
        return sm.GLM(won[kept], design, family=sm.families.Binomial()).fit().params[0]

    left_out = np.array([theta(np.arange(60) != i) for i in range(60)])
    x = np.tanh((mine - other) / spread)
    found = _pull(x, won, *sm.GLM(won, sm.add_constant(x), family=sm.families.Binomial()).fit().params)
    assert np.corrcoef(found, -left_out)[0, 1] > 0.995


def test_what_was_never_near_equal_length_is_called_extrapolated():
    won, mine, other = study(2)
    assert not length_controlled(won, mine, other, NAMES, resamples=5, seed=1).extrapolated
    other = np.minimum(other, mine - 1)
    found = length_controlled(won, mine, other, NAMES, resamples=50, seed=1)
    assert found.extrapolated


def test_lengths_too_far_apart_to_tell_anything_refuse():
    won, mine, other = study(2)
    with pytest.raises(TooLittleDataError, match="too alike"):
        length_controlled(won, mine + 1000, other, NAMES, resamples=5, seed=1)


def test_all_won_refuses_and_says_so_and_points_lie_between_0_and_1():
    _, mine, other = study(2)
    with pytest.raises(TooLittleDataError, match="every verdict was won"):
        length_controlled(np.ones(400), mine, other, NAMES, resamples=5, seed=1)
    with pytest.raises(ValueError, match="points"):
        length_controlled(np.full(400, 2.0), mine, other, NAMES, resamples=5, seed=1)
    with pytest.raises(TooLittleDataError):
        length_controlled([], [], [], [], resamples=5, seed=1)
    with pytest.raises(TooLittleDataError, match="not numbers"):
        length_controlled([1, 0], [5, np.nan], [4, 4], ["a", "b"], resamples=5, seed=1)


def test_lengths_that_all_differ_alike_or_that_tell_everything_refuse():
    clusters = ["a", "b", "c", "d"]
    with pytest.raises(TooLittleDataError, match=r"\+5 tokens longer"):
        length_controlled([1, 0, 1, 0], [15, 25, 35, 45], [10, 20, 30, 40], clusters, resamples=5, seed=1)
    with pytest.raises(TooLittleDataError, match="length alone"):
        length_controlled([1, 1, 0, 0], [15, 26, 31, 42], [10, 20, 40, 50], clusters, resamples=5, seed=1)
