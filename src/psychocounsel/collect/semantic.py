"""Speeches that say the same in other words share a group, and so a split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from psychocounsel.backends.sentence_encoder import SentenceEncoder
from psychocounsel.records import ClientSpeech

_BLOCK = 2_048
"""Speeches compared with all later ones at once: what bounds memory. Time grows with the square of the speeches."""


def group_by_meaning(speeches: list[ClientSpeech], encoder: SentenceEncoder, threshold: float) -> list[ClientSpeech]:
    """Return the speeches with one group for all whose cosine similarity is at least `threshold`, chains included.

    Nothing is left out: what says the same in other words is no duplicate, but must not stand on both sides of a split.
    """
    groups = sorted({s.group for s in speeches})
    number = {group: n for n, group in enumerate(groups)}
    parent = list(range(len(groups)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    vectors = encoder.encode([s.text for s in speeches])
    for start in range(0, len(speeches), _BLOCK):
        near = vectors[start : start + _BLOCK] @ vectors[start:].T >= threshold
        for i, j in zip(*np.nonzero(near), strict=True):
            a, b = root(number[speeches[start + i].group]), root(number[speeches[start + j].group])
            parent[max(a, b)] = min(a, b)
    return [replace(s, group=groups[root(number[s.group])]) for s in speeches]
