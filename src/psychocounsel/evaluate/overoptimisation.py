"""Reward beside a judge that the reward model never learned from: where the two part, the policy pleases the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from psychocounsel import layout
from psychocounsel.backends import Judge, rate_all
from psychocounsel.errors import PsychocounselError
from psychocounsel.findings import Finding
from psychocounsel.principles import Rubric
from psychocounsel.progress import Tick
from psychocounsel.records import ClientSpeech, Conversation, DevelopmentAnswer, Response
from psychocounsel.statistics.intervals import Floats, mean_figure
from psychocounsel.tables import read_records

RATING = (1.0, 5.0)


def overall_ratings(judge: Judge, rubric: Rubric, items: Iterable[tuple[Conversation, str]], tick: Tick) -> Floats:
    """Return the judge's overall rating of each response, in [1, 5]; NaN where it gave none."""
    asked = [(place, conversation, text) for place, (conversation, text) in enumerate(items)]
    found = np.full(len(asked), np.nan)
    for done, (place, given) in enumerate(rate_all(judge, asked)):
        if done % 64 == 0:
            tick(done, len(asked), "ratings")
        if not isinstance(given, PsychocounselError):
            found[place] = rubric.overall({key: score.score for key, score in given.items()})
    return found


def by_checkpoint(
    run: Path,
    rounds: int,
    chosen: str,
    speeches: Sequence[ClientSpeech],
    judge: Judge,
    rubric: Rubric,
    *,
    resamples: int,
    seed: int,
    tick: Tick,
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Rate every checkpoint's kept answers to the development speeches; return a row each, and what is wrong.

    `over-optimisation` is found where the chosen checkpoint has more reward than an earlier one, and a lower rating on
    the same speeches, with the whole 95 % interval of the difference below 0.
    """
    steps = ["align/dpo", *(layout.round_step(n) for n in range(1, rounds + 1))]
    files = [run / step / layout.DEVELOPMENT_ANSWERS for step in steps]
    answers = [a for file in files if file.is_file() for a in read_records(file, DevelopmentAnswer)]
    conversation = {s.id: s.conversation for s in speeches}
    ratings = overall_ratings(judge, rubric, [(conversation[a.speech_id], a.text) for a in answers], tick)
    rated: dict[str, dict[str, tuple[float, float]]] = {}
    rows = []
    for name in dict.fromkeys(a.step for a in answers):
        mine = [(a, r) for a, r in zip(answers, ratings, strict=True) if a.step == name]
        good = [(a, r) for a, r in mine if np.isfinite(r)]
        rated[name] = {a.speech_id: (a.reward, float(r)) for a, r in good}
        if not good:
            continue
        clusters = [a.speech_id for a, _ in good]
        rows.append(
            {
                "step": name,
                "asked": len(mine),
                "n": len(good),
                "reward": mean_figure([a.reward for a, _ in good], clusters, resamples=resamples, seed=seed).as_dict(),
                "judge": mean_figure(
                    [r for _, r in good], clusters, resamples=resamples, seed=seed, bounds=RATING
                ).as_dict(),
                "words": float(np.mean([len(a.text.split()) for a, _ in good])),
            }
        )
    return rows, _parted(rated, chosen, judge.spec, resamples, seed)


def _parted(
    rated: dict[str, dict[str, tuple[float, float]]], chosen: str, judge: str, resamples: int, seed: int
) -> list[Finding]:
    last = rated.get(chosen, {})
    worst: Finding | None = None
    for name, before in rated.items():
        if name == chosen:
            break  # later checkpoints were left aside, and are no way that this one went
        both = sorted(set(last) & set(before))
        if len(both) < 2:
            continue
        gained = float(np.mean([last[s][0] - before[s][0] for s in both]))
        change = mean_figure(
            [last[s][1] - before[s][1] for s in both], both, resamples=resamples, seed=seed, bounds=(-4, 4)
        )
        if gained > 0 and change.high < 0 and (worst is None or change.value < worst.figure.value):  # type: ignore[union-attr]
            says = (
                f"From {name} to {chosen} the reward rose by {gained:.2f} while {judge} rated the answers "
                f"{-change.value:.2f} points lower (of 1 to 5): the policy pleases the reward model, not the judge."
            )
            worst = Finding("over-optimisation", chosen, says, change)
    return [worst] if worst else []


def best_of(
    responses: Sequence[Response],
    speeches: Sequence[ClientSpeech],
    scorer: Any,
    judge: Judge,
    rubric: Rubric,
    *,
    resamples: int,
    seed: int,
    tick: Tick,
) -> list[dict[str, Any]]:
    """Return for n = 1 to k how the judge rates the response that the reward model picks among n of a speech's k.

    The expectation over all sets of n is exact. Beside it: a response at random, and the judge's own best of n. Only
    speeches with as many responses as most have, all scored and rated, count.
    """
    conversation = {s.id: s.conversation for s in speeches}
    asked = [r for r in responses if r.speech_id in conversation and not r.error]
    if not asked:
        return []
    rewards = np.array(scorer.score([conversation[r.speech_id] for r in asked], [r.text for r in asked]))
    ratings = overall_ratings(judge, rubric, [(conversation[r.speech_id], r.text) for r in asked], tick)
    groups: dict[str, list[int]] = {}
    for place, response in enumerate(asked):
        if np.isfinite(ratings[place]) and np.isfinite(rewards[place]):
            groups.setdefault(response.speech_id, []).append(place)
    sizes = [len(places) for places in groups.values()]
    if not sizes:
        return []
    k = max(set(sizes), key=sizes.count)
    kept = {speech: places for speech, places in groups.items() if len(places) == k}
    table = np.array(list(kept.values()))
    rows = []
    for n in range(1, k + 1):
        chance = _chance_of_first(k, n)
        picked = _expected(ratings[table], rewards[table], chance)
        oracle = _expected(ratings[table], ratings[table], chance)
        figures = {"mean": picked, "random": ratings[table].mean(axis=1), "best": oracle}
        rows.append(
            {"n": n, "judge": judge.spec}
            | {
                name: mean_figure(each, list(kept), resamples=resamples, seed=seed, bounds=RATING).as_dict()
                for name, each in figures.items()
            }
        )
    return rows


def _chance_of_first(k: int, n: int) -> Floats:
    """Chance that the i-th best of k is the best of n drawn without replacement, i from 0."""
    from math import comb

    return np.array([comb(k - 1 - i, n - 1) / comb(k, n) for i in range(k)])


def _expected(values: Floats, by: Floats, chance: Floats) -> Floats:
    """Return each row's expected value of the best by `by`; among equals any may be picked."""
    alike = by[:, :, None] == by[:, None, :]
    shared = (alike * values[:, None, :]).sum(axis=2) / alike.sum(axis=2)
    order = np.argsort(-by, axis=1, kind="stable")
    return np.asarray(np.take_along_axis(shared, order, axis=1) @ chance)
