"""Plain text utilities that both rubric judges use: cleaning, sentences, tokens, stems, phrases, readability of input.

Nothing here knows about counselling. Everything is linear in the length of the text, and the text read is bounded.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any, NamedTuple

import yaml

MAX_CHARS = 20_000
"""How much of one text is read. A reply this long is far too long already; the rest can only be counted."""

Tokens = tuple[str, ...]


@cache
def lexicon(name: str) -> Any:
    """Return a YAML file of `judges/lexicons/`, read once."""
    path = resources.files("psychocounsel.backends.judges").joinpath("lexicons") / f"{name}.yaml"
    return yaml.safe_load(path.read_text("utf-8"))


@cache
def word_set(name: str, key: str) -> frozenset[str]:
    """Return a blank-separated word list of a lexicon as a set."""
    return frozenset(lexicon(name)[key].split())


_TRANSLATE: dict[int, str] = {ord(c): "'" for c in "’‘ʼ`´"} | {ord(c): '"' for c in "“”„«»"}
_TRANSLATE |= {ord("…"): "...", ord("—"): " - ", ord("–"): "-", ord("−"): "-", 0xA0: " "}
_TRANSLATE |= {c: " " for c in range(32) if c != 10}
_TRANSLATE |= dict.fromkeys((*range(8203, 8208), *range(8234, 8239), *range(8288, 8298), 65279, 173), "")

_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|etc|dr|mr|mrs|ms|vs|st|p\.s|a\.m|p\.m)\.", re.IGNORECASE)
_SENTENCE = re.compile(r"([^.!?\n]+)([.!?]*)")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|\d+")
_BULLET = re.compile(r"^[ \t]*(?:[-*•‣·>#]+|\d{1,2}[.)]|[a-h]\))[ \t]+\S", re.MULTILINE)
_MARKUP = re.compile(r"^[ \t]*(?:[-*•‣·>#]+|\d{1,2}[.)])[ \t]+|\*\*|__", re.MULTILINE)
_ODD = re.compile(r"^[^aeiouy\d]{3,}$|[^aeiouy\d]{6,}|(.)\1\1")
_URL = re.compile(r"https?://\S{1,400}|www\.\S{1,400}")

_LONG_FORMS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}
_IS_AFTER = frozenset("it that he she what there here how who where this when everything something nothing".split())


@lru_cache(maxsize=1 << 15)
def _expand(word: str) -> Tokens:
    """Write a contraction out, so that a phrase need be listed once."""
    fixed: str | None = lexicon("words")["expansions"].get(word)
    if fixed is not None:
        return tuple(fixed.split())
    head, mark, tail = word.rpartition("'")
    if not mark:
        return (word,)
    if tail == "t" and head.endswith("n"):
        return (head[:-1] or "not", "not")
    if tail in _LONG_FORMS:
        return (head, _LONG_FORMS[tail])
    if tail == "s":
        return (head, "is") if head in _IS_AFTER else (head,)
    return (word.replace("'", ""),)


def tokens_of(text: str) -> Tokens:
    """Return lower-case words of `text`, contractions written out."""
    return tuple(itertools.chain.from_iterable(map(_expand, _WORD.findall(text.lower()))))


@lru_cache(maxsize=1 << 15)
def stem(word: str) -> str:
    """Return a crude stem: irregular forms and close synonyms of kin by table, then common endings cut."""
    word = lexicon("words")["stems"].get(word, word)
    if len(word) <= 3:
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ingly", "edly", "ing", "ed", "ly", "ment", "ness"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
                word = word[:-1]
            break
    if word.endswith("i"):
        word = word[:-1] + "y"
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


class Sentence(NamedTuple):
    """One sentence as read."""

    tokens: Tokens
    mark: str
    """Closing punctuation; empty where there is none."""
    text: str

    @property
    def asks(self) -> bool:
        return "?" in self.mark


@dataclass(frozen=True, slots=True)
class Read:
    """What is read of one text."""

    sentences: tuple[Sentence, ...]
    words: int
    bullets: int
    cut: bool
    """Whether the text was longer than MAX_CHARS."""
    fault: str
    """Why the text cannot be rated as a reply: `empty`, `gibberish`, `non-English`; empty where it can."""


def read(text: str) -> Read:
    """Clean `text`, cut it into sentences and tokens, and say whether it can be read as English."""
    cut = len(text) > MAX_CHARS
    clean = text[:MAX_CHARS].translate(_TRANSLATE)
    if "http" in clean or "www" in clean:
        clean = _URL.sub(" ", clean)
    bullets = len(_BULLET.findall(clean))
    if bullets or "**" in clean:
        clean = _MARKUP.sub("", clean)
    if "." in clean:
        clean = _ABBREVIATION.sub(lambda m: m[1].replace(".", ""), clean)
    sentences = []
    for body, mark in _SENTENCE.findall(clean):
        found = tokens_of(body)
        if found:
            sentences.append(Sentence(found, mark, body))
    words = sum(len(s.tokens) for s in sentences)
    return Read(tuple(sentences), words, bullets, cut, _fault(clean, sentences, words))


@cache
def _known() -> frozenset[str]:
    words = lexicon("words")
    listed = " ".join([words["function"], words["common"], words["minimal"]])
    return frozenset(listed.split()) | frozenset(words["stems"])


def _fault(clean: str, sentences: Sequence[Sentence], words: int) -> str:
    if not clean.strip():
        return "empty"
    letters = [c for c in clean if c.isalpha()]
    if not letters:
        return "empty"
    if sum(c.isascii() for c in letters) < 0.6 * len(letters):
        return "non-English"
    everything = [t for s in sentences for t in s.tokens]
    if words < 6:
        if any(t in _known() for t in everything):
            return ""
        return "non-English" if any(t in word_set("words", "foreign") for t in everything) else "gibberish"
    function = word_set("words", "function")
    foreign = sum(t in word_set("words", "foreign") for t in everything) / words
    share = sum(t in function for t in everything) / words
    if foreign > 0.1 and foreign > share - 0.1:
        return "non-English"
    odd = sum(_ODD.search(t) is not None for t in everything) / words
    if odd > 0.3 or (share < 0.12 and words >= 15):
        return "non-English" if any(not c.isascii() for c in letters) else "gibberish"
    if not share and sum(t in _known() for t in everything) < 0.2 * words:
        return "gibberish"
    return "gibberish" if words >= 30 and len(set(everything)) < 0.12 * min(words, 120) else ""


class Hit(NamedTuple):
    """A phrase found at tokens[start:end]."""

    label: str
    start: int
    end: int


STOP = "."
"""A token that may stand between sentences where tokens of several are searched together; no phrase runs across it."""


class _Element(NamedTuple):
    words: frozenset[str] | None
    """None stands for any word."""
    least: int
    most: int
    """How many tokens it takes; more than one only where any word will do."""


class _Pattern(NamedTuple):
    label: str
    rest: tuple[_Element, ...]
    starts: bool
    ends: bool


class PhraseBook:
    """Labelled phrases, found in one pass over the tokens.

    In a pattern, `a|b` is either word, `?w` may be missing, `w+` is any inflection, `@set` any word of a named set,
    `_` any one word, `..` up to three words, `^` the start and `$` the end of the sentence.
    """

    def __init__(self, groups: Mapping[str, Iterable[str]], sets: Mapping[str, Iterable[str]] | None = None) -> None:
        self._sets = {name: frozenset(words) for name, words in (sets or {}).items()}
        self._index: dict[str, list[_Pattern]] = {}
        for label, patterns in groups.items():
            for pattern in patterns:
                self._add(label, pattern)

    def _add(self, label: str, pattern: str) -> None:
        parts = pattern.split()
        starts, ends = parts[0] == "^", parts[-1] == "$"
        elements = tuple(self._element(p) for p in parts[starts : len(parts) - ends])
        first = next((n for n, e in enumerate(elements) if e.least), None)
        if first is None or any(e.words is None for e in elements[: first + 1]):
            raise ValueError(f"pattern {pattern!r} must begin with a word and hold one that is not optional")
        for n in range(first + 1):
            for word in elements[n].words or ():
                self._index.setdefault(word, []).append(_Pattern(label, elements[n + 1 :], starts, ends))

    def _element(self, part: str) -> _Element:
        if part == "_":
            return _Element(None, 1, 1)
        if part == "..":
            return _Element(None, 0, 3)
        optional = part.startswith("?")
        words: set[str] = set()
        for word in part.removeprefix("?").split("|"):
            if word.startswith("@"):
                words |= self._sets[word[1:]]
            elif word.endswith("+"):
                words |= _inflections(word[:-1])
            else:
                words.add(word)
        return _Element(frozenset(words), 0 if optional else 1, 1)

    def find(self, tokens: Tokens) -> list[Hit]:
        """Return every phrase in `tokens`, in order of where it starts."""
        hits = []
        size = len(tokens)
        for start, token in enumerate(tokens):
            for label, rest, starts, ends in self._index.get(token, ()):
                if starts and start and tokens[start - 1] != STOP:
                    continue
                if rest:
                    first = rest[0]
                    # Most candidates fail at their second word: this check spares the call.
                    if first.least and first.words and (start + 1 >= size or tokens[start + 1] not in first.words):
                        continue
                    end = _match(rest, 0, tokens, start + 1, ends)
                else:
                    end = start + 1 if not ends or start + 1 == size or tokens[start + 1] == STOP else 0
                if end:
                    hits.append(Hit(label, start, end))
        return hits


def _match(elements: tuple[_Element, ...], n: int, tokens: Tokens, at: int, ends: bool) -> int:
    """Return where a match of elements[n:] from `at` ends, 0 where there is none."""
    while n < len(elements):
        words, least, most = elements[n]
        if words is None:
            for skip in range(least, most + 1):
                if at + skip > len(tokens) or STOP in tokens[at : at + skip]:
                    return 0
                if end := _match(elements, n + 1, tokens, at + skip, ends):
                    return end
            return 0
        fits = at < len(tokens) and tokens[at] in words
        if not least:
            if fits and (end := _match(elements, n + 1, tokens, at + 1, ends)):
                return end
        elif fits:
            at += 1
        else:
            return 0
        n += 1
    return at if not ends or at == len(tokens) or tokens[at] == STOP else 0


def _inflections(word: str) -> set[str]:
    forms = {word, word + "s", word + "ed", word + "ing"}
    if word.endswith("e"):
        forms |= {word + "d", word[:-1] + "ing"}
    elif word.endswith("y"):
        forms |= {word[:-1] + "ied", word[:-1] + "ies"}
    elif word.endswith(("s", "x", "ch", "sh")):
        forms.add(word + "es")
    else:
        forms |= {word + word[-1] + "ed", word + word[-1] + "ing"}
    return forms


_NEGATIONS = frozenset({"not", "never", "no", "nobody", "nothing", "without", "neither", "nor", "hardly"})


def negated(tokens: Tokens, at: int, reach: int = 3) -> bool:
    """Say whether a negation stands in the `reach` tokens before `at`."""
    return not _NEGATIONS.isdisjoint(tokens[max(0, at - reach) : at])


def ramp(x: float, points: Sequence[tuple[float, float]]) -> float:
    """Map `x` through straight lines between `points`, flat outside them."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]
