"""The stage: preference pairs, ratings or both to a reward model, and its figures on what it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json
from psychocounsel.errors import TooLittleDataError
from psychocounsel.models import runtime
from psychocounsel.models.encoding import Limits, encode_pairs
from psychocounsel.principles import Rubric
from psychocounsel.probes import probe_scorer
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, PreferencePair, Rating, Response, content_seed
from psychocounsel.reward.measure import ScoredPair, calibrated, measure, scored_pair
from psychocounsel.tables import read_records, write_records


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `model/`, `test.parquet` (rewards of each test pair), `metrics.json` and `probes.json`.

    From ratings alone there are no pairs: then it is `model/` and, with folds, `folds.json`.
    """
    runtime.prepare()
    from psychocounsel.backends.reward_model import RewardModel

    if recipe.reward.learn == "ratings":
        from psychocounsel.reward.ratings import train_on_ratings

        step.counts = train_on_ratings(step, run, recipe, tick)
        return
    pairs = read_records(run / layout.PAIRS, PreferencePair)
    step.counts = _train(step, run, recipe, pairs, tick)
    scorer = RewardModel(run / layout.REWARD_MODEL, max_prompt=recipe.base.max_prompt)
    test, dev = (score_pairs(scorer, [p for p in pairs if p.split == split]) for split in ("test", "dev"))
    write_records(run / layout.REWARD_TEST, ScoredPair, test)
    seed = content_seed("reward bootstrap", recipe.seed)
    measured = measure(test, recipe.bootstrap, seed)
    found = {
        "temperature": calibrated(test, dev, recipe.bootstrap, seed),
        "others": _others(recipe, [p for p in pairs if p.split == "test"], seed),
    }
    write_json(run / layout.REWARD_METRICS, measured.as_dict() | found)
    simulated = step.simulated or any(parent.simulated for parent in step.parents.values())
    scorer.spec = "reward/model"  # in the file that is kept, the folder of this machine is nobody's business
    write_json(run / layout.REWARD_PROBES, probe_scorer(scorer, tick, simulated=simulated))
    step.counts |= {name: figure.as_dict() for name, figure in measured.overall.items()}


def _others(recipe: Recipe, test: list[PreferencePair], seed: int) -> list[dict[str, Any]]:
    """Measure other reward models on the same test pairs, one in memory at a time."""
    from psychocounsel.reward.external import open_reward_model

    rows = []
    for name, spec in recipe.reward.beside.items():
        scored = score_pairs(open_reward_model(spec, recipe.base.max_prompt + recipe.base.max_response), test)
        figures = measure(scored, recipe.bootstrap, seed).overall
        rows.append({"name": name, "spec": spec, "overall": {key: each.as_dict() for key, each in figures.items()}})
        runtime.give_back_memory()
    return rows


def score_pairs(scorer: Any, pairs: list[PreferencePair]) -> list[ScoredPair]:
    """Score both responses of every pair."""
    both = [p.conversation for p in pairs for _ in "ab"]
    rewards = scorer.score(both, [text for p in pairs for text in (p.chosen, p.rejected)])
    return [scored_pair(p, c, r) for p, c, r in zip(pairs, rewards[::2], rewards[1::2], strict=True)]


def start_of(run: Path, recipe: Recipe) -> str:
    """Return the folder or hub name that the reward model begins as."""
    model = recipe.reward.model
    if model == "minilm":
        from psychocounsel.backends.sentence_encoder import weights_folder

        return weights_folder()
    return model or str(run / layout.BASE_MODEL)


def _warm_start(model: Any, tokenizer: Any, rubric: Rubric, step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    from psychocounsel.reward.examples import rated_responses
    from psychocounsel.reward.warm import learn_ratings, put_into, rated_groups

    speeches = [s for s in read_records(run / layout.SPEECHES, ClientSpeech) if s.split == "train"]
    responses = read_records(run / layout.RESPONSES, Response) + read_records(run / layout.FURTHER, Response)
    ratings = read_records(run / layout.RATINGS, Rating) + read_records(run / layout.FURTHER_RATINGS, Rating)
    rated, _ = rated_responses(tokenizer, speeches, responses, ratings, rubric.keys, Limits.of(recipe.base))
    seed = content_seed("reward warm start", recipe.seed)
    section = recipe.reward.warm_start
    # Its checkpoints stay beside the pairs' own until the step is done, so that a kill in either part loses little.
    warmed = learn_ratings(
        start_of(run, recipe), rated_groups(rated), tokenizer, section, step.scratch / "warm", seed, tick
    )
    put_into(model, warmed, rubric)


def _train(step: Step, run: Path, recipe: Recipe, pairs: list[PreferencePair], tick: Tick) -> dict[str, Any]:
    from transformers import set_seed

    from psychocounsel.backends.transformers_local import load_tokenizer
    from psychocounsel.models.preference import SharedRewardTrainer
    from psychocounsel.models.preflight import check_encoded
    from psychocounsel.models.rewards import new_reward_model
    from psychocounsel.models.training import Job, fit
    from psychocounsel.reward.examples import mix, pair_examples, read_general

    section, limits = recipe.reward, Limits.of(recipe.base)
    start = start_of(run, recipe)
    tokenizer = load_tokenizer(Path(start))
    encoded = encode_pairs(tokenizer, [p for p in pairs if p.split == "train"], limits)
    if not encoded.pairs:
        raise TooLittleDataError("reward: all train pairs were dropped; base.max_prompt or max_response is too low.")
    check_encoded(tokenizer, encoded.pairs)
    seed = content_seed("reward", recipe.seed)
    counts: dict[str, Any] = encoded.counts | {"train_pairs": sum(p.split == "train" for p in pairs)}
    learnt = encoded.pairs
    general = None
    if section.general:
        # All of them, with a pair or without: the models that learn from these rewards are compared on them.
        held_out = {s.text for s in read_records(run / layout.SPEECHES, ClientSpeech) if s.split != "train"}
        general = read_general(tokenizer, section.general, limits, held_out)
        step.simulated = step.simulated or general.simulated
        learnt = mix(encoded.pairs, general.train, section.general_share, seed)
        counts |= general.counts | {"mixed_pairs": len(learnt)}
    rubric = Rubric.model_validate_json((run / layout.PREFERENCE_RUBRIC).read_text("utf-8"))
    keys = list(rubric.keys) if section.principles else []
    set_seed(seed % 2**32)  # the heads start random
    model = new_reward_model(start, tokenizer.pad_token_id, keys, lora=section.lora)
    if section.warm_start.epochs:
        _warm_start(model, tokenizer, rubric, step, run, recipe, tick)
    dev = encode_pairs(tokenizer, [p for p in pairs if p.split == "dev"], limits).pairs if section.best_by_dev else []
    examples, held = pair_examples(learnt, keys, section), pair_examples(dev, keys, section)
    fitted = fit(Job(SharedRewardTrainer, model, tokenizer, section, examples, step.scratch, seed, held), tick)
    fitted.save(run / layout.REWARD_MODEL)
    if general is not None:
        from psychocounsel.models.scoring import score_groups

        both = [(p.prompt, [p.chosen, p.rejected]) for p in general.test]
        scored = score_groups(fitted.model.eval(), both, tokenizer.pad_token_id, section.row_tokens)
        right = sum(chosen[0] > rejected[0] for chosen, rejected in scored)
        counts |= {"general_test": len(both), "general_accuracy": right / len(both) if both else None}
    return counts | {
        "steps": fitted.steps,
        "loss": fitted.curve("loss"),
        "train_accuracy": fitted.curve("accuracy"),
    }
