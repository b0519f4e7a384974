"""A run that goes on from a checkpoint, in any epoch, ends with the weights of one that was left alone."""

from __future__ import annotations

import shutil
from copy import deepcopy

import numpy as np
import pytest
import torch
from transformers import TrainingArguments

from psychocounsel.hyperparameters import Training
from psychocounsel.models.branches import Group
from psychocounsel.models.preference import (
    EncodedRewardTrainer,
    GroupCollator,
    SharedDpoTrainer,
    SharedSftTrainer,
    group_dataset,
)  # fmt: skip
from psychocounsel.models.training import EpochSampler, arguments, train
from psychocounsel.progress import silent

SECTION = Training(epochs=2.5, learning_rate=0.01, batch=4, save_every=2)


def groups():
    rng = np.random.default_rng(0)
    return [
        Group(rng.integers(2, 97, rng.integers(1, 20)).tolist(), [[*rng.integers(2, 97, 5).tolist(), 1] for _ in "ab"])
        for _ in range(18)
    ]


def run(kind, model, scratch):
    rows = groups()
    dataset = group_dataset(rows, [[-9.0, -9.0]] * len(rows) if kind is SharedDpoTrainer else None)
    more = {"beta": 0.1, "sft": 0.5} if kind is SharedDpoTrainer else {}
    args = TrainingArguments(**{**arguments(SECTION, scratch, 3, len(rows)), "save_total_limit": None})
    trainer = kind(model=deepcopy(model), args=args, train_dataset=dataset, data_collator=GroupCollator(0), **more)
    train(trainer, scratch, silent)
    return trainer.model.state_dict()


@pytest.mark.parametrize("kind", [SharedSftTrainer, SharedDpoTrainer])
@pytest.mark.parametrize("step", [2, 8, 10])
def test_resumed_training_gives_the_same_weights(kind, step, llama, tmp_path):
    alone = run(kind, llama, tmp_path)
    for folder in tmp_path.glob("checkpoint-*"):
        if int(folder.name.rpartition("-")[2]) > step:
            shutil.rmtree(folder)
    assert (tmp_path / f"checkpoint-{step}").is_dir()
    resumed = run(kind, llama, tmp_path)
    for name, weights in alone.items():
        assert torch.equal(weights, resumed[name]), name


def test_every_epoch_has_an_order_of_its_own_and_the_same_in_every_process():
    sampler = EpochSampler([5, 1, 4, 2, 3, 9, 8, 7], 2, 3)
    orders = []
    for epoch in (0, 1, 1):
        torch.manual_seed(epoch + len(orders))
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
        assert sorted(orders[-1]) == list(range(8))
    assert orders[0] != orders[1] == orders[2]


def test_the_reward_trainer_takes_its_rows_in_that_order():
    assert EncodedRewardTrainer._get_train_sampler is SharedSftTrainer._get_train_sampler
