"""outside: published data with people's labels, by name: licence, citation, loader, and what others measured."""

from __future__ import annotations

from psychocounsel.outside.catalogue import Card, Loaded, Published, catalogue, load, named
from psychocounsel.outside.records import BestOf, Candidate, Choice, Item, Labelled, LabelledPair

__all__ = [
    "BestOf",
    "Candidate",
    "Card",
    "Choice",
    "Item",
    "Labelled",
    "LabelledPair",
    "Loaded",
    "Published",
    "catalogue",
    "load",
    "named",
]
