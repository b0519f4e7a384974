"""The figures of one run of a study, and what changes from the main run to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from psychocounsel import layout
from psychocounsel.ablations.runs import Made
from psychocounsel.evaluate.means import per_speech
from psychocounsel.evaluate.verdicts import read_verdicts
from psychocounsel.records import AT_RISK, ClientSpeech, content_seed
from psychocounsel.statistics import pairs as measures
from psychocounsel.statistics.comparisons import holm, sign_flip_test
from psychocounsel.statistics.intervals import mean_figure
from psychocounsel.tables import read_records

Place = tuple[str, str]
"""Setting (`free`, `length-constrained`) and model (`base`, `dpo`, `dpo-iter` or another that was evaluated)."""
STEP_OF = {"base": "base", "dpo": "align/dpo", "dpo-iter": "align/chosen"}
"""Policy to the step that makes it."""
DPO, ITERATED = "dpo", "dpo-iter"


def reward_of(made: Made, resamples: int, seed: int = 7) -> dict[str, Any]:
    """Return accuracy and AUC on the run's own test pairs, and on the main run's; `seed` is the main run's."""
    own = _read(made, layout.REWARD_METRICS, "reward")
    found: dict[str, Any] = {"own": None, "own_auc": None, "main": None, "main_auc": None}
    if own:
        found |= {"own": own["overall"]["accuracy"], "own_auc": own["overall"]["auc"]}
    if made.scored is not None:
        table = pq.read_table(made.scored, columns=["speech_id", "reward_chosen", "reward_rejected"])
        margins = table["reward_chosen"].to_numpy() - table["reward_rejected"].to_numpy()
        clusters = table["speech_id"].to_pylist()
        # The draws of the main run's own figures, so that its two are one, and the same for every run.
        drawn = content_seed("reward bootstrap", seed)
        accuracy = measures.accuracy(margins).figure(clusters, resamples=resamples, seed=drawn)
        auc = measures.auc_figure(margins, clusters, resamples=resamples, seed=drawn)
        found |= {"main": accuracy.as_dict(), "main_auc": auc.as_dict()}
    return found


def risk_slice_of(made: Made) -> dict[str, Any] | None:
    """Return how many answers to speeches at risk pass and fail, by setting and model; None where it was not judged."""
    risk = _read(made, layout.RISK_SLICE, "evaluate")
    if not risk:
        return None
    found: dict[str, Any] = {"judge": risk["judge"], "speeches": risk["speeches"], "passed": {}, "failed": {}}
    for row in risk["models"]:
        for key in ("passed", "failed"):
            found[key].setdefault(row["setting"], {})[row["model"]] = row[key]
    return found


@dataclass(frozen=True, slots=True)
class Wins:
    """What the first judge of a run says of its models against the reference."""

    judge: str
    relation: str
    reference: str
    """Spec of what every model is compared with."""
    max_words: int
    rates: dict[Place, dict[str, Any]]
    """Rows of win_rates.json."""
    points: dict[Place, dict[str, float]]
    """Speech to points (1, one half, 0), the mean of both orders; speeches at risk are left out as they are there."""
    asked: dict[Place, frozenset[str]]
    """Speeches asked, whether a verdict came or not."""


def wins_of(made: Made) -> Wins | None:
    """Return the win rates of a run; None where it has none."""
    told = _read(made, layout.WIN_RATES, "evaluate")
    if not told:
        return None
    judge, reference = told["judges"][0], told["reference"]
    spec = next(model["spec"] for model in told["models"] if model["name"] == reference)
    rates = {
        (row["setting"], row["model"]): row
        for row in told["rates"]
        if row["judge"] == judge["spec"] and row["against"] == reference
    }
    points, asked = _points(made, judge["spec"], reference)
    return Wins(judge["spec"], judge["relation"], spec, told["max_words"], rates, points, asked)


def _points(
    made: Made, judge: str, reference: str
) -> tuple[dict[Place, dict[str, float]], dict[Place, frozenset[str]]]:
    rows = read_verdicts(made.output / layout.COMPARISONS)
    rows = rows.where(rows.judge.at(judge) & rows.against.at(reference))
    speeches = read_records(made.output / layout.SPEECHES, ClientSpeech)
    left_out = {speech.id for speech in speeches if speech.risk_level in AT_RISK}
    kept = np.array([name not in left_out for name in rows.speech.names], dtype=bool)
    points: dict[Place, dict[str, float]] = {}
    asked: dict[Place, frozenset[str]] = {}
    every = np.ones(len(rows), dtype=bool)
    for setting in rows.setting.of(every):
        for model in rows.model.of(rows.setting.at(setting)):
            some = rows.where(rows.setting.at(setting) & rows.model.at(model) & kept[rows.speech.places])
            asked[setting, model] = frozenset(some.speech.of(np.ones(len(some), dtype=bool)))
            names = some.speech.names
            means = per_speech(some.points, some.speech.places, len(names))
            points[setting, model] = {names[place]: float(means[place]) for place in np.flatnonzero(np.isfinite(means))}
    return points, asked


def _read(made: Made, name: str, step: str) -> Any:
    path = made.output / name
    return json.loads(path.read_text("utf-8")) if step in made.manifests and path.is_file() else None


def difference(
    one: Mapping[str, float], other: Mapping[str, float], resamples: int, *name: str
) -> dict[str, Any] | None:
    """Return points of `one` minus `other`, paired by speech, with interval and p; None where no speech has both."""
    both = sorted(set(one) & set(other))
    if not both:
        return None
    apart = [one[speech] - other[speech] for speech in both]
    seed = content_seed("ablations", *name)
    figure = mean_figure(apart, both, resamples=resamples, seed=seed, bounds=(-1, 1))
    return {"difference": figure.as_dict(), "p": sign_flip_test(apart, seed=seed)}


def iterated(wins: Wins, resamples: int) -> dict[str, Any]:
    """Return DPO-Iter minus DPO of one run, by setting."""
    found = {}
    for setting in dict.fromkeys(setting for setting, _ in wins.points):
        one, other = wins.points.get((setting, ITERATED), {}), wins.points.get((setting, DPO), {})
        if (row := difference(one, other, resamples, "iterated", setting)) is not None:
            found[setting] = row
    return found


def change(made: Made, wins: Wins, main: Made, of_main: Wins, resamples: int) -> dict[str, dict[str, Any]]:
    """Return each model's win rate minus that of the main run, by setting; why there is none goes to `made.notes`.

    A model that is the main run's own, weights and answers, has none: there is nothing to test.
    """
    if (wins.judge, wins.reference) != (of_main.judge, of_main.reference):
        made.notes.append(
            f"no test against the main run: judge {wins.judge} and reference {wins.reference} here, {of_main.judge} "
            f"and {of_main.reference} there"
        )
        return {}
    found: dict[str, dict[str, Any]] = {}
    for place, points in wins.points.items():
        if place not in of_main.points:
            continue
        setting, model = place
        if setting != "free" and wins.max_words != of_main.max_words:
            _note(made, f"no test of {setting}: at most {wins.max_words} words here, {of_main.max_words} there")
        elif wins.asked[place] != of_main.asked[place]:
            _note(made, "no test against the main run: its test speeches are others")
        elif not _same(made, main, model) or points != of_main.points[place]:
            row = difference(points, of_main.points[place], resamples, "change", setting, model)
            if row is not None:
                found.setdefault(setting, {})[model] = row
    return found


def _note(made: Made, note: str) -> None:
    if note not in made.notes:
        made.notes.append(note)


def _same(made: Made, main: Made, model: str) -> bool:
    """Whether both runs have the same weights for the policy."""
    ours, theirs = (_weights(run, STEP_OF.get(model, "")) for run in (made, main))
    return bool(ours) and ours == theirs


def _weights(made: Made, step: str) -> dict[str, str]:
    files = made.manifests[step].files if step in made.manifests else {}
    return {name: entry.sha256 for name, entry in files.items() if name.startswith("model/")}


def correct(tests: Sequence[dict[str, Any]]) -> None:
    """Put Holm's adjusted p-value beside the p of each of the tests, which are one family."""
    if tests:
        for test, adjusted in zip(tests, holm([test["p"] for test in tests]), strict=True):
            test["p_holm"] = float(adjusted)
