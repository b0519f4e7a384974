"""Text as the rules see it: plain lower-case words with one space between them, each word knowing where it came from.

Steps: NFKC and casefolding; accents, invisible characters, apostrophes and commas dropped; slang, contractions,
censored and misspelt key words written out (`spelling.yaml`); ends of sentences kept as `.`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

from psychocounsel.safety.rules import data_file, rulebook

TOKEN = re.compile(r"[^\W_]+(?:['*@$!#|+_]+[^\W_]+)*|[.?!;]+(?=\s|$|[\"')\]])|\n\s*\n")
INVISIBLE = {"Cf", "Cc", "Mn", "Me", "Cs"}
LOOKALIKES = str.maketrans("’‘ʼ`´‛′" + "аеорсухіԁӏεοι", "'" * 7 + "aeopcyxidleoi")
DISGUISE = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})
DISGUISE |= str.maketrans({"|": "i", "+": "t", "*": "", "#": "", "_": "", "'": ""})
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Normal:
    """A text in the words of the rules."""

    text: str
    """Words and `.`, each followed by one space, with one space in front: ` i am tired . `."""
    begins: list[int]
    """Where each word stands in `text`, ascending."""
    clauses: list[int]
    """Where a word `i` stands after a comma: a new clause, out of the reach of a `not` before it."""
    spans: list[tuple[int, int]]
    """Start and end of each word in the original text."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the span in the original text of `text[start:end]`, widened to whole words."""
        first = max(bisect_right(self.begins, start) - 1, 0)
        last = max(bisect_right(self.begins, end - 1) - 1, first)
        return self.spans[first][0], self.spans[last][1]


@cache
def spellings() -> dict[str, str]:
    """Return what is written out: spelling to words."""
    data = data_file("spelling.yaml")
    table: dict[str, str] = {}
    for word in data["misspelt"]:
        for near in near_misses(word, replaced=word in data["misspelt_freely"]):
            table.setdefault(near, word)
    for real in (*data["real_words"], *rulebook().words):
        table.pop(real, None)
    for words, variants in data["variants"].items():
        table |= dict.fromkeys(str(variants).split(), words)
    return table | {str(short): str(words) for short, words in data["expand"].items()}


def near_misses(word: str, replaced: bool) -> set[str]:
    """Return what a finger makes of `word`: a letter lost, doubled or swapped with its neighbour, or another letter."""
    cuts = [(word[:i], word[i:]) for i in range(len(word))]
    found = {a + b[1:] for a, b in cuts[1:]} | {a + b[0] + b for a, b in cuts}
    found |= {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    if replaced:
        found |= {a + letter + b[1:] for a, b in cuts[1:] for letter in LETTERS}
        found |= {a + letter + b for a, b in cuts[1:] for letter in LETTERS}
    return found - {word}


def normalise(text: str) -> Normal:
    """Return `text` in the words of the rules. Any text will do, also an empty one."""
    plain, where = fold(text)
    table, words = spellings(), rulebook().words
    out: list[str] = []
    begins: list[int] = []
    clauses: list[int] = []
    spans: list[tuple[int, int]] = []
    length = 1
    last = 0
    for found in TOKEN.finditer(plain):
        token = found[0]
        if not token[0].isalnum():
            # An ellipsis is a pause; a line break between paragraphs ends a sentence.
            if ".." in token:
                continue
            token = "."
        elif token in table:
            token = table[token]
        elif not token.isalpha():
            token = undisguised(token, table, words)
        elif token not in words and len(token) > 3:
            token = unstretched(token, table, words)
        start, end = found.span()
        if token.startswith("i ") or token == "i":
            clauses += [length] * ("," in plain[last:start])
        last = end
        span = (where[start], where[end - 1] + 1) if where is not None else (start, end)
        for word in token.split():
            out.append(word)
            begins.append(length)
            spans.append(span)
            length += len(word) + 1
    return Normal(f" {' '.join(out)} " if out else " ", begins, clauses, spans)


def fold(text: str) -> tuple[str, list[int] | None]:
    """Return `text` folded, and where each of its characters came from; None where nothing moved."""
    if text.isascii():
        return text.replace("`", "'").lower(), None
    swapped = text.translate(LOOKALIKES)
    out: list[str] = []
    where: list[int] = []
    for at, char in enumerate(swapped):
        if char < "\x80":
            folded = char.lower()
        else:
            folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", char).casefold())
        for piece in folded:
            if piece == "\n" or piece == "\t" or unicodedata.category(piece) not in INVISIBLE:
                out.append(piece)
                where.append(at)
    return "".join(out), where


def undisguised(token: str, table: dict[str, str], words: frozenset[str]) -> str:
    """Return `token` without apostrophes, digits and signs that stand for letters, where a known word comes out."""
    bare = token.replace("'", "")
    if bare in table:
        return table[bare]
    if bare.isalpha():
        stem = token.split("'")[0]
        return f"{stem} s" if token.endswith("'s") else bare
    if bare.isdigit():
        return bare
    guess = token.translate(DISGUISE)
    if guess in table:
        return table[guess]
    if guess in words:
        return guess
    # A full stop or sign between two words is no disguise: `stop!now`.
    return " ".join(re.findall(r"[^\W_]+", token))


def unstretched(token: str, table: dict[str, str], words: frozenset[str]) -> str:
    """Return `diiiie` as `die` and `killll` as `kill`, where a known word comes out."""
    if not re.search(r"(.)\1\1", token):
        return token
    for keep in (r"\1", r"\1\1"):
        guess = re.sub(r"(.)\1\1+", keep, token)
        if guess in table or guess in words:
            return table.get(guess, guess)
    return token
