"""De-identification: names, numbers and addresses out, typed surrogates in. Offline; nothing found is logged."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from psychocounsel.deidentify import names, structured, tagger
from psychocounsel.deidentify.lists import lists
from psychocounsel.deidentify.plain import SURROGATE, Words, cut, fold
from psychocounsel.records import Conversation

TYPES = ("PERSON", "AGE", "DATE", "PLACE", "SCHOOL", "EMPLOYER", "PHONE", "EMAIL", "HANDLE", "URL", "ID")
"""What is looked for. AGE only over 89; DATE not a weekday, a year or a festival; PLACE not a country."""

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Found:
    """One identifier."""

    start: int
    """Its first character in the original text."""
    end: int
    """The character after its last."""
    type: str
    """One of TYPES."""
    surrogate: str
    """What stands for it, such as `[PERSON_1]`."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text with its identifiers taken out. Some will have been missed."""

    text: str
    """The text with surrogates."""
    spans: tuple[Found, ...]
    """What was taken out, in order, not overlapping; characters of the original text."""


@dataclass(slots=True)
class Surrogates:
    """The numbering of surrogates, shared over a dialogue so that a person keeps a number. Holds client text."""

    numbers: dict[str, dict[str, int]] = field(default_factory=dict, repr=False)
    """Type, then folded value, to number."""
    last: Counter[str] = field(default_factory=Counter)
    """Type to the highest number in use."""

    def surrogate(self, kind: str, value: str) -> str:
        """Return the surrogate of `value`: the one it had before, or the next of its type.

        A person keeps a number where the words of one form hold those of the other: Maria, Maria Lopez, Ms Lopez.
        """
        words = WORD.findall(fold(value))
        if kind == "PERSON":
            words = [word for word in words if word not in lists().cues["titles"]] or words
        key = " ".join(words)
        table = self.numbers.setdefault(kind, {})
        number = table.get(key)
        if number is None and kind == "PERSON":
            mine = set(words)
            near = {n for other, n in table.items() if mine <= set(other.split()) or mine >= set(other.split())}
            number = near.pop() if len(near) == 1 else None
        if number is None:
            self.last[kind] += 1
            number = self.last[kind]
        table[key] = number
        return f"[{kind}_{number}]"

    def reserve(self, text: str) -> None:
        """Leave out the numbers of surrogates that already stand in `text`."""
        for found in SURROGATE.finditer(text):
            kind, _, number = found[0][1:-1].rpartition("_")
            self.last[kind] = max(self.last[kind], min(int(number), 10**9))

    @property
    def people(self) -> set[str]:
        """Folded words of the people numbered so far."""
        return {word for key in self.numbers.get("PERSON", ()) for word in key.split() if len(word) > 2}


def redact(text: str, known: Surrogates | None = None, *, engine: Literal["rules", "presidio"] = "rules") -> Redacted:
    """Return `text` with identifiers replaced by surrogates, consistent with `known`, which learns those of `text`.

    `engine="presidio"` adds what Presidio finds; MissingExtraError where it or its spaCy model is not installed.
    It misses some identifiers and takes some words for names: never read the result as safe to publish.
    """
    known = Surrogates() if known is None else known
    kept = [(m.start(), m.end()) for m in SURROGATE.finditer(text)] if "_" in text else []
    if kept:
        known.reserve(text)
    plain = fold(text)
    spans: list[tuple[int, int, str]] = []
    taken = list(kept)
    for start, end, kind in structured.find(text, plain):
        add(spans, taken, start, end, kind)
    words = cut(text, plain, taken)
    for start, end, kind in joined(names.scan(words, known.people), tagger.scan(words)):
        add(spans, taken, start, end, kind)
    if engine == "presidio":
        from psychocounsel.deidentify.presidio import analyse

        for start, end, kind in analyse(text):
            add(spans, taken, start, end, kind)
    out: list[str] = []
    found: list[Found] = []
    at = 0
    for start, end, kind in sorted(spans):
        surrogate = known.surrogate(kind, text[start:end])
        found.append(Found(start, end, kind, surrogate))
        out += [text[at:start], surrogate]
        at = end
    return Redacted("".join(out) + text[at:], tuple(found))


def shaped(text: str) -> Words:
    """Return the words of `text` that lie outside of what has a shape of its own: what names are looked for in."""
    plain = fold(text)
    spans: list[tuple[int, int, str]] = []
    taken = [(m.start(), m.end()) for m in SURROGATE.finditer(text)]
    for start, end, kind in structured.find(text, plain):
        add(spans, taken, start, end, kind)
    return cut(text, plain, taken)


def joined(ruled: list[tuple[int, int, str]], tagged: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Return the spans of the rules, grown by what the model adds to them, and the model's others."""
    out = list(ruled)
    for start, end, kind in tagged:
        over = [span for span in out if span[0] < end and start < span[1]]
        if over:
            start, end, kind = min(start, over[0][0]), max(end, over[-1][1]), over[0][2]
            out = [span for span in out if span not in over]
        out.append((start, end, kind))
    return sorted(out)


def add(spans: list[tuple[int, int, str]], taken: list[tuple[int, int]], start: int, end: int, kind: str) -> None:
    """Add a span where it touches nothing that is taken."""
    if start < end and not any(start < stop and begin < end for begin, stop in taken):
        spans.append((start, end, kind))
        taken.append((start, end))


def redact_turns(turns: Conversation) -> tuple[list[Redacted], Surrogates]:
    """Return every turn redacted, in order, and the numbering they share."""
    known = Surrogates()
    return [redact(turn.text, known) for turn in turns], known
