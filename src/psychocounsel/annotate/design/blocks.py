"""Which raters get which item: a balanced incomplete block design, as nearly as the numbers allow.

An item is a block of m raters. Loads of two raters differ by one at most; how often two raters share an item (their
concurrence) is as equal as can be found, for otherwise agreement would be that of a few pairs of raters. Blocks are
developed cyclically out of base blocks whose differences are spread evenly (Bose 1939), which already gives the exact
designs that have a difference set; then pairs of blocks exchange raters, with annealing, while it makes concurrences
more equal.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import comb, exp
from typing import Any

from psychocounsel.records import content_seed

Block = frozenset[int]
_BASES = 4_000
"""Base blocks that are looked at, at most."""
_EXCHANGES = 60_000
"""Exchanges that are tried, at most: about half a second."""
_HEAT = 2.0, 0.15
"""Temperature at the first and at the last exchange, in squared concurrences."""


@dataclass(frozen=True, slots=True)
class Balance:
    """How even a design is."""

    least_load: int
    most_load: int
    """Items of a rater."""
    least_shared: int
    most_shared: int
    """Items that two raters share."""

    @property
    def exact(self) -> bool:
        """Whether it is a balanced incomplete block design."""
        return self.least_load == self.most_load and self.least_shared == self.most_shared

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"exact": self.exact}


def assign(items: int, raters: int, per_item: int, seed: int = 0) -> list[Block]:
    """Return the raters of each item, numbered from 0. Items that stand together go to different raters, mostly.

    Raises ValueError where there are fewer raters than an item needs.
    """
    if not 1 <= per_item <= raters:
        raise ValueError(f"{per_item} raters an item cannot be found among {raters}.")
    chance = random.Random(content_seed("annotate blocks", items, raters, per_item, seed))
    blocks = _cyclic(items // raters, raters, per_item, chance)
    _fill(blocks, items, raters, per_item, chance)
    if 1 < per_item < raters:
        _exchange(blocks, raters, chance)
    return [frozenset(block) for block in blocks]


def balance_of(blocks: Sequence[Block], raters: int) -> Balance:
    """Return how even the loads and concurrences of a design are."""
    loads = Counter(rater for block in blocks for rater in block)
    shared = Counter(pair for block in blocks for pair in combinations(sorted(block), 2))
    of_rater = [loads[rater] for rater in range(raters)]
    of_pair = [shared[pair] for pair in combinations(range(raters), 2)] or [0]
    return Balance(min(of_rater), max(of_rater), min(of_pair), max(of_pair))


def _cyclic(rounds: int, raters: int, per_item: int, chance: random.Random) -> list[set[int]]:
    """Return `rounds` times as many blocks as there are raters: each round loads every rater with `per_item`."""
    if not rounds:
        return []
    if comb(raters - 1, per_item - 1) <= _BASES:
        bases = [(0, *rest) for rest in combinations(range(1, raters), per_item - 1)]
    else:
        bases = [(0, *sorted(chance.sample(range(1, raters), per_item - 1))) for _ in range(_BASES)]
    steps = [Counter(min(y - x, raters - (y - x)) for x, y in combinations(base, 2)) for base in bases]
    seen: Counter[int] = Counter()
    used: Counter[int] = Counter()
    blocks: list[set[int]] = []
    for _ in range(rounds):
        costs = [sum(2 * seen[step] * n + n * n for step, n in each.items()) for each in steps]
        least = min(costs)
        best = min((used[b], b) for b, cost in enumerate(costs) if cost == least)[1]
        seen.update(steps[best])
        used[best] += 1
        blocks += [{(x + turn) % raters for x in bases[best]} for turn in range(raters)]
    return blocks


def _fill(blocks: list[set[int]], items: int, raters: int, per_item: int, chance: random.Random) -> None:
    """Add blocks of the least loaded raters who have shared the fewest items."""
    shared = _concurrences(blocks, raters)
    loads = [sum(rater in block for block in blocks) for rater in range(raters)]
    while len(blocks) < items:
        block: set[int] = set()
        while len(block) < per_item:
            free = [rater for rater in range(raters) if rater not in block]
            chance.shuffle(free)
            block.add(min(free, key=lambda r: (loads[r], sum(shared[r][other] for other in block))))
        for rater in block:
            loads[rater] += 1
            for other in block - {rater}:
                shared[rater][other] += 1
        blocks.append(block)


def _concurrences(blocks: Sequence[set[int]], raters: int) -> list[list[int]]:
    shared = [[0] * raters for _ in range(raters)]
    for block in blocks:
        for x in block:
            for y in block - {x}:
                shared[x][y] += 1
    return shared


def _exchange(blocks: list[set[int]], raters: int, chance: random.Random) -> None:
    """Let two blocks exchange a rater each, while concurrences are less equal than they could be. Loads stay."""
    shared = _concurrences(blocks, raters)
    cells = raters * (raters - 1) // 2
    counts = [shared[x][y] for x, y in combinations(range(raters), 2)]
    each, over = divmod(sum(counts), cells)
    excess = sum(count * count for count in counts) - (over * (each + 1) ** 2 + (cells - over) * each**2)
    best, kept = excess, [set(block) for block in blocks]
    for turn in range(_EXCHANGES):
        if not best or len(blocks) < 2:
            break
        heat = _HEAT[0] * (_HEAT[1] / _HEAT[0]) ** (turn / _EXCHANGES)
        one, two = chance.sample(blocks, 2)
        if not (one - two and two - one):
            continue
        x, y = chance.choice(sorted(one - two)), chance.choice(sorted(two - one))
        left, right = one - two - {x}, two - one - {y}
        change = sum(2 * (shared[y][z] - shared[x][z]) + 2 for z in left)
        change += sum(2 * (shared[x][z] - shared[y][z]) + 2 for z in right)
        if change > 0 and chance.random() >= exp(-change / heat):
            continue
        one.symmetric_difference_update({x, y})
        two.symmetric_difference_update({x, y})
        for others, lost, gained in ((left, x, y), (right, y, x)):
            for z in others:
                shared[lost][z] -= 1
                shared[z][lost] -= 1
                shared[gained][z] += 1
                shared[z][gained] += 1
        excess += change
        if excess < best:
            best, kept = excess, [set(block) for block in blocks]
    blocks[:] = kept
