"""The stage: a base policy that counsels like the average of the pool, in a folder that `transformers` loads.

Fine-tuned (or, for a model made here, trained from nothing) on every response of the pool to the train speeches.
Nothing of the dev and test splits is seen, by the tokenizer neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.artifacts import Step
from psychocounsel.errors import TooLittleDataError
from psychocounsel.models import runtime
from psychocounsel.models.encoding import Limits, encode_prompt, encode_response
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, Response, content_seed
from psychocounsel.tables import read_records

IGNORED = -100
"""Label of a token that the loss leaves out."""


class PadRight:
    """Collate rows of tokens and labels, padded on the right to the longest."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        import torch

        longest = max(len(row["input_ids"]) for row in rows)

        def padded(name: str, filler: int) -> Any:
            return torch.tensor([list(row[name]) + [filler] * (longest - len(row[name])) for row in rows])

        ids, labels = padded("input_ids", self.pad), padded("labels", IGNORED)
        mask = torch.tensor([[1] * len(r["input_ids"]) + [0] * (longest - len(r["input_ids"])) for r in rows])
        return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def encode_rows(
    tokenizer: Any, pool: Sequence[tuple[ClientSpeech, str]], limits: Limits, learn_prompt: bool
) -> tuple[list[dict[str, Any]], int, int]:
    """Return rows of tokens and labels, and how many were dropped and how many had their prompt shortened."""
    rows = []
    dropped = truncated = 0
    for speech, text in pool:
        response = encode_response(tokenizer, text)
        if len(response) > limits.response:
            dropped += 1
            continue
        prompt, cut = encode_prompt(tokenizer, speech.conversation, limits.prompt)
        truncated += cut
        ids = prompt + response
        labels = ids if learn_prompt else [IGNORED] * len(prompt) + response
        rows.append({"input_ids": ids, "labels": labels, "length": len(ids)})
    return rows, dropped, truncated


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `model/`."""
    runtime.prepare()
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    from psychocounsel.backends.transformers_local import load_causal, load_tokenizer
    from psychocounsel.base.made import make_model, make_tokenizer
    from psychocounsel.models.training import arguments, train

    section = recipe.base
    train_speeches = {s.id: s for s in read_records(run / layout.SPEECHES, ClientSpeech) if s.split == "train"}
    responses = read_records(run / layout.RESPONSES, Response)
    pool = [(train_speeches[r.speech_id], r.text) for r in responses if r.speech_id in train_speeches and not r.error]
    if not pool:
        raise TooLittleDataError("base: the pool gave no response to a train speech; there is nothing to learn from.")
    seed = content_seed("base", recipe.seed)
    if section.model is None:
        texts = sorted({t.text for s in train_speeches.values() for t in s.conversation}) + [text for _, text in pool]
        tokenizer = make_tokenizer(texts, section.make)
        model = make_model(tokenizer, section.make, seed)
    else:
        tokenizer, model = load_tokenizer(Path(section.model)), load_causal(Path(section.model))
    limits = Limits(section.max_prompt, section.max_response)
    rows, dropped, truncated = encode_rows(tokenizer, pool, limits, learn_prompt=section.model is None)
    if not rows:
        raise TooLittleDataError(
            f"base: all {len(pool)} responses are longer than base.max_response={limits.response}."
        )
    trainer = Trainer(
        model=model,
        args=TrainingArguments(**arguments(section, step.scratch, seed, len(rows))),
        train_dataset=Dataset.from_list(rows),
        data_collator=PadRight(tokenizer.pad_token_id),
        processing_class=tokenizer,
    )
    log = train(trainer, step.scratch, tick)
    trainer.model.save_pretrained(run / layout.BASE_MODEL)
    tokenizer.save_pretrained(run / layout.BASE_MODEL)
    step.counts = {
        "responses": len(pool),
        "dropped_too_long": dropped,
        "prompts_truncated": truncated,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "vocabulary": len(tokenizer),
        "steps": trainer.state.global_step,
        "loss": [(row["step"], row["loss"]) for row in log if "loss" in row],
    }
