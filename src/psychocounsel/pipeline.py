"""Runs a recipe: knows the order of the steps and what each depends on, and no science."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from psychocounsel import layout
from psychocounsel.artifacts import Manifest, Step, locked, sha256_of
from psychocounsel.endpoints import server_of
from psychocounsel.errors import ArtifactError, RecipeError
from psychocounsel.models import runtime
from psychocounsel.progress import Tick, silent
from psychocounsel.recipe import SOURCE, STAGES, Recipe
from psychocounsel.records import content_id

Make = Callable[[Step, Path, Recipe, Tick], None]


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step of a run."""

    name: str
    """Folder below the run's, such as `reward` or `align/round-1`."""
    parents: tuple[str, ...]
    """Steps whose files it reads."""
    uses: tuple[str, ...]
    """Dotted recipe keys that it depends on; a change of one makes it run again."""
    make: Callable[[], Make]
    """Imports the stage late and returns its function."""

    @property
    def stage(self) -> str:
        return self.name.partition("/")[0]


class Listener(Protocol):
    """Who is told how a run goes."""

    def begin(self, name: str, why: str) -> Tick: ...

    def skip(self, name: str, manifest: Manifest) -> None: ...

    def end(self, name: str, manifest: Manifest) -> None: ...


class Quiet:
    """A listener that says nothing."""

    def begin(self, name: str, why: str) -> Tick:
        return silent

    def skip(self, name: str, manifest: Manifest) -> None: ...

    def end(self, name: str, manifest: Manifest) -> None: ...


def _stage(name: str) -> Callable[[], Make]:
    def load() -> Make:
        from importlib import import_module

        make: Make = import_module(f"psychocounsel.{name}").make
        return make

    return load


def _dpo() -> Make:
    from psychocounsel.align import make_dpo

    return make_dpo


def _round(number: int) -> Make:
    from psychocounsel.align import make_round

    return partial(make_round, number)


def _chosen() -> Make:
    from psychocounsel.align import make_chosen

    return make_chosen


def steps_of(recipe: Recipe) -> list[StepSpec]:
    """Return the steps of a recipe in the order they run, as far as its `until`."""
    last = STAGES.index(recipe.until)
    steps = [spec for spec in _all_steps(recipe) if STAGES.index(spec.stage) <= last and _needed(spec, recipe)]
    names = {spec.name for spec in steps}
    if recipe.evaluates_others_only:
        # Nothing is trained, so that evaluation reads the speeches alone.
        return [replace(spec, parents=tuple(p for p in spec.parents if p in names)) for spec in steps]
    return steps


def _needed(spec: StepSpec, recipe: Recipe) -> bool:
    """Whether anything reads it: a run that ends with a reward model may need neither pairs nor a base policy."""
    if recipe.evaluates_others_only:
        return spec.stage in ("collect", "evaluate", "report")
    if recipe.until != "reward":
        return True
    unused = {"base": recipe.reward.model is not None, "pair": recipe.reward.learn == "ratings"}
    return not unused.get(spec.stage, False)


def _all_steps(recipe: Recipe) -> list[StepSpec]:
    limits = ("base.max_prompt", "base.max_response", "base.too_long")
    carried = ("rate.rubric",) if recipe.rate.judge == SOURCE else ()
    measured = (*limits, "align.dev_speeches")
    rounds = [layout.round_step(n) for n in range(1, recipe.align.iterate.rounds + 1)]
    steps = [
        StepSpec("collect", (), ("collect", *carried), _stage("collect")),
        StepSpec("generate", ("collect",), ("generate", "max_words"), _stage("generate")),
        StepSpec("rate", ("collect", "generate"), ("rate",), _stage("rate")),
        StepSpec("pair", ("collect", "generate", "rate"), ("pair",), _stage("pair")),
        StepSpec("base", ("collect", "generate"), ("base",), _stage("base")),
        StepSpec(
            "reward",
            (
                *("collect", "generate", "rate"),
                *(() if recipe.reward.learn == "ratings" else ("pair",)),
                *(() if recipe.reward.model else ("base",)),
            ),
            ("reward", "bootstrap", *limits),
            _stage("reward"),
        ),
        StepSpec("align/dpo", ("collect", "pair", "base", "reward"), ("align.dpo", *measured), _dpo),
    ]
    for number, name in enumerate(rounds, 1):
        before = "align/dpo" if number == 1 else rounds[number - 2]
        steps.append(
            StepSpec(
                name,
                ("collect", "base", "reward", before),
                ("align.iterate", "max_words", *measured),
                partial(_round, number),
            )
        )
    steps += [
        StepSpec("align/chosen", ("align/dpo", *rounds), (), _chosen),
        StepSpec(
            "evaluate",
            ("collect", "generate", "rate", "base", "reward", "align/dpo", *rounds, "align/chosen"),
            ("evaluate", "max_words", "rate.rubric", "generate.sampling", "bootstrap", *limits),
            _stage("evaluate"),
        ),
        StepSpec(
            "report",
            ("collect", "generate", "rate", "pair", "base", "reward", "align/dpo", *rounds, "align/chosen", "evaluate"),
            ("report", "name"),
            _stage("report"),
        ),
    ]
    return steps


def section_of(recipe: Recipe, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the resolved values of dotted keys. A file that a recipe names is represented by its digest as well."""
    resolved: dict[str, Any] = {}
    whole = recipe.model_dump(mode="json")
    for key in keys:
        value: Any = whole
        for part in key.split("."):
            value = value[part]
        if isinstance(value, dict):
            resolved |= {f"{key}.{name}": v for name, v in value.items()}
        else:
            resolved[key] = value
    # The rounds wanted decide which steps there are; a round already made does not depend on how many follow.
    resolved.pop("align.iterate.rounds", None)
    # Where a server stands decides what it answers; how fast it is asked does not.
    named = [server_of(spec) for spec in _specs(recipe, keys)]
    resolved |= {f"endpoints.{name}": recipe.endpoint(name).url for name in named if name}
    for name in ("collect.path", "rate.rubric", "pair.people", "reward.general"):
        if resolved.get(name) and (path := Path(resolved[name])).exists():
            files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
            digests = [sha256_of(file) for file in files]
            resolved[f"{name} sha256"] = digests[0] if path.is_file() else content_id(*digests)
    if "report" in keys and (table := recipe.output / layout.ABLATIONS).is_file():
        resolved["ablations sha256"] = sha256_of(table)
    models = dict(resolved.get("evaluate.models") or {}) | dict(resolved.get("reward.beside") or {})
    for name, spec in (models | {"reference": resolved.get("evaluate.reference") or ""}).items():
        if digest := _content_of(spec):
            resolved[f"{name} sha256"] = digest
    return resolved


def _content_of(spec: str) -> str:
    """Return what tells one state of a model's file or folder from another; empty for a spec that names neither."""
    path = Path(spec.partition("/")[2] if spec.startswith(("file/", "transformers/", "vllm/")) else spec)
    if spec.startswith("file/") and path.is_file():
        return sha256_of(path)
    if not (path / "config.json").is_file():
        return ""
    # Weights may be many gigabytes: their size and time are looked at, not their bytes.
    states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(path.iterdir())]
    return content_id(sha256_of(path / "config.json"), states)


def _specs(recipe: Recipe, keys: tuple[str, ...]) -> list[str]:
    """Return the backends that the sections `keys` name."""
    specs = recipe.generate.specs if "generate" in keys else []
    specs = specs + (recipe.labellers if "rate" in keys else [])
    return specs + (recipe.evaluate.specs if "evaluate" in keys else [])


@dataclass(frozen=True, slots=True)
class Planned:
    """What would happen to one step."""

    spec: StepSpec
    done: bool
    why: str
    """`done`, or why it would run."""
    manifest: Manifest | None


def plan(recipe: Recipe) -> list[Planned]:
    """Say for every step whether it is done or would run, and why. Writes nothing."""
    manifests: dict[str, Manifest] = {}
    planned = []
    for spec in steps_of(recipe):
        waiting = [p for p in spec.parents if p not in manifests]
        if waiting:
            planned.append(Planned(spec, False, f"after {waiting[-1]}", None))
            continue
        manifest, why = step_of(spec, recipe, manifests).state()
        if manifest is not None:
            manifests[spec.name] = manifest
        planned.append(Planned(spec, manifest is not None, why, manifest))
    return planned


def step_of(spec: StepSpec, recipe: Recipe, manifests: dict[str, Manifest]) -> Step:
    """Return the step that a spec is in a run, given its parents' manifests."""
    return Step(
        folder=recipe.output / spec.name,
        stage=spec.name,
        section=section_of(recipe, spec.uses),
        seed=recipe.seed,
        parents={name: manifests[name] for name in spec.parents},
    )


def run(recipe: Recipe, listener: Listener | None = None, *, only: str | None = None) -> dict[str, Manifest]:
    """Run what is not done yet, in order; with `only`, the steps of that stage, whose parents must be done.

    Returns the manifests by step. Raises ArtifactError where `only` names a stage that something is missing for.
    """
    listener = listener or Quiet()
    manifests: dict[str, Manifest] = {}
    with locked(recipe.output):
        for spec in _until(recipe, only):
            step = step_of(spec, recipe, manifests)
            manifest, why = step.state()
            if manifest is not None:
                listener.skip(spec.name, manifest)
            elif only is not None and spec.stage != only:
                raise ArtifactError(
                    f"{only} needs {spec.name}, which is not done in {recipe.output} ({why}). "
                    f"Run it first: psychocounsel {spec.stage} RECIPE"
                )
            else:
                manifest = _make(spec, step, recipe, listener, why)
            manifests[spec.name] = manifest
    return manifests


def _until(recipe: Recipe, only: str | None) -> Iterator[StepSpec]:
    specs = steps_of(recipe)
    if only is None:
        yield from specs
        return
    wanted = {spec.name for spec in specs if spec.stage == only}
    if not wanted:
        why = "it evaluates models that are made elsewhere" if recipe.evaluates_others_only else f"until={recipe.until}"
        raise RecipeError(recipe.name, [f"this recipe has no {only} step: {why}"])
    for spec in reversed(specs):
        if spec.name in wanted:
            wanted |= set(spec.parents)
    yield from (spec for spec in specs if spec.name in wanted)


def _make(spec: StepSpec, step: Step, recipe: Recipe, listener: Listener, why: str) -> Manifest:
    tick = listener.begin(spec.name, why)
    with step.making():
        spec.make()(step, recipe.output, recipe, tick)
    runtime.give_back_memory()
    manifest, state = step.state()
    if manifest is None:
        raise ArtifactError(
            f"{step.folder} was made, but does not read back: {state}. Is another program writing there?"
        )
    listener.end(spec.name, manifest)
    return manifest
