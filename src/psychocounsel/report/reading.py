"""What the report reads of a run. A part that was not made is empty or None, and the report says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from psychocounsel import layout
from psychocounsel.artifacts import Manifest, read_manifest
from psychocounsel.errors import ArtifactError
from psychocounsel.report.columns import columns
from psychocounsel.statistics.intervals import finite

RULE_BASED = ("simulated/", "offline/")
"""Specs that begin so are rules in this package, not people or language models."""
_SPEECHES = ("id", "split", "topic", "risk", "screened", "stage", "earlier")
_SCORED = ("speech_id", "reward_chosen", "reward_rejected")


@dataclass(frozen=True, slots=True)
class RunFiles:
    """A run's files as they lie there: figures whole, rows as columns; None for what was not made."""

    run: Path
    manifests: dict[str, Manifest]
    """Step to manifest, in data order."""
    speeches: pa.Table | None
    dropped: pa.Table | None
    responses: pa.Table | None
    ratings: pa.Table | None
    pairs: pa.Table | None
    scored: pa.Table | None
    """Test pairs with their rewards (the reward stage's ScoredPair)."""
    answers: pa.Table | None
    """Who answered what in which setting, without the texts (the evaluate stage's Answer)."""
    verdicts: pa.Table | None
    """Judge and error of every comparison."""
    figures: dict[str, dict[str, Any] | None]
    """JSON file of the run, as `layout` names it, to its content."""

    def figure(self, name: str) -> dict[str, Any] | None:
        return self.figures[name]

    @property
    def simulated(self) -> bool:
        return any(m.simulated for m in self.manifests.values())

    @property
    def stood_in_for(self) -> list[str]:
        """What rule-based stand-ins did in this run."""
        steps = {"generate": "responses", "rate": "ratings", "evaluate": "verdicts"}
        return [
            made
            for step, made in steps.items()
            if step in self.manifests and any(b.startswith(RULE_BASED) for b in self.manifests[step].backends)
        ]


FIGURES = (
    *(layout.REWARD_METRICS, layout.REWARD_PROBES, layout.CURVES, layout.RUBRIC, layout.TOPICS),
    *(layout.WIN_RATES, layout.RISK_SLICE, layout.ROUNDS, layout.JUDGE_PROBES),
)
ABLATIONS = layout.ABLATIONS


def step_names(rounds: int) -> list[str]:
    """Return the steps that a report tells of, in data order."""
    return [
        *("collect", "generate", "rate", "pair", "base", "reward", "align/dpo"),
        *(layout.round_step(n) for n in range(1, rounds + 1)),
        *("align/chosen", "evaluate"),
    ]


def read_run(run: Path, rounds: int) -> RunFiles:
    """Read a run. Rounds beyond `rounds` are left from another recipe and are not looked at."""
    found = {name: read_manifest(run / name) for name in step_names(rounds)}
    figures = {name: read_figures(run / name) for name in (*FIGURES, ABLATIONS)}
    refuse_earlier_form(run, figures[layout.WIN_RATES])
    return RunFiles(
        run=run,
        manifests={name: manifest for name, manifest in found.items() if manifest is not None},
        speeches=columns(run / layout.SPEECHES, _SPEECHES),
        dropped=columns(run / layout.DROPPED, ("reason",)),
        responses=columns(run / layout.RESPONSES, ("id", "model", "error", "text")),
        ratings=columns(run / layout.RATINGS, ("response_id", "error", "overall", "scores")),
        pairs=columns(run / layout.PAIRS, ("split", "gap", "chosen_scores", "rejected_scores")),
        scored=columns(run / layout.REWARD_TEST, _SCORED),
        answers=columns(run / layout.ANSWERS, ("speech_id", "setting", "model", "error")),
        verdicts=columns(run / layout.COMPARISONS, ("judge", "error")),
        figures=figures,
    )


def refuse_earlier_form(run: Path, wins: dict[str, Any] | None) -> None:
    """Raise ArtifactError where the win rates are of a form that this version does not write."""
    missing = [] if wins is None else [key for key in ("judges", "models", "rates", "reference") if key not in wins]
    if missing:
        raise ArtifactError(
            f"{run / layout.WIN_RATES} has no {', '.join(missing)}: another version of this package wrote it. Run the "
            "recipe again; what has not changed is kept."
        )


def read_figures(path: Path) -> dict[str, Any] | None:
    """Return a JSON file, with null for what is no finite number; None where there is no file."""
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = finite(json.loads(path.read_text("utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ArtifactError(f"{path} is not valid JSON. Run its recipe again to make it anew.") from None
    return content
