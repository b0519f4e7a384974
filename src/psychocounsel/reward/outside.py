"""A reward model, ours or any other, on outside tests by name: pairs, and best of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from psychocounsel.errors import InputError
from psychocounsel.outside.catalogue import Loaded, catalogue, load, named
from psychocounsel.outside.pairs import seen_more
from psychocounsel.outside.records import BestOf, LabelledPair
from psychocounsel.outside.scores import (
    ALL,
    BEST_OF,
    RESAMPLES,
    SEED,
    Row,
    best_rows,
    pair_rows,
    preferred,
)
from psychocounsel.progress import Tick
from psychocounsel.records import Conversation, count_tokens
from psychocounsel.statistics import pairs as measures
from psychocounsel.statistics.intervals import Figure, finite

LONGEST, VIEWS, CHANCE = "longest", "more views wins", "chance"
AT_ONCE = 256
"""Prompts scored between two ticks."""
_KINDS = ("pairs", "best-of")


class Scores(Protocol):
    """What is tested: a scorer that counts what it had to cut."""

    spec: str
    cut: int

    def score(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        """Return one reward for each response, in order; higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a reward model, or of what it must beat."""

    measure: str
    """`accuracy`, `best of n`, `section`, `score` (of the set, as its publishers define it), `AUC`, `ECE`, `Brier`."""
    label: str
    """Subset or section; `all` for the whole set."""
    who: str
    """`model` or `baseline`."""
    name: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Tested:
    """A reward model on one outside test."""

    on: str
    model: str
    items: int
    """Pairs, or prompts with several responses."""
    cut: int
    """Responses that were scored without the oldest tokens of their prompt, which did not fit."""
    left_out: dict[str, int]
    """Why rows of the file made no item, and how many."""
    lines: list[Line]
    published: list[dict[str, Any]]
    licence: str
    citation: str
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; a bound that there is none of is null."""
        found: dict[str, Any] = finite(asdict(self))
        return found


def read_all(on: Sequence[str]) -> list[Loaded]:
    """Read every `NAME=PATH`, before a model is loaded. Raises InputError for what no reward model can be tested on."""
    found = []
    for name, path in map(named, on):
        if catalogue()[name].kind not in _KINDS:
            can = ", ".join(card.name for card in catalogue().values() if card.kind in _KINDS)
            raise InputError(f"{name} holds no pairs and no best of several: a reward model can be tested on {can}.")
        found.append(load(name, Path(path)))
    return found


def try_on(scorer: Scores, on: Loaded, tick: Tick) -> Tested:
    """Score an outside test and measure it. Raises TooLittleDataError where a reward is not a number."""
    before = scorer.cut
    if on.card.kind == "pairs":
        items = [item for item in on.items if isinstance(item, LabelledPair)]
        lines = _pair_lines(
            scorer, items, _scored(scorer, [(p.conversation, (p.chosen, p.rejected)) for p in items], tick)
        )
    else:
        several = [item for item in on.items if isinstance(item, BestOf)]
        lines = _best_lines(scorer, several, _scored(scorer, [(i.conversation, i.responses) for i in several], tick))
    return Tested(
        on=on.card.name,
        model=scorer.spec,
        items=len(on.items),
        cut=scorer.cut - before,
        left_out=on.left_out,
        lines=lines,
        published=[asdict(each) for each in on.card.published],
        licence=on.card.licence,
        citation=on.card.citation,
        notes=list(on.notes),
    )


def _scored(scorer: Scores, prompts: Sequence[tuple[Conversation, Sequence[str]]], tick: Tick) -> list[list[float]]:
    """Return the rewards of every response to every prompt."""
    found: list[list[float]] = []
    for start in range(0, len(prompts), AT_ONCE):
        tick(start, len(prompts))
        part = prompts[start : start + AT_ONCE]
        flat = [(turns, response) for turns, responses in part for response in responses]
        rewards = iter(scorer.score([turns for turns, _ in flat], [response for _, response in flat]))
        found += [[next(rewards) for _ in responses] for _, responses in part]
    tick(len(prompts), len(prompts))
    return found


def _lines(rows: Sequence[Row], who: str, name: str) -> list[Line]:
    return [Line(row.measure, row.label, who, name, row.figure) for row in rows]


def _pair_lines(scorer: Scores, pairs: Sequence[LabelledPair], rewards: Sequence[Sequence[float]]) -> list[Line]:
    chosen, rejected = [r[0] for r in rewards], [r[1] for r in rewards]
    rows = pair_rows(pairs, preferred(chosen, rejected))
    margins, clusters = np.subtract(chosen, rejected), [pair.cluster for pair in pairs]
    rows.append(Row("AUC", ALL, measures.auc_figure(margins, clusters, resamples=RESAMPLES, seed=SEED)))
    for measure, statistic in (("ECE", measures.ece), ("Brier", measures.brier)):
        rows.append(Row(measure, ALL, statistic(margins).figure(clusters, resamples=RESAMPLES, seed=SEED)))
    lengths = [[count_tokens(pair.chosen), count_tokens(pair.rejected)] for pair in pairs]
    longest = pair_rows(pairs, preferred([a for a, _ in lengths], [b for _, b in lengths]))
    lines = _lines(rows, "model", scorer.spec) + _lines(longest, "baseline", LONGEST)
    if pairs[0].views is not None:
        lines += _lines(pair_rows(pairs, [seen_more(pair) for pair in pairs]), "baseline", VIEWS)
    return lines


def _best_lines(scorer: Scores, items: Sequence[BestOf], rewards: Sequence[Sequence[float]]) -> list[Line]:
    lengths = [[float(count_tokens(response)) for response in item.responses] for item in items]
    chance = float(np.mean([len(item.best) / len(item.responses) for item in items]))
    known = Figure(chance, chance, chance, len(items), len({item.cluster for item in items}))
    return [
        *_lines(best_rows(items, rewards), "model", scorer.spec),
        *_lines(best_rows(items, lengths), "baseline", LONGEST),
        Line(BEST_OF, ALL, "baseline", CHANCE, known),
    ]
