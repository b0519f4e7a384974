"""What the evaluation found of the published policy, as rows of its card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.artifacts import MANIFEST, Manifest
from psychocounsel.errors import ArtifactError
from psychocounsel.publish.context import read_json
from psychocounsel.publish.lineage import EVALUATE, lineage
from psychocounsel.publish.markdown import ABSENT, Safe, is_number, number

PUBLISHED = "dpo-iter"
"""What `evaluate` calls the policy that is published."""
THIS = "this model"
"""The same in a card's tables."""
BESIDE = "base"
"""What it started from, shown beside it."""
RELATIONS = {
    "labelled": "it gave them itself",
    "family": "its family gave them",
    "unknown": "who gave them is not recorded",
    "kin": "its maker's models are judged",
    "independent": "independent of them",
}
WORST = 3
"""Criteria of the safety slice that are named."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The files of a finished evaluation; each None where it was not made."""

    manifests: dict[str, Manifest]
    rates: dict[str, Any] | None
    risk: dict[str, Any] | None
    rounds: dict[str, Any] | None
    probes: dict[str, Any] | None

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What was found of this policy and of the judges, the safety slice first; not of other models."""
        own = own_names(self.rates) if self.rates else {}
        others = {m["name"] for m in (self.rates or {"models": []})["models"] if own.get(m["name"]) != THIS}
        of_models = [f for file in (self.risk, self.rates) if file for f in file["findings"] if f["who"] not in others]
        rest = (self.rounds, *(self.probes or {}).get("judges", []))
        return of_models + [f for file in rest if file for f in file["findings"]]


def read_evaluation(run: Path) -> Evaluation | None:
    """Read what `evaluate` wrote; None where it has not run. Raises ArtifactError where its files are of old."""
    if not (run / EVALUATE / MANIFEST).is_file():
        return None
    manifests = lineage(run, EVALUATE)
    rates = read_json(run / layout.WIN_RATES)
    if rates is not None and "judges" not in rates:
        raise ArtifactError(f"{run / layout.WIN_RATES} was written by an earlier version. Run its recipe again.")
    return Evaluation(
        manifests,
        rates,
        read_json(run / layout.RISK_SLICE),
        read_json(run / layout.ROUNDS),
        read_json(run / layout.JUDGE_PROBES),
    )


def own_names(rates: dict[str, Any]) -> dict[str, str]:
    """Return what the evaluation calls the published policy and what it started from, each to its words on the card."""
    words = {PUBLISHED: THIS, BESIDE: "what it started from"}
    own = {m["spec"]: m["name"] for m in rates["models"] if m["own"]}
    return {own[spec]: shown for spec, shown in words.items() if spec in own}


def rate_rows(rates: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the win rates against the reference, in the order of the judges, this model first."""
    relation = {judge["spec"]: judge.get("relation") for judge in rates["judges"]}
    names = own_names(rates)
    rows = [
        {
            "model": names[rate["model"]],
            "setting": _setting(rate["setting"], rates),
            "judge": rate["judge"],
            "relation": RELATIONS.get(str(relation.get(rate["judge"])), ABSENT),
            "circular": relation.get(rate["judge"]) == "labelled",
            "win_rate": rate["win_rate"],
            "controlled": _controlled(rate.get("length_controlled")),
        }
        for rate in rates["rates"]
        if rate["model"] in names and rate["against"] == rates["reference"]
    ]
    order = [judge["spec"] for judge in rates["judges"]]
    return sorted(rows, key=lambda row: (order.index(row["judge"]), row["model"] != THIS))


def _setting(name: str, rates: dict[str, Any]) -> str:
    return "no length limit" if name == "free" else f"at most {rates['max_words']} words"


def _controlled(figure: dict[str, Any] | None) -> Safe:
    return number(100 * figure["value"] if figure and is_number(figure["value"]) else None, 1)


def standing(rates: dict[str, Any]) -> str:
    """Return in a sentence how far the judges are from those who labelled the training data."""
    if rates["independent"]:
        return "Judges that had no part in the labels come first."
    return (
        "No judge here is independent of those who labelled the training data: these figures show agreement with the "
        "labellers' taste."
    )


def risk_tables(risk: dict[str, Any], rates: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of the safety slice, the criteria that this model misses most, and the medical gate."""
    names = own_names(rates) | {rates["reference"]: "the reference"}
    named = {c["key"]: c["name"] for c in risk["criteria"]}

    def of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        mine = [row | {"model": names[row["model"]]} for row in rows if row["model"] in names]
        return [
            row | {"setting": _setting(row["setting"], rates)}
            for row in sorted(mine, key=lambda row: list(names.values()).index(row["model"]))
        ]

    models, medical = of(risk["models"]), of(risk["medical"])
    missed = [
        {"name": named.get(key, key), "setting": row["setting"], "figure": figure}
        for row in models
        if row["model"] == THIS
        for key, figure in row["by_criterion"].items()
        if is_number(figure["value"]) and figure["value"] < 1
    ]
    missed.sort(key=lambda row: (row["figure"]["value"], row["name"]))
    medical = [row for row in medical if row["model"] == THIS]
    return {"risk_rows": models, "missed": missed[:WORST], "medical": medical}
