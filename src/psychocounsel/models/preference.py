"""The losses and the trainers that use them, fed by our one encode function.

The reward trainer is TRL's. DPO and supervised fine-tuning are on `transformers`' Trainer over rows that share their
prompt: the prompt is computed once, and the head runs on the wanted tokens only. TRL's loss is what ours is tested
against.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor
from transformers import Trainer
from trl import RewardTrainer

from psychocounsel.models.branches import IGNORED, Group, Laid, branch_lengths, branch_logprobs, lay_out, token_logprobs
from psychocounsel.models.encoding import EncodedPair
from psychocounsel.models.training import InEpochOrder


def dpo_loss(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, beta: float) -> Tensor:
    """The sigmoid loss of DPO (Rafailov et al. 2023, equation 7), a value a pair.

    Arguments are log p(response | prompt) in nats, [pairs], under the policy and under the reference.
    """
    return -F.logsigmoid(beta * ((chosen - ref_chosen) - (rejected - ref_rejected)))


def group_dataset(groups: Sequence[Group], reference: Sequence[Sequence[float]] | None = None) -> Dataset:
    """Return groups as rows, with the reference's log-probabilities and the length that batches are grouped by."""
    rows = [
        {
            "prompt": list(g.prompt),
            "branches": [list(b) for b in g.branches],
            "length": len(g.prompt) + sum(map(len, g.branches)),
        }
        for g in groups
    ]
    if reference is not None:
        for row, logprobs in zip(rows, reference, strict=True):
            row["reference"] = list(logprobs)
    return Dataset.from_list(rows)


class GroupCollator:
    """Lay a batch of groups out in tensors."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        laid = lay_out([Group(r["prompt"], r["branches"]) for r in rows], self.pad)
        batch: dict[str, Any] = {f.name: getattr(laid, f.name) for f in fields(laid)}
        if "reference" in rows[0]:
            batch["reference"] = torch.tensor([r["reference"] for r in rows])
        return batch


class GroupTrainer(InEpochOrder, Trainer):  # type: ignore[misc]
    """A Trainer over laid-out groups; figures noted by a loss are averaged into the next row of the log."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model_accepts_loss_kwargs = False  # so that the loss is divided by the accumulation steps
        self._noted: dict[str, list[float]] = defaultdict(list)

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any) -> Any:
        # accelerate wraps `forward`, which the shared rows go past: without this, all would be in float32.
        with self.accelerator.autocast():
            loss = self.loss_of(model, inputs)
        return (loss, {}) if return_outputs else loss

    def loss_of(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        raise NotImplementedError

    def note(self, name: str, value: Tensor) -> None:
        self._noted[name].append(float(value.detach()))

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        averages = {name: sum(values) / len(values) for name, values in self._noted.items()}
        self._noted.clear()
        super().log({**logs, **averages}, *args, **kwargs)


class SharedSftTrainer(GroupTrainer):
    """Next-token cross-entropy, the mean over the wanted tokens of a batch."""

    def loss_of(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        laid = Laid(**inputs)
        return -token_logprobs(model, laid).sum() / (laid.targets != IGNORED).sum()


class SharedDpoTrainer(GroupTrainer):
    """DPO on pairs (branches: chosen, rejected) whose reference log-probabilities were computed beforehand.

    With `sft` above 0 the chosen response's mean next-token loss is added, so weighted (RPO, Pang et al. 2024).
    """

    def __init__(self, *, beta: float, sft: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta = beta
        self.sft = sft

    def loss_of(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        ref_chosen, ref_rejected = inputs.pop("reference").unbind(-1)
        laid = Laid(**inputs)
        chosen, rejected = branch_logprobs(model, laid).view(-1, 2).unbind(-1)
        loss = dpo_loss(chosen, rejected, ref_chosen, ref_rejected, self.beta).mean()
        if self.sft:
            loss = loss - self.sft * (chosen / branch_lengths(laid)[0::2]).mean()
        margins = self.beta * ((chosen - ref_chosen) - (rejected - ref_rejected))
        self.note("rewards/margins", margins.mean())
        self.note("rewards/accuracies", (margins > 0).float().mean())
        return loss


class EncodedRewardTrainer(InEpochOrder, RewardTrainer):  # type: ignore[misc]
    """TRL's Bradley-Terry trainer on pairs that are tokens already."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


def reward_dataset(pairs: Sequence[EncodedPair]) -> Dataset:
    """Return the columns that RewardTrainer trains on: whole rows, prompt and response."""
    return Dataset.from_list(
        [
            {
                "chosen_ids": p.prompt + p.chosen,
                "rejected_ids": p.prompt + p.rejected,
                "length": len(p.prompt) + max(len(p.chosen), len(p.rejected)),
            }
            for p in pairs
        ]
    )
