"""What every trainer here shares: arguments for this machine, progress, and resumption after a kill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_pt_utils import get_length_grouped_indices

from psychocounsel.hyperparameters import Training
from psychocounsel.progress import Tick
from psychocounsel.records import content_seed

STATE = "trainer_state.json"
"""The last file that a checkpoint gets: a folder without it was cut off."""


def arguments(section: Training, scratch: Path, seed: int, examples: int) -> dict[str, Any]:
    """Return the keyword arguments for TrainingArguments and its heirs (DPOConfig, RewardConfig)."""
    steps = max(1, round(section.epochs * -(-examples // section.batch)))
    return {
        "output_dir": str(scratch),
        "per_device_train_batch_size": (micro := min(section.micro_batch, section.batch)),
        "gradient_accumulation_steps": section.batch // micro,
        "max_steps": steps,
        "learning_rate": section.learning_rate,
        "warmup_steps": max(1, round(section.warmup * steps)),
        "lr_scheduler_type": "cosine",
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "bf16": not torch.cuda.is_available() or torch.cuda.is_bf16_supported(),
        "use_cpu": not torch.cuda.is_available(),
        "seed": seed % 2**32,
        "data_seed": seed % 2**32,
        "remove_unused_columns": False,  # the length would go with them before the sampler could read it
        "save_strategy": "steps",
        "save_steps": section.save_every,
        "save_total_limit": 2,
        "logging_steps": 10,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "activation_checkpointing": False,
    }


class EpochSampler(Sampler[int]):
    """Rows of like length together, in an order drawn anew each epoch from the seed and the epoch's number alone.

    The Trainer's own draws it from torch's state, which a run that goes on in its second epoch does not have.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths = lengths
        self.batch = batch
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(content_seed("epoch", self.seed, self.epoch))
        return iter(get_length_grouped_indices(self.lengths, self.batch, generator=generator))


class InEpochOrder:
    """A Trainer whose rows come in the order of EpochSampler."""

    args: Any
    train_dataset: Any

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        rows = self.train_dataset if train_dataset is None else train_dataset
        batch = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return EpochSampler(list(rows["length"]), batch, self.args.data_seed)


class TickCallback(TrainerCallback):  # type: ignore[misc]
    """Tells the stage's listener each step."""

    def __init__(self, tick: Tick) -> None:
        self.tick = tick

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.tick(state.global_step, state.max_steps)


def last_checkpoint(scratch: Path) -> str | None:
    """Return the newest checkpoint that is whole, and remove those that a kill cut off."""
    best: tuple[int, Path] | None = None
    for folder in sorted(scratch.glob("checkpoint-*")):
        try:
            step = int(json.loads((folder / STATE).read_text("utf-8"))["global_step"])
        except (OSError, ValueError, KeyError):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        if best is None or step > best[0]:
            best = (step, folder)
    return str(best[1]) if best else None


def train(trainer: Any, scratch: Path, tick: Tick) -> list[dict[str, float]]:
    """Run a trainer to its end, from its last whole checkpoint if any. Returns its log, a row each ten steps."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(TickCallback(tick))
    trainer.train(resume_from_checkpoint=last_checkpoint(scratch))
    return [dict(row) for row in trainer.state.log_history]
