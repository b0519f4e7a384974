"""The word lists of de-identification, read once when first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

FIRST, RARE_FIRST, LAST, RARE_LAST = 1, 2, 4, 8
MOSTLY_NAME, MAYBE_NAME, WORD_SURNAME = 16, 32, 64
TOWN, BIG_TOWN, TOWN_OPENS, WORD_TOWN = 128, 256, 512, 1024
NEVER, TITLE, SCHOOL_HEAD, ORG_HEAD, STREET_HEAD, PLACE_HEAD = 2048, 4096, 8192, 16384, 32768, 65536
UNIVERSITY, KIN = 131072, 262144

NAME = FIRST | RARE_FIRST | LAST | RARE_LAST
HEADS = SCHOOL_HEAD | ORG_HEAD | STREET_HEAD | PLACE_HEAD
LETTERS = {"F": FIRST, "f": RARE_FIRST, "L": LAST, "l": RARE_LAST}


@dataclass(frozen=True, slots=True)
class Lists:
    """Everything the scanner looks words up in. All words are folded: lower-case ASCII, straight apostrophes."""

    flags: dict[str, int]
    """Word to the sum of the flags above; ordinary words that no rule asks about are not in it."""
    words: frozenset[str]
    """Ordinary English words, and what `never_names` adds."""
    towns: frozenset[str]
    """Names of two to four words, spaces for hyphens."""
    employers: frozenset[str]
    """Companies whose bare names are employers only after a work cue."""
    universities: frozenset[str]
    """Schools whose bare names are schools only after a school cue, or that are no words."""
    capital_names: dict[str, int]
    """Names that are words and that nobody has curated: names only with a capital and beside other evidence."""
    cues: dict[str, frozenset[str]]
    """The cue lists of words.yaml by their names there."""


def read(name: str) -> str:
    """Return a data file of this package."""
    return (files("psychocounsel.deidentify") / name).read_text(encoding="utf-8")


@cache
def lists() -> Lists:
    """Return the lists; about a quarter of a second when first called."""
    raw = yaml.load(read("words.yaml"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    piped = {key: [part.strip() for part in raw.pop(key).split("|")] for key in PIPED}
    cues = {key: frozenset(text.split()) for key, text in raw.items()}
    words = frozenset(read("lists/words.txt").split())
    curated = cues["mostly_names"] | cues["ambiguous_first"] | cues["word_surnames"]

    flags: dict[str, int] = {}
    capital_names: dict[str, int] = {}
    for line in read("lists/names.txt").splitlines():
        name, _, letters = line.partition(" ")
        # A name that is a word counts only where somebody has said how.
        if name not in words or name in curated:
            flags[name] = sum(LETTERS[letter] for letter in letters)
        elif len(name) > 2:
            capital_names[name] = sum(LETTERS[letter] for letter in letters)
    for key, flag in CURATED.items():
        for word in cues[key]:
            old = flags.get(word, 0)
            flags[word] = (old & ~NAME if flag in (MAYBE_NAME, WORD_SURNAME) and word in words else old) | flag
    for word in cues["mostly_names"]:
        flags[word] = (flags[word] | FIRST) & ~MAYBE_NAME

    long_towns = set(piped["multiword_places"])
    towns = [line.split("\t") for line in read("lists/towns.txt").splitlines()]
    towns += [[region, "T"] for region in cues["regions"]]
    for town, size in towns:
        first, _, rest = town.partition(" ")
        if rest:
            if first != "the":
                long_towns.add(town)
        elif town in words:
            flags[town] = flags.get(town, 0) | WORD_TOWN
        else:
            flags[town] = flags.get(town, 0) | (TOWN | BIG_TOWN if size == "T" else TOWN)
    for town in long_towns:
        first = town.split()[0]
        flags[first] = flags.get(first, 0) | TOWN_OPENS
    for name in piped["universities"]:
        if " " not in name and name not in words:
            flags[name] = UNIVERSITY
    for word in cues["never_names"] | cues["person_after"] | cues["generic"] | cues["determiners"] | cues["modals"]:
        capital_names.pop(word, None)
    # Americans, Muslims, Fitbits: the plurals too.
    never = cues["never_names"] | {f"{word}s" for word in cues["never_names"] if len(word) > 4}
    for word in never - cues["mostly_names"]:
        flags[word] = flags.get(word, 0) & (HEADS | TITLE | KIN | TOWN_OPENS) | NEVER
    employers = frozenset(piped["employers"]) | frozenset(read("lists/companies.txt").splitlines())
    universities = frozenset(piped["universities"])
    return Lists(
        flags, words | cues["never_names"], frozenset(long_towns), employers, universities, capital_names, cues
    )


PIPED = ("multiword_places", "employers", "universities")
CURATED = {
    "word_surnames": WORD_SURNAME,
    "ambiguous_first": MAYBE_NAME,
    "mostly_names": MOSTLY_NAME,
    "titles": TITLE,
    "kin": KIN,
    "school_heads": SCHOOL_HEAD,
    "org_heads": ORG_HEAD,
    "street_heads": STREET_HEAD,
    "place_heads": PLACE_HEAD,
}
