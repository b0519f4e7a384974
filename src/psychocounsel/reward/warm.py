"""The warm start: a backbone that has learned the ratings, and a scalar head that is their weighted mean.

A pair says one bit about two responses; the ratings it was made from say seven numbers about each. On few pairs,
learning the numbers first and the preference after is the better use of the same labels (docs/experiments.md). Only
ratings of train responses are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from psychocounsel.models.branches import round_up
from psychocounsel.models.encoding import Limits, encode_prompt, encode_response
from psychocounsel.models.training import arguments, train
from psychocounsel.principles import Rubric
from psychocounsel.progress import Tick
from psychocounsel.recipe import WarmStart
from psychocounsel.records import ClientSpeech, Rating, Response

SCALE = 3.0
"""Nats of reward for each point of preference score at the start; Bradley-Terry then sets it."""


class RatingCollator:
    """Rows of tokens padded on the right, with their ratings."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        longest = round_up(max(len(row["input_ids"]) for row in rows), 32)
        ids = torch.full((len(rows), longest), self.pad)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for k, row in enumerate(rows):
            ids[k, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            mask[k, : len(row["input_ids"])] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([row["labels"] for row in rows])}


def rating_rows(
    tokenizer: Any,
    speeches: Sequence[ClientSpeech],
    responses: Sequence[Response],
    ratings: Sequence[Rating],
    keys: Sequence[str],
    limits: Limits,
) -> list[dict[str, Any]]:
    """Return the rated responses to the given speeches as tokens and ratings centred on their means."""
    speech_of = {s.id: s for s in speeches}
    text_of = {r.id: r.text for r in responses}
    rows: list[dict[str, Any]] = []
    for rating in ratings:
        speech = speech_of.get(rating.speech_id)
        if speech is None or rating.error:
            continue
        response = encode_response(tokenizer, text_of[rating.response_id])
        if len(response) <= limits.response:
            ids = encode_prompt(tokenizer, speech.conversation, limits.prompt)[0] + response
            rows.append({"input_ids": ids, "labels": [float(rating.scores[k]) for k in keys], "length": len(ids)})
    for place in range(len(keys)):  # the head has no bias
        mean = sum(row["labels"][place] for row in rows) / max(1, len(rows))
        for row in rows:
            row["labels"][place] -= mean
    return rows


def learn_ratings(
    base: Path, rows: Sequence[dict[str, Any]], tokenizer: Any, section: WarmStart, scratch: Path, seed: int, tick: Tick
) -> Any:
    """Return the model in folder `base` with a head for every principle, trained on `rows` by squared error."""
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments, set_seed

    from psychocounsel.models.attention import for_cpu

    set_seed(seed % 2**32)
    model = AutoModelForSequenceClassification.from_pretrained(
        str(base), num_labels=len(rows[0]["labels"]), problem_type="regression"
    )
    model.config.pad_token_id = tokenizer.pad_token_id
    trainer = Trainer(
        model=for_cpu(model),
        args=TrainingArguments(**arguments(section, scratch, seed, len(rows))),
        train_dataset=Dataset.from_list(list(rows)),
        data_collator=RatingCollator(tokenizer.pad_token_id),
    )
    train(trainer, scratch, tick)
    return trainer.model


def put_into(model: Any, warmed: Any, rubric: Rubric) -> None:
    """Give the one-label `model` the backbone of `warmed`, and as head the rubric's weighted mean of its heads."""
    model.base_model.load_state_dict(warmed.base_model.state_dict())
    weights = torch.tensor([p.weight for p in rubric.principles])
    with torch.no_grad():
        mean = (weights / weights.sum()).to(warmed.score.weight) @ warmed.score.weight
        model.score.weight.copy_(SCALE * mean[None])
