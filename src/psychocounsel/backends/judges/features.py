"""Continuous features of a whole response against a whole conversation, for `offline/cues`."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

from psychocounsel.backends.judges.common import AMBIGUOUS, NEGATIVE, ClientText, feeling_kinds, quote
from psychocounsel.backends.judges.text import (
    STOP,
    PhraseBook,
    Read,
    Sentence,
    Tokens,
    lexicon,
    negated,
    stem,
    word_set,
)


@dataclass(frozen=True, slots=True)
class Features:
    words: int
    cues: Counter[str]
    quotes: dict[str, str]
    overlap: float
    """Summed rarity of the client's content words that come back."""
    precision: float
    """Share of the response's own content, by rarity, that is the client's."""
    shared: int
    earlier: bool
    flipped: int
    """Word pairs of the client's that come back with I and you exchanged."""
    people: bool
    """Whether it speaks of the third persons that the client spoke of, by pronoun."""
    agreement: float
    clash: bool
    you_share: float
    you_rate: float
    oblige: float
    """Obligation, advice and bare-verb openings per word."""
    hedges: float
    questions: int
    open_questions: int
    why: int
    sentence_length: float
    long_words: float
    repetition: float
    generic: float
    change_lean: str

    def n(self, kind: str) -> int:
        return self.cues[kind]

    def shown(self, *kinds: str | None) -> str:
        return next((self.quotes[k] for k in kinds if k is not None and self.quotes.get(k)), "")


@cache
def _book() -> PhraseBook:
    return PhraseBook(lexicon("cues")["phrases"])


@lru_cache(maxsize=1 << 14)
def rarity(word: str) -> float:
    """Return how much a word says about what a text is about: 0 for function words, up to 1 for uncommon ones."""
    if word in word_set("words", "function") or len(word) < 3:
        return 0.0
    if word in word_set("words", "generic"):
        return 0.1
    return 0.6 if word in word_set("words", "common") else 1.0


_FLIP = {"i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "am": "are", "was": "were"}
_SECOND = frozenset({"you", "your", "yours", "yourself"})
_FIRST = frozenset({"i", "me", "my", "mine", "myself"})
_THIRD = frozenset({"he", "she", "him", "her", "his", "they", "them", "their"})
_HEDGES = frozenset(
    {"maybe", "perhaps", "might", "may", "could", "seems", "wonder", "wondering", "possibly", "sometimes", "guess"}
)
_WH = frozenset({"what", "how", "where", "when", "which", "who"})
_QUESTION_STARTS = frozenset({"so", "and", "but", "well", "okay", "then", "also", "i", "am", "just"})
_PASSIVE = frozenset(
    {"feel", "feels", "feeling", "felt", "so", "very", "really", "too", "both", "quite", "be", "are", "been"}
)


@dataclass(frozen=True, slots=True)
class _Client:
    weights: dict[str, float]
    earlier: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    third: bool
    valence: int
    lean: str


@cache
def _lean_book() -> PhraseBook:
    return PhraseBook(lexicon("cues")["lean"])


@lru_cache(maxsize=512)
def _client(client: ClientText) -> _Client:
    tokens = [t for s in client.latest.sentences for t in s.tokens]
    weights: dict[str, float] = {}
    for token in tokens:
        weights[stem(token)] = max(weights.get(stem(token), 0.0), rarity(token))
    flipped = [_FLIP.get(t, t) for t in tokens]
    pairs = {(stem(a), stem(b)) for a, b in pairwise(flipped) if rarity(a) + rarity(b) >= 0.6}
    counts = Counter(
        hit.label
        for s in client.latest.sentences
        for hit in _lean_book().find(s.tokens)
        if hit.label != "asks" or not negated(s.tokens, hit.start, 5)
    )
    lean = ""
    for label in ("acts", "asks", "resists"):
        if counts[label] and counts[label] >= max(counts.values()):
            lean = label
            break
    valence = ("positive" in client.kinds) - bool(client.kinds & set(NEGATIVE))
    return _Client(
        {k: w for k, w in weights.items() if w},
        client.earlier_content,
        frozenset(pairs),
        not _THIRD.isdisjoint(tokens),
        valence,
        lean,
    )


def features(response: Read, client: ClientText) -> Features:
    """Measure a response."""
    theirs = _client(client)
    kept = response.sentences
    tokens: list[str] = []
    for sentence in kept:
        tokens += sentence.tokens
        tokens.append(STOP)
    flat = tuple(tokens)
    words = len(flat) - len(kept)
    cues, quotes = _cues(flat, client)
    stems = {stem(t): rarity(t) for t in flat if rarity(t)}
    back = {s: theirs.weights[s] for s in stems if s in theirs.weights}
    own = math.fsum(stems.values())
    overlap = math.fsum(back.values())
    pairs = {(stem(a), stem(b)) for a, b in pairwise(flat)}
    kinds_you, kinds_any = _feelings(flat)
    shared_kinds = kinds_you & client.kinds
    agreement = 1.0 if shared_kinds else 0.6 if kinds_any & client.kinds else 0.0
    if not agreement and kinds_you & set(NEGATIVE) and theirs.valence <= 0:
        agreement = 0.5
    clash = (
        bool(kinds_you)
        and kinds_you == {"positive"}
        and theirs.valence < 0
        and not cues["strength"]
        and not cues["choice"]
    )
    second = sum(t in _SECOND for t in flat)
    first = sum(t in _FIRST for t in flat)
    bare = sum(_bare(s.tokens) for s in kept)
    asked = [s for s in kept if s.asks]
    opened = sum(_opens(s.tokens) for s in asked) + _invites(kept)
    triples = [flat[n : n + 3] for n in range(max(0, len(flat) - 2)) if STOP not in flat[n : n + 3]]
    return Features(
        words=words,
        cues=cues,
        quotes=quotes,
        overlap=overlap,
        precision=overlap / own if own else 0.0,
        shared=sum(w > 0.3 for w in back.values()),
        earlier=bool(stems.keys() & theirs.earlier),
        flipped=len(pairs & theirs.pairs),
        people=theirs.third and not _THIRD.isdisjoint(flat),
        agreement=agreement,
        clash=clash,
        you_share=second / (first + second) if first + second else 0.5,
        you_rate=second / max(1, words),
        oblige=(cues["oblige"] + bare) / max(15, words),
        hedges=sum(t in _HEDGES for t in flat) / max(1, words),
        questions=len(asked),
        open_questions=opened,
        why=sum("why" in s.tokens[:4] for s in asked),
        sentence_length=words / max(1, len(kept)),
        long_words=sum(len(t) >= 9 for t in flat) / max(12, words),
        repetition=1.0 - len(set(triples)) / len(triples) if triples else 0.0,
        generic=(cues["platitude"] + cues["stock"]) / max(15, words),
        change_lean=theirs.lean,
    )


def _cues(flat: Tokens, client: ClientText) -> tuple[Counter[str], dict[str, str]]:
    """Count cues, each kind once for a stretch of words, and keep a quotable one of each kind."""
    cues: Counter[str] = Counter()
    quotes: dict[str, str] = {}
    reached: dict[str, int] = {}
    for label, start, end in _book().find(flat):
        if start < reached.get(label, 0):
            continue
        if label in ("contempt", "blame", "harm", "medical", "doubt", "dismiss", "threat") and _turned(
            flat, start, label
        ):
            continue
        if label == "oblige" and "i" not in flat[max(0, start - 5) : start] and _turned(flat, start, label):
            continue
        reached[label] = end
        cues[label] += 1
        quotes.setdefault(label, quote(flat[start:end], client))
    return cues, quotes


def _turned(flat: Tokens, start: int, label: str) -> bool:
    """Say whether a harsh cue is negated, or is told of as a feeling, a thought or another's words."""
    before = flat[max(0, start - 5) : start]
    if STOP in before:
        before = before[len(before) - before[::-1].index(STOP) :]
    if negated(before, len(before), 3) and label != "doubt":
        return True
    return not word_set("cues", "voiced").isdisjoint(before)


def _feelings(flat: Tokens) -> tuple[set[str], set[str]]:
    """Return kinds of feeling said of "you", and kinds said of anybody but "I"."""
    table = feeling_kinds()
    of_you: set[str] = set()
    of_any: set[str] = set()
    for n, token in enumerate(flat):
        kind = table.get(token)
        if kind is None or negated(flat, n, 2) or token in AMBIGUOUS:
            continue
        nearest = next((t for t in flat[max(0, n - 7) : n][::-1] if t in _SECOND or t in _FIRST or t == STOP), "")
        if nearest in _FIRST and token != "sorry":
            continue
        of_any.add(kind)
        if nearest in _SECOND:
            of_you.add(kind)
    return of_you, of_any


@cache
def _bare_verbs() -> frozenset[str]:
    return frozenset(lexicon("cues")["imperatives"].split())


def _bare(tokens: Tokens) -> bool:
    """Say whether a sentence opens with a bare verb, the shape of an order."""
    return len(tokens) > 1 and tokens[0] in _bare_verbs() and tokens[1] not in ("me", "care", "you", "is", "us")


_NARROW = frozenset(
    {
        ("how", "about"),
        ("what", "about"),
        ("what", "if"),
        ("how", "long"),
        ("how", "old"),
        ("how", "many"),
        ("how", "often"),
    }
)


def _opens(tokens: Tokens) -> bool:
    """Say whether a question has the shape of an open one: it asks what or how, and not for a fact or for a try."""
    at = next((n for n, t in enumerate(tokens) if t in _WH and (n < 7 or t in ("what", "how"))), None)
    if at is None or tokens[at : at + 2] in _NARROW:
        return False
    if at == 0 or all(t in _QUESTION_STARTS for t in tokens[:at]):
        return True
    return len(tokens) > at + 2


def _invites(kept: tuple[Sentence, ...]) -> int:
    """Count invitations to say more that are no questions in form."""
    return sum(not s.asks and s.tokens[:2] in (("tell", "me"), ("say", "more"), ("help", "me")) for s in kept)
