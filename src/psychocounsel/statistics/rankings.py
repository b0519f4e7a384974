"""Bradley-Terry ranking of many models from pairwise results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.intervals import Figure, Floats, Resampling, ends, numbered, some
from psychocounsel.statistics.pairs import sigmoid

_STEPS = 60
_FAR = 30.0
"""A strength beyond this, in log odds, is on its way to infinity."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One model's place."""

    model: str
    strength: Figure
    """Log odds of beating the average model; the strengths of all models sum to 0."""
    best: int
    """Least rank (1 is best) that the intervals of the differences leave open."""
    worst: int


def _fit(wins: Floats) -> Floats:
    """Return the strengths (batch, models) that maximise the likelihood of wins (batch, models, models).

    `wins[b, i, j]` is how often i beat j, ties counted half to each. NaN where a strength is infinite.
    """
    batch, models, _ = wins.shape
    games = wins + wins.transpose(0, 2, 1)
    strength = np.zeros((batch, models))
    pull = np.full((models, models), 1 / models)  # holds the sum at 0 and makes the Hessian invertible
    alive = np.ones(batch, dtype=bool)
    for _ in range(_STEPS):
        chance = sigmoid(strength[:, :, None] - strength[:, None, :])
        gradient = (wins - games * chance).sum(2)
        curve = games * chance * (1 - chance)
        hessian = -curve
        hessian[:, np.arange(models), np.arange(models)] += curve.sum(2)
        scale = np.maximum(hessian[:, np.arange(models), np.arange(models)].max(1), 1e-12)
        step = np.linalg.solve(hessian + (scale[:, None, None] * (pull + 1e-12 * np.eye(models))), gradient[..., None])
        step = np.clip(step[..., 0], -2, 2)  # a full step may overshoot where a model won nearly all
        strength = np.where(alive[:, None], strength + step - step.mean(1, keepdims=True), strength)
        alive &= np.abs(strength).max(1) < _FAR
        if np.abs(step[alive]).max(initial=0) < 1e-10:
            break
    strength[~alive] = np.nan
    return strength


def _reach(beats: NDArray[np.bool_]) -> NDArray[np.bool_]:
    reached = beats | np.eye(len(beats), dtype=bool)
    for middle in range(len(beats)):
        reached |= reached[:, middle : middle + 1] & reached[middle]
    return reached


def bradley_terry(
    models: Sequence[str],
    first: ArrayLike,
    second: ArrayLike,
    points: ArrayLike,
    clusters: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> list[Rank]:
    """Return the models by strength, best first.

    `first` and `second` are places in `models`; `points` are 1 where the first won, 0.5 for a tie, 0 where it lost.
    Raises TooLittleDataError where a strength is infinite: a group of models that never lost to another.
    """
    score = some(points, "a ranking")
    a, b = _places(first, len(models), score.size), _places(second, len(models), score.size)
    if (a == b).any():
        raise ValueError("a ranking: a model stands against itself; leave those verdicts out.")
    if score.min() < 0 or score.max() > 1:
        raise ValueError("a ranking: points must lie between 0 (lost) and 1 (won).")
    index, speeches = numbered(clusters, score.size)
    sums = _wins(a, b, score, index, speeches, len(models))
    table = sums.sum(0)
    reached = _reach(table > 0)
    if not reached.all():
        above = [models[i] for i in range(len(models)) if not reached[:, i].all()]
        raise TooLittleDataError(
            f"a ranking: nothing that lost to the others ever beat {', '.join(above)}, so strengths are infinite. "
            "Leave those models out, or compare on more speeches."
        )
    strength = _fit(table[None])[0]
    drawn = Resampling(speeches, resamples, seed).totals(sums.reshape(speeches, -1))
    samples = _fit(drawn.reshape(-1, *table.shape))
    influence = _influence(strength, sums)
    low, high = ends(samples, speeches, influence)
    apart_low, apart_high = ends(_apart(samples), speeches, _apart(influence))
    games = (table + table.T).sum(1)
    ranks = [
        Rank(
            model=model,
            strength=Figure(float(strength[i]), float(low[i]), float(high[i]), int(games[i]), speeches),
            best=1 + int((apart_high[i] < 0).sum()),
            worst=len(models) - int((apart_low[i] > 0).sum()),
        )
        for i, model in enumerate(models)
    ]
    return sorted(ranks, key=lambda rank: -rank.strength.value)


def _places(values: ArrayLike, models: int, games: int) -> NDArray[np.intp]:
    places = np.asarray(values, dtype=np.intp)
    if places.shape != (games,) or places.min() < 0 or places.max() >= models:
        raise ValueError(f"a ranking: every verdict needs the places of its two models, from 0 to {models - 1}.")
    return places


def _wins(
    a: NDArray[np.intp], b: NDArray[np.intp], score: Floats, index: NDArray[np.intp], speeches: int, models: int
) -> Floats:
    """Return how often each model beat each other in each speech, (speeches, models, models)."""
    cell = np.concatenate([(index * models + a) * models + b, (index * models + b) * models + a])
    won = np.bincount(cell, np.concatenate([score, 1 - score]), speeches * models**2)
    return np.asarray(won, dtype=np.float64).reshape(speeches, models, models)


def _influence(strength: Floats, wins: Floats) -> Floats:
    """Return how each speech pulls at each strength, (speeches, models): Newton's step on its games alone."""
    chance = sigmoid(strength[:, None] - strength[None, :])
    games = wins + wins.transpose(0, 2, 1)
    curve = games.sum(0) * chance * (1 - chance)
    hessian = np.diag(curve.sum(1)) - curve
    return np.asarray((wins - games * chance).sum(2) @ np.linalg.pinv(hessian))


def _apart(strengths: Floats) -> Floats:
    return strengths[..., :, None] - strengths[..., None, :]
