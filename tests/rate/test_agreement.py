"""Agreement of a panel against an independent implementation."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.rate.agreement import ordinal_alpha


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 5), st.integers(2, 30), st.integers(0, 2**32 - 1), st.floats(0, 0.4))
def test_alpha_equals_krippendorffs_package(judges, items, seed, missing):
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 6, (judges, items)).astype(float)
    ratings[rng.random((judges, items)) < missing] = np.nan
    mine = ordinal_alpha(ratings)
    pairable = ratings[:, (~np.isnan(ratings)).sum(0) >= 2]
    values = np.unique(pairable[~np.isnan(pairable)])
    if len(values) < 2:
        assert math.isnan(mine)
        return
    assert mine == pytest.approx(krippendorff.alpha(pairable, level_of_measurement="ordinal"), abs=1e-9)


def test_full_agreement_is_one_and_opposite_order_below_zero():
    a = np.array([1, 2, 3, 4, 5.0])
    assert ordinal_alpha(np.stack([a, a])) == 1.0
    assert ordinal_alpha(np.stack([a, a[::-1]])) < 0
