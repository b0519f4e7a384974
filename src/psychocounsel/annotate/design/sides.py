"""Which response is shown first: balanced within every rater, within every item, and for what the label prefers.

Who sees an item is an edge between a rater and an item. Edges are paired at each rater (those of one label first, then
what is left over) and at each item; two that are paired are shown the other way round. Each edge has one partner at
either end at most, so the pairs form paths and rings of even length, and such a choice always exists.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from psychocounsel.annotate.study import Item
from psychocounsel.records import content_id, content_seed

Edge = tuple[str, str]
"""Rater's code and item's id."""


def flipped(shown: Sequence[tuple[str, Item]], seed: int) -> dict[Edge, bool]:
    """Return whether b is shown first, for each rater and item.

    Of a rater's n items n/2 are flipped, or the whole number below or above; so of an item's raters, and of a rater's
    items with label a, with label b and with neither: what the label prefers stands first half of the time, give or
    take one.
    """
    label = {item.id: item.label if item.label in ("a", "b") else "" for _, item in shown}
    by_rater: dict[str, dict[str, list[Edge]]] = defaultdict(lambda: defaultdict(list))
    by_item: dict[str, list[Edge]] = defaultdict(list)
    for rater, item in shown:
        by_rater[rater][label[item.id]].append((rater, item.id))
        by_item[item.id].append((rater, item.id))
    at_rater: dict[Edge, Edge] = {}
    for groups in by_rater.values():
        rest = [edge for name in sorted(groups) for edge in _pair(groups[name], at_rater, seed)]
        _pair(rest, at_rater, seed, keep_order=True)
    at_item: dict[Edge, Edge] = {}
    for edges in by_item.values():
        _pair(edges, at_item, seed)
    return _alternated(sorted({edge for edges in by_item.values() for edge in edges}), at_rater, at_item, seed)


def _pair(edges: Iterable[Edge], partner: dict[Edge, Edge], seed: int, keep_order: bool = False) -> list[Edge]:
    """Pair edges two by two; return the one that is left over, if any."""
    order = list(edges) if keep_order else sorted(edges, key=lambda edge: content_id("annotate sides", seed, *edge))
    for one, two in zip(order[::2], order[1::2], strict=False):
        partner[one], partner[two] = two, one
    return order[len(order) // 2 * 2 :]


def _alternated(
    edges: Sequence[Edge], at_rater: Mapping[Edge, Edge], at_item: Mapping[Edge, Edge], seed: int
) -> dict[Edge, bool]:
    """Give partners different values, walking each path and ring from an edge that content chooses."""
    found: dict[Edge, bool] = {}
    for start in edges:
        if start in found:
            continue
        found[start] = bool(content_seed("annotate side first", seed, *start) % 2)
        for first, second in ((at_rater, at_item), (at_item, at_rater)):
            edge, here, there = start, first, second
            while (other := here.get(edge)) is not None and other not in found:
                found[other] = not found[edge]
                edge, here, there = other, there, here
    return found
