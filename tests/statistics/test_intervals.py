from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, ks_2samp
from scipy.stats import bootstrap as scipy_bootstrap

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.intervals import Resampling, bootstrap, ends, mean_figure


def names(n):
    return [str(i) for i in range(n)]


def test_the_bootstrap_resamples_speeches_not_rows():
    rng = np.random.default_rng(0)
    effects = rng.normal(size=40)
    values, clusters = np.repeat(effects, 25), [f"s{i}" for i in range(40) for _ in range(25)]
    figure = mean_figure(values, clusters, resamples=500, seed=1)
    width = (figure.high - figure.low) / (2 * 1.96)
    assert width == pytest.approx(effects.std() / math.sqrt(40), rel=0.2)  # rows would give a fifth of this
    assert (figure.n, figure.clusters) == (1000, 40)


def test_a_mean_by_matrix_product_is_the_mean_by_the_plain_loop():
    rng = np.random.default_rng(1)
    values, clusters = rng.random(300), [str(c) for c in rng.integers(0, 60, 300)]
    fast = mean_figure(values, clusters, resamples=4000, seed=1)
    slow = bootstrap(values, clusters, lambda v: float(v.mean()), resamples=4000, seed=1)
    assert fast.value == pytest.approx(slow.value)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high))  # the same seed draws the same clusters


def test_every_column_is_resampled_alike_in_blocks_of_any_size(monkeypatch):
    columns = np.random.default_rng(2).random((50, 3))
    whole = Resampling(50, 200, 7).totals(columns)
    monkeypatch.setattr("psychocounsel.statistics.intervals._BLOCK", 350)
    assert np.allclose(Resampling(50, 200, 7).totals(columns), whole)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("n", [2, 10, 100])
def test_where_all_are_won_or_lost_the_interval_is_clopper_and_pearsons(value, n):
    figure = mean_figure([value] * n, [str(i) for i in range(n)], resamples=50, seed=1, bounds=(0, 1))
    exact = (0.0, beta.ppf(0.975, 1, n)) if value == 0 else (beta.ppf(0.025, n, 1), 1.0)
    assert (figure.low, figure.high) == pytest.approx(exact)


def test_all_ties_do_not_make_certainty():
    figure = mean_figure([0.5] * 20, [str(i) for i in range(20)], resamples=50, seed=1, bounds=(0, 1))
    assert figure.low < 0.45 < 0.55 < figure.high


def test_one_cluster_has_no_interval():
    figure = mean_figure([0.0, 1.0, 1.0], ["a"] * 3, resamples=50, seed=1, bounds=(0, 1))
    assert math.isnan(figure.low)
    assert math.isnan(figure.high)


def test_few_clusters_widen_the_interval():
    drawn = np.random.default_rng(3).normal(size=20_000)
    few, many = ends(drawn, 5), ends(drawn, 10_000)
    assert few[0] < many[0] < many[1] < few[1]
    assert many[0] == pytest.approx(-1.96, abs=0.05)


def test_resamples_that_leave_a_statistic_undefined_are_left_out_and_too_many_of_them_take_the_interval():
    drawn = np.random.default_rng(4).normal(size=(1000, 2))
    drawn[:20, 0], drawn[:80, 1] = np.nan, np.nan
    low, _ = ends(drawn, 100)
    assert np.isfinite(low[0])
    assert np.isnan(low[1])


def test_clusters_that_bring_the_same_are_drawn_together_from_the_same_distribution():
    points = np.random.default_rng(5).choice([0.0, 0.5, 1.0], 400)
    sums = np.stack([points, np.ones(400)], axis=1)
    together, one_by_one = Resampling(400, 4000, 1).totals(sums), Resampling(400, 4000, 1)
    plain = np.concatenate([counts @ sums for counts in one_by_one.counts()])
    assert (together[:, 1] == 400).all()
    assert not (together == plain).all()  # it did take the other way
    assert ks_2samp(together[:, 0], plain[:, 0]).pvalue > 0.01
    assert together[:, 0].std() == pytest.approx(math.sqrt(400) * points.std(), rel=0.05)


@given(st.integers(0, 10_000), st.integers(200, 400))
@settings(max_examples=15, deadline=None)
def test_the_interval_is_scipys_bca_but_for_the_bias_that_scipy_estimates(seed, n):
    """For a mean scipy's z0 is a noisy estimate of the acceleration, which stands for it here."""
    x = np.random.default_rng(seed).exponential(size=n)
    found = mean_figure(x, names(n), resamples=4000, seed=1)
    theirs = scipy_bootstrap((x,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(1))
    wide = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.08 * wide)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.08 * wide)
    assert found.high - found.value > found.value - found.low  # skewed as the data are


def test_a_long_tail_on_the_left_lengthens_the_left_of_the_interval():
    x = np.random.default_rng(6).exponential(size=60)
    right, left = (mean_figure(sign * x, names(60), resamples=4000, seed=1) for sign in (1, -1))
    assert (left.low, left.high) == pytest.approx((-right.high, -right.low), abs=0.02)


def test_the_order_of_items_changes_no_figure():
    x = np.random.default_rng(7).normal(size=50)
    order = np.random.default_rng(8).permutation(50)
    clusters = names(50)
    one = mean_figure(x, clusters, resamples=50, seed=1)
    other = mean_figure(x[order], [clusters[i] for i in order], resamples=50, seed=1)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-12)


def test_every_item_needs_a_cluster():
    with pytest.raises(ValueError, match="3 items, but 2 clusters"):
        mean_figure([1, 2, 3], ["a", "b"], resamples=5, seed=1)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_a_mean_over_nothing_or_over_what_is_no_number_refuses(values):
    with pytest.raises(TooLittleDataError):
        mean_figure(values, ["a"] * len(values), resamples=10, seed=1)


@pytest.mark.parametrize("chance", [0.7, 0.95])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(chance):
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(400):
        sample = (rng.random(100) < chance).astype(float)
        figure = mean_figure(sample, names(100), resamples=500, seed=trial)
        hits += figure.low <= chance <= figure.high
    assert 400 * 0.92 <= hits <= 400 * 0.98  # benchmarks/statistics.py measures it closely
