"""Length-controlled win rate: what the win rate would be if both responses were as long.

After Dubois et al. 2024 (Length-Controlled AlpacaEval, arXiv 2404.04475), who fit the judge's preference by
logistic(theta + phi tanh(d / sd(d)) + psi g), d being the difference in length and g the speech's difficulty, and read
off the mean of logistic(theta + psi g) over the speeches. What differs here:

- d is in tokens, theirs in characters; d / sd(d) is not centred in either, so that 0 stays "as long".
- There is no g: theirs is estimated from a hundred other models' verdicts on the same prompts. Without it theta is the
  log odds of a win at equal length over all speeches together, which is what their mean estimates too.
- Verdicts are 1, 0.5 or 0 rather than a judge's probabilities.
- Nothing is shrunk. Their code has an L1 penalty chosen by cross-validation, which pulls theta towards 0, and adds
  verdicts on a verbose and a concise baseline at weight .2, which hold phi; ours refuses where no maximum exists, and
  its interval is wide where lengths say little. So a model that cuts its answers to game phi is not held back here.
- An interval: the regression is refitted in every resample of the speeches, with sd(d) as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.intervals import Figure, Floats, Resampling, ends, numbered, paired, per_cluster, some
from psychocounsel.statistics.pairs import sigmoid

_BINS = 128
"""Places that x is rounded to in resamples: a bin's spread is 5e-5 of x's, and so is what that moves the effect by."""
_STEPS = 50
_FAR = 30.0


@dataclass(frozen=True, slots=True)
class LengthControlled:
    """A win rate with the difference in length taken out."""

    win_rate: Figure
    """Chance of winning at equal length, in [0, 1]."""
    per_tokens: float
    """The regression's coefficient of tanh(difference / spread): log odds won by being much longer."""
    spread: float
    """Standard deviation of the differences in length, in tokens."""
    extrapolated: bool
    """Whether every response differs in length the same way, so that nothing was observed near equal length."""


def _fit(x: Floats, won: Floats, games: Floats, start: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """Return (theta, phi) of logit P = theta + phi x, (rows, 2), of wins and games by point, (rows, points)."""
    theta, phi = np.full(len(won), start[0]), np.full(len(won), start[1])
    alive = np.ones(len(won), dtype=bool)
    for _ in range(_STEPS):
        chance = sigmoid(theta[:, None] + phi[:, None] * x)
        rest, curve = won - games * chance, games * chance * (1 - chance)
        g0, g1 = rest.sum(1), rest @ x
        h00, h01, h11 = curve.sum(1), curve @ x, curve @ x**2
        below = h00 * h11 - h01**2
        alive &= below > 1e-12 * np.maximum(h00, 1e-300) ** 2
        safe = np.where(alive, below, 1.0)
        d0, d1 = (h11 * g0 - h01 * g1) / safe, (h00 * g1 - h01 * g0) / safe
        long = np.maximum(np.maximum(np.abs(d0), np.abs(d1)) / 4, 1.0)  # a full step may overshoot
        theta, phi = np.where(alive, theta + d0 / long, theta), np.where(alive, phi + d1 / long, phi)
        alive &= (np.abs(theta) < _FAR) & (np.abs(phi) < _FAR)
        moved = np.maximum(np.abs(d0), np.abs(d1))[alive]
        if moved.max(initial=0) < 1e-10:
            break
    fitted = np.stack([theta, phi], axis=1)
    fitted[~alive] = np.nan
    return fitted


def length_controlled(
    points: ArrayLike,
    lengths: ArrayLike,
    lengths_other: ArrayLike,
    clusters: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> LengthControlled:
    """Return the length-controlled win rate of one model over another.

    `points`, one a verdict: 1 won, 0.5 tied, 0 lost. Lengths in tokens. Raises TooLittleDataError where no regression
    can be fitted: all lengths differ by the same, or length alone tells every win from every loss.
    """
    score = some(points, "a length-controlled win rate")
    mine, other = paired(lengths, lengths_other, "length control")
    apart, score = paired(mine - other, score, "length control")
    if score.min() < 0 or score.max() > 1:
        raise ValueError("length control: points must lie between 0 (lost) and 1 (won).")
    index, count = numbered(clusters, score.size)
    spread = float(apart.std())
    if spread == 0:
        raise TooLittleDataError(
            f"length control: every response is {apart[0]:+g} tokens longer than the other's, so the effect of length "
            "cannot be told from the model's."
        )
    x = np.tanh(apart / spread)
    _refuse_parted(x, score)
    theta, phi = _fit(x, score[None], np.ones((1, score.size)))[0]
    if not np.isfinite(theta):
        raise TooLittleDataError(
            f"length control: the responses are {apart.min():+g} to {apart.max():+g} tokens longer than the other's; "
            "that is too alike for the effect of length to be told from the model's."
        )
    drawn = _resampled(x, score, index, count, Resampling(count, resamples, seed), (theta, phi))
    low, high = ends(sigmoid(drawn[:, 0]), count, per_cluster(_pull(x, score, theta, phi), index, count))
    rate = Figure(float(sigmoid(theta)), float(low), float(high), score.size, count)
    return LengthControlled(rate, float(phi), spread, bool(apart.min() > 0 or apart.max() < 0))


def _pull(x: Floats, score: Floats, theta: float, phi: float) -> Floats:
    """Return how each verdict pulls at theta, but for the scale: Newton's step on it alone."""
    chance = sigmoid(theta + phi * x)
    curve = chance * (1 - chance)
    return (curve @ x**2 - (curve @ x) * x) * (score - chance)


def _refuse_parted(x: Floats, score: Floats) -> None:
    """Raise TooLittleDataError where the likelihood has no maximum: a cut in length parts wins from losses."""
    won, lost = x[score > 0], x[score < 1]  # ties are both
    if won.size == 0 or lost.size == 0:
        raise TooLittleDataError(
            f"length control: every verdict was {'lost' if won.size == 0 else 'won'}, so no regression can be fitted."
        )
    if np.ptp(x) > 0 and (won.min() >= lost.max() or lost.min() >= won.max()):
        raise TooLittleDataError("length control: length alone tells wins from losses, so no regression can be fitted.")


def _resampled(
    x: Floats, score: Floats, index: NDArray[np.intp], clusters: int, draws: Resampling, start: tuple[float, float]
) -> Floats:
    """Refit in each resample, with x rounded to the mean of its bin where it takes many values."""
    from scipy.sparse import csr_matrix

    levels, place = np.unique(x, return_inverse=True)
    if len(levels) > _BINS:
        place = np.minimum(((x + 1) / 2 * _BINS).astype(int), _BINS - 1)
        _, place = np.unique(place, return_inverse=True)
        levels = np.bincount(place, x) / np.bincount(place)
    k = len(levels)
    rows, columns = np.concatenate([index, index]), np.concatenate([place, place + k])
    sums = csr_matrix((np.concatenate([score, np.ones_like(score)]), (rows, columns)), (clusters, 2 * k))
    totals = draws.totals(sums)
    return _fit(levels, totals[:, :k], totals[:, k:], start)
