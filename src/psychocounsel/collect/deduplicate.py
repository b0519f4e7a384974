"""Exact and near duplicates among client speeches: one of each is kept."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from psychocounsel.records import ClientSpeech

_WORD = re.compile(r"\w+")
_SHINGLE = 3
"""Words in a shingle."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A speech that is left out, and the one that is kept for it."""

    position: int
    """Position of the speech left out, in the input."""
    kept: str
    """Id of the speech that is kept."""
    exact: bool


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return the word trigrams of a text, lower-cased; a shorter text is one shingle."""
    words = _WORD.findall(text.casefold())
    if len(words) <= _SHINGLE:
        return frozenset([tuple(words)])
    return frozenset(tuple(words[i : i + _SHINGLE]) for i in range(len(words) - _SHINGLE + 1))


def _whole(speech: ClientSpeech) -> str:
    return "\n".join(turn.text for turn in speech.conversation)


def drop_duplicates(speeches: list[ClientSpeech], threshold: float) -> tuple[list[ClientSpeech], list[Duplicate]]:
    """Keep the first of each set of speeches whose Jaccard similarity to a kept one is at least `threshold`.

    Similarity is over word trigrams of the whole dialogue, computed exactly through an inverted index.
    """
    kept: list[ClientSpeech] = []
    sizes: list[int] = []
    by_shingle: dict[tuple[str, ...], list[int]] = defaultdict(list)
    exact: dict[str, str] = {}
    left_out: list[Duplicate] = []
    for position, speech in enumerate(speeches):
        whole = " ".join(_WORD.findall(_whole(speech).casefold())) or _whole(speech)
        if whole in exact:
            left_out.append(Duplicate(position, exact[whole], exact=True))
            continue
        exact[whole] = speech.id
        mine = shingles(whole)
        shared = Counter(other for shingle in mine for other in by_shingle.get(shingle, ()))
        twin = next((o for o, n in sorted(shared.items()) if n / (len(mine) + sizes[o] - n) >= threshold), None)
        if twin is not None:
            left_out.append(Duplicate(position, kept[twin].id, exact=False))
            continue
        for shingle in mine:
            by_shingle[shingle].append(len(kept))
        kept.append(speech)
        sizes.append(len(mine))
    return kept, left_out
