"""Several judges on the same answers: their mean, how far they agree, and what each leans to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from psychocounsel.errors import TooLittleDataError
from psychocounsel.evaluate.means import per_speech
from psychocounsel.evaluate.verdicts import Names, Verdicts
from psychocounsel.findings import Finding
from psychocounsel.probes import FamilyVerdict, self_preference, self_preference_finding
from psychocounsel.statistics import agreement
from psychocounsel.statistics.intervals import Figure, Floats, mean_figure

PANEL = "panel"
NONE_OF_ONE = "a judge of the panel gave no verdict"


def with_panel(verdicts: Verdicts, judges: Sequence[str]) -> Verdicts:
    """Add rows of a judge `panel`, the mean of `judges`' points; a row that one of them lost is lost.

    With fewer than two judges nothing is added.
    """
    if len(judges) < 2:
        return verdicts
    parts = [_sorted(verdicts.where(verdicts.judge.at(judge))) for judge in judges]
    first = parts[0]
    if any(len(part) != len(first) or (_key(part) != _key(first)).any() for part in parts):
        raise TooLittleDataError("evaluate: the judges were not asked about the same pairs, so they make no panel.")
    points = np.mean([part.points for part in parts], axis=0)  # NaN where one is
    lost = np.isnan(points)
    keys = set.intersection(*(set(part.by_principle) for part in parts))
    errors = Names(("", NONE_OF_ONE), lost.astype(np.intp))
    panel = replace(
        first,
        judge=Names((PANEL,), np.zeros(len(first), dtype=np.intp)),
        points=points,
        by_principle={key: np.mean([part.by_principle[key] for part in parts], axis=0) for key in sorted(keys)},
        error=errors,
    )
    return _joined(verdicts, panel)


def _key(rows: Verdicts) -> NDArray[np.intp]:
    """A number for which answers were shown how; the same for every judge's part of one table."""
    return _answers(rows) * 2 + rows.forward


def _answers(rows: Verdicts) -> NDArray[np.intp]:
    key = rows.setting.places
    for column in (rows.model, rows.against, rows.speech):
        key = key * max(1, len(column.names)) + column.places
    return key


def _sorted(rows: Verdicts) -> Verdicts:
    return rows.where(np.argsort(_key(rows), kind="stable"))


def _joined(one: Verdicts, other: Verdicts) -> Verdicts:
    changed: dict[str, Any] = {}
    for name in ("judge", "setting", "model", "against", "speech", "error"):
        a, b = getattr(one, name), getattr(other, name)
        names = tuple(dict.fromkeys((*a.names, *b.names)))
        place = np.array([names.index(each) for each in b.names], dtype=np.intp)
        changed[name] = Names(names, np.concatenate([a.places, place[b.places]]))
    for name in ("forward", "points", "words", "words_against", "tokens", "tokens_against"):
        changed[name] = np.concatenate([getattr(one, name), getattr(other, name)])
    by: dict[str, Floats] = {}
    for key in {**one.by_principle, **other.by_principle}:
        parts = [each.by_principle.get(key, np.full(len(each), np.nan)) for each in (one, other)]
        by[key] = np.concatenate(parts)
    return replace(one, **changed, by_principle=by)


def leanings(verdicts: Verdicts, *, resamples: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Return for each judge how often its decided verdicts go to what was shown first, and to the longer answer."""
    positions, longer = [], []
    for judge in verdicts.judge.names:
        if judge == PANEL:
            continue
        mine = verdicts.where(verdicts.judge.at(judge))
        decided = mine.where((mine.points == 1) | (mine.points == 0))
        if figure := _share((decided.points == 1) == decided.forward, decided, resamples, seed):
            positions.append({"judge": judge, "first": figure})
        for setting in decided.setting.of(np.ones(len(decided), dtype=bool)):
            rows = decided.where(decided.setting.at(setting) & (decided.tokens != decided.tokens_against))
            figure = _share((rows.points == 1) == (rows.tokens > rows.tokens_against), rows, resamples, seed)
            if figure:
                longer.append({"judge": judge, "setting": setting, "longer": figure})
    return {"positions": positions, "longer": longer}


def _share(hits: NDArray[np.bool_], rows: Verdicts, resamples: int, seed: int) -> Figure | None:
    if not len(rows):
        return None
    clusters = [rows.speech.names[place] for place in rows.speech.places]
    return mean_figure(hits, clusters, resamples=resamples, seed=seed, bounds=(0, 1))


def agreement_of_judges(verdicts: Verdicts, *, resamples: int, seed: int) -> list[dict[str, Any]]:
    """Return how far each two judges agree on who won a speech, both orders together: won, tied or lost."""
    judges = [judge for judge in verdicts.judge.names if judge != PANEL]
    groups = np.unique(_answers(verdicts), return_inverse=True)[1]  # pairs of answers, whatever judge and order
    count = int(groups.max()) + 1 if len(groups) else 0
    speech = np.zeros(count, dtype=np.intp)
    speech[groups] = verdicts.speech.places
    outcome = {}
    for judge in judges:
        rows = verdicts.judge.at(judge)
        outcome[judge] = per_speech(verdicts.points[rows], groups[rows], count)
    found = []
    for a, b in combinations(judges, 2):
        both = np.isfinite(outcome[a]) & np.isfinite(outcome[b])
        if not both.any():
            continue
        x, y = (np.sign(outcome[judge][both] - 0.5).astype(int) + 1 for judge in (a, b))
        clusters = [verdicts.speech.names[place] for place in speech[both]]
        found.append(
            {
                "a": a,
                "b": b,
                "accuracy": agreement.accuracy(x, y).figure(clusters, resamples=resamples, seed=seed),
                "kappa": agreement.cohen_kappa(x, y, 3).figure(clusters, resamples=resamples, seed=seed),
            }
        )
    return found


def self_preferences(verdicts: Verdicts, judges: Mapping[str, str], models: Mapping[str, str]) -> list[Finding]:
    """Name each judge that gives models of its own family more than judges of other families give them.

    `judges` and `models` map a name to its family. Nothing is found where no judge of another family judged too.
    """
    found = []
    known = verdicts.where(np.isfinite(verdicts.points))
    for judge, family in judges.items():
        if family not in models.values():
            continue
        rows = []
        for side, sign in ((known.model, 1.0), (known.against, -1.0)):
            mine = np.isin(side.places, [n for n, name in enumerate(side.names) if models.get(name) == family])
            part = known.where(mine)
            for who, speech, points in zip(part.judge.places, part.speech.places, part.points, strict=True):
                of = judges.get(part.judge.names[who])
                if of is not None and (of != family or part.judge.names[who] == judge):
                    win = points if sign > 0 else 1 - points
                    rows.append(FamilyVerdict(of, family, float(win), part.speech.names[speech]))
        try:
            finding = self_preference_finding(self_preference(rows, family), judge)
        except TooLittleDataError:
            continue
        found += [finding] if finding else []
    return found
