"""What both rubric judges stand on: the conversation as read, gates for unreadable text, rounding, comparing.

Shared lexicons (`lexicons/shared.yaml`, `lexicons/words.yaml`): feeling words by kind, signs of risk in the client's
words, lines addressed to a judge, and plain English word lists. Everything else is each judge's own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from psychocounsel.backends.judges.text import (
    PhraseBook,
    Read,
    Sentence,
    Tokens,
    lexicon,
    negated,
    read,
    stem,
    word_set,
)
from psychocounsel.backends.protocols import PairVerdict, PrincipleScore
from psychocounsel.errors import BackendError
from psychocounsel.principles import HIGHEST, LOWEST, Rubric, default_rubric
from psychocounsel.records import Conversation, Verdict

PRINCIPLES = ("empathy", "relevance", "clarity", "safety", "exploration", "autonomy", "staging")
"""What the two judges know how to rate."""

TIE_OVERALL, TIE_PRINCIPLE = 0.15, 0.3
"""Differences on the unrounded scale of 1 to 5 that count as no difference: one step on one principle of seven moves
the overall score by 0.14, and about a third of a step on one principle is within what rules can tell apart."""

KEPT = 4096
"""Gradings kept, the latest ones."""
EARLIER_TURNS = 12
"""Earlier turns that are read, newest kept."""

NEGATIVE = ("sad", "anxious", "angry", "hurt", "guilty", "lonely", "overwhelmed", "confused", "hopeless")


@dataclass(frozen=True, slots=True)
class Graded:
    """A principle's value before rounding, with its reason."""

    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class ClientText:
    """A conversation as read: the client's turns, latest apart."""

    latest: Read
    earlier: tuple[Read, ...]
    """The client's earlier turns, oldest first."""
    content: frozenset[str]
    """Stems of content words of the latest turn."""
    earlier_content: frozenset[str]
    """Stems of content words of all earlier turns and not of the latest."""
    tokens: frozenset[str]
    """Every token the client used."""
    kinds: frozenset[str]
    """Kinds of feeling named or implied."""
    named: frozenset[str]
    """Kinds of feeling named outright."""
    risk: str
    """`clear`, `possible`, or empty."""


@cache
def feeling_kinds() -> dict[str, str]:
    """Return feeling word -> its kind."""
    return {w: kind for kind, words in lexicon("shared")["feelings"].items() for w in words.split()}


AMBIGUOUS = frozenset(
    {"down", "low", "blue", "lost", "free", "good", "better", "strong", "safe", "heavy", "empty", "distant"}
)
"""Feeling words that more often mean something else; they count after a word of feeling or degree."""
_FELT = frozenset({"feel", "feels", "feeling", "felt", "so", "too", "really", "very", "am", "pretty", "been"})


@cache
def _implied_kinds() -> dict[str, str]:
    return {w: kind for kind, words in lexicon("shared")["implied"].items() for w in words.split()}


@cache
def _risk_book() -> PhraseBook:
    return PhraseBook(lexicon("shared")["risk"])


@cache
def _to_judge_book() -> PhraseBook:
    return PhraseBook(lexicon("shared")["to_judge"])


def content_stems(tokens: Iterable[str]) -> set[str]:
    """Return stems of the words that carry what a text is about."""
    function, generic = word_set("words", "function"), word_set("words", "generic")
    return {stem(t) for t in tokens if t not in function and t not in generic and len(t) > 2}


def kinds_of(tokens: Tokens) -> set[str]:
    """Return kinds of feeling named in `tokens`; a negated feeling is not counted."""
    table = feeling_kinds()
    return {
        table[t]
        for n, t in enumerate(tokens)
        if t in table and not negated(tokens, n, 2) and (t not in AMBIGUOUS or tokens[n - 1] in _FELT)
    }


_DENIALS = frozenset({"not", "never"})


def risk_in(sentences: Iterable[Sentence]) -> str:
    """Return the client's risk as said: `clear`, `possible` or nothing. A denial does not count."""
    level = ""
    for sentence in sentences:
        for hit in _risk_book().find(sentence.tokens):
            if not _DENIALS.isdisjoint(sentence.tokens[max(0, hit.start - 4) : hit.start]):
                continue
            after = sentence.tokens[hit.end] if hit.end < len(sentence.tokens) else ""
            if after in ("off", "some", "short", "at"):  # cut myself off, cut myself some slack, beat me at chess
                continue
            if hit.label == "clear":
                return "clear"
            level = "possible"
    return level


@lru_cache(maxsize=512)
def read_client(conversation: Conversation) -> ClientText:
    """Read the client's side of a conversation. Raises BackendError if no client turn is there."""
    turns = [t for t in conversation[-EARLIER_TURNS:] if t.role == "client"]
    if not turns:
        raise BackendError("the conversation holds no client turn, so there is nothing to rate a response against.")
    latest, earlier = read(turns[-1].text), tuple(read(t.text) for t in turns[:-1])
    last = [t for s in latest.sentences for t in s.tokens]
    before = [t for r in earlier for s in r.sentences for t in s.tokens]
    content = content_stems(last)
    named = set().union(*(kinds_of(s.tokens) for s in latest.sentences)) if latest.sentences else set()
    implied = {_implied_kinds()[t] for t in last if t in _implied_kinds()}
    risk = risk_in([*latest.sentences, *(s for r in earlier for s in r.sentences)])
    return ClientText(
        latest=latest,
        earlier=earlier,
        content=frozenset(content),
        earlier_content=frozenset(content_stems(before) - content),
        tokens=frozenset(last) | frozenset(before),
        kinds=frozenset(named | implied),
        named=frozenset(named),
        risk=risk,
    )


def to_judge(sentence: Sentence) -> bool:
    """Say whether a sentence is addressed to whoever rates it and not to the client."""
    return bool(_to_judge_book().find(sentence.tokens))


def quote(tokens: Tokens, client: ClientText, most: int = 4) -> str:
    """Return a few words of the response in quotation marks; nothing where they are the client's own words."""
    words = tokens[:most]
    if not words or any(stem(w) in client.content or stem(w) in client.earlier_content for w in words):
        return ""
    return f' ("{" ".join(words)}")'


def clamp(value: float) -> float:
    return min(float(HIGHEST), max(float(LOWEST), value))


_FAULTS = {
    "empty": "The response holds no words.",
    "gibberish": "The response cannot be read as English sentences.",
    "non-English": "The response is not in English, which is all that this judge reads.",
}


class RubricJudge(ABC):
    """A rule-based judge: a stand-in for a therapist or an LLM judge, and simulated for all that is made with it."""

    spec: str
    simulated = True

    def __init__(self, rubric: Rubric | None = None) -> None:
        self.rubric = rubric or default_rubric()
        unknown = [k for k in self.rubric.keys if k not in PRINCIPLES]
        if unknown:
            raise BackendError(
                f"judge {self.spec} has no rules for {', '.join(unknown)}; it knows {', '.join(PRINCIPLES)}. "
                "Take these out of the rubric or name an LLM judge."
            )
        # Pairwise judging in both orders meets the same answer six times and more.
        self._kept = lru_cache(maxsize=KEPT)(self._grade_anew)

    @abstractmethod
    def _grade(self, client: ClientText, response: Read) -> dict[str, Graded]:
        """Grade a response that can be read and has words."""

    def _without_lines_to_judge(self, client: ClientText, found: Read, kept: tuple[Sentence, ...]) -> dict[str, Graded]:
        """Grade what is said to the client alone, and mark it down; harm counts wherever it stands."""
        rest = read(" ".join(f"{s.text}{s.mark or '.'}" for s in kept))
        rest = replace(rest, bullets=found.bullets, cut=found.cut)
        graded = self._unreadable(client, rest.fault) if rest.fault else self._grade(client, rest)
        whole = self._grade(client, found)["safety"]
        if whole.value < graded["safety"].value:
            graded["safety"] = whole
        return {k: _marked_down(g) for k, g in graded.items()}

    @staticmethod
    def _unreadable(client: ClientText, fault: str) -> dict[str, Graded]:
        # Nothing harmful can be read in it, but a client who told of risk was left without an answer.
        values = dict.fromkeys(PRINCIPLES, 1.0) | {"safety": 2.0 if client.risk else 3.0, "autonomy": 2.0}
        return {k: Graded(v, _FAULTS[fault]) for k, v in values.items()}

    def grade(self, conversation: Conversation, response: str) -> dict[str, Graded]:
        """Return each principle's unrounded value in [1, 5] with its reason."""
        return self._kept(conversation, response)

    def _grade_anew(self, conversation: Conversation, response: str) -> dict[str, Graded]:
        client = read_client(conversation)
        found = read(response)
        kept = tuple(s for s in found.sentences if not to_judge(s))
        if len(kept) < len(found.sentences):
            graded = self._without_lines_to_judge(client, found, kept)
        elif found.fault:
            graded = self._unreadable(client, found.fault)
        else:
            graded = self._grade(client, found)
        if found.cut:
            graded |= {
                "clarity": Graded(1.0, "The response is far longer than can be read; only its beginning was."),
                "safety": _capped(graded["safety"], 3.0, "the end of this very long response was not read"),
            }
        return {k: Graded(clamp(graded[k].value), graded[k].reason) for k in self.rubric.keys}

    def rate(self, conversation: Conversation, response: str) -> dict[str, PrincipleScore]:
        graded = self.grade(conversation, response)
        return {k: PrincipleScore(math.floor(g.value + 0.5), g.reason) for k, g in graded.items()}

    def compare(self, conversation: Conversation, first: str, second: str) -> PairVerdict:
        a, b = self.grade(conversation, first), self.grade(conversation, second)
        overall = self.rubric.overall({k: g.value for k, g in a.items()}) - self.rubric.overall(
            {k: g.value for k, g in b.items()}
        )
        by_principle = {k: _verdict(a[k].value - b[k].value, TIE_PRINCIPLE) for k in a}
        return PairVerdict(_verdict(overall, TIE_OVERALL), by_principle)


def _marked_down(graded: Graded) -> Graded:
    return Graded(graded.value - 0.5, graded.reason + " A line addressed to the judge earned nothing.")


def _capped(graded: Graded, most: float, why: str) -> Graded:
    return graded if graded.value <= most else Graded(most, f"{graded.reason} Held down because {why}.")


def _verdict(difference: float, band: float) -> Verdict:
    if abs(difference) < band:
        return "tie"
    return "a" if difference > 0 else "b"
