"""Facts that name nobody alone and may point at one person together, listed for somebody to review."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import yaml

from psychocounsel.deidentify import names
from psychocounsel.deidentify.lists import read
from psychocounsel.deidentify.plain import cut, fold


@dataclass(frozen=True, slots=True)
class QuasiItem:
    """One such fact."""

    start: int
    """Its first character in the text."""
    end: int
    """The character after its last."""
    kind: str
    """One of `kinds()`, such as "occupation"."""


@dataclass(frozen=True, slots=True)
class Quasi:
    """What a person should look at before a text is passed on."""

    score: float
    """1 - 0.6 ** kinds for the number of different kinds found: 0, .4, .64, .78, .87, .92, .95. A rule of thumb, not a
    chance of being found; 0 means that no rule fired, not that the text is safe."""
    items: tuple[QuasiItem, ...]
    """In order, not overlapping."""


@cache
def rules() -> list[tuple[str, re.Pattern[str]]]:
    """Return the kinds with one pattern each, as in quasi.yaml."""
    data = yaml.safe_load(read("quasi.yaml"))
    words = {key: re.sub(r"\|\s+", "|", text) for key, text in data["words"].items()}
    out = []
    for kind, patterns in data["kinds"].items():
        whole = "|".join(f"(?:{pattern})" for pattern in patterns)
        for key, text in words.items():
            whole = whole.replace(f"{{{key}}}", text)
        out.append((kind, re.compile(rf"(?<![\w'-])(?:{whole})(?![\w-])")))
    return out


def kinds() -> tuple[str, ...]:
    """Return the kinds of facts that are looked for."""
    return tuple(kind for kind, _ in rules())


def quasi_identifiers(text: str) -> Quasi:
    """Return the facts in `text` that together may point at one person: the more kinds, the higher the score.

    Give it the text as the client wrote it or after `redact`; named towns count only in the former. It never says that
    nobody can be recognised.
    """
    plain = fold(text)
    found = [(m.start(), m.end(), kind) for kind, rule in rules() for m in rule.finditer(plain)]
    found += [
        (a, b, "town or region") for a, b, kind in names.scan(cut(text, plain, []), frozenset()) if kind == "PLACE"
    ]
    items: list[QuasiItem] = []
    for start, end, kind in sorted(found, key=lambda item: (item[0], -item[1])):
        if not items or start >= items[-1].end:
            items.append(QuasiItem(start, end, kind))
    return Quasi(round(1 - 0.6 ** len({item.kind for item in items}), 4), tuple(items))
