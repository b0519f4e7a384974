"""A judge on trial on pairs that people voted on, and on sets in which one of several responses is best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from psychocounsel.backends import Judge, PairVerdict, compare_all, rate_all
from psychocounsel.errors import PsychocounselError, TooLittleDataError
from psychocounsel.evaluate.trials.baselines import BASELINES, FIRST
from psychocounsel.evaluate.trials.measures import RANKING, Line, Trial, Who
from psychocounsel.evaluate.trials.trial import LabelledSet
from psychocounsel.outside.catalogue import Card, catalogue, load
from psychocounsel.outside.pairs import experts, exposure, seen_more
from psychocounsel.outside.records import BestOf, LabelledPair
from psychocounsel.outside.scores import ACCURACY, ALL, BEST_OF, RESAMPLES, SEED, Row, best_rows, pair_rows, preferred
from psychocounsel.principles import default_rubric
from psychocounsel.progress import Tick
from psychocounsel.records import Conversation
from psychocounsel.statistics.agreement import krippendorff_alpha
from psychocounsel.statistics.intervals import Figure, mean_figure

VIEWS = "more views wins"
RANDOM = "random"
BOTH_ORDERS = (
    "Each pair is judged in both orders; a tie counts one half, and so does a flip, where each order prefers another. "
    "`ranking` is the share of pairs whose better response is preferred; `first shown` is of decided verdicts."
)
_RATED = "Each response is rated by itself; `ranking` is the share of prompts whose best response is rated highest."
_EXPERTS = "counselbench-eval"
_POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}


def _lines(rows: Sequence[Row], who: Who, name: str) -> list[Line]:
    """Return rows as a trial's lines: what a pair or a best-of set measures is how well responses are ordered."""
    measures = {ACCURACY: RANKING, BEST_OF: RANKING}
    return [Line(measures.get(row.measure, row.measure), row.label, who, name, row.figure) for row in rows]


def _constant(value: float, clusters: Sequence[str]) -> Figure:
    """Return a figure that is known and not measured: chance, or a rule that both orders make one half."""
    return Figure(value, value, value, len(clusters), len(set(clusters)))


def _verdicts(
    judge: Judge, pairs: Sequence[LabelledPair], tick: Tick
) -> dict[int, list[PairVerdict | PsychocounselError]]:
    """Return of each pair its two verdicts, chosen shown first and then rejected shown first."""
    found: dict[int, list[Any]] = {place: [None, None] for place in range(len(pairs))}

    def asked() -> Iterator[tuple[tuple[int, int], Conversation, str, str]]:
        for place, pair in enumerate(pairs):
            yield (place, 0), pair.conversation, pair.chosen, pair.rejected
            yield (place, 1), pair.conversation, pair.rejected, pair.chosen

    for done, ((place, order), verdict) in enumerate(compare_all(judge, asked()), 1):
        tick(done, 2 * len(pairs))
        found[place][order] = verdict
    return found


def on_pairs(judge: Judge, everything: Sequence[LabelledPair], path: Path, tick: Tick, name: str) -> Trial:
    """Let a judge compare the two responses of every pair. Raises TooLittleDataError where it judges none."""
    lost: Counter[str] = Counter()
    pairs, points = list[LabelledPair](), list[list[float]]()
    for place, both in _verdicts(judge, everything, tick).items():
        if failed := next((each for each in both if isinstance(each, PsychocounselError)), None):
            lost[str(failed)] += 1
            continue
        shown_first = [_POINTS[each.overall] for each in both if isinstance(each, PairVerdict)]
        pairs.append(everything[place])
        points.append(shown_first)
    if not pairs:
        raise TooLittleDataError(f"judge {judge.spec} compared nothing: {'; '.join(lost) or 'there is no pair'}")
    first = np.array(points)
    clusters = [pair.cluster for pair in pairs]
    to_chosen = np.stack([first[:, 0], 1 - first[:, 1]], axis=1)
    lines = _lines(pair_rows(pairs, to_chosen.mean(axis=1)), "judge", judge.spec)
    lines += _habits(judge, first, to_chosen, clusters)
    for baseline, score in BASELINES.items():
        if baseline == FIRST:
            lines.append(Line(RANKING, ALL, "baseline", FIRST, _constant(0.5, clusters)))
        else:
            given = preferred([score(pair.chosen) for pair in pairs], [score(pair.rejected) for pair in pairs])
            lines += _lines(pair_rows(pairs, given), "baseline", baseline)
    if pairs[0].views is not None:
        lines += _lines(pair_rows(pairs, [seen_more(pair) for pair in pairs]), "baseline", VIEWS)
    if name == _EXPERTS:
        lines += _experts(path)
    notes = [BOTH_ORDERS, *exposure(everything, path)]
    return _trial(judge, catalogue()[name], everything, pairs, lost, lines, notes)


def _experts(path: Path) -> list[Line]:
    """How far the experts agree; nothing where no answer was rated twice: the judge's own figures are worth keeping."""
    ratings, of = experts(path)
    try:
        alpha = krippendorff_alpha(ratings, 5, "ordinal").figure(of, resamples=RESAMPLES, seed=SEED)
    except TooLittleDataError:
        return []
    return [Line("alpha, ordinal", "overall rating", "people", "experts with each other", alpha)]


def _habits(judge: Judge, first: Any, to_chosen: Any, clusters: Sequence[str]) -> list[Line]:
    """Add what the verdicts show of the judge itself: ties, flips, and what the response shown first gets."""

    def line(measure: str, values: Any, of: Sequence[str]) -> Line:
        figure = mean_figure(values, of, resamples=RESAMPLES, seed=SEED, bounds=(0, 1))
        return Line(measure, ALL, "judge", judge.spec, figure)

    found = [
        line("flips", (np.abs(to_chosen[:, 0] - to_chosen[:, 1]) == 1).astype(float), clusters),
        line("ties", (first == 0.5).mean(axis=1), clusters),
    ]
    decided = first != 0.5
    if decided.any():
        of = [cluster for cluster, each in zip(clusters, decided, strict=True) for one in each if one]
        found.append(line("first shown", first[decided], of))
    return found


def on_best_of(judge: Judge, everything: Sequence[BestOf], path: Path, tick: Tick, name: str) -> Trial:
    """Let a judge rate every response, and see which of a prompt's it rates highest."""
    overall = getattr(judge, "rubric", default_rubric()).overall
    given: list[list[float]] = [[float("nan")] * len(item.responses) for item in everything]
    failed: dict[int, str] = {}
    asked = [(n, k) for n, item in enumerate(everything) for k in range(len(item.responses))]
    items = (((n, k), everything[n].conversation, everything[n].responses[k]) for n, k in asked)
    for done, ((n, k), rating) in enumerate(rate_all(judge, items), 1):
        tick(done, len(asked))
        if isinstance(rating, PsychocounselError):
            failed.setdefault(n, str(rating))
        else:
            given[n][k] = overall({key: score.score for key, score in rating.items()})
    places = [n for n in range(len(everything)) if n not in failed]
    if not places:
        raise TooLittleDataError(f"judge {judge.spec} rated nothing: {'; '.join(set(failed.values())) or 'no item'}")
    kept = [everything[n] for n in places]
    lines = _lines(best_rows(kept, [given[n] for n in places]), "judge", judge.spec)
    for baseline, score in BASELINES.items():
        if baseline != FIRST:
            scores = [[score(response) for response in item.responses] for item in kept]
            lines += _lines(best_rows(kept, scores), "baseline", baseline)
    chance = float(np.mean([len(item.best) / len(item.responses) for item in kept]))
    lines.append(Line(RANKING, ALL, "baseline", RANDOM, _constant(chance, [item.cluster for item in kept])))
    return _trial(judge, catalogue()[name], everything, kept, Counter(failed.values()), lines, [_RATED])


def _trial(
    judge: Judge,
    card: Card,
    everything: Sequence[Any],
    kept: Sequence[Any],
    lost: Counter[str],
    lines: list[Line],
    notes: list[str],
) -> Trial:
    clusters = len({item.cluster for item in kept})
    return Trial(
        on=card.name,
        citation=card.citation,
        licence=card.licence,
        judge=judge.spec,
        simulated=judge.simulated,
        asked=len(everything),
        rated=len(kept),
        lost=dict(lost),
        clusters=clusters,
        lines=lines,
        notes=[*notes, *card.notes],
    )


def _read(name: str, path: Path) -> list[Any]:
    return list(load(name, path).items)


def _set(card: Card) -> LabelledSet:
    hold: Any = partial(on_best_of if card.kind == "best-of" else on_pairs, name=card.name)
    return LabelledSet(
        name=card.name,
        title=card.title,
        cluster="questions",
        citation=card.citation,
        licence=card.licence,
        notes=tuple(card.notes),
        read=partial(_read, card.name),
        hold=hold,
    )


PAIR_SETS = {card.name: _set(card) for card in catalogue().values() if card.kind in ("pairs", "best-of")}
"""Sets like those of trials/trial.py, whose items are pairs or lists of responses and not single ones."""
