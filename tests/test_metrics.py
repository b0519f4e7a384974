from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from psychocounsel import metrics
from psychocounsel.errors import TooLittleDataError

margins = st.lists(st.floats(-20, 20).map(lambda x: round(x, 2)), min_size=1, max_size=60)


@given(margins)
def test_auc_and_brier_equal_scikit_learns(values):
    m = np.array(values)
    labels = np.r_[np.ones(m.size), np.zeros(m.size)]
    assert metrics.pair_auc(m) == pytest.approx(roc_auc_score(labels, np.r_[m, -m]))
    p = 1 / (1 + np.exp(-m))
    assert metrics.pair_brier(m) == pytest.approx(brier_score_loss(labels, np.r_[p, 1 - p]), abs=1e-12)


def naive_ece(m, bins=10):
    p = [1 / (1 + math.exp(-abs(x))) for x in m]
    right = [1.0 if x > 0 else 0.5 if x == 0 else 0.0 for x in m]
    total = 0.0
    for b in range(bins):
        low, high = 0.5 + b / bins / 2, 0.5 + (b + 1) / bins / 2
        inside = [i for i, q in enumerate(p) if low <= q < high or (b == bins - 1 and q >= high)]
        if inside:
            gap = abs(sum(right[i] for i in inside) - sum(p[i] for i in inside))
            total += gap / len(m)
    return total


@given(margins)
def test_ece_equals_a_loop_written_from_the_definition(values):
    assert metrics.pair_ece(values) == pytest.approx(naive_ece(values), abs=1e-6)


@pytest.mark.parametrize("figure", [metrics.pair_accuracy, metrics.pair_auc, metrics.pair_ece, metrics.pair_brier])
def test_a_metric_over_nothing_or_nan_refuses(figure):
    with pytest.raises(TooLittleDataError):
        figure([])
    with pytest.raises(TooLittleDataError):
        figure([1.0, float("nan")])


def test_the_bootstrap_resamples_speeches_not_rows():
    rng = np.random.default_rng(0)
    effects = rng.normal(size=40)
    values = np.repeat(effects, 25)
    clusters = np.repeat([f"s{i}" for i in range(40)], 25)
    figure = metrics.bootstrap(values, list(clusters), metrics.mean, resamples=500, seed=1)
    width = (figure.high - figure.low) / (2 * 1.96)
    assert width == pytest.approx(effects.std() / math.sqrt(40), rel=0.2)  # rows would give a fifth of this
    assert (figure.n, figure.clusters) == (1000, 40)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(200):
        sample = (rng.random(100) < 0.7).astype(float)
        figure = metrics.bootstrap(sample, [str(i) for i in range(100)], metrics.mean, resamples=200, seed=trial)
        hits += figure.low <= 0.7 <= figure.high
    assert hits >= 180
