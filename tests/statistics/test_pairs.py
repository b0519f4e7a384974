from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics import pairs
from psychocounsel.statistics.intervals import bootstrap

margins = st.lists(st.floats(-20, 20).map(lambda x: round(x, 2)), min_size=1, max_size=60)


@given(margins)
@settings(max_examples=40, deadline=None)
def test_auc_brier_and_log_loss_equal_scikit_learns(values):
    m = np.array(values)
    labels = np.r_[np.ones(m.size), np.zeros(m.size)]
    p = expit(np.r_[m, -m])
    assert pairs.auc(m) == pytest.approx(roc_auc_score(labels, np.r_[m, -m]))
    assert pairs.brier(m).value == pytest.approx(brier_score_loss(labels, p), abs=1e-12)
    assert pairs.log_loss(m).value == pytest.approx(log_loss(labels, p), abs=1e-6)  # theirs loses digits in 1 - p
    assert pairs.accuracy(m).value == pytest.approx(accuracy_score(np.ones(m.size), m > 0) + np.mean(m == 0) / 2)


def naive_ece(m, bins=10):
    p = [1 / (1 + math.exp(-abs(x))) for x in m]
    right = [1.0 if x > 0 else 0.5 if x == 0 else 0.0 for x in m]
    total = 0.0
    for b in range(bins):
        low, high = 0.5 + b / bins / 2, 0.5 + (b + 1) / bins / 2
        inside = [i for i, q in enumerate(p) if low <= q < high or (b == bins - 1 and q >= high)]
        if inside:
            total += abs(sum(right[i] for i in inside) - sum(p[i] for i in inside)) / len(m)
    return total


@given(margins)
def test_ece_equals_a_loop_written_from_the_definition(values):
    assert pairs.ece(values).value == pytest.approx(naive_ece(values), abs=1e-6)


def test_auc_resampled_by_weights_equals_auc_of_the_rows_drawn():
    rng = np.random.default_rng(0)
    m, clusters = np.round(rng.normal(0.5, 1, 120), 1), [str(c) for c in rng.integers(0, 30, 120)]
    fast = pairs.auc_figure(m, clusters, resamples=300, seed=5)
    slow = bootstrap(m, clusters, pairs.auc, resamples=300, seed=5)
    assert fast.value == slow.value
    # The jackknife's influences differ a little from the derivative's, and the ends with them.
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=2e-3)


def test_the_interval_of_auc_is_as_skewed_as_its_influences():
    m = np.random.default_rng(1).normal(2.5, 1, 60)  # nearly all right: the interval reaches further down than up
    found = pairs.auc_figure(m, [str(i) for i in range(60)], resamples=4000, seed=1)
    assert found.value - found.low > 1.3 * (found.high - found.value)


def test_the_interval_of_a_calibrated_models_ece_holds_0_and_that_of_an_overconfident_one_does_not():
    rng = np.random.default_rng(2)
    held = {1: 0, 4: 0}
    for heat in held:
        for _ in range(50):
            margin = np.abs(rng.normal(1.2, 1.3, 300))
            m = margin * heat * np.where(rng.random(300) < expit(margin), 1, -1)
            found = pairs.ece(m).figure([str(i) for i in range(300)], resamples=200, seed=1)
            assert found.low <= found.value <= found.high
            held[heat] += found.low == 0
    assert held[1] >= 44
    assert held[4] == 0


def test_sigmoid_is_scipys_where_exp_would_overflow():
    x = np.array([-1e4, -800.0, -30.0, 0.0, 30.0, 800.0])
    assert pairs.sigmoid(x) == pytest.approx(expit(x), rel=1e-12, abs=0)


def test_the_temperature_is_where_the_log_loss_is_least():
    m = np.random.default_rng(0).normal(1, 3, 400)
    found = minimize_scalar(lambda t: float(np.mean(np.logaddexp(0, -m / t))), bounds=(0.01, 100), method="bounded")
    assert pairs.temperature(m) == pytest.approx(found.x, rel=1e-4)


@pytest.mark.parametrize("values", [[1.0, 2.0], [-1.0, 0.5], [0.0, 0.0]])
def test_a_temperature_that_does_not_exist_refuses(values):
    with pytest.raises(TooLittleDataError, match="temperature"):
        pairs.temperature(values)


@pytest.mark.parametrize("figure", [pairs.accuracy, pairs.auc, pairs.ece, pairs.brier, pairs.log_loss])
def test_a_metric_over_nothing_or_nan_refuses(figure):
    with pytest.raises(TooLittleDataError):
        figure([])
    with pytest.raises(TooLittleDataError):
        figure([1.0, float("nan")])


@pytest.mark.parametrize(
    "call", [pairs.temperature, lambda m: pairs.auc_figure(m, ["a"] * len(m), resamples=5, seed=1)]
)
def test_temperature_and_auc_figure_refuse_too(call):
    for values in ([], [1.0, float("nan")]):
        with pytest.raises(TooLittleDataError):
            call(values)


@given(margins)
def test_spearman_equals_scipys_and_is_nan_where_one_side_is_constant(values):
    other = np.cos(np.arange(len(values)))
    if len(values) < 3 or len(set(values)) == 1:
        assert math.isnan(pairs.spearman(values, other))
    else:
        assert pairs.spearman(values, other) == pytest.approx(spearmanr(values, other).statistic)


def test_spearman_refuses_nothing_nan_and_unequal_lengths():
    for values in ([], [1.0, 2.0, float("nan")]):
        with pytest.raises(TooLittleDataError):
            pairs.spearman(values, [1.0] * len(values))
    with pytest.raises(ValueError, match="stand beside"):
        pairs.spearman([1, 2, 3], [1])
