"""Continuous features of a whole response against a whole conversation, for `offline/cues`."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache

from psychocounsel.backends.judges.common import NEGATIVE, ClientText, feeling_kinds, quote
from psychocounsel.backends.judges.text import PhraseBook, Read, Sentence, Tokens, lexicon, negated, stem, word_set

_STOP = "."
"""Stands between sentences, so that no phrase runs across two."""


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
_HEDGES = frozenset({"maybe", "perhaps", "might", "may", "could", "seems", "wonder", "wondering", "possibly", "sometimes", "guess"})
_WH = frozenset({"what", "how", "where", "when", "which", "who"})
_QUESTION_STARTS = frozenset({"so", "and", "but", "well", "okay", "then", "also", "i", "am", "just"})
_PASSIVE = frozenset({"feel", "feels", "feeling", "felt", "so", "very", "really", "too", "both", "quite", "be", "are", "been"})


@dataclass(frozen=True, slots=True)
class _Client:
    weights: dict[str, float]
    earlier: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    third: bool
    valence: int
    lean: str


_LEAN = {
    "resists": [
        "do not need|want|have|think|see ?any|to|a|that|it|i|the ?have|need|a|stop|quit|change|point|is ?a|problem ?help|therapy|problem",
        "not a|an|the problem|alcoholic|addict|big",
        "made|make|makes|making|forced me come|go|do",
        "wife|husband|mother|father|parents|boss|they|everyone|he|she|court ?keeps|just|all says|thinks|think|say|wants|want|saying|nagging i|me",
        "leave me alone",
        "i like|enjoy ?my drinking|smoking|drink|smoke|it|gambling|beer|weed",
        "could|can stop|quit anytime|whenever",
        "under control",
        "i am fine",
        "none of",
    ],
    "asks": [
        "what|how|where should|can|do|could|would i",
        "any|some|your|need advice|tips|suggestions|ideas|help",
        "i am|feel ready",
        "going|decided|plan|planning|want to start|stop|quit|leave|change|tell|call|try|talk|cut",
        "first|next step",
    ],
    "acts": [
        "days|weeks|months|years|week|month|year|day sober|clean|without|since|free",
        "i ?have ?already|finally|just|now started|stopped|quit|joined|called|booked|signed|cut|deleted|threw|enrolled",
        "sober|clean for|since",
        "slipped|relapsed|relapse",
        "been going|attending|taking|practicing",
        "i ?finally|already went|told|managed to|him|her|them|my",
    ],
}


@cache
def _lean_book() -> PhraseBook:
    return PhraseBook(_LEAN)


@lru_cache(maxsize=512)
def _client(client: ClientText) -> _Client:
    tokens = [t for s in client.latest.sentences for t in s.tokens]
    weights: dict[str, float] = {}
    for token in tokens:
        weights[stem(token)] = max(weights.get(stem(token), 0.0), rarity(token))
    flipped = [_FLIP.get(t, t) for t in tokens]
    pairs = {(stem(a), stem(b)) for a, b in zip(flipped, flipped[1:], strict=False) if rarity(a) + rarity(b) >= 0.6}
    counts = Counter(h.label for s in client.latest.sentences for h in _lean_book().find(s.tokens))
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


def features(response: Read, kept: tuple[Sentence, ...], client: ClientText) -> Features:
    """Measure the kept sentences of a response; words are counted over the whole of it."""
    theirs = _client(client)
    tokens: list[str] = []
    for sentence in kept:
        tokens += sentence.tokens
        tokens.append(_STOP)
    flat = tuple(tokens)
    words = len(flat) - len(kept)
    cues, quotes = _cues(flat, client)
    if not words:
        cues = Counter()
    stems = {stem(t): rarity(t) for t in flat if rarity(t)}
    back = {s: theirs.weights[s] for s in stems if s in theirs.weights}
    own = math.fsum(stems.values())
    overlap = math.fsum(back.values())
    pairs = {(stem(a), stem(b)) for a, b in zip(flat, flat[1:], strict=False)}
    kinds_you, kinds_any = _feelings(flat)
    shared_kinds = kinds_you & client.kinds
    agreement = 1.0 if shared_kinds else 0.6 if kinds_any & client.kinds else 0.0
    if not agreement and kinds_you & set(NEGATIVE) and theirs.valence < 0:
        agreement = 0.5
    clash = bool(kinds_you) and kinds_you == {"positive"} and theirs.valence < 0 and not cues["strength"] and not cues["choice"]
    second = sum(t in _SECOND for t in flat)
    first = sum(t in _FIRST for t in flat)
    bare = sum(_bare(s.tokens) for s in kept)
    asked = [s for s in kept if s.asks]
    opened = sum(_opens(s.tokens) for s in asked) + _invites(kept)
    triples = [flat[n : n + 3] for n in range(max(0, len(flat) - 2)) if _STOP not in flat[n : n + 3]]
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
        if label in ("contempt", "blame", "harm", "medical", "doubt") and _turned(flat, start, label):
            continue
        reached[label] = end
        cues[label] += 1
        quotes.setdefault(label, quote(flat[start:end], client))
    return cues, quotes


_VOICED = frozenset(
    """feel feeling feels felt believe afraid fear worry worried scared said told says called telling if like thinking
    thoughts think thought voice whether urge urges considering""".split()
)


def _turned(flat: Tokens, start: int, label: str) -> bool:
    """Say whether a harsh cue is negated, or is told of as a feeling, a thought or another's words."""
    before = flat[max(0, start - 5) : start]
    if _STOP in before:
        before = before[len(before) - before[::-1].index(_STOP) :]
    if negated(before, len(before), 3) and label != "doubt":
        return True
    return not _VOICED.isdisjoint(before)


def _feelings(flat: Tokens) -> tuple[set[str], set[str]]:
    """Return kinds of feeling said of "you", and kinds said of anybody but "I"."""
    table = feeling_kinds()
    of_you: set[str] = set()
    of_any: set[str] = set()
    for n, token in enumerate(flat):
        kind = table.get(token)
        if kind is None or negated(flat, n, 2):
            continue
        nearest = next((t for t in flat[max(0, n - 7) : n][::-1] if t in _SECOND or t in _FIRST or t == _STOP), "")
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


def _opens(tokens: Tokens) -> bool:
    head = tokens[:7]
    at = next((n for n, t in enumerate(head) if t in _WH), None)
    if at is None:
        tail = next((n for n, t in enumerate(tokens[:-2]) if t in ("what", "how") and n > 0), None)
        return tail is not None and tokens[tail + 1] in ("would", "do", "does", "is", "might", "was", "are", "did", "has")
    if tokens[at : at + 2] in (("how", "about"), ("what", "about"), ("what", "if"), ("how", "long"), ("how", "old"), ("how", "many"),
                               ("how", "often")):  # fmt: skip
        return False
    return at == 0 or all(t in _QUESTION_STARTS for t in head[:at]) or tokens[at - 1] in ("me", "curious", "wondering", "wonder", "about")\
        or len(tokens) > at + 2


def _invites(kept: tuple[Sentence, ...]) -> int:
    """Count invitations to say more that are no questions in form."""
    return sum(not s.asks and s.tokens[:2] in (("tell", "me"), ("say", "more"), ("help", "me")) for s in kept)
