"""The trainers, on `transformers`' Trainer over packed rows that share their prompts.

A step's examples come as one batch, are packed into rows, and each row is a forward and a backward. Losses are sums
over the step's pairs (or tokens) divided by how many there are in all of its rows, so that packing changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import Trainer

from psychocounsel.hyperparameters import Dpo, Reward
from psychocounsel.models.branches import Group, Row, branch_sums, pack, rows_of, token_logprobs
from psychocounsel.models.casting import weights_stay
from psychocounsel.models.losses import bradley_terry, dpo_loss, level_loss
from psychocounsel.models.rewards import rewarded
from psychocounsel.models.training import EpochSampler


@dataclass(frozen=True, slots=True)
class Example:
    """A group, and numbers that its loss needs."""

    group: Group
    numbers: dict[str, Any] = field(default_factory=dict)
    """Name to a list with an entry for each branch, or to one number for the group."""


@dataclass(frozen=True, slots=True)
class Part:
    """A row of a step's batch."""

    row: Row
    numbers: dict[str, Tensor]
    share: float
    """Of the step's pairs or tokens."""

    def to(self, device: torch.device, **_: Any) -> Part:
        return replace(self, row=self.row.to(device), numbers={k: v.to(device) for k, v in self.numbers.items()})


class Examples(Dataset):  # type: ignore[type-arg]
    """Examples, as torch's loader wants them."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return self.examples[index]


class Packer:
    """Packs a step's examples into rows."""

    def __init__(self, tokens: int, pad: int, *, causal: bool, by_tokens: bool) -> None:
        """`by_tokens` says what a row's share of the step's loss is counted in: wanted tokens, or groups."""
        self.tokens, self.pad, self.causal, self.by_tokens = tokens, pad, causal, by_tokens

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Return `parts`, and what their shares are of: `wanted` tokens or groups."""
        sizes = [
            e.group.tokens if self.causal else sum(len(e.group.prompt) + len(b) for b in e.group.branches)
            for e in examples
        ]
        parts = []
        for members in rows_of(sizes, self.tokens):
            chosen = [examples[i] for i in members]
            row = pack([e.group for e in chosen], self.pad, causal=self.causal)
            numbers = {name: _together([e.numbers[name] for e in chosen]) for name in chosen[0].numbers}
            parts.append(Part(row, numbers, float(row.wanted if self.by_tokens else len(chosen))))
        whole = sum(p.share for p in parts)
        return {"parts": [replace(p, share=p.share / whole) for p in parts], "wanted": whole}


def _together(values: list[Any]) -> Tensor:
    if isinstance(values[0], (list, tuple)):
        values = [entry for value in values for entry in value]
    return torch.tensor(values, dtype=torch.float32)


Work = Callable[[Any, Row], Any]


def through(model: Any, work: Work) -> Any:
    """Let `model(row=row)` be `work(model, row)`: wrappers (autocast, DDP, FSDP) act on a model's own call."""
    original = model.forward

    def forward(*args: Any, row: Row | None = None, **kwargs: Any) -> Any:
        return original(*args, **kwargs) if row is None else work(model, row)

    model.forward = forward
    return model


class GroupTrainer(Trainer):  # type: ignore[misc]
    """A Trainer over packed rows; figures noted by a loss are averaged into the next row of the log."""

    work: Work
    by_tokens = False
    takes_section = False

    def __init__(
        self,
        *,
        model: Any,
        args: Any,
        examples: Sequence[Example],
        pad: int,
        row_tokens: int,
        causal: bool = True,
        dev: Sequence[Example] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model=through(model, type(self).work),
            args=args,
            train_dataset=Examples(examples),
            eval_dataset=Examples(dev) if dev else None,
            data_collator=Packer(row_tokens, pad, causal=causal, by_tokens=self.by_tokens),
            **kwargs,
        )
        self._noted: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def loss_of(self, part: Part, output: Any) -> Tensor:
        """Return the mean loss over the part's pairs or tokens."""
        raise NotImplementedError

    @weights_stay()
    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        model.train()
        total = torch.zeros((), device=self.args.device)
        parts = self._across(inputs)
        for number, part in enumerate(parts, 1):
            part = part.to(self.args.device)
            # FSDP would keep whole gradients until the last row.
            apart = number < len(parts) and not self.is_fsdp_enabled
            with self.accelerator.no_sync(model) if apart else nullcontext():
                loss = self.loss_of(part, model(row=part.row)) * part.share
                self.accelerator.backward(loss)
            total += loss.detach()
        return total

    @weights_stay()
    def prediction_step(self, model: Any, inputs: dict[str, Any], *_: Any, **__: Any) -> tuple[Tensor, None, None]:
        with torch.no_grad():
            losses = [
                self.loss_of(p, model(row=p.row)) * p.share
                for p in (q.to(self.args.device) for q in self._across(inputs))
            ]
        return torch.stack(losses).sum(), None, None

    def _across(self, inputs: dict[str, Any]) -> list[Part]:
        """Return this process's rows, their shares those of the step in all processes, times how many there are.

        Gradients are averaged over processes. Every process runs as many rows as the one with most, the surplus for
        nothing: under FSDP each pass is one that all of them make together.
        """
        parts: list[Part] = inputs["parts"]
        if self.args.world_size == 1:
            return parts
        import torch.distributed as dist

        most = torch.tensor(len(parts), device=self.args.device)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        wanted = torch.tensor(float(inputs["wanted"]), device=self.args.device)
        dist.all_reduce(wanted)
        factor = inputs["wanted"] * self.args.world_size / float(wanted)
        mine = [replace(p, share=p.share * factor) for p in parts]
        return mine + [replace(mine[-1], share=0.0)] * (int(most) - len(mine))

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        rows = self.train_dataset if train_dataset is None else train_dataset
        return EpochSampler(len(rows), self.args.data_seed)

    def note(self, part: Part, **values: Tensor) -> None:
        """Keep means of a part for the log, by the name they go under with / for __."""
        for name, value in values.items():
            self._noted[name.replace("__", "/")].append((float(value.detach()), part.share))

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        averages = {n: sum(v * w for v, w in pairs) / sum(w for _, w in pairs) for n, pairs in self._noted.items()}
        self._noted.clear()
        super().log({**logs, **averages}, *args, **kwargs)


class SharedSftTrainer(GroupTrainer):
    """Next-token cross-entropy, the mean over the wanted tokens of a step."""

    work = staticmethod(token_logprobs)
    by_tokens = True

    def loss_of(self, part: Part, output: Tensor) -> Tensor:
        return -branch_sums(output, part.row).sum() / part.row.wanted


class SharedDpoTrainer(GroupTrainer):
    """DPO on pairs (branches: chosen, rejected); `reference` holds both log-probabilities, computed beforehand.

    With `sft` above 0 the chosen response's mean next-token loss is added, so weighted (RPO, Pang et al. 2024).
    """

    work = staticmethod(token_logprobs)
    takes_section = True

    def __init__(self, *, section: Dpo, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.section = section

    def loss_of(self, part: Part, output: Tensor) -> Tensor:
        section, lengths = self.section, part.row.lengths.view(-1, 2)
        logprobs = branch_sums(output, part.row).view(-1, 2)
        chosen, rejected = (logprobs - part.numbers["reference"].view(-1, 2)).unbind(-1)
        losses = dpo_loss(
            chosen,
            rejected,
            beta=section.beta,
            kind=section.loss,
            label_smoothing=section.label_smoothing,
            lengths=lengths,
        )
        if section.sft:
            losses = losses - section.sft * logprobs[:, 0] / lengths[:, 0]
        margins = section.beta * (chosen - rejected)
        self.note(part, rewards__margins=margins.mean(), rewards__accuracies=(margins > 0).float().mean())
        return losses.mean()


class SharedRewardTrainer(GroupTrainer):
    """Bradley-Terry on pairs (branches: chosen, rejected), the principle heads on ratings, or both.

    Numbers: `gap` [pairs], points by which chosen is rated above rejected; `ratings` [branches, principles], NaN where
    there is none.
    """

    work = staticmethod(rewarded)
    takes_section = True

    def __init__(self, *, section: Reward, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.section = section

    def create_optimizer(self, model: Any = None) -> Any:
        """Give the heads a learning rate of their own."""
        optimizer = super().create_optimizer(model)
        named = (self.model if model is None else model).named_parameters()
        heads = {id(p) for name, p in named if {"score", "levels"} & set(name.split("."))}
        for group in list(optimizer.param_groups):
            mine = [p for p in group["params"] if id(p) in heads]
            if mine and self.section.head_rate != 1:
                group["params"] = [p for p in group["params"] if id(p) not in heads]
                optimizer.add_param_group(group | {"params": mine, "lr": group["lr"] * self.section.head_rate})
        return optimizer

    def loss_of(self, part: Part, output: Any) -> Tensor:
        rewards, levels = output
        section = self.section
        weight = 1.0 if section.learn == "ratings" else section.principles
        loss: Tensor = rewards.new_zeros(())
        if section.learn == "pairs":
            chosen, rejected = rewards.view(-1, 2).unbind(-1)
            losses = bradley_terry(chosen, rejected, section.margin * part.numbers["gap"], section.centring)
            loss = loss + losses.mean()
            self.note(part, accuracy=(chosen > rejected).float().mean(), margin=(chosen - rejected).mean())
        if levels is not None and weight:
            entropy = level_loss(levels, part.numbers["ratings"].view(levels.shape[:2])).mean()
            loss = loss + weight * entropy
            self.note(part, principles=entropy)
        return loss
