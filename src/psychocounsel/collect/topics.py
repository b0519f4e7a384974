"""Coarse and fine topics of client speeches, assigned offline, with a confidence.

Cues of a taxonomy (`taxonomy.yaml`), weighted by how few topics share them; with an encoder also the similarity to
sentences in a client's voice. A learned bag of words is no way here: the texts are short, oblique and varied.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Protocol, TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray

from psychocounsel.backends.sentence_encoder import SentenceEncoder
from psychocounsel.records import content_seed

_WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
STRONG = 3.0
"""Weight of a cue that alone nearly settles a topic; others weigh 1."""
LEAST, LEAST_ENCODED = 0.3, 3.0
"""Evidence below which a text has no topic: of cues alone, and with the encoder."""
SHARPNESS, SHARPNESS_ENCODED = 3.0, 1.15
"""Of the softmax over topic scores: set on counsel-chat, so that confidence is about the share that is right."""
SIMILARITY = 15.0
"""Weight of a cosine similarity beside the cues, chosen on counsel-chat."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a text is about."""

    coarse: str
    """Empty where nothing fits."""
    fine: str
    confidence: float
    """Roughly the chance that the fine topic is right, 0 to 1."""


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Identified)


@cache
def _entries() -> dict[tuple[str, str], dict[str, Any]]:
    text = resources.files("psychocounsel.collect").joinpath("taxonomy.yaml").read_text("utf-8")
    return {(coarse, fine): entry for coarse, fines in yaml.safe_load(text).items() for fine, entry in fines.items()}


@cache
def taxonomy() -> dict[str, tuple[str, ...]]:
    """Return each coarse topic with its fine ones."""
    fines: dict[str, list[str]] = defaultdict(list)
    for coarse, fine in _entries():
        fines[coarse].append(fine)
    return {coarse: tuple(found) for coarse, found in fines.items()}


@cache
def _cues() -> tuple[dict[str, list[tuple[int, float]]], dict[str, list[tuple[int, float]]], int]:
    """Return cues by their words, stems, and the most words in a cue. A cue of many topics says little of each."""
    of: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for place, entry in enumerate(_entries().values()):
        for cue in entry["cues"]:
            name = str(cue).removeprefix("!").lower()
            of[name].append((place, STRONG if str(cue).startswith("!") else 1.0))
    whole: dict[str, list[tuple[int, float]]] = {}
    stems: dict[str, list[tuple[int, float]]] = {}
    for cue, places in of.items():
        weighed = [(place, weight / len(places) ** 0.7) for place, weight in places]
        if cue.endswith("*") and " " not in cue:
            stems[cue[:-1]] = weighed
        else:
            whole[cue.rstrip("*")] = weighed
    return whole, stems, max(len(cue.split()) for cue in whole)


def _evidence(text: str) -> NDArray[np.float64]:
    """Return the weight of cues for every topic [42]; a cue counts once."""
    whole, stems, longest = _cues()
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    scores = np.zeros(len(_entries()))
    seen: set[str] = set()
    for at, word in enumerate(words):
        for cue, places in _found(word, words, at, whole, stems, longest):
            if cue not in seen:
                seen.add(cue)
                for place, weight in places:
                    scores[place] += weight
    # A long text meets more cues by chance.
    damped: NDArray[np.float64] = scores / max(1.0, math.log10(max(len(words), 10)) ** 1.5)
    return damped


def _found(
    word: str,
    words: list[str],
    at: int,
    whole: dict[str, list[tuple[int, float]]],
    stems: dict[str, list[tuple[int, float]]],
    longest: int,
) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    for length in range(3, len(word) + 1):
        if (places := stems.get(word[:length])) is not None:
            yield word[:length] + "*", places
    phrase = word
    for more in range(longest):
        if more:
            if at + more >= len(words):
                return
            phrase = f"{phrase} {words[at + more]}"
        if (places := whole.get(phrase)) is not None:
            yield phrase, places


def assign(texts: Sequence[str], encoder: SentenceEncoder | None = None) -> list[Topic]:
    """Return the topic of each text, in order; one that nothing speaks for is empty with confidence 0."""
    scores = np.array([_evidence(text) for text in texts]).reshape(len(texts), len(_entries()))
    least, sharpness = (LEAST, SHARPNESS) if encoder is None else (LEAST_ENCODED, SHARPNESS_ENCODED)
    if encoder is not None:
        scores = scores + SIMILARITY * _similarity(texts, encoder)
    names = list(_entries())
    topics = []
    for row in scores:
        best = int(row.argmax())
        if row[best] < least:
            topics.append(Topic("", "", 0.0))
            continue
        odds = np.exp(sharpness * (row - row[best]))
        topics.append(Topic(*names[best], float(1 / odds.sum())))
    return topics


def _similarity(texts: Sequence[str], encoder: SentenceEncoder) -> NDArray[np.float64]:
    """Return the mean cosine similarity to a topic's two nearest sentences [texts, 42]."""
    said = [[entry["is"], *entry["says"]] for entry in _entries().values()]
    vectors = encoder.encode([sentence for sentences in said for sentence in sentences])
    near = encoder.encode(list(texts)) @ vectors.T
    columns, start = [], 0
    for sentences in said:
        mine = np.sort(near[:, start : start + len(sentences)], axis=1)[:, -2:]
        columns.append(mine.mean(1))
        start += len(sentences)
    return np.stack(columns, axis=1).astype(np.float64)


def coverage(topics: Sequence[Topic]) -> list[tuple[str, str, int]]:
    """Return how many texts each of the 42 fine topics has, in the taxonomy's order, zeros too."""
    times = Counter((topic.coarse, topic.fine) for topic in topics)
    return [(coarse, fine, times[coarse, fine]) for coarse, fine in _entries()]


def stratified(items: Sequence[T], fine: Sequence[str], count: int, seed: int) -> list[T]:
    """Draw `count` items, the same number a fine topic as far as they go, those without one last, by content hash.

    They come in the order of `items`.
    """
    by_topic: dict[str, list[int]] = defaultdict(list)
    for place, topic in enumerate(fine):
        by_topic[topic].append(place)
    rounds: list[tuple[bool, int, int, int]] = []
    for topic, places in by_topic.items():
        places.sort(key=lambda p: content_seed("stratified", seed, items[p].id))
        rounds += [(not topic, turn, content_seed("turn", seed, items[p].id), p) for turn, p in enumerate(places)]
    return [items[p] for p in sorted(place for *_, place in sorted(rounds)[:count])]
