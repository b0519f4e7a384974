"""Training under `accelerate launch`: on several GPUs of one machine, by DDP or FSDP2, as an accelerate file says.

The stage stays one process. It writes a job into its scratch folder, starts the launcher on this module, and takes the
weights back; a job that was cut off goes on from its last checkpoint, as any training does.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from psychocounsel.errors import BackendError, RecipeError
from psychocounsel.models import runtime
from psychocounsel.models.training import Fitted, Job, train, trainer_of
from psychocounsel.progress import Tick

JOB, WEIGHTS, LOG, OUTPUT = "job.pt", "fitted.safetensors", "fitted.json", "launch.log"
if TYPE_CHECKING:
    from torch import Tensor

_STEP = "psychocounsel-step"


def run_job(job: Job, config: Path, tick: Tick) -> Fitted:
    """Train in processes of their own. Raises RecipeError without the file, BackendError where they fail."""
    import torch
    from safetensors.torch import load_file

    from psychocounsel.models.adapters import with_adapter
    from psychocounsel.models.attention import for_rows

    if not config.is_file():
        raise RecipeError("training", [f"launch: there is no file {config}; `accelerate config` writes one"])
    try:
        machines = dict(yaml.safe_load(config.read_text("utf-8"))).get("num_machines", 1)
    except (TypeError, ValueError, yaml.YAMLError):
        raise RecipeError("training", [f"launch: {config} is no accelerate configuration"]) from None
    if machines != 1:
        raise RecipeError("training", [f"launch: {config} is for several machines; here it runs on the GPUs of one"])
    folder = job.scratch / "job"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, LOG):
        (folder / name).unlink(missing_ok=True)
    part = folder / f"{JOB}.part"
    job.model.to("cpu")  # the GPUs are the workers'
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    torch.save(job, part)
    part.replace(folder / JOB)
    _launch(folder, config, tick)
    model = with_adapter(for_rows(job.model), job.section.lora)
    missing, unknown = model.load_state_dict(load_file(folder / WEIGHTS), strict=False)
    tied = tuple(getattr(job.model, "all_tied_weights_keys", None) or ())  # they are there once
    if unknown or any(not name.endswith(tied) for name in missing):
        raise BackendError(f"{folder / WEIGHTS} is not the model that was sent: {len(missing)} weights are missing.")
    told = json.loads((folder / LOG).read_text("utf-8"))
    return Fitted(model, job.tokenizer, told["steps"], told["log"])


def _launch(folder: Path, config: Path, tick: Tick) -> None:
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    command = [*launcher, "-m", "psychocounsel.models.launched", str(folder)]
    with (folder / OUTPUT).open("wb") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1, preexec_fn=_die_together
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                word, _, rest = line.partition(" ")
                if word == _STEP:
                    done, total = map(int, rest.split())
                    tick(done, total)
        finally:
            process.terminate()
            code = process.wait()
    if not (folder / WEIGHTS).is_file():
        raise BackendError(
            f"training under accelerate launch ended with code {code}; what it said is in {folder / OUTPUT}."
        )


def _die_together() -> None:
    """Have the launcher, which ends its workers, end when this process does, were it by `kill -9` (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").prctl(1, signal.SIGTERM)


def _tell(done: int, total: int, note: str = "") -> None:
    if os.environ.get("RANK", "0") == "0":
        print(_STEP, done, total, flush=True)


def main(folder: Path) -> None:
    """Be one of the processes of a job."""
    runtime.prepare()
    import torch

    job: Job = torch.load(folder / JOB, map_location="cpu", mmap=True, weights_only=False)  # we wrote it
    trainer = trainer_of(job)
    log = train(trainer, job.scratch, _tell)
    weights = trainer.accelerator.get_state_dict(trainer.model)
    if trainer.accelerator.is_main_process:
        _save(weights, {"steps": trainer.state.global_step, "log": log}, folder)
    trainer.accelerator.wait_for_everyone()  # the launcher ends them all as soon as one has failed


def _save(weights: dict[str, Tensor], told: dict[str, object], folder: Path) -> None:
    from safetensors.torch import save_file

    tied: set[int] = set()
    own = {}
    for name, weight in weights.items():
        if weight.data_ptr() not in tied:
            tied.add(weight.data_ptr())
            own[name] = weight.contiguous().cpu()
    (folder / LOG).write_text(json.dumps(told), "utf-8")
    part = folder / f"{WEIGHTS}.part"
    save_file(own, part)
    part.replace(folder / WEIGHTS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    # Torch's own threads may still want Python while it is taken down, which aborts the process now and then.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
