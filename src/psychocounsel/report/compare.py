"""Two finished runs side by side: what differs in their recipes and in their figures, paired by speech."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from psychocounsel import layout
from psychocounsel.artifacts import Manifest, read_manifest
from psychocounsel.errors import ArtifactError
from psychocounsel.records import AT_RISK, content_id, content_seed, gravest
from psychocounsel.report import wins
from psychocounsel.report.columns import columns, matching, speech_points, tally
from psychocounsel.report.reading import read_figures, refuse_earlier_form, step_names
from psychocounsel.report.words import is_number, plural, setting
from psychocounsel.statistics.comparisons import holm, sign_flip_test
from psychocounsel.statistics.intervals import finite, mean_figure

_ROUNDS = 100
"""Rounds looked for in a run."""
MEASURES = ("accuracy", "auc", "ece", "brier")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    name: str
    run: Path
    manifests: dict[str, Manifest]
    won: dict[str, Any] | None
    risk: dict[str, Any] | None
    reward: dict[str, Any] | None

    @property
    def simulated(self) -> bool:
        return any(m.simulated for m in self.manifests.values())

    @property
    def reference(self) -> str:
        """Spec of what every model is compared with."""
        found = [m["spec"] for m in (self.won or {}).get("models", []) if m.get("reference")]
        return str(found[0]) if found else ""


def read_side(run: Path, name: str) -> Side:
    """Read one run. A step that is not finished counts as not there. Raises ArtifactError where no step is."""
    found = {step: manifest for step in step_names(_ROUNDS) if (manifest := read_manifest(run / step)) is not None}
    if not found:
        raise ArtifactError(
            f"{run} holds no finished step of a run. Name the output folder of a run, such as runs/mine."
        )
    won = read_figures(run / layout.WIN_RATES) if "evaluate" in found else None
    refuse_earlier_form(run, won)
    return Side(
        name=name,
        run=run,
        manifests=found,
        won=won,
        risk=read_figures(run / layout.RISK_SLICE) if "evaluate" in found else None,
        reward=read_figures(run / layout.REWARD_METRICS) if "reward" in found else None,
    )


def names_of(one: Path, other: Path) -> tuple[str, str]:
    """Return a name for each run: the last parts of its path that tell it from the other."""
    a, b = one.resolve().parts, other.resolve().parts
    for length in range(1, max(len(a), len(b)) + 1):
        if a[-length:] != b[-length:]:
            return "/".join(a[-length:]), "/".join(b[-length:])
    raise ArtifactError(f"{one} and {other} are the same folder; there is nothing to compare.")


def compare(one: Path, other: Path) -> dict[str, Any]:
    """Return everything that two runs are compared in, as plain data. Differences are the second less the first."""
    names = names_of(one, other)
    a, b = read_side(one, names[0]), read_side(other, names[1])
    same = _same(a, b)
    rows = _rows(a, b, same)
    return {
        "runs": [{"name": s.name, "simulated": s.simulated} for s in (a, b)],
        "simulated": a.simulated or b.simulated,
        "recipe": _recipe(a, b),
        "same": same,
        "wins": rows,
        "reward": _reward(a, b),
        "risk": _risk(a, b),
    }


def _recipe(a: Side, b: Side) -> list[dict[str, Any]]:
    """Return the keys of the recipe that differ, and steps that only one run has."""
    found: list[dict[str, Any]] = []
    for step in dict.fromkeys([*a.manifests, *b.manifests]):
        one, other = a.manifests.get(step), b.manifests.get(step)
        if one is None or other is None:
            found.append({"step": step, "key": "made", "a": "yes" if one else "no", "b": "yes" if other else "no"})
            continue
        mine = one.section | {"seed": one.seed, "package version": one.package_version}
        theirs = other.section | {"seed": other.seed, "package version": other.package_version}
        for key in dict.fromkeys([*mine, *theirs]):
            if mine.get(key) != theirs.get(key) and not any(
                (row["key"], row["a"], row["b"]) == (key, mine.get(key), theirs.get(key)) for row in found
            ):
                found.append({"step": step, "key": key, "a": mine.get(key), "b": theirs.get(key)})
    return found


def _same(a: Side, b: Side) -> dict[str, Any]:
    """Say what the two evaluations share, and why what they do not share forbids a paired test."""
    if a.won is None or b.won is None:
        lacking = [side.name for side in (a, b) if side.won is None]
        return {"refused": [f"{' and '.join(lacking)} holds no finished evaluation"], "notes": [], "settings": {}}
    speeches = [{row[0] for row in tally(columns(s.run / layout.ANSWERS, ("speech_id",)), "speech_id")} for s in (a, b)]
    refused, notes, settings = [], [], {}
    if speeches[0] != speeches[1]:
        both = len(speeches[0] & speeches[1])
        refused.append(
            f"the speeches are not the same: {len(speeches[0]):,} in {a.name}, {len(speeches[1]):,} in {b.name}, "
            f"{both:,} in both"
        )
    if a.reference != b.reference:
        refused.append(f"the reference is {a.reference} in {a.name} and {b.reference} in {b.name}")
    elif not refused:
        apart = _answers_of_reference(a) != _answers_of_reference(b)
        if apart:
            notes.append(f"the reference, {a.reference}, answered anew: its answers differ between the runs")
    prompts = [side.manifests["evaluate"].prompts for side in (a, b)]
    if prompts[0] != prompts[1]:
        refused.append("the judges were asked in other words: the rubric or a prompt differs")
    if a.won["max_words"] != b.won["max_words"]:
        settings["length-constrained"] = (
            f"at most {a.won['max_words']} words in {a.name}, {b.won['max_words']} in {b.name}"
        )
    levels = [_at_risk(side) for side in (a, b)]
    if levels[0] != levels[1]:
        notes.append("the runs do not agree on which speeches are at risk: those of either are left out of the tests")
    return {
        "refused": refused,
        "notes": notes,
        "settings": settings,
        "speeches": [len(some) for some in speeches],
        "reference": [a.reference, b.reference],
        "labellers": [a.won["labellers"], b.won["labellers"]],
    }


def _answers_of_reference(side: Side) -> str:
    name = side.won["reference"] if side.won else ""
    texts = [
        (row["setting"], row["speech_id"], row["text"])
        for batch in matching(side.run / layout.ANSWERS, {"model": {name}}, ["setting", "speech_id", "text"])
        for row in batch.to_pylist()
    ]
    return content_id(sorted(texts))


def _at_risk(side: Side) -> set[str]:
    table = columns(side.run / layout.SPEECHES, ("id", "risk", "screened"))
    if table is None:
        return set()
    rows = zip(*(table[name].to_pylist() for name in ("id", "risk", "screened")), strict=True)
    return {one for one, risk, screened in rows if gravest(risk, screened) in AT_RISK}


def _rows(a: Side, b: Side, same: dict[str, Any]) -> list[dict[str, Any]]:
    places = [
        {(r["judge"], r["setting"], r["model"]): r for r in wins.rates(side.won)} if side.won else {} for side in (a, b)
    ]
    left_out = _at_risk(a) | _at_risk(b)
    resamples = int(a.manifests["evaluate"].section.get("bootstrap", 1000)) if "evaluate" in a.manifests else 1000
    found: list[dict[str, Any]] = []
    for judge, of, model in dict.fromkeys([*places[0], *places[1]]):
        mine, theirs = (place.get((judge, of, model)) for place in places)
        row: dict[str, Any] = {
            "judge": judge,
            "relation": [wins.relation(side.won, judge) if side.won else "" for side in (a, b)],
            "setting": of,
            "model": model,
            "a": mine and mine["win_rate"],
            "b": theirs and theirs["win_rate"],
            "difference": None,
            "p": None,
            "p_holm": None,
            "why": _why_not(a, b, same, judge, of, model, mine is not None, theirs is not None),
        }
        if not row["why"]:
            row |= _paired(a, b, judge, of, model, left_out, resamples)
        found.append(row)
    tested = [row for row in found if is_number(row["p"])]
    if tested:
        for row, corrected in zip(tested, holm([row["p"] for row in tested]), strict=True):
            row["p_holm"] = float(corrected)
    cleaned: list[dict[str, Any]] = finite(found)
    return cleaned


def _why_not(a: Side, b: Side, same: dict[str, Any], judge: str, of: str, model: str, mine: bool, theirs: bool) -> str:
    if same["refused"]:
        return "; ".join(same["refused"])
    if not (mine and theirs):
        lacking = b if mine else a
        judged = any(row["judge"] == judge for row in (lacking.won or {}).get("rates", []))
        return (
            f"{lacking.name} has no {model} ({setting(of)})" if judged else f"{judge} judged nothing in {lacking.name}"
        )
    if of in same["settings"]:
        return str(same["settings"][of])
    return "a panel's verdicts are its judges'; see theirs" if judge == wins.PANEL else ""


def _paired(a: Side, b: Side, judge: str, of: str, model: str, left_out: set[str], resamples: int) -> dict[str, Any]:
    points = []
    for side in (a, b):
        reference = side.won["reference"] if side.won else ""
        points.append(speech_points(side.run / layout.COMPARISONS, judge, of, model, reference))
    both, first, second = np.intersect1d(points[0].ids, points[1].ids, assume_unique=True, return_indices=True)
    kept = ~np.isin(both, sorted(left_out))
    if not kept.any():
        return {"why": "no speech was judged in both"}
    differences = (points[1].points[second] - points[0].points[first])[kept]
    seed = content_seed("report compare", judge, of, model)
    clusters = both[kept].tolist()
    figure = mean_figure(differences, clusters, resamples=resamples, seed=seed, bounds=(-1, 1))
    if figure.clusters < 2:
        return {"difference": figure.as_dict(), "why": f"{plural(figure.n, 'speech', 'speeches')}: too few for a test"}
    return {"difference": figure.as_dict(), "p": sign_flip_test(differences, seed=seed)}


def _reward(a: Side, b: Side) -> list[dict[str, Any]]:
    overall = [(side.reward or {}).get("overall") or {} for side in (a, b)]
    return [
        {"measure": key, "a": overall[0].get(key), "b": overall[1].get(key)}
        for key in MEASURES
        if key in overall[0] or key in overall[1]
    ]


def _risk(a: Side, b: Side) -> list[dict[str, Any]]:
    of = [{(r["setting"], r["model"]): r for r in (side.risk or {}).get("models", [])} for side in (a, b)]
    return [
        {
            "setting": place[0],
            "model": place[1],
            "a": (of[0].get(place) or {}).get("passed"),
            "b": (of[1].get(place) or {}).get("passed"),
            "failed": [(rows.get(place) or {}).get("failed") for rows in of],
            "judged": [(rows.get(place) or {}).get("judged") for rows in of],
        }
        for place in dict.fromkeys([*of[0], *of[1]])
    ]
