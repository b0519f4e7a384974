"""Training in several processes: two of them on this machine's CPU, by gloo, under the real launcher."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from psychocounsel.errors import BackendError, RecipeError
from psychocounsel.hyperparameters import Dpo, Training
from psychocounsel.models.branches import Group
from psychocounsel.models.preference import Example, SharedDpoTrainer, SharedSftTrainer
from psychocounsel.models.training import Job, fit
from psychocounsel.progress import silent

CONFIG = """
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_GPU
use_cpu: true
num_processes: 2
num_machines: 1
machine_rank: 0
main_process_ip: 127.0.0.1
main_process_port: {port}
mixed_precision: 'no'
"""


@pytest.fixture
def config(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "two.yaml"
    file.write_text(CONFIG.format(port=port))
    return file


def examples():
    """Sixteen, so that every step of both has four; rows of unequal number in the two processes."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 20, 16)
    groups = [
        Group(rng.integers(2, 97, n).tolist(), [[*rng.integers(2, 97, 5).tolist(), 1] for _ in "ab"]) for n in sizes
    ]
    return [Example(g, {"reference": [-9.0, -9.0]}) for g in groups]


def run(kind, model, tokenizer, scratch, **more):
    section = (Dpo if kind is SharedDpoTrainer else Training)(
        epochs=1.5, learning_rate=0.001, batch=4, row_tokens=40, save_every=2, precision="float32", **more
    )
    told = []
    fitted = fit(Job(kind, deepcopy(model), tokenizer, section, examples(), scratch, 3), lambda *a: told.append(a))
    return fitted, told


@pytest.mark.parametrize("kind", [SharedSftTrainer, SharedDpoTrainer])
def test_two_processes_learn_what_one_does(kind, llama, tokenizer, config, tmp_path):
    one, _ = run(kind, llama, tokenizer, tmp_path / "one")
    two, told = run(kind, llama, tokenizer, tmp_path / "two", launch=config)
    assert two.steps == one.steps == 6
    assert told[-1][:2] == (6, 6)
    for name, weights in one.model.state_dict().items():
        torch.testing.assert_close(two.model.state_dict()[name], weights, rtol=1e-3, atol=2e-5)
    moved = [(one.model.state_dict()[n] - w).abs().max() for n, w in llama.state_dict().items()]
    assert max(moved) > 1e-3


def test_what_goes_wrong_in_a_process_is_said_where_it_can_be_read(llama, tokenizer, config, tmp_path):
    with pytest.raises(RecipeError, match="there is no file"):
        run(SharedSftTrainer, llama, tokenizer, tmp_path, launch=Path("nowhere.yaml"))
    for text, what in (("num_machines: 2", "for several machines"), ("", "no accelerate"), ("a: [", "no accelerate")):
        (tmp_path / "other.yaml").write_text(text)
        with pytest.raises(RecipeError, match=what):
            run(SharedSftTrainer, llama, tokenizer, tmp_path, launch=tmp_path / "other.yaml")
    with pytest.raises(BackendError, match=r"launch\.log") as error:
        section = Training(batch=3, launch=config)
        fit(Job(SharedSftTrainer, deepcopy(llama), tokenizer, section, examples(), tmp_path, 0), silent)
    assert "multiple of the 2 processes" in Path(str(error.value).rpartition(" in ")[2].rstrip(".")).read_text()


def test_sharded_weights_give_the_same_loss_and_gradients():
    """FSDP2 as accelerate lays it out (its own function), on two processes: rows read weights that are whole just then.

    The launcher itself refuses FSDP without GPUs.
    """
    here = Path(__file__)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(here.with_name("sharded.py"))], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("equal") == 8
