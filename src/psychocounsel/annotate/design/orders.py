"""The order in which a rater sees their items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from psychocounsel.annotate.study import Item
from psychocounsel.records import content_id, content_seed

WARM = 3
"""Items that come before the first attention check."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One place in an order."""

    item: Item
    repeat: int = 0


def order_of(
    rater: str, main: Sequence[Item], *, calibration: Sequence[Item], attention: Sequence[Item], repeats: int, seed: int
) -> list[Shown]:
    """Return a rater's items: calibration as given, then main items shuffled with attention checks spread evenly.

    `repeats` of the main items come again in the second half, a third of the whole later at least wherever there is
    room. Raises ValueError where there are fewer main items than repeats.
    """
    if repeats > len(main):
        raise ValueError(f"{repeats} of {len(main)} items cannot be repeated.")
    shuffled = _shuffled(main, "order", rater, seed)
    length = len(main) + repeats + len(attention)
    places: list[Shown | None] = [None] * length
    for place, check in zip(_spread(length, len(attention)), _shuffled(attention, "checks", rater, seed), strict=True):
        places[place] = Shown(check)
    free = [place for place, there in enumerate(places) if there is None]
    second, first = _repeats(free, repeats, ceil((len(calibration) + length) / 3), content_seed("repeats", rater, seed))
    for place in free:
        if place not in second:
            places[place] = Shown(shuffled.pop())
    for again, before in zip(second, first, strict=True):
        there = places[before]
        assert there is not None  # every free place that is not a second showing was just filled
        places[again] = Shown(there.item, repeat=1)
    return [*(Shown(item) for item in calibration), *(shown for shown in places if shown is not None)]


def _shuffled(items: Sequence[Item], what: str, rater: str, seed: int) -> list[Item]:
    return sorted(items, key=lambda item: content_id("annotate order", what, seed, rater, item.id))


def _spread(length: int, checks: int) -> list[int]:
    """Return places that cut the order into parts of the same length, none among the first where there is room."""
    start = min(WARM, length - checks)
    return [start + (k + 1) * (length - start - checks) // (checks + 1) + k for k in range(checks)]


def _repeats(free: Sequence[int], repeats: int, apart: int, seed: int) -> tuple[list[int], list[int]]:
    """Return places of second and of first showings, one beside the other.

    Second showings are spread over the second half. Each first one is any earlier place that is far enough away; where
    there is none, the earliest that is left.
    """
    rng = np.random.default_rng(seed)
    late = free[len(free) // 2 :]
    second = [late[k * len(late) // repeats] for k in range(repeats)]
    early = [place for place in free if place not in set(second)]
    first: list[int] = []
    for place in second:
        left = [other for other in early if other not in first]
        far = [other for other in left if other <= place - apart]
        first.append(int(rng.choice(far)) if far else left[0])
    return second, first
