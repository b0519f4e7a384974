"""Exact and near duplicates among client speeches: one of each is kept.

Candidates by MinHash with locality-sensitive hashing (sketches by the `rensa` library, on all cores), then the Jaccard
similarity itself over word trigrams of the whole dialogue: what is called a near duplicate is one.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from psychocounsel.collect.cores import over_cores, seldom_collecting
from psychocounsel.records import ClientSpeech

_WORD = re.compile(r"\w+")
_MARKS_TO_SPACES = bytes(c if _WORD.fullmatch(chr(c)) else ord(" ") for c in range(256))
_SHINGLE = 3
"""Words in a shingle."""
_PERMUTATIONS = 96
"""Of a MinHash at most."""
_RECALL = 0.9999
"""Chance that two speeches exactly at the threshold are compared at all; above it, more."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A speech that is left out, and the one that is kept for it."""

    position: int
    """Position of the speech left out, in the input."""
    kept: str
    """Id of the speech that is kept."""
    exact: bool


@dataclass(frozen=True, slots=True)
class _Sketch:
    """What is kept of some texts to find twins by."""

    keys: NDArray[np.uint32]
    """[texts, bands]: texts that share a key in a band may be twins."""
    same: Hashes
    """[texts]: equal for equal words."""


def whole(speech: ClientSpeech) -> str:
    """Return the dialogue that a speech is compared by."""
    return "\n".join(turn.text for turn in speech.conversation) if speech.earlier else speech.text


def words_of(text: str) -> list[bytes]:
    """Return the words that duplicates are told by: lower case, no marks, in UTF-8. A text without any is itself."""
    if text.isascii():  # five times as fast as the expression, and the same
        words = text.lower().encode().translate(_MARKS_TO_SPACES).split()
    else:
        words = [word.encode() for word in _WORD.findall(text.casefold())]
    return words or [text.encode("utf-8", "surrogatepass")]


def shingles(texts: Sequence[Sequence[bytes]]) -> tuple[Hashes, NDArray[np.int64]]:
    """Return the hashes of the word trigrams of texts given as words, one text after the other, and how many each has.

    A text shorter than a trigram is one shingle.
    """
    hashed = _mix(np.fromiter(map(crc32, chain.from_iterable(texts)), np.uint64))
    sizes = np.array([len(words) for words in texts], np.int64)
    many = np.maximum(sizes - _SHINGLE + 1, 1)
    ends = np.cumsum(sizes)
    place = np.repeat(ends - sizes - (np.cumsum(many) - many), many) + np.arange(many.sum())
    last = np.repeat(ends, many)
    flat = np.zeros(len(place), np.uint64)
    for step in range(_SHINGLE):
        inside = place + step < last
        flat = flat * np.uint64(0x9E3779B97F4A7C15) + hashed[np.where(inside, place + step, 0)] * inside
    return _mix(flat), many


def shingle_set(text: str) -> frozenset[tuple[bytes, ...]]:
    """Return the different word trigrams of one text; a shorter one is a single shingle."""
    words = words_of(text)
    return (
        frozenset(zip(words, words[1:], words[2:], strict=False))
        if len(words) >= _SHINGLE
        else frozenset([tuple(words)])
    )


def jaccard(a: frozenset[Any], b: frozenset[Any]) -> float:
    """Return the share of shingles that two texts have in common."""
    both = len(a & b)
    return both / (len(a) + len(b) - both)


def _mix(values: Hashes) -> Hashes:
    """Spread the bits (splitmix64, Steele et al. 2014)."""
    values = (values + np.uint64(0x9E3779B97F4A7C15)) ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def bands_for(threshold: float) -> tuple[int, int]:
    """Return bands and rows of a band: the longest rows that still find two texts at the threshold.

    More rows compare fewer texts for nothing; more permutations take longer for every text.
    """
    for rows in range(16, 1, -1):
        missed = 1 - threshold**rows
        bands = 1 if missed == 0 else math.ceil(math.log(1 - _RECALL) / math.log(missed))
        if bands * rows <= _PERMUTATIONS:
            return bands, rows
    return _PERMUTATIONS, 1


def _sketch(texts: list[str], bands: int, rows: int) -> list[_Sketch]:
    from rensa import RMinHash

    words = [words_of(text) for text in texts]
    flat, many = shingles(words)
    offsets = np.concatenate([[0], np.cumsum(many)]).astype(np.uint64)
    digests = RMinHash.digest_matrix_from_flat_token_hashes(flat, offsets, bands * rows, 1).to_rows()
    matrix = np.array(digests, np.uint64).reshape(len(texts), bands, rows)
    keys = np.zeros((len(texts), bands), np.uint64)
    for row in range(rows):
        keys = _mix(keys ^ matrix[:, :, row])
    same = np.fromiter((_equal_for_equal(w) for w in words), np.uint64, len(words))
    return [_Sketch((keys >> np.uint64(32)).astype(np.uint32), same)]


def _equal_for_equal(words: Sequence[bytes]) -> int:
    """Return 64 bits: two checksums. Texts that have them in common by chance are told apart by their words."""
    joined = b" ".join(words)
    return crc32(joined) << 32 | crc32(joined[::-1], len(joined) & 0xFFFFFFFF)


def twins(
    texts: Iterable[str],
    text_of: Callable[[int], str],
    threshold: float,
    comparable: Callable[[int, int], bool] = lambda a, b: True,
) -> Iterator[tuple[int, int, bool]]:
    """Yield (position, earlier position, exact) for each text that is a twin of one before it that is none itself.

    `text_of` gives a text again by its position; `comparable` says whether two positions may be near twins at all.
    """
    bands, rows = bands_for(threshold)
    parts = list(over_cores(texts, partial(_sketch, bands=bands, rows=rows)))
    if not parts:
        return
    same = np.concatenate([part.same for part in parts])
    keys = np.concatenate([part.keys for part in parts])
    del parts
    positions, run_of = _runs(np.hstack([keys, _dense(same)[:, None]]))
    first = np.full(run_of.max(initial=-1) + 1, -1, np.int64)
    more: defaultdict[int, list[int]] = defaultdict(list)
    of = lru_cache(4096)(lambda position: shingle_set(text_of(position)))
    exactly: dict[int, int] = {}
    for position, mine in zip(positions.tolist(), run_of, strict=True):
        equal = exactly.setdefault(int(same[position]), position)
        if equal != position and words_of(text_of(equal)) == words_of(text_of(position)):
            yield position, equal, True
            continue
        mine = mine[mine >= 0]
        found = first[mine]
        others = set(found[found >= 0].tolist())
        others.update(o for run in mine[found >= 0].tolist() for o in more.get(run, ()))
        twin = next(
            (o for o in sorted(others) if comparable(position, o) and jaccard(of(position), of(o)) >= threshold), None
        )
        if twin is not None:
            yield position, twin, False
            continue
        first[mine[found < 0]] = position
        for run in mine[found >= 0].tolist():
            more[run].append(position)


def _dense(values: Hashes) -> NDArray[np.uint32]:
    return np.unique(values, return_inverse=True)[1].astype(np.uint32)


def _runs(keys: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of texts that share a key in a band [M], and their runs [M, bands], -1 for none."""
    shares = np.zeros(len(keys), np.bool_)
    for band in keys.T:
        ordered = np.sort(band)
        repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        if len(repeated):
            at = np.minimum(np.searchsorted(repeated, band), len(repeated) - 1)
            shares |= repeated[at] == band
    positions = np.flatnonzero(shares)
    run_of = np.full((len(positions), keys.shape[1]), -1, np.int64)
    runs = 0
    for band in range(keys.shape[1]):
        _, inverse, times = np.unique(keys[positions, band], return_inverse=True, return_counts=True)
        shared = np.flatnonzero(times > 1)
        number = np.full(len(times), -1, np.int64)
        number[shared] = runs + np.arange(len(shared))
        run_of[:, band] = number[inverse]
        runs += len(shared)
    return positions, run_of


def drop_duplicates(speeches: list[ClientSpeech], threshold: float) -> tuple[list[ClientSpeech], list[Duplicate]]:
    """Keep the first of each set of speeches whose Jaccard similarity to a kept one is at least `threshold`.

    Speeches of one group, such as the turns of a dialogue, share their history: only exact ones are left out there.
    """

    def comparable(a: int, b: int) -> bool:
        return not speeches[a].group or speeches[a].group != speeches[b].group

    found = twins((whole(s) for s in speeches), lambda position: whole(speeches[position]), threshold, comparable)
    with seldom_collecting():
        left_out = {position: (twin, exact) for position, twin, exact in found}
    kept = [speech for position, speech in enumerate(speeches) if position not in left_out]
    return kept, [Duplicate(p, speeches[o].id, exact=e) for p, (o, e) in sorted(left_out.items())]
