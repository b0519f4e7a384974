"""DPO (Rafailov et al. 2023) from a policy in a folder, on rows that share their prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.align.development import measure_policy
from psychocounsel.artifacts import Step, write_json
from psychocounsel.errors import TooLittleDataError
from psychocounsel.hyperparameters import Dpo
from psychocounsel.models import runtime
from psychocounsel.models.encoding import EncodedPairs, Limits, encode_pairs
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import PreferencePair, content_seed
from psychocounsel.tables import read_records


def train_dpo(
    policy: Path,
    reference: Path,
    encoded: EncodedPairs,
    section: Dpo,
    scratch: Path,
    seed: int,
    into: Path,
    tick: Tick,
) -> dict[str, Any]:
    """Train the policy in folder `policy` against `reference` and save it `into`. Returns counts and curves."""
    from transformers import TrainingArguments

    from psychocounsel.backends.transformers_local import load_causal, load_tokenizer
    from psychocounsel.models.attention import for_cpu
    from psychocounsel.models.branches import Group, check_architecture, reference_logprobs
    from psychocounsel.models.preference import GroupCollator, SharedDpoTrainer, group_dataset
    from psychocounsel.models.training import arguments, train

    tokenizer, model = load_tokenizer(policy), load_causal(policy).train()
    check_architecture(model.config)
    for_cpu(model)
    groups = [Group(pair.prompt, (pair.chosen, pair.rejected)) for pair in encoded.pairs]
    fixed = reference_logprobs(for_cpu(load_causal(reference)), groups, tokenizer.pad_token_id)
    trainer = SharedDpoTrainer(
        beta=section.beta,
        sft=section.sft,
        model=model,
        args=TrainingArguments(**arguments(section, scratch, seed, len(groups))),
        train_dataset=group_dataset(groups, fixed),
        data_collator=GroupCollator(tokenizer.pad_token_id),
        processing_class=tokenizer,
    )
    log = [row for row in train(trainer, scratch, tick) if "loss" in row]
    trainer.model.save_pretrained(into)
    tokenizer.save_pretrained(into)
    return {
        "pairs": len(encoded.pairs),
        "dropped_too_long": encoded.dropped,
        "prompts_truncated": encoded.truncated,
        "steps": trainer.state.global_step,
        "loss": [(row["step"], row["loss"]) for row in log],
        "reward_margin": [(row["step"], row.get("rewards/margins")) for row in log],
        "reward_accuracy": [(row["step"], row.get("rewards/accuracies")) for row in log],
    }


def make_dpo(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `model/` and `development.json`."""
    runtime.prepare()
    from psychocounsel.backends.transformers_local import load_tokenizer

    pairs = [p for p in read_records(run / layout.PAIRS, PreferencePair) if p.split == "train"]
    tokenizer = load_tokenizer(run / layout.BASE_MODEL)
    encoded = encode_pairs(tokenizer, pairs, Limits(recipe.base.max_prompt, recipe.base.max_response))
    if not encoded.pairs:
        raise TooLittleDataError(f"align: all {len(pairs)} train pairs were dropped as longer than base.max_response.")
    base, section = run / layout.BASE_MODEL, recipe.align.dpo
    seed = content_seed("dpo", recipe.seed)
    into = run / layout.DPO_MODEL
    step.counts = train_dpo(base, base, encoded, section, step.scratch, seed, into, tick)
    development = {"base": measure_policy(base, run, recipe), "dpo": measure_policy(into, run, recipe)}
    write_json(step.folder / "development.json", development)
    step.counts["development"] = development
