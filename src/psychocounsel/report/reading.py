"""What the report reads of a run. A part that was not made is empty or None, and the report says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from psychocounsel import layout
from psychocounsel.artifacts import Manifest, read_manifest
from psychocounsel.errors import ArtifactError
from psychocounsel.records import ClientSpeech, Comparison, Dropped, PreferencePair, Rating, Response
from psychocounsel.report.words import plain
from psychocounsel.tables import read_records

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")
RULE_BASED = ("simulated/", "offline/")
"""Specs that begin so are rules in this package, not people or language models."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """A run's files as they lie there."""

    manifests: dict[str, Manifest]
    """Step to manifest, in data order."""
    speeches: list[ClientSpeech]
    dropped: list[Dropped]
    responses: list[Response]
    ratings: list[Rating]
    pairs: list[PreferencePair]
    scored: list[dict[str, Any]]
    """Test pairs with their rewards (the reward stage's ScoredPair)."""
    answers: list[dict[str, Any]]
    """Answers to the test speeches (the evaluate stage's Answer)."""
    comparisons: list[Comparison]
    reward: dict[str, Any] | None
    curves: dict[str, Any] | None
    win_rates: dict[str, Any] | None
    rubric: dict[str, Any] | None
    topics: list[dict[str, Any]]
    """Coverage of the topics: coarse, fine and n, a row each of the 42; empty where it was not counted."""

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
    return RunFiles(
        manifests={name: manifest for name, manifest in found.items() if manifest is not None},
        speeches=_records(run / layout.SPEECHES, ClientSpeech),
        dropped=_records(run / layout.DROPPED, Dropped),
        responses=_records(run / layout.RESPONSES, Response),
        ratings=_records(run / layout.RATINGS, Rating),
        pairs=_records(run / layout.PAIRS, PreferencePair),
        scored=_rows(run / layout.REWARD_TEST),
        answers=_rows(run / layout.ANSWERS),
        comparisons=_records(run / layout.COMPARISONS, Comparison),
        reward=_json(run / layout.REWARD_METRICS),
        curves=_json(run / layout.CURVES),
        win_rates=_json(run / layout.WIN_RATES),
        rubric=_json(run / layout.RUBRIC),
        topics=(_json(run / layout.TOPICS) or {}).get("coverage", []),
    )


def _records(path: Path, record: type[R]) -> list[R]:
    return read_records(path, record) if path.is_file() else []


def _rows(path: Path) -> list[dict[str, Any]]:
    """Read a stage's own record, whose class this stage must not import."""
    if not path.is_file():
        return []
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist(maps_as_pydicts="strict")
    except pa.ArrowInvalid as error:
        raise ArtifactError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    return rows


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = plain(json.loads(path.read_text("utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ArtifactError(f"{path} is not valid JSON. Run its recipe again to make it anew.") from None
    return content
