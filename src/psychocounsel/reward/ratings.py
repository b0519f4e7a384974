"""A reward model from ratings alone: what a clinic has whose therapists rated responses and ranked none."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json
from psychocounsel.errors import TooLittleDataError
from psychocounsel.models.encoding import Limits
from psychocounsel.principles import Rubric
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, Rating, Response, content_seed
from psychocounsel.reward.examples import Rated, rated_responses, rating_examples
from psychocounsel.reward.folds import Predicted, assign, figures
from psychocounsel.tables import read_records


def train_on_ratings(step: Step, run: Path, recipe: Recipe, tick: Tick) -> dict[str, Any]:
    """Cross-validate if the recipe says so, then train on the train split. Writes `model/` and `folds.json`."""
    from psychocounsel.backends.transformers_local import load_tokenizer
    from psychocounsel.reward.stage import start_of

    rubric = Rubric.model_validate_json((run / layout.RUBRIC).read_text("utf-8"))
    start = start_of(run, recipe)
    tokenizer = load_tokenizer(Path(start))
    rated, counts = rated_responses(
        tokenizer,
        read_records(run / layout.SPEECHES, ClientSpeech),
        read_records(run / layout.RESPONSES, Response),
        read_records(run / layout.RATINGS, Rating),
        rubric.keys,
        Limits.of(recipe.base),
    )
    seed = content_seed("reward", recipe.seed)
    found: dict[str, Any] = dict(counts)
    if recipe.reward.folds:
        found["folds"] = _cross_validate(step, run, recipe, start, tokenizer, rubric, rated, seed, tick)
    learnt = [r for r in rated if r.split == "train"]
    if not learnt:
        raise TooLittleDataError("reward: no rated response is of the train split; lower collect.split.test.")
    fitted = _fit(recipe, start, tokenizer, rubric, learnt, step.scratch / "all", seed, tick)
    fitted.save(run / layout.REWARD_MODEL)
    return found | {"steps": fitted.steps, "loss": fitted.curve("loss"), "learnt": len(learnt)}


def _fit(
    recipe: Recipe,
    start: str,
    tokenizer: Any,
    rubric: Rubric,
    rated: Sequence[Rated],
    scratch: Path,
    seed: int,
    tick: Tick,
) -> Any:
    import torch
    from transformers import set_seed

    from psychocounsel.models.losses import level_shares
    from psychocounsel.models.preference import SharedRewardTrainer
    from psychocounsel.models.rewards import new_reward_model
    from psychocounsel.models.training import Job, fit

    set_seed(seed % 2**32)
    weights = [p.weight for p in rubric.principles]
    model = new_reward_model(start, tokenizer.pad_token_id, rubric.keys, weights, recipe.reward.lora)
    with torch.no_grad():  # the heads begin by saying how often each level is given
        model.levels.bias.copy_(torch.log(level_shares([r.ratings for r in rated])).flatten())
    return fit(Job(SharedRewardTrainer, model, tokenizer, recipe.reward, rating_examples(rated), scratch, seed), tick)


def _cross_validate(
    step: Step,
    run: Path,
    recipe: Recipe,
    start: str,
    tokenizer: Any,
    rubric: Rubric,
    rated: Sequence[Rated],
    seed: int,
    tick: Tick,
) -> dict[str, Any]:
    """Return figures over all responses, each rated by a model that saw none of its group. Finished folds are kept."""
    from psychocounsel.models.scoring import level_logits

    section = recipe.reward
    groups = [r.group or str(i) for i, r in enumerate(rated)]
    folds = assign(groups, section.folds, seed)
    ratings = np.array([r.ratings for r in rated])
    logits = np.zeros((*ratings.shape, 5))
    for fold in range(section.folds):
        kept = step.scratch / f"fold-{fold}.npy"
        out = np.flatnonzero(folds == fold).tolist()
        if not kept.is_file():
            inside = [rated[i] for i in np.flatnonzero(folds != fold).tolist()]

            def told(done: int, total: int, note: str = "", fold: int = fold) -> None:
                tick(fold * total + done, (section.folds + 1) * total, f"fold {fold + 1} of {section.folds}")

            fitted = _fit(recipe, start, tokenizer, rubric, inside, step.scratch / f"fold-{fold}", seed, told)
            found = level_logits(
                fitted.model.eval(), [(rated[i].prompt, rated[i].response) for i in out], tokenizer.pad_token_id
            )
            part = kept.with_suffix(".part.npy")
            np.save(part, found)
            part.replace(kept)
            shutil.rmtree(step.scratch / f"fold-{fold}", ignore_errors=True)
        logits[out] = np.load(kept)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    levels = np.arange(1, 6)
    predicted = Predicted(np.array(groups), folds, ratings, shares.argmax(-1) + 1.0, (shares * levels).sum(-1))
    weights = np.array([p.weight for p in rubric.principles])
    found = figures(predicted, rubric.keys, weights, recipe.bootstrap, seed)
    write_json(run / layout.REWARD_FOLDS, {"folds": section.folds, "figures": found})
    np.savez_compressed(
        run / layout.REWARD_PREDICTED,
        groups=np.array(groups),
        folds=folds,
        ratings=ratings,
        levels=predicted.levels,
        expected=predicted.expected,
        prompts=np.array([r.said for r in rated]),
        responses=np.array([r.text for r in rated]),
    )
    return found
