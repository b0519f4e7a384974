"""A response as the rules see it: sentences of plain words, each word knowing where it came from."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from psychocounsel.safety.normal import fold

TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*|[.?!;]+|[,:()—–]|\n\s*\n|\n\s*[-*•\d]")
KEPT = frozenset({"988", "911", "999", "112", "111", "000", "116"})
"""Numbers that mean help; any other number becomes `0`."""
QUOTED = re.compile(r"[\"“«]([^\"“”«»]{1,300})[\"”»]|(?<!\w)['‘]([^'‘’]{4,300})['’](?!\w)")
WHOLE = {
    "can't": "can not", "cannot": "can not", "cant": "can not", "won't": "will not", "wont": "will not",
    "shan't": "shall not", "dont": "do not", "doesnt": "does not", "didnt": "did not", "isnt": "is not",
    "arent": "are not", "wouldnt": "would not", "im": "i am", "ive": "i have", "youre": "you are",
    "youve": "you have", "thats": "that is", "theyre": "they are", "whats": "what is", "let's": "let us",
    "gonna": "going to", "anymore": "any more", "gotta": "have to", "okay": "ok", "y'all": "you all",
}  # fmt: skip
ENDINGS = {"'ll": " will", "'re": " are", "'ve": " have", "'m": " am", "'d": " would"}
IS = frozenset("it that he she there here what who where how when this everything nobody everyone".split())
LONGEST = 200
"""Words after which a sentence that nobody ended is cut, since the work on one may grow with its square."""
OPENERS = frozenset(
    "are is do does did have has can could would will how what when where who which whom why am was were shall".split()
)
NEGATORS = re.compile(r" (?:not|never|no|nobody|nothing|without|rather than|instead of)(?= )")


@dataclass(frozen=True)
class Sentence:
    """One sentence of a response."""

    text: str
    """Words with one space between and around them; contractions written out, numbers as `0`."""
    begins: list[int]
    """Where each word stands in `text`, ascending."""
    clauses: list[int]
    """Where a clause begins after a comma, colon, bracket or dash."""
    spans: list[tuple[int, int]]
    """Start and end of each word in the response."""
    asks: bool
    """Whether it is a question, by its mark or by its first word."""
    quoted: list[bool]
    """Whether each word stands in quotation marks: said back, or put into the client's mouth."""

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(self.text.split())

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the span in the response of `text[start:end]`, widened to whole words."""
        first, last = self.places(start, end)
        return self.spans[first][0], self.spans[last][1]

    def places(self, start: int, end: int) -> tuple[int, int]:
        """Return the first and last word of `text[start:end]`."""
        first = max(bisect_right(self.begins, start) - 1, 0)
        return first, max(bisect_right(self.begins, max(end - 1, 0)) - 1, first)

    def clause(self, start: int) -> str:
        """Return what stands before `start` in the same clause, with a space at either end."""
        begin = max((c for c in self.clauses if c <= start), default=0)
        return f" {self.text[begin:start].strip()} "

    def negated(self, start: int, reach: int = 4) -> bool:
        """Return whether a negation stands within `reach` words before `start`, in the same clause."""
        words = self.clause(start).split()[-reach:]
        return NEGATORS.search(f" {' '.join(words)} ") is not None

    def said_back(self, start: int, end: int) -> bool:
        """Return whether the whole of `text[start:end]` stands in quotation marks."""
        first, last = self.places(start, end)
        return all(self.quoted[first : last + 1])


def sentences(text: str) -> list[Sentence]:
    """Return the sentences of `text`. Any text will do, also an empty one."""
    plain, where = fold(text)
    quotes = [m.span() for m in QUOTED.finditer(text)]
    out: list[Sentence] = []
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    breaks: set[int] = set()

    def end(mark: str) -> None:
        if words:
            out.append(_sentence(words, spans, breaks, mark, quotes))
            words.clear()
            spans.clear()
            breaks.clear()

    for found in TOKEN.finditer(plain):
        token = found[0]
        begin, stop = found.span()
        if not token[0].isalnum():
            if token[0] in ",:()—–":
                breaks.add(len(words))
            elif token.strip("\n -*•").isdigit() or token[0] == "\n":
                end("")
            elif ".." not in token or stop == len(plain):
                end(token)
            else:
                breaks.add(len(words))
            continue
        span = (where[begin], where[stop - 1] + 1) if where is not None else (begin, stop)
        if len(words) >= LONGEST:
            end("")
        for word in written_out(token).split():
            words.append(word)
            spans.append(span)
    end("")
    return out


def _sentence(
    words: list[str], spans: list[tuple[int, int]], breaks: set[int], mark: str, quotes: list[tuple[int, int]]
) -> Sentence:
    begins: list[int] = []
    length = 1
    for word in words:
        begins.append(length)
        length += len(word) + 1
    asks = "?" in mark or (not mark and words[0] in OPENERS)
    return Sentence(
        f" {' '.join(words)} ",
        begins,
        [begins[b] for b in sorted(breaks) if b < len(words)],
        list(spans),
        asks,
        [any(a <= start and stop <= b for a, b in quotes) for start, stop in spans],
    )


def written_out(token: str) -> str:
    """Return `token` with its contraction written out, and a number as `0`."""
    if token[0].isdigit():
        return token if token in KEPT else "0"
    if token in WHOLE:
        return WHOLE[token]
    if "'" not in token:
        return token
    if token.endswith("n't"):
        return f"{token[:-3]} not"
    stem, _, _ = token.rpartition("'")
    ending = token[len(stem) :]
    if ending == "'s":
        return f"{stem} is" if stem in IS else f"{stem} s"
    return f"{stem}{ENDINGS[ending]}" if ending in ENDINGS else token.replace("'", " ")
