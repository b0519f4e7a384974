"""Text as the scanner sees it: folded to lower-case ASCII without moving a character, and cut into words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.!?\n:;\"“”(\[•*>|]")
SURROGATE = re.compile(r"\[(?:PERSON|AGE|DATE|PLACE|SCHOOL|EMPLOYER|PHONE|EMAIL|HANDLE|URL|ID)_\d+\]")
SHOUTING = 0.6
STOPPED = {"dr", "mr", "mrs", "ms", "mx", "prof", "rev", "sgt", "capt", "st", "fr", "lt"}
SHORTENED = re.compile(r"(?<=[a-z]{3})'(?:ll|d|ve|re)$")


class Folding(dict[int, str]):
    """A translation table that fills itself: character to its lower-case ASCII base, always one character."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        base = unicodedata.normalize("NFD", char)[0].lower()[:1]
        self[code] = base or char
        return self[code]


FOLDING = Folding({ord(a): b for a, b in zip("’‘ʼ`´øłßæðþđıœ‐‑–—", "'''''olsadtdio----", strict=True)})


def fold(text: str) -> str:
    """Return `text` in lower-case ASCII as far as it has Latin letters, every character in its old place."""
    return text.lower() if text.isascii() else text.translate(FOLDING)


@dataclass(slots=True)
class Words:
    """The words of a text, in columns."""

    text: str
    """The original text."""
    plain: str
    """`fold(text)`."""
    lows: list[str]
    """Folded words, possessive 's cut off."""
    starts: list[int]
    """Where each word starts."""
    ends: list[int]
    """Where each word ends, before a possessive 's."""
    possessive: set[int]
    """Which words had one."""
    caps: list[bool]
    """Whether a capital at the word's start is there and means something: never in texts that shout."""
    size: int
    """How many words."""

    def gap(self, i: int) -> str:
        """Return what stands between word `i` - 1 and word `i`, without a possessive 's."""
        between = self.text[self.ends[i - 1] : self.starts[i]]
        return between[2:] if i - 1 in self.possessive else between

    def joined(self, i: int) -> bool:
        """Return whether nothing but a space, a hyphen or the stop of St. or J. stands before word `i`."""
        if not 0 < i < self.size:
            return False
        between = self.gap(i)
        return between in {" ", "-", "' ", "  "} or (
            between in {". ", "."} and (len(self.lows[i - 1]) == 1 or self.lows[i - 1] in STOPPED)
        )

    def opens(self, i: int) -> bool:
        """Return whether word `i` opens a sentence, so that its capital says little."""
        if i == 0:
            return not any(char.isalnum() for char in self.text[: self.starts[0]])
        return SENTENCE_END.search(self.text, self.ends[i - 1], self.starts[i]) is not None

    def near(self, i: int, step: int) -> str:
        """Return the word `step` away from `i` where both stand in one clause, otherwise nothing."""
        at = i + step
        if not 0 <= at < self.size:
            return ""
        low, high = (at, i) if step < 0 else (i, at)
        between = self.text[self.ends[low] : self.starts[high]]
        return "" if any(mark in between for mark in ".,!?;:\n(") else self.lows[at]


def cut(text: str, plain: str, taken: list[tuple[int, int]]) -> Words:
    """Return the words of `text` that lie outside the spans `taken`."""
    lows: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    caps: list[bool] = []
    possessive: set[int] = set()
    for found in WORD.finditer(plain):
        start, end = found.span()
        if taken and any(start < stop and begin < end for begin, stop in taken):
            continue
        low = found[0]
        if low[-2:] == "'s":
            possessive.add(len(lows))
            low, end = low[:-2], end - 2
        elif "'" in low and SHORTENED.search(low):
            low = low[: low.index("'")]
            end = start + len(low)
        lows.append(low)
        starts.append(start)
        ends.append(end)
        caps.append(text[start].isupper())
    size = len(lows)
    if size >= 8 and sum(caps) > SHOUTING * size:
        caps = [False] * size
    return Words(text, plain, lows, starts, ends, possessive, caps, size)
