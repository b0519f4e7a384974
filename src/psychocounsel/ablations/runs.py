"""Runs a recipe and its variants, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psychocounsel import layout, pipeline
from psychocounsel.ablations.sharing import Sharing
from psychocounsel.ablations.variants import FOLDER, Variant
from psychocounsel.artifacts import Manifest, Step, locked
from psychocounsel.errors import TooLittleDataError
from psychocounsel.pipeline import Listener
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, PreferencePair
from psychocounsel.reward.measure import ScoredPair
from psychocounsel.reward.stage import score_pairs
from psychocounsel.tables import read_records, write_records

COMPARED = "compared"
"""Step of a variant's run: its reward model on the main run's test pairs."""
SCORED = "compared/main_test.parquet"
HELD_OUT = (
    "reward on the main run's pairs: none, since some of their speeches are not test speeches of this variant and its "
    "reward model may have learned from them"
)


@dataclass(slots=True)
class Made:
    """One run of a study: the main one, or a variant."""

    name: str
    overrides: tuple[str, ...]
    recipe: Recipe
    manifests: dict[str, Manifest] = field(default_factory=dict)
    """Its steps that are done."""
    scored: Path | None = None
    """Where the main run's test pairs are, scored by its reward model; None where it has none or may not score them."""
    failed: str = ""
    """Why it could not be made to its end; empty where it was."""
    notes: list[str] = field(default_factory=list)
    """What a reader of its figures has to know."""

    @property
    def output(self) -> Path:
        return self.recipe.output


def ablate(
    recipe: Recipe, variants: Sequence[Variant], listen: Callable[[str], Listener], only: Collection[str] = ()
) -> list[Made]:
    """Make the recipe's own run and its variants, what is not done yet; return them, the main run first.

    With `only`, other variants are not run, and are returned if they are done. `listen` is called with a run's name
    before it starts. A variant with too little data is returned with the reason, and the others go on; of the main run
    the error is raised.
    """
    with locked(recipe.output / FOLDER):
        main = Made(recipe.name, (), recipe, pipeline.run(recipe, listen(recipe.name)))
        if (recipe.output / layout.REWARD_TEST).is_file() and "reward" in main.manifests:
            main.scored = recipe.output / layout.REWARD_TEST
        made = [main]
        for variant in variants:
            if not only or variant.name in only:
                # A later variant's steps of an earlier call are as good.
                donors = [recipe.output, *(v.recipe.output for v in variants if v is not variant)]
                made.append(_make(variant, main, donors, listen(variant.name)))
            elif manifests := _done(variant.recipe):
                made.append(compared(Made(variant.name, variant.overrides, variant.recipe, manifests), main, None))
        return made


def tell_report(recipe: Recipe, listener: Listener) -> None:
    """Make the main run's report anew if it depends on a table that has changed since."""
    if any(spec.stage == "report" for spec in pipeline.steps_of(recipe)):
        pipeline.run(recipe, listener, only="report")


def _done(recipe: Recipe) -> dict[str, Manifest]:
    planned = pipeline.plan(recipe)
    return {p.spec.name: p.manifest for p in planned if p.manifest} if all(p.done for p in planned) else {}


def _make(variant: Variant, main: Made, donors: Sequence[Path], listener: Listener) -> Made:
    made = Made(variant.name, variant.overrides, variant.recipe)
    sharing = Sharing(variant.recipe, donors, listener)
    made.manifests = sharing.manifests
    try:
        pipeline.run(variant.recipe, sharing)
    except TooLittleDataError as error:
        made.failed = str(error)
    return compared(made, main, listener)


def compared(made: Made, main: Made, listener: Listener | None) -> Made:
    """Let the variant's reward model score the main run's test pairs; without a listener only read that it has."""
    if "reward" not in made.manifests or main.scored is None:
        return made
    if made.manifests["reward"].digest == main.manifests["reward"].digest:
        made.scored = main.scored
        return made
    if not _held_out(made, main):
        made.notes.append(HELD_OUT)
        return made
    step = Step(
        folder=made.output / COMPARED,
        stage=COMPARED,
        section={"base.max_prompt": made.recipe.base.max_prompt},
        seed=made.recipe.seed,
        parents={"main pair": main.manifests["pair"], "reward": made.manifests["reward"]},
    )
    with locked(made.output):
        manifest, why = step.state()
        if manifest is None and listener is not None:
            tick = listener.begin(COMPARED, why)
            with step.making():
                write_records(made.output / SCORED, ScoredPair, _scored(made, main))
            tick(1, 1)
            manifest, _ = step.state()
            if manifest is not None:
                listener.end(COMPARED, manifest)
    made.scored = made.output / SCORED if manifest is not None else None
    return made


def _held_out(made: Made, main: Made) -> bool:
    """Whether every speech of the main run's test split is in the variant's, and so in nothing that it learned from."""
    if made.manifests["collect"].digest == main.manifests["collect"].digest:
        return True
    of_main, of_variant = (
        {s.id for s in read_records(run.output / layout.SPEECHES, ClientSpeech) if s.split == "test"}
        for run in (main, made)
    )
    return of_main <= of_variant


def _scored(made: Made, main: Made) -> list[ScoredPair]:
    from psychocounsel.backends.reward_model import RewardModel
    from psychocounsel.models import runtime

    pairs = [p for p in read_records(main.output / layout.PAIRS, PreferencePair) if p.split == "test"]
    scorer = RewardModel(made.output / layout.REWARD_MODEL, max_prompt=made.recipe.base.max_prompt)
    found = score_pairs(scorer, pairs)
    del scorer
    runtime.give_back_memory()
    return found
