"""Means over speeches: what win rates and their slices are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from psychocounsel.statistics.intervals import Figure, Floats, mean_figure


def per_speech(points: Floats, speeches: np.ndarray, count: int) -> Floats:
    """Return the mean of each speech's points, (count,); NaN where it has none, or where one of its rows has none.

    Half of a speech's orders would bring back the bias of position that both were asked to take out.
    """
    sums = np.bincount(speeches, points, count)  # NaN where one is
    times = np.bincount(speeches, minlength=count)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums / times)


def mean_of_given(
    values: Floats, ids: Sequence[str], *, resamples: int, seed: int, bounds: tuple[float, float] = (0.0, 1.0)
) -> Figure | None:
    """Return the mean over the speeches that have a value, each a cluster; None where none has."""
    given = np.flatnonzero(np.isfinite(values))
    if not given.size:
        return None
    clusters = [ids[int(place)] for place in given]
    return mean_figure(values[given], clusters, resamples=resamples, seed=seed, bounds=bounds)
