"""Forms and how they become sentences.

A form is text with `(one|other)`, `[left out half of the time]` and `{slot}`; `<piece>` stands for a shared fragment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from random import Random
from typing import TypeAlias

import yaml

from psychocounsel.errors import BackendError

HARD_SLOTS = frozenset({"quote", "earlier"})
"""Slots that say what the client said: without a client's words a form that has one is not used."""

Fill: TypeAlias = Callable[[str], str]
Node: TypeAlias = "str | _Slot | _Choice | _Optional | tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class _Optional:
    inner: Node


@dataclass(frozen=True, slots=True)
class Form:
    """One compiled form."""

    source: str
    node: Node
    slots: frozenset[str]
    hard: frozenset[str]

    def render(self, rng: Random, fill: Fill, brief: bool = False) -> str:
        """Return a sentence; `brief` leaves out whatever is optional."""
        out: list[str] = []
        _render(self.node, rng, fill, brief, out)
        return tidy("".join(out))


def _render(node: Node, rng: Random, fill: Fill, brief: bool, out: list[str]) -> None:
    if isinstance(node, str):
        out.append(node)
    elif isinstance(node, tuple):
        for part in node:
            _render(part, rng, fill, brief, out)
    elif isinstance(node, _Slot):
        out.append(fill(node.name))
    elif isinstance(node, _Choice):
        _render(node.options[int(rng.random() * len(node.options))], rng, fill, brief, out)
    elif not brief and rng.random() < 0.5:
        _render(node.inner, rng, fill, brief, out)


_TOKEN = re.compile(r"[()\[\]|]|\{\w+\}|[^()\[\]|{}]+")


def _parse(tokens: list[str], close: str) -> Node:
    options: list[Node] = []
    parts: list[Node] = []
    while tokens:
        token = tokens.pop(0)
        if token == close:
            break
        if token == "(":
            parts.append(_parse(tokens, ")"))
        elif token == "[":
            parts.append(_Optional(_parse(tokens, "]")))
        elif token == "|":
            options.append(tuple(parts))
            parts = []
        elif token in (")", "]"):
            raise ValueError(f"{token} without its opening")
        elif token[0] == "{":
            parts.append(_Slot(token[1:-1].lower()))
        else:
            parts.append(token)
    else:
        if close:
            raise ValueError(f"{close} is missing")
    whole: Node = tuple(parts)
    return _Choice((*options, whole)) if options else whole


def compile_form(source: str, fragments: dict[str, str]) -> Form:
    """Compile one form. Raises ValueError where brackets do not match or a fragment is unknown."""
    expanded = source
    while "<" in expanded:
        names = re.findall(r"<(\w+)>", expanded)
        unknown = [n for n in names if n not in fragments]
        if unknown or not names:
            raise ValueError(f"no such fragment: {unknown}")
        expanded = re.sub(r"<(\w+)>", lambda m: fragments[m[1]], expanded)
    node = _parse(_TOKEN.findall(expanded), "")
    slots = frozenset(name.lower() for name in re.findall(r"\{(\w+)\}", expanded))
    return Form(source, node, slots, slots & HARD_SLOTS)


_GAP = re.compile(r"\s+([,.;:?!])")
_NEXT = re.compile(r"([.?!]\"?\s+)([a-z])")


def tidy(text: str) -> str:
    """Mend spaces, capitals at sentence starts, and doubled end marks."""
    text = _GAP.sub(r"\1", " ".join(text.split()))
    text = text.replace(",,", ",").replace("..", ".").replace(",.", ".")
    text = _NEXT.sub(lambda m: m[1] + m[2].upper(), text)
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Phrasebook:
    """Every move's forms, and the general words for each slot."""

    moves: dict[str, tuple[Form, ...]]
    fill: dict[str, tuple[Form, ...]]


def _forms(block: str, fragments: dict[str, str], where: str) -> tuple[Form, ...]:
    forms = []
    for line in block.splitlines():
        if line.strip():
            try:
                forms.append(compile_form(line.strip(), fragments))
            except ValueError as error:
                raise BackendError(f"{where}: {line.strip()!r}: {error}") from None
    return tuple(forms)


@cache
def phrasebook() -> Phrasebook:
    """Return the phrasebook of this package, compiled once."""
    folder = resources.files(__package__ or "").joinpath("phrases")
    read = {f.name: yaml.safe_load(f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".yaml")}
    fragments: dict[str, str] = read.pop("fragments.yaml")
    general = {k: _forms(v, fragments, f"fill.yaml {k}") for k, v in read.pop("fill.yaml").items()}
    moves: dict[str, tuple[Form, ...]] = {}
    for name in sorted(read):
        for move, block in read[name].items():
            if move in moves:
                raise BackendError(f"{name}: the move {move} is in another file too")
            moves[move] = _forms(block, fragments, f"{name} {move}")
    return Phrasebook(moves, general)
