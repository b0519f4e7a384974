"""How well scores put items in the order of their targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.intervals import Figure, Floats, Resampling, ends, numbered, paired, per_cluster


def concordance(targets: ArrayLike, scores: ArrayLike, clusters: Sequence[str], *, resamples: int, seed: int) -> Figure:
    """Return the share of pairs of items with different targets whose scores lie in the same order; equal ones half.

    With two levels of target it is the area under the ROC curve; with more, (1 + Somers' D) / 2. In [0, 1]; .5 is
    chance. The interval is by cluster; `n` counts items. Raises TooLittleDataError where all targets are the same.
    """
    from scipy.sparse import csr_matrix

    truth, score = paired(targets, scores, "a ranking")
    levels, level = np.unique(truth, return_inverse=True)
    if len(levels) < 2:
        raise TooLittleDataError("a ranking: all targets are the same, so there is no order to find.")
    places, place = np.unique(score, return_inverse=True)
    index, count = numbered(clusters, truth.size)
    cell = place * len(levels) + level
    shape = (count, len(places) * len(levels))
    held = csr_matrix((np.ones(truth.size), (index, cell)), shape)
    blocks = Resampling(count, resamples, seed).counts(4 * shape[1])
    drawn = np.concatenate([_share(np.asarray(block @ held), len(levels)) for block in blocks])
    whole = np.asarray(held.sum(axis=0)).reshape(len(places), len(levels))
    value = float(_share(whole[None], len(levels))[0])
    right, asked = _pairs_of(whole)
    influence = per_cluster((right - value * asked)[place, level], index, count)
    low, high = ends(drawn, count, influence)
    return Figure(value, float(low), float(high), truth.size, count)


def _pairs_of(table: Floats) -> tuple[Floats, Floats]:
    """Return of an item at each place and level, (places, levels), its pairs in the right order and those asked."""
    upto = np.cumsum(table, axis=0)
    under, over = upto - table / 2, table.sum(axis=0) - upto + table / 2  # items with a lower score; with a higher one
    lower = np.cumsum(under, axis=1) - under  # of those, the ones of lower levels
    higher = over.sum(axis=1, keepdims=True) - np.cumsum(over, axis=1)
    others = table.sum() - table.sum(axis=0)
    return lower + higher, np.broadcast_to(others, table.shape)


def _share(cells: Floats, levels: int) -> Floats:
    """Return the share of each row of counts (rows, places * levels), places in the order of their scores."""
    table = cells.reshape(len(cells), -1, levels)
    below = np.cumsum(table, axis=1) - table / 2  # of each level: those with a lower score, and half of the equal
    lower = np.cumsum(below, axis=2) - below  # of all levels below the item's own
    sums = table.sum(axis=1)
    asked = (sums * (np.cumsum(sums, axis=1) - sums)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((table * lower).sum(axis=(1, 2)) / asked)
