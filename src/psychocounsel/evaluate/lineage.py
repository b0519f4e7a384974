"""Who made what an evaluation rests on: pool, labellers, reward model and judges, read off manifests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from psychocounsel.artifacts import read_manifest
from psychocounsel.errors import ArtifactError
from psychocounsel.families import Relation, family_of, relation
from psychocounsel.findings import Finding

PUBLISHED = "psychocounsel.json"
"""What `publish` writes beside a model: who wrote and who labelled what it learned from."""
_UP = 3
"""Folders above a model's own in which its run may lie: OUTPUT/align/chosen/model."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a model was made from, as far as manifests tell."""

    generators: tuple[str, ...] = ()
    """Specs that wrote the responses it learned from."""
    labellers: tuple[str, ...] = ()
    """Judges whose ratings its training data and its reward model rest on."""

    def __or__(self, other: Lineage) -> Lineage:
        return Lineage(
            tuple(dict.fromkeys(self.generators + other.generators)),
            tuple(dict.fromkeys(self.labellers + other.labellers)),
        )


def lineage_of(folder: Path) -> Lineage:
    """Return the lineage of a run, of a model that lies in one, or of one that `publish` wrote; empty for any other."""
    if (told := _published(folder / PUBLISHED)) is not None:
        return told
    for place in (folder, *folder.resolve().parents[:_UP]):
        try:
            rate, generate = read_manifest(place / "rate"), read_manifest(place / "generate")
        except ArtifactError:  # there is a record, and it cannot be read: better unknown than none
            return Lineage(labellers=("unknown",))
        if rate is not None:
            return Lineage(tuple(generate.backends) if generate else (), tuple(rate.backends))
    return Lineage()


def _published(path: Path) -> Lineage | None:
    try:
        told = json.loads(path.read_text("utf-8"))
        return Lineage(tuple(map(str, told["generators"])), tuple(map(str, told["labellers"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class JudgeOf:
    """A judge, and how it stands to the data."""

    spec: str
    family: str
    relation: Relation
    simulated: bool


def in_order(judges: Iterable[JudgeOf]) -> list[JudgeOf]:
    """Return judges as they are shown: independent ones first, those that labelled last."""
    return sorted(judges, key=lambda judge: get_args(Relation).index(judge.relation))


def judge_of(spec: str, simulated: bool, lineage: Lineage, makers: Iterable[str] = ()) -> JudgeOf:
    """Return a judge of models by `makers`, which are families."""
    known = {*makers, *map(family_of, lineage.generators)}
    return JudgeOf(spec, family_of(spec), relation(spec, lineage.labellers, known), simulated)


def circular(judges: Sequence[JudgeOf], lineage: Lineage) -> list[Finding]:
    """Say of each judge that labelled, or whose family did, that its figures are circular."""
    found = []
    for judge in judges:
        if judge.relation == "labelled":
            says = (
                f"{judge.spec} labelled the data that the policies learned from, and judges them here: its figures "
                "show that they learned its taste, not that they counsel well."
            )
            found.append(Finding("circular evaluation", judge.spec, says))
        elif judge.relation == "family":
            of = [spec for spec in lineage.labellers if family_of(spec) == judge.family]
            says = (
                f"{judge.spec} is of the same family ({judge.family}) as {', '.join(of)}, which labelled the training "
                "data: it may share its taste, so that a high figure is weaker evidence than it looks."
            )
            found.append(Finding("circular evaluation", judge.spec, says))
    return found
