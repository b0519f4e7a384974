"""DPO (Rafailov et al. 2023) from a policy in a folder, on rows that share their prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.align.development import measure_policy
from psychocounsel.artifacts import Step, write_json
from psychocounsel.errors import TooLittleDataError
from psychocounsel.hyperparameters import Dpo
from psychocounsel.models import runtime
from psychocounsel.models.encoding import EncodedPair, EncodedPairs, Limits, encode_pairs
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import DevelopmentAnswer, PreferencePair, content_seed
from psychocounsel.tables import read_records, write_records


def train_dpo(
    policy: Path,
    reference: Path,
    encoded: EncodedPairs,
    section: Dpo,
    scratch: Path,
    seed: int,
    into: Path,
    tick: Tick,
    store: Path,
    dev: Sequence[EncodedPair] = (),
) -> dict[str, Any]:
    """Train the policy in folder `policy` against `reference` and save it `into`. Returns counts and curves.

    `store` keeps the reference's log-probabilities; `dev` pairs choose the checkpoint where the recipe says so.
    """
    from psychocounsel.backends.transformers_local import load_causal, load_tokenizer
    from psychocounsel.models.attention import for_rows
    from psychocounsel.models.branches import Group, check_architecture
    from psychocounsel.models.preference import Example, SharedDpoTrainer
    from psychocounsel.models.preflight import check_encoded, check_first_step
    from psychocounsel.models.reference import cached_logprobs, weights_digest
    from psychocounsel.models.training import Job, fit

    tokenizer = load_tokenizer(policy)
    check_encoded(tokenizer, [*encoded.pairs, *dev])
    pairs = [*encoded.pairs, *(dev if section.best_by_dev else [])]
    groups = [Group(pair.prompt, (pair.chosen, pair.rejected)) for pair in pairs]
    pad, fixed = tokenizer.pad_token_id, load_causal(reference, section.lora)
    precise, frozen = (
        section.precision == "float32",
        section.lora and ("four bits" if section.lora.quantised else "bf16"),
    )
    digest = weights_digest(reference, f"{section.precision}, weights in {frozen or 'float32'}")
    check_architecture(fixed.config)
    fixed = for_rows(fixed)
    logprobs = cached_logprobs(fixed, groups, pad, section.row_tokens, store, digest, tick, precise=precise)
    del fixed  # training needs the memory
    model = load_causal(policy, section.lora)
    examples = [Example(g, {"reference": two}) for g, two in zip(groups, logprobs, strict=True)]
    learnt, held = examples[: len(encoded.pairs)], examples[len(encoded.pairs) :]
    if policy == reference:
        check_first_step(for_rows(model), learnt, pad, precise=precise)
    fitted = fit(Job(SharedDpoTrainer, model, tokenizer, section, learnt, scratch, seed, held), tick)
    fitted.save(into)
    return encoded.counts | {
        "steps": fitted.steps,
        "loss": fitted.curve("loss"),
        "reward_margin": fitted.curve("rewards/margins"),
        "reward_accuracy": fitted.curve("rewards/accuracies"),
    }


def make_dpo(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `model/`, `development.json` and the answers that it measures."""
    runtime.prepare()
    from psychocounsel.backends.transformers_local import load_tokenizer

    pairs = read_records(run / layout.PAIRS, PreferencePair)
    tokenizer, limits = load_tokenizer(run / layout.BASE_MODEL), Limits.of(recipe.base)
    encoded = encode_pairs(tokenizer, [p for p in pairs if p.split == "train"], limits)
    if not encoded.pairs:
        raise TooLittleDataError("align: all train pairs were dropped; base.max_prompt or max_response is too low.")
    dev = encode_pairs(tokenizer, [p for p in pairs if p.split == "dev"], limits).pairs
    base, section = run / layout.BASE_MODEL, recipe.align.dpo
    seed = content_seed("dpo", recipe.seed)
    into = run / layout.DPO_MODEL
    store = run / layout.REFERENCE_CACHE
    step.counts = train_dpo(base, base, encoded, section, step.scratch, seed, into, tick, store, dev)
    measured = {name: measure_policy(folder, run, recipe, name) for name, folder in (("base", base), ("dpo", into))}
    development = {name: figures for name, (figures, _) in measured.items()}
    write_json(step.folder / "development.json", development)
    answers = [answer for _, kept in measured.values() for answer in kept]
    write_records(step.folder / layout.DEVELOPMENT_ANSWERS, DevelopmentAnswer, answers)
    step.counts["development"] = development
