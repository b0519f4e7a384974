"""Load the word lists that the simulated counsellors read a client's text with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Feeling:
    """One feeling in the forms that templates need."""

    adjective: str
    """Fits after "feeling"."""
    noun: str
    """Fits after "the" and "that"."""
    family: str


@dataclass(frozen=True, slots=True)
class Theme:
    """What a speech is about, coarsely."""

    label: str
    matter: str
    """The trouble itself, as a definite noun phrase."""
    feelings: tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """Everything in lexicon.yaml, compiled."""

    feelings: dict[str, Feeling]
    """Surface form to feeling."""
    need_subject: frozenset[str]
    families: dict[str, tuple[Feeling, ...]]
    themes: dict[str, Theme]
    """Surface form to theme."""
    people: frozenset[str]
    stages: dict[str, tuple[str, ...]]
    risk: dict[str, tuple[str, ...]]
    theme_weights: dict[str, float]
    """How much a surface form says about the theme, where that is less than 1."""
    danger: tuple[str, ...]
    """Signs that somebody else may hurt the client."""
    not_names: frozenset[str]
    feeling_pattern: re.Pattern[str]
    theme_pattern: re.Pattern[str]


def one_of(words: list[str]) -> str:
    """Return a pattern for any of `words`, longest first, so that "worn out" wins over "worn"."""
    return "|".join(re.escape(w) for w in sorted(words, key=lambda w: (-len(w), w)))


def read_package_yaml(name: str) -> Any:
    """Read a YAML file that lies beside this module."""
    return yaml.safe_load(resources.files(__package__ or "").joinpath(name).read_text("utf-8"))


@cache
def lexicon() -> Lexicon:
    """Return the lexicon, read once."""
    raw = read_package_yaml("lexicon.yaml")
    feelings: dict[str, Feeling] = {}
    families: dict[str, tuple[Feeling, ...]] = {}
    for family, block in raw["feelings"].items():
        members = []
        for line in block.strip().splitlines():
            adjective, noun, others = (part.strip() for part in line.split("|"))
            feeling = Feeling(adjective, noun, family)
            members.append(feeling)
            for surface in [adjective, *(o.strip() for o in others.split(",") if o.strip())]:
                feelings.setdefault(surface, feeling)
            feelings.setdefault(noun, feeling)
        families[family] = tuple(members)
    themes: dict[str, Theme] = {}
    for entry in raw["themes"]:
        theme = Theme(entry["label"], entry["matter"], tuple(entry["feelings"]))
        for surface in entry["words"]:
            themes.setdefault(surface, theme)
    return Lexicon(
        feelings=feelings,
        need_subject=frozenset(raw["feelings_need_subject"]),
        families=families,
        themes=themes,
        people=frozenset(w for line in raw["people"] for w in line.split()),
        stages={k: tuple(v) for k, v in raw["stages"].items()},
        risk={k: tuple(v) for k, v in raw["risk"].items()},
        theme_weights={
            **{w: 0.25 for line in raw["people"] for w in line.split()},
            **dict.fromkeys([*raw["in_passing"], *raw["partners"]], 0.5),
        },
        danger=tuple(raw["danger"]),
        not_names=frozenset(w.lower() for w in raw["not_names"]),
        feeling_pattern=re.compile(rf"(?<![\w-])(?:{one_of(list(feelings))})(?![\w-])"),
        theme_pattern=re.compile(rf"(?<![\w-])(?:{one_of(list(themes))})(?![\w-])"),
    )
