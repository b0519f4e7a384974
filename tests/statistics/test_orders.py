from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import somersd
from sklearn.metrics import roc_auc_score

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.intervals import bootstrap
from psychocounsel.statistics.orders import _pairs_of, concordance


def items(seed, levels, n=150):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, levels, n)
    return truth, np.round(truth + rng.normal(0, 1.5, n), 1), [str(c) for c in rng.integers(0, 40, n)]


@pytest.mark.parametrize("seed", range(4))
def test_with_two_levels_it_is_scikit_learns_auc_with_more_scipys_somers_d(seed):
    truth, scores, clusters = items(seed, 2)
    assert concordance(truth, scores, clusters, resamples=5, seed=1).value == pytest.approx(
        roc_auc_score(truth, scores)
    )
    truth, scores, clusters = items(seed, 5)
    found = concordance(truth, scores, clusters, resamples=5, seed=1).value
    assert found == pytest.approx((1 + somersd(truth, scores).statistic) / 2)


def test_its_interval_is_that_of_the_rows_drawn():
    truth, scores, clusters = items(1, 2)
    fast = concordance(truth, scores, clusters, resamples=100, seed=2)
    slow = bootstrap(
        np.arange(truth.size),
        clusters,
        lambda rows: float(roc_auc_score(truth[rows.astype(int)], scores[rows.astype(int)])),
        resamples=100,
        seed=2,
    )
    # The jackknife's influences differ a little from the derivative's, and the ends with them.
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=2e-3)


@pytest.mark.parametrize("levels", [2, 5])
def test_the_pairs_of_an_item_are_those_that_a_loop_finds(levels):
    truth, scores, _ = items(2, levels, n=60)
    places, place = np.unique(scores, return_inverse=True)
    table = np.zeros((len(places), levels))
    np.add.at(table, (place, truth), 1)
    right, asked = _pairs_of(table)
    for i in range(60):
        other = np.flatnonzero(truth != truth[i])
        order = np.sign(scores[i] - scores[other]) * np.sign(truth[i] - truth[other])
        assert right[place[i], truth[i]] == pytest.approx(((order + 1) / 2).sum())
        assert asked[place[i], truth[i]] == other.size


def test_targets_that_are_all_the_same_refuse():
    with pytest.raises(TooLittleDataError, match="no order"):
        concordance([1, 1], [0.1, 0.2], ["a", "b"], resamples=5, seed=1)


def test_nothing_nan_and_unequal_lengths_refuse():
    for targets, scores in (([], []), ([1, 0], [0.5, np.nan])):
        with pytest.raises(TooLittleDataError):
            concordance(targets, scores, ["a"] * len(targets), resamples=5, seed=1)
    with pytest.raises(ValueError, match="stand beside"):
        concordance([1, 0], [0.5], ["a", "b"], resamples=5, seed=1)
