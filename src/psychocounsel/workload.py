"""How much a recipe has to train on: from the run's artifacts, else from its source, else as the recipe expects it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from math import comb
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.collect import read_source
from psychocounsel.errors import PsychocounselError
from psychocounsel.recipe import SOURCE, Recipe
from psychocounsel.records import ClientSpeech, PreferencePair
from psychocounsel.tables import head, read_records

TOKENS_A_WORD = 1.35
"""Of English text under the tokenizers of today's models."""
CHEAP = 64 << 20
"""Bytes of a source that `plan` reads to count it."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Counts and mean lengths. None where nothing says."""

    speeches: float | None
    train_share: float
    """Share of the speeches in the train split."""
    pairs: float | None
    """Train pairs."""
    mixed_pairs: float | None
    """Pairs that the reward model learns: the same, and general ones mixed in."""
    responses: float | None
    """Rated responses a speech."""
    asks: bool
    """Whether there are counsellors to ask, beside what the source carries."""
    prompt: float
    """Mean tokens of a prompt."""
    response: float
    """Mean tokens of a response."""
    told_by: dict[str, str]
    """What says so: speeches, pairs, prompt, response to `run`, `source`, `expected`, or `at most`."""

    @property
    def train(self) -> float | None:
        """Train speeches."""
        return None if self.speeches is None else self.speeches * self.train_share

    def as_dict(self) -> dict[str, Any]:
        names = ("speeches", "train", "pairs", "mixed_pairs", "responses", "prompt", "response", "told_by")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class _Found:
    """What one place knows."""

    speeches: float | None = None
    train_share: float | None = None
    pairs: float | None = None
    responses: float | None = None
    prompt: float | None = None
    response: float | None = None
    couples: float | None = None
    """Of responses to one speech, in all: as many pairs there can be at most."""


def workload(recipe: Recipe) -> Workload:
    """Return what the recipe trains on. Reads nothing large, and nothing from the network."""
    run, expected = _run(recipe), recipe.expected
    source = _source(recipe) if run.speeches is None or run.response is None else None
    split = recipe.collect.split
    told: dict[str, str] = {}

    def first(name: str, other: float | None) -> float | None:
        for teller, found in (("run", run), ("source", source)):
            if found is not None and getattr(found, name) is not None:
                told[name] = teller
                value: float = getattr(found, name)
                return value
        told[name] = "expected" if other is not None else "unknown"
        return other

    speeches, pairs = first("speeches", expected.speeches), first("pairs", expected.pairs)
    prompt, response = first("prompt", expected.prompt_tokens), first("response", expected.response_tokens)
    asked = [member.spec for member in recipe.generate.pool if member.spec != SOURCE]
    responses = run.responses or _together(source.responses if source else None, recipe, bool(asked))
    share = run.train_share if run.train_share is not None else 1 - split.dev - split.test
    if told["pairs"] != "run" and speeches is not None and responses is not None:
        couples = source.couples if source and source.couples is not None and not asked else None
        whole = speeches * responses * (responses - 1) / 2 if couples is None else couples
        if pairs is None or pairs > share * whole:
            pairs, told["pairs"] = share * whole, "at most"
    if recipe.until == "reward" and recipe.reward.learn == "ratings":
        del told["pairs"]  # nothing that will run reads them
    return Workload(
        speeches,
        share,
        pairs,
        _mixed(recipe, pairs),
        responses,
        bool(asked),
        min(prompt or 0, recipe.base.max_prompt),
        min(response or 0, recipe.base.max_response),
        told,
    )


def _together(carried: float | None, recipe: Recipe, asks: bool) -> float | None:
    """Return the responses a speech that are rated: those that the source carries and those that are asked for."""
    takes = SOURCE in recipe.generate.specs
    if takes and carried is None:
        return None
    return (carried or 0 if takes else 0) + (recipe.generate.per_speech if asks else 0)


def _run(recipe: Recipe) -> _Found:
    """Return what the run's own artifacts say."""
    found = _Found()
    try:
        speeches = read_records(recipe.output / layout.SPEECHES, ClientSpeech)
        if speeches:
            found.speeches = len(speeches)
            found.train_share = sum(s.split == "train" for s in speeches) / len(speeches)
            found.prompt = _tokens(" ".join(t.text for t in s.conversation) for s in speeches)
            found.responses = head(recipe.output / layout.RESPONSES, 0)["rows"] / len(speeches)
        pairs = [p for p in read_records(recipe.output / layout.PAIRS, PreferencePair) if p.split == "train"]
    except PsychocounselError:  # not made yet, or by another version: the next place is asked
        return found
    if pairs:
        found.pairs = len(pairs)
        found.prompt = _tokens(" ".join(t.text for t in p.conversation) for p in pairs)
        found.response = _tokens(text for p in pairs for text in (p.chosen, p.rejected))
    return found


def _source(recipe: Recipe) -> _Found | None:
    """Return what the source says, where it is at hand and small; before `collect` leaves any of its rows out."""
    section = recipe.collect
    if section.source == "hub" or not (section.source == "example" or _small(section.path)):
        return None
    try:
        rows = [row for row in read_source(section) if not row.fault and row.text]
    except PsychocounselError:  # `collect` will say what is wrong with it
        return None
    if not rows:
        return None
    kept = list(islice(rows, section.limit))
    carried = [response.text for row in kept for response in row.responses]
    takes = SOURCE in recipe.generate.specs
    return _Found(
        speeches=len(kept),
        prompt=_tokens(" ".join([*(t.text for t in row.earlier), row.text]) for row in kept),
        responses=len(carried) / len(kept),
        response=_tokens(carried) if carried and takes else None,
        couples=sum(comb(len(row.responses), 2) for row in kept) if takes else None,
    )


def _small(path: Path | None) -> bool:
    if path is None or not path.exists():
        return False
    files = [path] if path.is_file() else [f for f in path.iterdir() if f.is_file()]
    return sum(f.stat().st_size for f in files) <= CHEAP


def _tokens(texts: Iterable[str]) -> float:
    """Return about how many tokens a text has, the mean; its end token is one more."""
    counts = [len(text.split()) for text in texts]
    return 1 + TOKENS_A_WORD * sum(counts) / len(counts)


def _mixed(recipe: Recipe, pairs: float | None) -> float | None:
    """Return the pairs that the reward model learns, with the general ones; of those, nine in ten are for training."""
    section = recipe.reward
    if section.general is None or pairs is None:
        return pairs
    total = pairs / (1 - section.general_share)
    try:
        lines = sum(1 for line in section.general.open("rb") if line.strip())
    except OSError:  # not there yet: taken to be as many as are wanted
        return total
    return min(total, 0.9 * lines / section.general_share)
