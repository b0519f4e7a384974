"""What every trainer here shares: arguments for this machine, progress, and resumption after a kill."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from psychocounsel.progress import Tick
from psychocounsel.recipe import Training

STATE = "trainer_state.json"
"""The last file that a checkpoint gets: a folder without it was cut off."""


def arguments(section: Training, scratch: Path, seed: int, examples: int) -> dict[str, Any]:
    """Return the keyword arguments for TrainingArguments and its heirs (DPOConfig, RewardConfig)."""
    import torch

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
        "train_sampling_strategy": "group_by_length",
        "length_column_name": "length",
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
