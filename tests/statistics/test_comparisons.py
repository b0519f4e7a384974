from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test
from statsmodels.stats.multitest import multipletests

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.comparisons import benjamini_hochberg, holm, sign_flip_test


def reference(d, resamples=4_000):
    return permutation_test(
        (d,), np.sum, permutation_type="samples", n_resamples=resamples, rng=np.random.default_rng(0)
    ).pvalue


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n", "close"), [(8, 1e-9), (60, 0.04), (800, 0.04)])
def test_it_equals_scipys_permutation_test(seed, n, close):
    d = np.random.default_rng(seed).normal(0.5 / np.sqrt(n) * 2, 1, n)
    assert sign_flip_test(d, seed=1) == pytest.approx(reference(d), abs=close)


def test_no_difference_is_no_evidence_and_nothing_refuses():
    assert sign_flip_test([0.0, 0.0], seed=1) == 1.0
    with pytest.raises(TooLittleDataError):
        sign_flip_test([], seed=1)


@pytest.mark.parametrize("seed", range(4))
def test_corrections_equal_statsmodels(seed):
    p = np.random.default_rng(seed).random(9) ** 2
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.75]), min_size=1, max_size=12))
@settings(max_examples=40)
def test_few_differences_are_tested_exactly(values):
    signs = np.array(list(product([1, -1], repeat=len(values))))
    exact = np.mean(np.abs(signs @ np.array(values)) >= abs(sum(values)) - 1e-12)
    assert sign_flip_test(values, seed=1) == pytest.approx(exact)
    assert sign_flip_test([-v for v in values], seed=1) == pytest.approx(exact)


@pytest.mark.parametrize("size", [10, 1000])  # every sign tried; the normal's
def test_without_a_difference_a_p_value_below_a_twentieth_comes_one_time_in_twenty(size):
    rng = np.random.default_rng(0)
    p = np.array([sign_flip_test(rng.choice([-1, -0.5, 0, 0.5, 1], size), seed=1) for _ in range(600)])
    assert 0.02 < np.mean(p <= 0.05) < 0.08


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg, lambda p: sign_flip_test(p, seed=1)])
def test_nothing_and_nan_refuse(correct):
    for values in ([], [0.1, float("nan")]):
        with pytest.raises(TooLittleDataError):
            correct(values)
