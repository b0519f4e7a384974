"""The stage: preference pairs to a reward model, by TRL's Bradley-Terry trainer, and its figures on the test pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json
from psychocounsel.errors import TooLittleDataError
from psychocounsel.models import runtime
from psychocounsel.models.encoding import Limits, encode_pairs
from psychocounsel.principles import Rubric
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, PreferencePair, Rating, Response, content_seed
from psychocounsel.reward.measure import ScoredPair, measure, scored_pair
from psychocounsel.tables import read_records, write_records


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `model/`, `test.parquet` (rewards of each test pair) and `metrics.json`."""
    runtime.prepare()
    from psychocounsel.backends.reward_model import RewardModel

    pairs = read_records(run / layout.PAIRS, PreferencePair)
    step.counts = _train(step, run, recipe, [p for p in pairs if p.split == "train"], tick)
    scorer = RewardModel(run / layout.REWARD_MODEL, max_prompt=recipe.base.max_prompt)
    test = score_pairs(scorer, [p for p in pairs if p.split == "test"])
    write_records(run / layout.REWARD_TEST, ScoredPair, test)
    measured = measure(test, recipe.bootstrap, content_seed("reward bootstrap", recipe.seed))
    write_json(run / layout.REWARD_METRICS, measured.as_dict())
    step.counts |= {name: figure.as_dict() for name, figure in measured.overall.items()}


def score_pairs(scorer: Any, pairs: list[PreferencePair]) -> list[ScoredPair]:
    """Score both responses of every pair."""
    chosen = scorer.score([p.conversation for p in pairs], [p.chosen for p in pairs])
    rejected = scorer.score([p.conversation for p in pairs], [p.rejected for p in pairs])
    return [scored_pair(p, c, r) for p, c, r in zip(pairs, chosen, rejected, strict=True)]


def _warm_start(model: Any, tokenizer: Any, step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    from psychocounsel.reward.warm import learn_ratings, put_into, rated_groups

    rubric = Rubric.model_validate_json((run / layout.RUBRIC).read_text("utf-8"))
    speeches = [s for s in read_records(run / layout.SPEECHES, ClientSpeech) if s.split == "train"]
    responses = read_records(run / layout.RESPONSES, Response) + read_records(run / layout.FURTHER, Response)
    ratings = read_records(run / layout.RATINGS, Rating) + read_records(run / layout.FURTHER_RATINGS, Rating)
    limits = Limits(recipe.base.max_prompt, recipe.base.max_response)
    groups = rated_groups(tokenizer, speeches, responses, ratings, rubric.keys, limits)
    seed = content_seed("reward warm start", recipe.seed)
    section = recipe.reward.warm_start
    # Its checkpoints stay beside the pairs' own until the step is done, so that a kill in either part loses little.
    warmed = learn_ratings(run / layout.BASE_MODEL, groups, tokenizer, section, step.scratch / "warm", seed, tick)
    put_into(model, warmed, rubric)


def _train(step: Step, run: Path, recipe: Recipe, pairs: list[PreferencePair], tick: Tick) -> dict[str, Any]:
    from transformers import AutoModelForSequenceClassification, set_seed
    from trl import RewardConfig

    from psychocounsel.backends.transformers_local import load_tokenizer
    from psychocounsel.models.attention import for_cpu
    from psychocounsel.models.preference import EncodedRewardTrainer, reward_dataset
    from psychocounsel.models.training import arguments, train

    section = recipe.reward
    tokenizer = load_tokenizer(run / layout.BASE_MODEL)
    encoded = encode_pairs(tokenizer, pairs, Limits(recipe.base.max_prompt, recipe.base.max_response))
    if not encoded.pairs:
        raise TooLittleDataError(f"reward: all {len(pairs)} train pairs were dropped as longer than base.max_response.")
    seed = content_seed("reward", recipe.seed)
    set_seed(seed % 2**32)  # the scalar head starts random
    model = AutoModelForSequenceClassification.from_pretrained(str(run / layout.BASE_MODEL), num_labels=1)
    model.config.pad_token_id = tokenizer.pad_token_id
    if section.warm_start.epochs:
        _warm_start(model, tokenizer, step, run, recipe, tick)
    trainer = EncodedRewardTrainer(
        model=for_cpu(model),
        args=RewardConfig(
            **arguments(section, step.scratch, seed, len(encoded.pairs)),
            max_length=None,
            pad_to_multiple_of=32,
            center_rewards_coefficient=section.centring or None,
        ),
        train_dataset=reward_dataset(encoded.pairs),
        processing_class=tokenizer,
    )
    log = train(trainer, step.scratch, tick)
    trainer.model.save_pretrained(run / layout.REWARD_MODEL)
    tokenizer.save_pretrained(run / layout.REWARD_MODEL)
    return {
        "train_pairs": len(pairs),
        "dropped_too_long": encoded.dropped,
        "prompts_truncated": encoded.truncated,
        "steps": trainer.state.global_step,
        "loss": [(row["step"], row["loss"]) for row in log if "loss" in row],
        "train_accuracy": [(row["step"], row["accuracy"]) for row in log if "accuracy" in row],
    }
