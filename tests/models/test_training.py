"""A run that goes on from a checkpoint, in any epoch, ends with the weights of one that was left alone."""

from __future__ import annotations

import shutil
from copy import deepcopy

import numpy as np
import pytest
import torch

from psychocounsel.errors import MissingExtraError, RecipeError, TooLittleDataError
from psychocounsel.hyperparameters import Dpo, Lora, Training
from psychocounsel.models.branches import Group
from psychocounsel.models.preference import Example, SharedDpoTrainer, SharedSftTrainer
from psychocounsel.models.training import EpochSampler, Job, arguments, fit
from psychocounsel.progress import silent

GIVEN = {"epochs": 2.5, "learning_rate": 0.01, "batch": 4, "row_tokens": 60, "save_every": 2}


def examples(seed=0):
    rng = np.random.default_rng(seed)
    groups = [
        Group(rng.integers(2, 97, rng.integers(1, 20)).tolist(), [[*rng.integers(2, 97, 5).tolist(), 1] for _ in "ab"])
        for _ in range(18)
    ]
    return [Example(g, {"reference": [-9.0, -9.0]}) for g in groups]


def run(kind, model, tokenizer, scratch, monkeypatch, **more):
    monkeypatch.setattr("psychocounsel.models.training.KEPT", 99)
    section = (Dpo if kind is SharedDpoTrainer else Training)(**(GIVEN | more))
    return fit(Job(kind, deepcopy(model), tokenizer, section, examples(), scratch, 3), silent)


@pytest.mark.parametrize("kind", [SharedSftTrainer, SharedDpoTrainer])
@pytest.mark.parametrize("step", [2, 8, 10])
def test_resumed_training_gives_the_same_weights(kind, step, llama, tokenizer, tmp_path, monkeypatch):
    alone = run(kind, llama, tokenizer, tmp_path, monkeypatch).model.state_dict()
    for folder in tmp_path.glob("checkpoint-*"):
        if int(folder.name.rpartition("-")[2]) > step:
            shutil.rmtree(folder)
    assert (tmp_path / f"checkpoint-{step}").is_dir()
    resumed = run(kind, llama, tokenizer, tmp_path, monkeypatch).model.state_dict()
    for name, weights in alone.items():
        assert torch.equal(weights, resumed[name]), name


def test_how_a_step_is_packed_changes_nothing_but_rounding(llama, tokenizer, tmp_path, monkeypatch):
    """The loss is a mean over the step's pairs, however many rows they come in."""
    few = run(SharedDpoTrainer, llama, tokenizer, tmp_path / "few", monkeypatch, row_tokens=4096, precision="float32")
    many = run(SharedDpoTrainer, llama, tokenizer, tmp_path / "many", monkeypatch, row_tokens=1, precision="float32")
    for name, weights in few.model.state_dict().items():
        torch.testing.assert_close(weights, many.model.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_computing_activations_twice_changes_nothing(llama, tokenizer, tmp_path, monkeypatch):
    plain = run(SharedSftTrainer, llama, tokenizer, tmp_path / "a", monkeypatch, precision="float32")
    twice = run(
        SharedSftTrainer, llama, tokenizer, tmp_path / "b", monkeypatch, precision="float32", checkpointing=True
    )
    for name, weights in plain.model.state_dict().items():
        torch.testing.assert_close(weights, twice.model.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_an_adapter_learns_and_the_weights_below_stay(llama, tokenizer, tmp_path, monkeypatch):
    fitted = run(SharedDpoTrainer, llama, tokenizer, tmp_path, monkeypatch, lora=Lora(rank=4))
    losses = [loss for _, loss in fitted.curve("loss")]
    assert losses
    before, after = llama.state_dict(), fitted.model.get_base_model().state_dict()
    assert torch.equal(
        before["model.layers.0.mlp.up_proj.weight"], after["model.layers.0.mlp.up_proj.base_layer.weight"]
    )
    learnt = [v for k, v in after.items() if "lora_B" in k]
    assert learnt
    assert all(float(v.abs().max()) > 0 for v in learnt)
    trained = sum(p.numel() for p in fitted.model.parameters() if p.requires_grad)
    assert trained < sum(p.numel() for p in llama.parameters()) / 2


def test_the_best_checkpoint_by_the_dev_set_is_taken(llama, tokenizer, tmp_path, monkeypatch):
    """Tokens are random, so that what is learned by heart makes the dev set worse."""
    given = GIVEN | {"learning_rate": 0.03, "epochs": 6, "best_by_dev": True, "schedule": "constant", "warmup": 0}
    dev = examples(9)[:6]
    monkeypatch.setattr("psychocounsel.models.training.KEPT", 99)
    fitted = fit(
        Job(SharedSftTrainer, deepcopy(llama), tokenizer, Training(**given), examples(), tmp_path, 3, dev), silent
    )
    curve = {int(r["step"]): r["eval_loss"] for r in fitted.log if "eval_loss" in r}
    best = min(curve, key=curve.get)
    assert best < max(curve)
    from safetensors.torch import load_file

    kept = load_file(tmp_path / f"checkpoint-{best}" / "model.safetensors")
    assert torch.equal(kept["model.embed_tokens.weight"], fitted.model.state_dict()["model.embed_tokens.weight"])


def test_a_reporter_that_is_not_installed_is_named_with_its_pip_line(tmp_path):
    with pytest.raises(MissingExtraError, match="pip install trackio"):
        arguments(Training(report_to=["trackio"]), tmp_path, 0, 10)


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(RecipeError, match="multiple of the 3 processes"):
        arguments(Training(batch=4), tmp_path, 0, 10)


def test_every_epoch_has_an_order_of_its_own_and_the_same_in_every_process():
    sampler = EpochSampler(8, 3)
    orders = []
    for epoch in (0, 1, 1):
        torch.manual_seed(epoch + len(orders))
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
        assert sorted(orders[-1]) == list(range(8))
    assert orders[0] != orders[1] == orders[2]


def test_choosing_by_a_dev_set_that_is_empty_is_refused(llama, tokenizer, tmp_path):
    section = Training(**(GIVEN | {"best_by_dev": True}))
    with pytest.raises(TooLittleDataError, match="no pair is of the dev split"):
        fit(Job(SharedSftTrainer, llama, tokenizer, section, examples(), tmp_path, 3), silent)
