"""The table of outside tests: what each is, whose, under what terms, how it is measured, and what others got."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import yaml

from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.outside.choices import cbt_bench
from psychocounsel.outside.pairs import (
    LeftOut,
    counsel_chat,
    counselbench_eval,
    exposure,
    helpsteer2,
    plain_pairs,
)
from psychocounsel.outside.people import annomi, epitome
from psychocounsel.outside.records import Item, LabelledPair
from psychocounsel.outside.several import best_of, counselbench_adv, counselling_bench

Kind = Literal["responses", "pairs", "best-of", "candidates", "choices"]
LOADERS: dict[str, Callable[[Path, LeftOut], Sequence[Item]]] = {
    "epitome": lambda path, _: epitome(path),
    "annomi": lambda path, _: annomi(path),
    "counsel-chat": counsel_chat,
    "counselling-bench": counselling_bench,
    "counselbench-eval": counselbench_eval,
    "counselbench-adv": counselbench_adv,
    "cbt-bench": cbt_bench,
    "psychocounsel-preference": plain_pairs,
    "prmb": plain_pairs,
    "prmb-best-of": best_of,
    "helpsteer2": helpsteer2,
    "reward-bench": plain_pairs,
    "reward-bench-2": best_of,
}


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that others published."""

    who: str
    """Model, or people."""
    figure: float
    """As published: a share, a mean rating or a coefficient; `metric` says which."""
    metric: str
    """What it is a figure of, with the subset where it is of one."""
    source: str
    """Where it was read."""

    @property
    def says(self) -> str:
        return f"{self.who}: {self.figure:g} ({self.metric}). {self.source}"


@dataclass(frozen=True, slots=True)
class Card:
    """What there is to say of an outside test before a figure of it is read."""

    name: str
    """As in `--on NAME=PATH`."""
    title: str
    licence: str
    """In words, as its publishers state it; "not stated" where no statement could be found."""
    citation: str
    home: str
    """Name of the repository or hub dataset."""
    kind: Kind
    metric: str
    """How it is measured here."""
    layout: str
    """What file is read, and whether the layout was seen on the file itself."""
    caveats: tuple[str, ...]
    published: tuple[Published, ...]
    """Empty where no figure could be read in its source."""

    @property
    def notes(self) -> list[str]:
        """What to print beside any figure: caveats, and what others got."""
        said = [f"Published: {each.says}" for each in self.published]
        return [*self.caveats, *(said or ["No published figure of this measure could be read in its source."])]


@dataclass(frozen=True, slots=True)
class Loaded:
    """An outside test, read."""

    card: Card
    items: tuple[Item, ...]
    left_out: dict[str, int]
    """Why rows of the file made no item, and how many."""
    notes: tuple[str, ...]
    """The card's notes, and what was computed from the file itself."""


@cache
def catalogue() -> dict[str, Card]:
    """Return the card of every outside test by its name."""
    raw = yaml.safe_load(resources.files("psychocounsel.outside").joinpath("catalogue.yaml").read_text("utf-8"))
    return {
        name: Card(name, **{**card, "caveats": tuple(card["caveats"]),
                            "published": tuple(Published(**each) for each in card["published"])})
        for name, card in raw.items()
    }  # fmt: skip


def named(on: str, known: Collection[str] = LOADERS) -> tuple[str, Path]:
    """Return name and path of `NAME=PATH`.

    Raises InputError where the name is none of the `known`, or the file is not there.
    """
    name, equals, path = on.partition("=")
    if not equals or not path:
        raise InputError(f"--on {on}: write NAME=PATH, with NAME one of {', '.join(known)}.")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"here can stand {', '.join(known)}."
        raise InputError(f"--on {on}: no outside test is called {name!r}; {hint}")
    if not Path(path).is_file():
        raise InputError(f"--on {on}: {path} is {'a folder' if Path(path).is_dir() else 'not there'}; name the file.")
    return name, Path(path)


def load(name: str, path: Path) -> Loaded:
    """Read an outside test by name. Raises InputError for a file that is not in its layout, or holds no item."""
    named(f"{name}={path}")
    card, left_out = catalogue()[name], LeftOut()
    items = tuple(LOADERS[name](path, left_out))
    if not items:
        raise TooLittleDataError(f"{path} holds nothing to measure on {name}: {dict(left_out) or 'it has no row'}.")
    pairs = [item for item in items if isinstance(item, LabelledPair)]
    return Loaded(card, items, dict(left_out), (*exposure(pairs, path), *card.notes))
