"""Reward models: a backbone, a scalar head, and a head for each principle where it learned ratings.

A decoder reads a response at its last token, as `transformers`' sequence classifiers do: the folder loads there as a
model with one label. An encoder reads each feature's maximum over the response's tokens, which have seen the prompt:
what is rated is whether something is said anywhere in it (docs/experiments.md has the mean beside it).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from psychocounsel.errors import BackendError
from psychocounsel.hyperparameters import Lora
from psychocounsel.models.adapters import frozen_in
from psychocounsel.models.attention import by_segments, for_rows
from psychocounsel.models.branches import Row, check_architecture, hidden_states, is_encoder
from psychocounsel.models.losses import LEVELS, expected_level

WEIGHTS = "model.safetensors"
POINT = 3.0
"""Nats of reward for a point of preference score, where the reward is the mean of the principle heads."""


class Rewarded(NamedTuple):
    """What a reward model says of each branch."""

    rewards: Tensor
    """[branches], in nats."""
    levels: Tensor | None
    """[branches, principles, 5], logits of the ratings 1 to 5."""


def rewarded(model: Any, row: Row) -> Rewarded:
    """Score every branch of a row."""
    hidden = hidden_states(model, row)
    model = model.get_base_model() if hasattr(model, "peft_config") else model
    if is_encoder(model.config):
        ends = zip(row.segments, row.lengths.tolist(), strict=True)
        read = torch.stack([hidden[s.end - length : s.end].float().amax(0) for s, length in ends])
    else:
        read = hidden[row.lasts]
    # bf16 has 256 steps to an octave, and many rewards would be equal.
    with torch.autocast(read.device.type, enabled=False):
        scores = _head(model.score, read).squeeze(-1)
        levels = _head(model.levels, read).view(len(read), -1, LEVELS) if hasattr(model, "levels") else None
    weights = getattr(model.config, "principle_weights", None)
    if weights is None:
        return Rewarded(scores, levels)
    shares = torch.tensor(weights, device=read.device) / sum(weights)
    assert levels is not None
    return Rewarded(POINT * expected_level(levels) @ shares, levels)


def _head(head: Any, read: Tensor) -> Tensor:
    """Apply a linear head in float32, whatever it is kept in. PEFT keeps a trained copy of it inside."""
    if hasattr(head, "modules_to_save"):
        head = head.modules_to_save[head.active_adapters[0]] if head.active_adapters else head.original_module
    bias = None if head.bias is None else head.bias.float()
    return torch.nn.functional.linear(read.float(), head.weight.float(), bias)


def new_reward_model(
    start: str, pad: int, principles: Sequence[str] = (), weights: Sequence[float] = (), lora: Lora | None = None
) -> Any:
    """Return a reward model that begins as the model in folder `start`, its heads random, for this machine.

    With `weights`, a number for each of `principles`, the reward is the weighted mean of their heads and nothing else.
    Where an adapter is to be trained (`lora`), the model's own weights are in bf16 or four bits. An encoder's attention
    has no dropout: packed rows have none.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    config = _config(start, AutoConfig)
    if is_encoder(config):
        model = AutoModel.from_pretrained(start, attention_probs_dropout_prob=0.0, **frozen_in(lora))
        model.score = nn.Linear(config.hidden_size, 1, bias=False)
        nn.init.normal_(model.score.weight, std=config.initializer_range)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(start, num_labels=1, **frozen_in(lora))
        model.score.float()
    model.config.pad_token_id = pad
    if principles:
        model.config.principles = list(principles)
        model.levels = nn.Linear(config.hidden_size, LEVELS * len(principles))
        nn.init.normal_(model.levels.weight, std=config.initializer_range)
        nn.init.zeros_(model.levels.bias)
    if weights:
        model.config.principle_weights = list(weights)
    return by_segments(model)


def load_reward_model(folder: Path) -> Any:
    """Load what `new_reward_model` made, or any sequence classifier with one label. Raises BackendError."""
    from safetensors import safe_open
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    config = _config(str(folder), AutoConfig)
    kind = AutoModel if is_encoder(config) else AutoModelForSequenceClassification
    try:
        model = kind.from_pretrained(str(folder), dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise BackendError(f"no reward model can be loaded from {folder}: {str(error).splitlines()[0]}") from None
    if not is_encoder(config) and model.config.num_labels != 1:
        raise BackendError(f"{folder} has {model.config.num_labels} labels; a reward model has one.")
    principles = getattr(config, "principles", [])
    parts = {"score": (1, False)} if is_encoder(config) else {}
    parts |= {"levels": (LEVELS * len(principles), True)} if principles else {}
    if parts:
        # `transformers` leaves out what its own class has no place for.
        with safe_open(_file_with(folder), "pt") as tensors:
            for name, (size, bias) in parts.items():
                if f"{name}.weight" not in tensors.keys():  # noqa: SIM118 - no dictionary
                    raise BackendError(f"{folder} has no head `{name}`: it is an encoder, and no reward model yet.")
                head = nn.Linear(config.hidden_size, size, bias=bias)
                head.load_state_dict({k: tensors.get_tensor(f"{name}.{k}") for k in head.state_dict()})
                setattr(model, name, head)
    return for_rows(model).eval()


def _config(start: str, auto: Any) -> Any:
    try:
        config = auto.from_pretrained(start)
    except (OSError, ValueError) as error:
        raise BackendError(f"no model can be loaded from {start}: {str(error).splitlines()[0]}") from None
    check_architecture(config)
    return config


def _file_with(folder: Path) -> str:
    """Return the file that the heads are in; they are the last that is saved where there are several."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise BackendError(f"{folder} holds no *.safetensors. Save the model again.")
    return str(files[-1])
