"""Pairwise judging in both orders, and win rates with intervals by speech."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from psychocounsel.backends import Judge, PairVerdict, compare_all
from psychocounsel.errors import PsychocounselError, TooLittleDataError
from psychocounsel.metrics import Figure, bootstrap, mean
from psychocounsel.progress import Tick
from psychocounsel.records import RISK_LEVELS, ClientSpeech, Comparison, Conversation, Verdict, content_id

_TURNED: dict[Verdict, Verdict] = {"a": "b", "b": "a", "tie": "tie"}
Order = Literal["ab", "ba"]
_ORDERS: tuple[Order, ...] = ("ab", "ba")
_POINTS: dict[Verdict, float] = {"a": 1.0, "tie": 0.5, "b": 0.0}


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer to one speech under one setting."""

    speech_id: str
    setting: str
    """`free` or `length-constrained`."""
    model: str
    """Short name in the tables: `base`, `dpo`, `dpo-iter`, or `reference`."""
    text: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class WinRate:
    """A policy against the reference."""

    setting: str
    model: str
    win_rate: Figure
    """Mean of 1 for a win, one half for a tie, 0 for a loss, over speeches and both orders; ties count one half."""
    by_principle: dict[str, Figure]
    by_risk: dict[str, Figure]
    """Win rate by the speech's level of risk, as screened."""
    wins: int
    ties: int
    losses: int
    """Speeches by the verdict on both orders together; a flip (each order prefers another) is a tie."""
    flips: int
    """Speeches whose two orders prefer different responses."""
    asked: int
    """Speeches asked."""
    lost: dict[str, int]
    """Speeches without a verdict, by reason."""
    words: float
    """Mean words of the policy's responses."""
    words_reference: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "setting": self.setting,
            "model": self.model,
            "win_rate": self.win_rate.as_dict(),
            "by_principle": {key: figure.as_dict() for key, figure in self.by_principle.items()},
            "by_risk": {level: figure.as_dict() for level, figure in self.by_risk.items()},
            "wins": self.wins,
            "ties": self.ties,
            "losses": self.losses,
            "flips": self.flips,
            "asked": self.asked,
            "lost": self.lost,
            "words": self.words,
            "words_reference": self.words_reference,
        }


def compare_everything(
    speeches: Sequence[ClientSpeech],
    answers: Iterable[Answer],
    judge: Judge,
    reference: str,
    tick: Tick,
    told: Callable[[], str] = str,
) -> list[Comparison]:
    """Judge every model's answers against the reference's, in both orders. What could not be judged keeps its row.

    `told` says in a few words what calls have cost so far, for `tick`.
    """
    by_key = {(a.setting, a.model, a.speech_id): a for a in answers}
    groups = sorted({(setting, model) for setting, model, _ in by_key if model != reference})
    asked = [(s, setting, model, order) for setting, model in groups for s in speeches for order in _ORDERS]

    def pair(place: int) -> tuple[Answer | None, Answer | None]:
        speech, setting, model, _ = asked[place]
        return by_key.get((setting, model, speech.id)), by_key.get((setting, reference, speech.id))

    def items() -> Iterator[tuple[int, Conversation, str, str]]:
        for place, (speech, _, _, order) in enumerate(asked):
            mine, other = pair(place)
            if mine and other and not mine.error and not other.error:
                first, second = (mine.text, other.text) if order == "ab" else (other.text, mine.text)
                yield place, speech.conversation, first, second

    given: dict[int, PairVerdict | PsychocounselError] = {}
    for place, verdict in compare_all(judge, items()):
        if len(given) % 32 == 0:
            tick(len(given), len(asked), told())
        given[place] = verdict
    tick(len(asked), len(asked))
    return [
        _comparison(speech, setting, model, reference, order, judge.spec, pair(place), given.get(place))
        for place, (speech, setting, model, order) in enumerate(asked)
    ]


def _comparison(
    speech: ClientSpeech,
    setting: str,
    model: str,
    reference: str,
    order: Order,
    judge: str,
    pair: tuple[Answer | None, Answer | None],
    given: PairVerdict | PsychocounselError | None,
) -> Comparison:
    mine, other = pair
    verdict: Verdict = "tie"
    by_principle: dict[str, Verdict] = {}
    error = ""
    if mine is None or other is None:
        error = f"no answer of {model if mine is None else reference} was asked for"
    elif mine.error or other.error:
        error = f"{model if mine.error else reference}: {mine.error or other.error}"
    elif isinstance(given, PairVerdict):
        turn = (lambda v: v) if order == "ab" else _TURNED.__getitem__
        verdict = turn(given.overall)
        by_principle = {key: turn(v) for key, v in given.by_principle.items()}
    else:
        error = f"judge failed: {given or 'it was not asked'}"
    return Comparison(
        id=content_id("comparison", speech.id, setting, model, reference, judge, order),
        speech_id=speech.id,
        setting=setting,
        model_a=model,
        model_b=reference,
        judge=judge,
        order=order,
        verdict=verdict,
        principle_verdicts=by_principle,
        length_a=len(mine.text.split()) if mine else 0,
        length_b=len(other.text.split()) if other else 0,
        error=error,
    )


def win_rates(
    comparisons: Sequence[Comparison], *, resamples: int, seed: int, risk_of: Mapping[str, str] | None = None
) -> list[WinRate]:
    """Return the win rate of every (setting, model). Raises TooLittleDataError where one has no verdict at all.

    `risk_of` is the level of each speech id as screened, for the slices by risk.
    """
    groups: dict[tuple[str, str], list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        groups[comparison.setting, comparison.model_a].append(comparison)
    return [
        _win_rate(setting, model, rows, resamples, seed, risk_of or {})
        for (setting, model), rows in sorted(groups.items())
    ]


def _win_rate(
    setting: str, model: str, rows: Sequence[Comparison], resamples: int, seed: int, risk_of: Mapping[str, str]
) -> WinRate:
    judged = [row for row in rows if not row.error]
    if not judged:
        reasons = sorted({row.error for row in rows})
        raise TooLittleDataError(f"evaluate: {model} ({setting}) has no verdict at all: {'; '.join(reasons)}")
    lost: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.error:
            lost[row.error].add(row.speech_id)
    points: dict[str, list[float]] = defaultdict(list)
    for row in judged:
        points[row.speech_id].append(_POINTS[row.verdict])
    means = [sum(p) / len(p) for p in points.values()]

    def figure(of: Mapping[str, Sequence[float]]) -> Figure:
        values = [sum(p) / len(p) for p in of.values()]
        return bootstrap(values, list(of), mean, resamples=resamples, seed=seed)

    by_key: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in judged:
        for key, verdict in row.principle_verdicts.items():
            by_key[key][row.speech_id].append(_POINTS[verdict])
    return WinRate(
        setting=setting,
        model=model,
        win_rate=figure(points),
        by_principle={key: figure(of) for key, of in by_key.items()},
        by_risk={
            level: figure(of)
            for level in RISK_LEVELS
            if (of := {s: p for s, p in points.items() if risk_of.get(s) == level})
        },
        wins=sum(m > 0.5 for m in means),
        ties=sum(m == 0.5 for m in means),
        losses=sum(m < 0.5 for m in means),
        flips=sum(len(p) == 2 and {p[0], p[1]} == {0.0, 1.0} for p in points.values()),
        asked=len({row.speech_id for row in rows}),
        lost={reason: len(ids) for reason, ids in sorted(lost.items())},
        words=float(np.mean([row.length_a for row in judged])),
        words_reference=float(np.mean([row.length_b for row in judged])),
    )
