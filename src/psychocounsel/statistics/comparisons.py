"""Paired tests between two models, and what is left of them after many comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from psychocounsel.statistics.intervals import Floats, some

_EXACT = 14
_DRAWN = 500
FLIPS = 9_999


def sign_flip_test(differences: ArrayLike, *, seed: int) -> float:
    """Return the two-sided p-value that paired differences, one a speech, are symmetric around 0.

    Under that hypothesis each sign is a fair coin (Fisher's randomisation test). All 2^n signs are tried up to 14
    speeches, 9,999 draws are up to 500; beyond, the sum's distribution is normal with a variance that is known
    exactly. 1 where all differences are 0.
    """
    d = some(differences, "a paired test")
    d = d[d != 0]
    if d.size == 0:
        return 1.0
    seen = abs(d.sum()) * (1 - 1e-12)
    if d.size <= _EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2**d.size)[:, None] >> np.arange(d.size)) & 1)
        return float(np.mean(np.abs(signs @ d) >= seen))
    if d.size <= _DRAWN:
        flips = 1.0 - 2.0 * np.random.default_rng(seed).integers(0, 2, (FLIPS, d.size))
        return float((np.sum(np.abs(flips @ d) >= seen) + 1) / (FLIPS + 1))
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(d.sum()) / np.sqrt((d**2).sum())))


def holm(p_values: ArrayLike) -> Floats:
    """Return Holm's adjusted p-values (1979): below alpha, the chance of any false claim is at most alpha."""
    p = some(p_values, "Holm's correction")
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return _put_back(adjusted, order)


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Return Benjamini and Hochberg's adjusted p-values (1995): below q, at most q of the claims are expected false."""
    p = some(p_values, "Benjamini and Hochberg's correction")
    order = np.argsort(p, kind="stable")
    raised = p[order] * p.size / np.arange(1, p.size + 1)
    return _put_back(np.minimum.accumulate(raised[::-1])[::-1], order)


def _put_back(adjusted: Floats, order: np.ndarray) -> Floats:
    given = np.empty_like(adjusted)
    given[order] = np.minimum(adjusted, 1.0)
    return given
