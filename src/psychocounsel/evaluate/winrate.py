"""Win rates with intervals by speech: overall, in slices, at equal length; tests between models and their ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from psychocounsel.errors import TooLittleDataError
from psychocounsel.evaluate.means import mean_of_given, per_speech
from psychocounsel.evaluate.verdicts import Names, Verdicts
from psychocounsel.records import AT_RISK, RISK_LEVELS, ClientSpeech
from psychocounsel.statistics.comparisons import holm, sign_flip_test
from psychocounsel.statistics.intervals import Figure, Floats
from psychocounsel.statistics.lengths import length_controlled
from psychocounsel.statistics.rankings import bradley_terry

Labels = Mapping[str, Mapping[str, str]]
"""Name of a kind of slice to each speech's label."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One model against another, by one judge."""

    judge: str
    setting: str
    model: str
    against: str
    win_rate: Figure | None
    """Mean of 1 for a win, one half for a tie, 0 for a loss, over speeches and both orders. Speeches at risk are not
    in it; None where there is no other."""
    by: dict[str, dict[str, Figure]]
    """Kind of slice (principle, topic, risk, stage, turn) to label to win rate. Only risk holds speeches at risk."""
    length_controlled: Figure | None
    """What the win rate would be if both answers were as long, in tokens."""
    length_effect: float | None
    """Log odds gained by being much longer."""
    length_note: str
    """Why there is no controlled rate, or that it extrapolates; else empty."""
    wins: int
    ties: int
    losses: int
    """Speeches by both orders together; a flip (each order prefers another) is a tie."""
    flips: int
    """Speeches whose two orders prefer different answers."""
    asked: int
    """Speeches asked, but for those at risk."""
    at_risk: int
    """Speeches left to the safety slice."""
    lost: dict[str, int]
    """Speeches without a verdict, by reason."""
    words: float | None
    """Mean words of the model's answers."""
    words_reference: float | None
    tokens: float | None
    tokens_reference: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Two models against the same reference, paired by speech."""

    judge: str
    setting: str
    model: str
    other: str
    difference: Figure
    """Points of win rate, in [-1, 1]."""
    p: float
    """Of the sign-flip test."""
    p_holm: float
    """Corrected for all pairs of models under this judge and setting."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Standing:
    """Bradley-Terry ranking of all models by one judge."""

    judge: str
    setting: str
    ranks: list[Any]
    refused: str
    """Why there is none; empty where there is one."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Table:
    """Every figure of the verdicts."""

    rates: list[Rate] = field(default_factory=list)
    tests: list[PairedTest] = field(default_factory=list)
    ranking: list[Standing] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {name: [each.as_dict() for each in getattr(self, name)] for name in ("rates", "tests", "ranking")}


def labels_of(speeches: Sequence[ClientSpeech]) -> dict[str, dict[str, str]]:
    """Return what the slices are made by: topic, risk, stage of change, and the turn that the speech is."""
    return {
        "topic": {s.id: s.topic or s.coarse_topic for s in speeches},
        "risk": {s.id: s.risk_level for s in speeches},
        "stage": {s.id: s.stage for s in speeches},
        "turn": {s.id: str(1 + sum(turn.role == "client" for turn in s.earlier)) for s in speeches},
    }


def win_rates(verdicts: Verdicts, labels: Labels, *, reference: str, resamples: int, seed: int) -> Table:
    """Return every figure; of a model without a verdict, what was lost. TooLittleDataError where none has any."""
    if not np.isfinite(verdicts.points).any():
        reasons = "; ".join(sorted(verdicts.error.of(np.ones(len(verdicts), dtype=bool))))
        raise TooLittleDataError(f"evaluate: there is no verdict at all: {reasons or 'nothing was compared'}")
    table = Table()
    for judge in verdicts.judge.names:
        for setting in verdicts.setting.of(verdicts.judge.at(judge)):
            rows = verdicts.where(verdicts.judge.at(judge) & verdicts.setting.at(setting))
            _Board(judge, setting, rows, labels, reference, resamples, seed).fill(table)
    return table


class _Board:
    """The verdicts of one judge under one setting."""

    def __init__(
        self, judge: str, setting: str, rows: Verdicts, labels: Labels, reference: str, resamples: int, seed: int
    ) -> None:
        self.judge, self.setting, self.rows, self.reference = judge, setting, rows, reference
        self.resamples, self.seed = resamples, seed
        self.ids = rows.speech.names
        self.kinds = {kind: _named([of.get(s, "") for s in self.ids]) for kind, of in labels.items()}
        risk = self.kinds.get("risk", _named([""] * len(self.ids)))
        self.pooled: NDArray[np.bool_] = ~np.logical_or.reduce([risk.at(level) for level in AT_RISK])

    def fill(self, table: Table) -> None:
        pairs = [
            (model, against)
            for model in self.rows.model.of(np.ones(len(self.rows), dtype=bool))
            for against in self.rows.against.of(self.rows.model.at(model))
        ]
        parts = {pair: self.rows.where(self.rows.model.at(pair[0]) & self.rows.against.at(pair[1])) for pair in pairs}
        points = {pair: self._points(rows.points, rows) for pair, rows in parts.items()}
        table.rates += [self._rate(pair, rows, points[pair]) for pair, rows in parts.items()]
        table.tests += self._tests({one: points[one, other] for one, other in pairs if other == self.reference})
        if len(pairs) > 1:
            table.ranking.append(self._ranking())

    def _points(self, points: Floats, rows: Verdicts) -> Floats:
        return per_speech(points, rows.speech.places, len(self.ids))

    def _mean(self, values: Floats, bounds: tuple[float, float] = (0.0, 1.0)) -> Figure | None:
        return mean_of_given(values, self.ids, resamples=self.resamples, seed=self.seed, bounds=bounds)

    def _slices(self, rows: Verdicts, points: Floats, pooled: Floats) -> dict[str, dict[str, Figure]]:
        """Return the slices that hold anything, by kind and label."""
        columns = {
            ("principle", key): np.where(self.pooled, self._points(each, rows), np.nan)
            for key, each in rows.by_principle.items()
        }
        for kind, names in self.kinds.items():
            of = points if kind == "risk" else pooled
            columns |= {(kind, name): np.where(names.at(name), of, np.nan) for name in names.names if name}
        by: dict[str, dict[str, Figure]] = {}
        for (kind, label), values in columns.items():
            if (figure := self._mean(values)) is not None:
                by.setdefault(kind, {})[label] = figure
        return {kind: dict(sorted(of.items(), key=_in_order)) for kind, of in by.items()}

    def _tests(self, points: Mapping[str, Floats]) -> list[PairedTest]:
        found = []
        for one, other in combinations(points, 2):
            apart = np.where(self.pooled, points[one] - points[other], np.nan)
            difference = self._mean(apart, (-1.0, 1.0))
            if difference is not None:
                p = sign_flip_test(apart[np.isfinite(apart)], seed=self.seed)
                found.append((one, other, difference, p))
        corrected: list[float] = holm([p for *_, p in found]).tolist() if found else []
        return [
            PairedTest(self.judge, self.setting, one, other, difference, p, p_holm)
            for (one, other, difference, p), p_holm in zip(found, corrected, strict=True)
        ]

    def _rate(self, pair: tuple[str, str], rows: Verdicts, points: Floats) -> Rate:
        pooled = np.where(self.pooled, points, np.nan)
        kept = self.pooled[rows.speech.places]
        asked = rows.where(kept)
        judged = asked.where(np.isfinite(points)[asked.speech.places])
        controlled, effect, note = self._at_equal_length(judged)
        mine = pooled[np.isfinite(pooled)]
        return Rate(
            judge=self.judge,
            setting=self.setting,
            model=pair[0],
            against=pair[1],
            win_rate=self._mean(pooled),
            by=self._slices(rows, points, pooled),
            length_controlled=controlled,
            length_effect=effect,
            length_note=note,
            wins=int((mine > 0.5).sum()),
            ties=int((mine == 0.5).sum()),
            losses=int((mine < 0.5).sum()),
            flips=self._flips(judged),
            asked=len(np.unique(asked.speech.places)),
            at_risk=len(np.unique(rows.speech.places[~kept])),
            lost=_lost(asked),
            words=_mean(judged.words),
            words_reference=_mean(judged.words_against),
            tokens=_mean(judged.tokens),
            tokens_reference=_mean(judged.tokens_against),
        )

    def _at_equal_length(self, judged: Verdicts) -> tuple[Figure | None, float | None, str]:
        if not len(judged):
            return None, None, "there is no verdict"
        clusters = [judged.speech.names[place] for place in judged.speech.places]
        try:
            found = length_controlled(
                judged.points,
                judged.tokens,
                judged.tokens_against,
                clusters,
                resamples=self.resamples,
                seed=self.seed,
            )
        except TooLittleDataError as error:
            return None, None, str(error)
        if not np.isfinite(found.win_rate.low):
            return None, None, "too few answers of like length, or too few speeches, to tell length from the model"
        note = "no two answers were of like length, so the rate extrapolates" if found.extrapolated else ""
        return found.win_rate, found.per_tokens, note

    def _flips(self, judged: Verdicts) -> int:
        count = len(self.ids)
        won = np.bincount(judged.speech.places[judged.points == 1], minlength=count)
        lost = np.bincount(judged.speech.places[judged.points == 0], minlength=count)
        return int(((won > 0) & (lost > 0)).sum())

    def _ranking(self) -> Standing:
        rows = self.rows.where(self.pooled[self.rows.speech.places] & np.isfinite(self.rows.points))
        every = np.ones(len(rows), dtype=bool)
        models = sorted({*rows.model.of(every), *rows.against.of(every)})
        first = np.array([models.index(m) if m in models else -1 for m in rows.model.names])
        second = np.array([models.index(m) if m in models else -1 for m in rows.against.names])
        try:
            ranks = bradley_terry(
                models,
                first[rows.model.places],
                second[rows.against.places],
                rows.points,
                [rows.speech.names[place] for place in rows.speech.places],
                resamples=self.resamples,
                seed=self.seed,
            )
        except TooLittleDataError as error:
            return Standing(self.judge, self.setting, [], str(error))
        return Standing(self.judge, self.setting, ranks, "")


def _lost(asked: Verdicts) -> dict[str, int]:
    """Count the speeches that have a row without a verdict, each under its first reason."""
    rows = np.flatnonzero(~asked.error.at(""))
    _, first = np.unique(asked.speech.places[rows], return_index=True)
    counts = Counter(asked.error.names[asked.error.places[row]] for row in rows[first])
    return dict(sorted(counts.items()))


def _named(values: Sequence[str]) -> Names:
    names = sorted(set(values))
    place = {name: n for n, name in enumerate(names)}
    return Names(tuple(names), np.array([place[v] for v in values], dtype=np.intp))


def _in_order(item: tuple[str, Figure]) -> tuple[int, str]:
    """Risk levels and turns in their own order, anything else by name."""
    label = item[0]
    if label in RISK_LEVELS:
        return RISK_LEVELS.index(label), label
    return int(label) if label.isdigit() else 0, label


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None
