"""The table of sources: what each is, whose it is, and under what terms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml


@dataclass(frozen=True, slots=True)
class SourceCard:
    """What there is to say of a source before its text is used."""

    name: str
    """As in `collect.source`."""
    title: str
    licence: str
    """In words, as its publishers state it; "not stated" where no statement could be found."""
    citation: str
    """The work to cite; empty where there is none."""
    home: str
    """Name of the repository or hub dataset; empty for the user's own files."""
    layout: str
    """What file `collect.path` names, what of it is read, and what is left out."""


@cache
def catalogue() -> dict[str, SourceCard]:
    """Return the card of every source by its name."""
    text = resources.files("psychocounsel.collect.sources").joinpath("catalogue.yaml").read_text("utf-8")
    return {name: SourceCard(name, **card) for name, card in yaml.safe_load(text).items()}
