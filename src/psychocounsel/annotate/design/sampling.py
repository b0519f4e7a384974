"""Which candidates are drawn: so many of each risk, topic and gap as there are in the source, and none passed over.

Items are shared out by risk first, within a level by topic, and within a topic by gap, each time in proportion with
one at least for every stratum as far as there are enough (largest remainders, Hamilton's method). A flat table of all
three would have more cells than most studies have items, and its rarest, such as imminent risk, would go unread.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from typing import Any

from psychocounsel.annotate.study import Item, speech_of
from psychocounsel.records import RISK_LEVELS, content_id

GAPS = ((0.5, "gap under 0.5"), (1.0, "gap 0.5 to 1"), (2.0, "gap 1 to 2"), (float("inf"), "gap of 2 and more"))
"""Upper ends of the bins of a pair's gap, as the reward model's figures have them."""
SCORES = ((2.5, "score under 2.5"), (3.5, "score 2.5 to 3.5"), (float("inf"), "score of 3.5 and more"))
"""Likewise of a single response's mean labelled score."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Stratum:
    """Candidates of one risk, topic and gap."""

    risk: str
    topic: str
    band: str
    """Gap of a pair, or score of a response, in words."""
    candidates: int
    drawn: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def stratum_of(item: Item) -> tuple[str, str, str]:
    """Return risk, topic and band of an item, each `unknown` where it is."""
    return item.risk or UNKNOWN, item.topic or UNKNOWN, _band(item)


def _band(item: Item) -> str:
    if len(item.texts) > 1:
        return _bin(item.gap, GAPS) if item.gap is not None else "no gap"
    score = mean_score(item)
    return _bin(score, SCORES) if score is not None else "no score"


def mean_score(item: Item) -> float | None:
    """Return the labeller's mean score of a single response, 1 to 5; None where it was not rated."""
    scores = item.label_scores.get("a", {}).values()
    return fsum(scores) / len(scores) if scores else None


def _bin(value: float, bins: Sequence[tuple[float, str]]) -> str:
    return next(name for end, name in bins if value < end)


def draw(candidates: Sequence[Item], n: int, seed: int) -> list[Item]:
    """Return `n` candidates, stratified, sorted by stratum. They follow from content and seed alone.

    Speeches that have not been drawn, in this stratum or another, come first: two pairs of one speech tell less than
    two speeches.
    """
    levels = (_risk, lambda i: stratum_of(i)[1], lambda i: stratum_of(i)[2])
    return _shared(_speeches_apart(candidates, seed), n, levels, Counter())


def _risk(item: Item) -> str:
    level = stratum_of(item)[0]
    return f"{RISK_LEVELS.index(level)} {level}" if level in RISK_LEVELS else level


def _speeches_apart(candidates: Sequence[Item], seed: int) -> list[Item]:
    seen: Counter[str] = Counter()
    ranked: list[tuple[int, int, Item]] = []
    for item in sorted(candidates, key=lambda item: content_id("annotate draw", seed, item.id)):
        ranked.append((seen[speech_of(item)], len(ranked), item))
        seen[speech_of(item)] += 1
    return [item for _, _, item in sorted(ranked, key=lambda each: each[:2])]


def _shared(
    items: Sequence[Item], n: int, levels: Sequence[Callable[[Item], str]], used: Counter[str]
) -> list[Item]:  # fmt: skip
    if not levels:
        return _least_used(items, n, used)
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[levels[0](item)].append(item)
    names = sorted(groups)
    shares = allocate([len(groups[name]) for name in names], n)
    return [item for name, k in zip(names, shares, strict=True) for item in _shared(groups[name], k, levels[1:], used)]


def _least_used(items: Sequence[Item], n: int, used: Counter[str]) -> list[Item]:
    """Return `n` of `items`, each time the first one whose speech was drawn least; `used` counts on."""
    left, drawn = list(items), list[Item]()
    while len(drawn) < n:
        seen: set[str] = set()
        least = min(used[speech_of(item)] for item in left)
        for item in [item for item in left if used[speech_of(item)] == least]:
            if len(drawn) < n and speech_of(item) not in seen:
                seen.add(speech_of(item))
                drawn.append(item)
                left.remove(item)
        used.update(seen)
    return drawn


def allocate(sizes: Sequence[int], n: int) -> list[int]:
    """Share `n` out over groups of `sizes` in proportion, by largest remainders; one at least while `n` goes round.

    Nobody gets more than its size. Raises ValueError where `n` is more than all.
    """
    total = sum(sizes)
    if n > total:
        raise ValueError(f"{n} cannot be drawn out of {total}.")
    if n < len(sizes):
        largest = sorted(range(len(sizes)), key=lambda g: (-sizes[g], g))[:n]
        return [int(g in largest) for g in range(len(sizes))]
    wanted = [n * size / total for size in sizes]
    given = [max(1, int(share)) for share in wanted]
    while sum(given) > n:
        given[max((g for g in range(len(sizes)) if given[g] > 1), key=lambda g: (given[g] - wanted[g], -g))] -= 1
    while sum(given) < n:
        given[max((g for g in range(len(sizes)) if given[g] < sizes[g]), key=lambda g: (wanted[g] - given[g], -g))] += 1
    return given


def strata(candidates: Sequence[Item], drawn: Sequence[Item]) -> tuple[Stratum, ...]:
    """Return every stratum that has candidates, with how many were drawn of it."""
    there, taken = (Counter(map(stratum_of, items)) for items in (candidates, drawn))
    return tuple(Stratum(*key, there[key], taken[key]) for key in sorted(there))
