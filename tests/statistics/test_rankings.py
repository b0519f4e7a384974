from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.rankings import _fit, _influence, _wins, bradley_terry


def games(seed, models=5, count=600, ties=0.2):
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, 1, models)
    a, b = np.array([rng.choice(models, 2, replace=False) for _ in range(count)]).T
    won = (rng.random(count) < 1 / (1 + np.exp(strength[b] - strength[a]))).astype(float)
    won[rng.random(count) < ties] = 0.5
    return a, b, won


@pytest.mark.parametrize("seed", range(4))
def test_strengths_equal_a_logistic_regression_of_statsmodels(seed):
    a, b, won = games(seed)
    design = np.zeros((len(a), 5))
    design[np.arange(len(a)), a] += 1
    design[np.arange(len(a)), b] -= 1
    fitted = sm.GLM(won, design[:, 1:], family=sm.families.Binomial()).fit().params
    reference = np.r_[0, fitted] - np.r_[0, fitted].mean()
    ranks = bradley_terry(list("abcde"), a, b, won, [str(i) for i in range(len(a))], resamples=20, seed=1)
    assert {r.model: r.strength.value for r in ranks} == pytest.approx(
        dict(zip("abcde", reference, strict=True)), abs=1e-6
    )


def test_ranks_are_as_wide_as_the_games_leave_open():
    rng = np.random.default_rng(0)
    a, b = np.array([(0, 1), (0, 2), (1, 2)] * 200).T
    chance = np.where(b == 2, 0.85, 0.5)  # the first two are alike, and both beat the third
    ranks = bradley_terry(
        ["x", "y", "z"],
        a,
        b,
        (rng.random(600) < chance).astype(float),
        [str(i // 3) for i in range(600)],
        resamples=400,
        seed=1,
    )
    places = {r.model: (r.best, r.worst) for r in ranks}
    assert places["z"] == (3, 3)
    assert places["x"] == places["y"] == (1, 2)


def test_a_model_that_never_lost_has_no_finite_strength():
    with pytest.raises(TooLittleDataError, match="ever beat x"):
        bradley_terry(["x", "y", "z"], [0, 0, 1, 2], [1, 2, 2, 1], [1, 1, 1, 1], list("abcd"), resamples=10, seed=1)


def test_the_influence_of_a_speech_is_what_leaving_it_out_takes_away():
    a, b, won = games(1, models=4, count=60)
    speeches = np.arange(60)
    wins = _wins(a, b, won, speeches, 60, 4)
    strength = _fit(wins.sum(0)[None])[0]
    without = _fit(wins.sum(0) - wins)
    found = _influence(strength, wins)
    assert [np.corrcoef(found[:, i], -without[:, i])[0, 1] for i in range(4)] == pytest.approx([1] * 4, abs=0.01)


def test_the_strengths_of_two_models_are_the_log_odds_and_turn_with_them():
    ranks = bradley_terry(["x", "y"], [0] * 4, [1] * 4, [1, 1, 1, 0], list("abcd"), resamples=10, seed=1)
    assert [(r.model, r.strength.value) for r in ranks] == [
        ("x", pytest.approx(np.log(3) / 2)),
        ("y", pytest.approx(-np.log(3) / 2)),
    ]


def test_nothing_nan_and_places_that_do_not_exist_refuse():
    for points in ([], [1, float("nan")]):
        with pytest.raises(TooLittleDataError):
            bradley_terry(
                ["x", "y"], [0] * len(points), [1] * len(points), points, ["a"] * len(points), resamples=5, seed=1
            )
    for first, second, points in (
        ([0, 2], [1, 1], [1, 0]),
        ([0, 1], [1, 1], [1, 0]),
        ([0], [1, 1], [1, 0]),
        ([0, 0], [1, 1], [3, 0]),
    ):
        with pytest.raises(ValueError, match="a ranking"):
            bradley_terry(["x", "y"], first, second, points, ["a", "b"], resamples=5, seed=1)
