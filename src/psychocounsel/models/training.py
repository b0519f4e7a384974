"""What every trainer here shares: arguments for this machine, progress, and resumption after a kill."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from psychocounsel.errors import MissingExtraError, RecipeError, TooLittleDataError
from psychocounsel.hyperparameters import Training
from psychocounsel.progress import Tick
from psychocounsel.records import content_seed

STATE = "trainer_state.json"
"""The last file that a checkpoint gets: a folder without it was cut off."""
KEPT = 2
"""Checkpoints kept at once; the best by the dev set is always one of them."""


def arguments(section: Training, scratch: Path, seed: int, examples: int) -> dict[str, Any]:
    """Return the keyword arguments for TrainingArguments."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if section.batch % processes:
        raise RecipeError("training", [f"batch {section.batch} must be a multiple of the {processes} processes"])
    for name in section.report_to:
        if find_spec(name) is None:
            raise MissingExtraError(f"report_to {name} needs: pip install {name}")
    steps = max(1, round(section.epochs * -(-examples // section.batch)))
    bf16 = section.precision == "bf16" and (not torch.cuda.is_available() or torch.cuda.is_bf16_supported())
    given: dict[str, Any] = {
        "output_dir": str(scratch),
        "per_device_train_batch_size": section.batch // processes,
        "per_device_eval_batch_size": section.batch // processes,
        "max_steps": steps,
        "learning_rate": section.learning_rate,
        "warmup_steps": max(1, round(section.warmup * steps)),
        "lr_scheduler_type": "constant_with_warmup" if section.schedule == "constant" else section.schedule,
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "bf16": bf16,
        "use_cpu": not torch.cuda.is_available(),
        "seed": seed % 2**32,
        "data_seed": seed % 2**32,
        "remove_unused_columns": False,
        "save_strategy": "steps",
        "save_steps": section.save_every,
        "save_total_limit": KEPT,
        "logging_steps": 10,
        "report_to": section.report_to or "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "activation_checkpointing": section.checkpointing,
    }
    if section.best_by_dev:
        given |= {
            "eval_strategy": "steps",
            "eval_steps": section.save_every,
            "load_best_model_at_end": True,
            "metric_for_best_model": "loss",
        }
    return given


class EpochSampler(Sampler[int]):
    """Examples in an order drawn anew each epoch from the seed and the epoch's number alone.

    The Trainer's own draws it from torch's state, which a run that goes on in its second epoch does not have; and its
    grouping by length, of no use to packed rows, ends every fifty steps on the shortest (docs/experiments.md).
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.count

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(content_seed("epoch", self.seed, self.epoch))
        return iter(torch.randperm(self.count, generator=generator).tolist())


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


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model that was trained, and how that went."""

    model: Any
    tokenizer: Any
    steps: int
    log: list[dict[str, float]]
    """A row each ten steps."""

    def curve(self, name: str) -> list[tuple[int, float | None]]:
        """Return (step, value) wherever a training loss was logged."""
        return [(int(row["step"]), row.get(name)) for row in self.log if "loss" in row]

    def save(self, folder: Path) -> None:
        """Write the model with its tokenizer and chat template, an adapter added to the weights and beside them."""
        from psychocounsel.models.adapters import merged

        if hasattr(self.model, "peft_config"):
            self.model.save_pretrained(folder / "adapter")
        merged(self.model).save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


@dataclass(slots=True)
class Job:
    """A training, whole: it can be sent to another process."""

    kind: Any
    """A GroupTrainer."""
    model: Any
    tokenizer: Any
    section: Training
    examples: Sequence[Any]
    scratch: Path
    """Where its checkpoints are."""
    seed: int
    dev: Sequence[Any] = ()


def fit(job: Job, tick: Tick) -> Fitted:
    """Train the job's model, from its last whole checkpoint if there is one.

    With `launch`, under `accelerate launch` in processes of their own. Raises TooLittleDataError where the best
    checkpoint is asked for and there is nothing to choose it by.
    """
    if job.section.best_by_dev and not job.dev:
        raise TooLittleDataError("training: best_by_dev is set, and no pair is of the dev split. Leave it out.")
    if job.section.launch is not None:
        from psychocounsel.models.launched import run_job

        return run_job(job, job.section.launch, tick)
    trainer = trainer_of(job)
    log = train(trainer, job.scratch, tick)
    return Fitted(trainer.accelerator.unwrap_model(trainer.model), job.tokenizer, trainer.state.global_step, log)


def trainer_of(job: Job) -> Any:
    """Return the job's trainer, on this process's device."""
    from psychocounsel.models.adapters import with_adapter
    from psychocounsel.models.attention import for_rows
    from psychocounsel.models.branches import is_encoder

    section = job.section
    args = TrainingArguments(**arguments(section, job.scratch, job.seed, len(job.examples)))
    args._n_gpu = min(1, args.n_gpu)  # several GPUs are for `launch`: DataParallel would split a row's batch
    trainer = job.kind(
        model=with_adapter(for_rows(job.model), section.lora),
        args=args,
        examples=job.examples,
        pad=job.tokenizer.pad_token_id,
        row_tokens=section.row_tokens,
        causal=not is_encoder(job.model.config),
        processing_class=job.tokenizer,
        dev=job.dev,
        **({"section": section} if job.kind.takes_section else {}),
    )
    if trainer.is_fsdp_enabled:
        outputs_in_float32(trainer.accelerator.state.fsdp_plugin, args.bf16)
    return trainer


def outputs_in_float32(plugin: Any, bf16: bool) -> None:
    """Have FSDP2 leave log-probabilities and rewards, and sums of gradients, in float32.

    Its own bf16 policy rounds what the model returns to bf16, where a response's sum of some hundred nats is a nat off.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy

    inside = torch.bfloat16 if bf16 else None
    plugin.mixed_precision_policy = MixedPrecisionPolicy(inside, torch.float32, torch.float32)


def train(trainer: Any, scratch: Path, tick: Tick) -> list[dict[str, float]]:
    """Run a trainer to its end, from its last whole checkpoint if any. Returns its log, a row each ten steps."""
    from transformers import PrinterCallback

    os.environ["TENSORBOARD_LOGGING_DIR"] = str(scratch.parent / "tensorboard")
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(TickCallback(tick))
    trainer.train(resume_from_checkpoint=last_checkpoint(scratch))
    return [dict(row) for row in trainer.state.log_history]
