"""What a recipe's `ablations` ask for, with every fault of every variant told before anything runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psychocounsel.errors import RecipeError
from psychocounsel.pair.stage import weighted
from psychocounsel.principles import load_rubric
from psychocounsel.recipe import Recipe, load_recipe

FOLDER = "ablations"
"""Folder of the main run's output in which variants and the table lie."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Variant:
    """One changed recipe."""

    name: str
    """Its folder below OUTPUT/ablations."""
    overrides: tuple[str, ...]
    """The KEY=VALUE that make it, beside those of the main run."""
    recipe: Recipe


def variants_of(path: Path, given: Sequence[str], main: Recipe) -> list[Variant]:
    """Return the variants of the recipe at `path`, in its order; `given` are the overrides of the whole study.

    A variant's folder is OUTPUT/ablations/NAME, its answers of servers are kept with the main run's. Raises RecipeError
    with the faults of all variants together.
    """
    where = f"recipe {path}"
    if not main.ablations:
        raise RecipeError(where, ["ablations names no variant; write ablations: {NAME: [KEY=VALUE]}"])
    faults: list[str] = []
    found = []
    for name, overrides in main.ablations.items():
        wrong = _faults_of(name, overrides, main)
        try:
            changed = load_recipe(path, [*given, *overrides])
            wrong += _unknown_weights(changed)
        except RecipeError as error:
            wrong += error.faults
        if wrong:
            faults += [f"ablations.{name}: {fault}" for fault in wrong]
            continue
        output = main.output / FOLDER / name
        title = f"{main.name}, ablation {name}" if changed.name == main.name else changed.name
        update = {"output": output, "calls": changed.calls or main.call_store, "name": title, "ablations": {}}
        found.append(Variant(name, tuple(overrides), changed.model_copy(update=update)))
    if faults:
        raise RecipeError(where, faults)
    return found


def _faults_of(name: str, overrides: Sequence[str], main: Recipe) -> list[str]:
    faults = []
    if not _NAME.fullmatch(name) or name.startswith("table."):
        faults.append("a name is the name of a folder: letters, digits, '.', '_' and '-', such as min-gap-2")
    if name == main.name:
        faults.append("this is the name of the main run; choose another")
    for override in overrides:
        if override.partition("=")[0].partition(".")[0] in ("output", FOLDER):
            faults.append(f"override {override!r}: a variant lies in OUTPUT/{FOLDER}/NAME and has no variants")
    return faults


def _unknown_weights(recipe: Recipe) -> list[str]:
    if not recipe.pair.weights:
        return []
    try:
        weighted(load_rubric(recipe.rate.rubric), recipe.pair.weights)
    except RecipeError as error:
        return error.faults
    return []
