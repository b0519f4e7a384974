"""Names that no rule foresaw: a linear model over a word, what the lists know of it, and the words around.

The rules say what they are sure of; this reads the rest, and can only add. Its weights were trained by
development/deidentify/train.py on the marked sets beside it, never on benchmarks/data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from psychocounsel.deidentify.lists import (
    BIG_TOWN,
    FIRST,
    KIN,
    LAST,
    MAYBE_NAME,
    MOSTLY_NAME,
    NEVER,
    ORG_HEAD,
    PLACE_HEAD,
    RARE_FIRST,
    RARE_LAST,
    SCHOOL_HEAD,
    STREET_HEAD,
    TITLE,
    TOWN,
    UNIVERSITY,
    WORD_SURNAME,
    WORD_TOWN,
    Lists,
    lists,
    read,
)
from psychocounsel.deidentify.plain import Words

KINDS = ("PERSON", "PLACE", "SCHOOL", "EMPLOYER")
"""What the model tells apart; the rest has a shape of its own and is left to the rules."""
TRAITS = (
    (FIRST, "F"), (RARE_FIRST, "f"), (LAST, "L"), (RARE_LAST, "l"), (MOSTLY_NAME, "N"), (MAYBE_NAME, "n"),
    (WORD_SURNAME, "s"), (TOWN, "T"), (BIG_TOWN, "B"), (WORD_TOWN, "t"), (NEVER, "x"), (TITLE, "d"),
    (SCHOOL_HEAD, "S"), (ORG_HEAD, "O"), (STREET_HEAD, "R"), (PLACE_HEAD, "P"), (UNIVERSITY, "U"), (KIN, "K"),
)  # fmt: skip
WINDOW = 5
ENOUGH, FOREIGN = 12, 0.35
"""Words from which on a share of unknown ones says that a text is not English; the model knows no other language."""


@dataclass(frozen=True, slots=True)
class Model:
    """The weights."""

    skipped: frozenset[str]
    """Common words that are no part of a name and are not looked at."""
    weights: dict[str, float]
    """Feature to its weight for "part of a name"."""
    kinds: dict[str, tuple[float, ...]]
    """Feature to its weight for each of KINDS."""
    bias: float
    """What the sum must be above, with its sign turned."""
    kind_bias: tuple[float, ...]
    """The same for each of KINDS."""


@cache
def model() -> Model:
    """Return the weights, read once."""
    head, *lines = read("lists/tagger.txt").splitlines()
    bias, *kind_bias = (float(part) for part in head.split("\t")[1:])
    weights: dict[str, float] = {}
    kinds: dict[str, tuple[float, ...]] = {}
    skipped: set[str] = set()
    for line in lines:
        name, _, rest = line.partition("\t")
        if not rest:
            skipped.add(name)
            continue
        weight, *of_kinds = rest.split("\t")
        if weight:
            weights[name] = float(weight)
        if of_kinds:
            kinds[name] = tuple(float(part or 0) for part in of_kinds)
    return Model(frozenset(skipped), weights, kinds, bias, tuple(kind_bias))


@cache
def traits(kind: int) -> str:
    """Return a letter for each thing that the lists know of a word."""
    return "".join(letter for flag, letter in TRAITS if kind & flag)


def looks(w: Words, ls: Lists) -> tuple[list[str], list[str]]:
    """Return for each word what it is as a neighbour (itself, or its class if no word) and its class with its case."""
    beside, classes = [], []
    flags, words = ls.flags, ls.words
    for low, cap in zip(w.lows, w.caps, strict=True):
        of_lists = traits(flags.get(low, 0)) + ("E" if low in ls.employers else "")
        known = low in words
        kind = of_lists + ("w" if known else "o")
        beside.append(low if known else f"<{kind}>")
        classes.append(f"{kind}{'C' if cap else ''}")
    return beside, classes


def features(w: Words, i: int, beside: list[str], classes: list[str], shouted: bool) -> list[str]:
    """Return what the model knows of word `i`; `shouted` where no capital in the text means anything."""
    low, size, last = w.lows[i], w.size, w.size - 1
    mine = classes[i]
    before, c_before = (beside[i - 1], classes[i - 1]) if i else ("^", "^")
    after, c_after = (beside[i + 1], classes[i + 1]) if i < last else ("$", "$")
    before2 = beside[i - 2] if i > 1 else "^"
    after2 = beside[i + 2] if i + 2 < size else "$"
    left = w.text[w.ends[i - 1] : w.starts[i]][-2:] if i else "^"
    right = w.text[w.ends[i] : w.starts[i + 1]][:2] if i < last else "$"
    case = "q" if shouted else "o" if w.opens(i) else "i"
    out = [
        f"c {mine}{case}",
        f"w {low}" if beside[i] == low else f"e {low[-3:]}",
        f"n {min(len(low), 8)}{mine}",
        f"b {before}",
        f"a {after}",
        f"B {before2} {before}",
        f"A {after} {after2}",
        f"2 {before2}",
        f"3 {after2}",
        f"bc {before} {mine}",
        f"ac {after} {mine}",
        f"cb {c_before} {mine}",
        f"ca {mine} {c_after}",
        f"cc {c_before} {mine} {c_after}",
        f"ba {before} {after}",
        f"l {left}{case}",
        f"r {right}{case}",
        f"lr {left} {right} {mine}",
    ]
    out += [f"< {word}" for word in beside[max(0, i - WINDOW) : i]]
    out += [f"> {word}" for word in beside[i + 1 : i + 4]]
    if i in w.possessive:
        out.append(f"'s {mine}")
    return out


def scan(w: Words) -> list[tuple[int, int, str]]:
    """Return start, end and type of what the model takes for names in `w`, in order."""
    ls, m = lists(), model()
    unknown = sum(low not in ls.words for low in w.lows)
    if w.size >= ENOUGH and unknown > FOREIGN * w.size:
        return []
    beside, classes = looks(w, ls)
    shouted = not any(w.caps)
    get = m.weights.get
    out: list[tuple[int, int, str]] = []
    last, sums = -9, [0.0] * len(KINDS)
    plain = ls.cues["generic"] | ls.cues["kin"] | ls.cues["school_levels"] | ls.cues["school_heads"]
    plain_words: list[bool] = []
    for i, low in enumerate(w.lows):
        if low in m.skipped:
            continue
        named = features(w, i, beside, classes, shouted)
        if m.bias + sum([get(name, 0.0) for name in named]) <= 0:
            continue
        mine = list(m.kind_bias)
        for name in named:
            of_kinds = m.kinds.get(name)
            if of_kinds:
                mine = [a + b for a, b in zip(mine, of_kinds, strict=True)]
        # One name goes on over a small word within it, as in "house of fraser".
        near = out and (last == i - 1 or (last == i - 2 and w.lows[i - 1] in ls.cues["joiners"] and w.joined(i - 1)))
        alone = (low in plain and not w.caps[i]) or bool(ls.flags.get(low, 0) & NEVER)
        if near and (w.joined(i) or w.gap(i) in {" & ", "&"}):
            plain_words[-1] = plain_words[-1] and alone
            sums = [a + b for a, b in zip(sums, mine, strict=True)]
            start = out.pop()[0]
        else:
            sums, start = mine, w.starts[i]
            plain_words.append(alone)
        out.append((start, w.ends[i], KINDS[sums.index(max(sums))]))
        last = i
    # "school" and "my boyfriend" are nobody's name by themselves, and a brand is one only where the rules say so.
    return [span for span, alone in zip(out, plain_words, strict=True) if not alone]
