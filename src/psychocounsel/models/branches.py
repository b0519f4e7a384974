"""Rows of one prompt and several responses to it, so that the prompt is computed once and not once a response.

A row is [prompt, branch 1, ..., branch k]. A token sees itself, earlier tokens of its own branch, and the prompt;
position ids go on from the prompt's end in every branch. The head runs on the positions that predict a wanted token
only, and the first token of every branch is predicted by the prompt's last position. Log-probabilities equal those
of separate rows (checked in the tests against separate rows and against TRL's loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from psychocounsel.errors import BackendError
from psychocounsel.models.attention import additive

BRANCHES = 4
"""Responses in a row at most: a longer row shares more of its prompt, but attention grows with its square."""

_SAFE = ("llama", "mistral", "qwen2", "qwen3")
"""Model types whose attention takes a mask of any shape in every layer. In others (sliding windows, state space,
convolution) a branch could leak into the next."""


IGNORED = -100
"""Target of a filler, which no loss counts."""


def round_up(number: int, multiple: int) -> int:
    """Return the least multiple that is not below `number`.

    On a CPU, products in bf16 are compiled for each new shape: few shapes train faster (docs/experiments.md).
    """
    return -(-number // multiple) * multiple


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt and its branches, as tokens; none is empty."""

    prompt: Sequence[int]
    branches: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Laid:
    """Groups as tensors, a row each. B rows, T columns, N wanted tokens."""

    ids: Tensor
    """[B, T]."""
    positions: Tensor
    """[B, T]."""
    mask: Tensor
    """[B, 1, T, T], True where a column may be seen."""
    predictors: Tensor
    """[N]: places in the flattened [B * T] that predict a wanted token."""
    places: Tensor
    """[N]: where the wanted tokens themselves stand."""
    targets: Tensor
    """[N]: the wanted tokens, then fillers that are IGNORED."""
    branch: Tensor
    """[N]: which branch a token belongs to, counted through all groups; a filler has the next number."""
    branches: int
    """Branches in all groups."""


def check_architecture(config: Any) -> None:
    """Refuse a model in which branches could see one another. Raises BackendError."""
    if config.model_type not in _SAFE or getattr(config, "use_sliding_window", False):
        raise BackendError(
            f"a {config.model_type} model cannot be trained on shared prompts here: its layers may let one response "
            f"see another. Models of type {', '.join(_SAFE)} with full attention can."
        )


def lay_out(groups: Sequence[Group], pad: int) -> Laid:
    """Lay groups out in rows padded on the right."""
    width = round_up(max(len(g.prompt) + sum(map(len, g.branches)) for g in groups), 32)
    ids = torch.full((len(groups), width), pad)
    positions = torch.zeros((len(groups), width), dtype=torch.long)
    segment = torch.full((len(groups), width), -1)
    predictors: list[int] = []
    places: list[int] = []
    targets: list[int] = []
    branch: list[int] = []
    total = sum(len(g.branches) for g in groups)
    number = 0
    for row, group in enumerate(groups):
        length = len(group.prompt)
        if not length or not all(group.branches):
            raise ValueError("a group needs a prompt and branches that are not empty")
        ids[row, :length] = torch.tensor(group.prompt)
        positions[row, :length] = torch.arange(length)
        segment[row, :length] = 0
        start = length
        for which, tokens in enumerate(group.branches, 1):
            end = start + len(tokens)
            ids[row, start:end] = torch.tensor(tokens)
            positions[row, start:end] = torch.arange(length, length + len(tokens))
            segment[row, start:end] = which
            predictors += [row * width + length - 1, *range(row * width + start, row * width + end - 1)]
            places += range(row * width + start, row * width + end)
            targets += tokens
            branch += [number] * len(tokens)
            number, start = number + 1, end
    sees = (segment[:, None, :] == 0) | (segment[:, None, :] == segment[:, :, None])
    mask = sees & torch.ones((width, width), dtype=torch.bool).tril()
    filler = round_up(len(targets), 256) - len(targets)
    predictors += [0] * filler
    places += [0] * filler
    targets += [IGNORED] * filler
    branch += [total] * filler
    return Laid(
        ids,
        positions,
        mask[:, None],
        predictors=torch.tensor(predictors),
        places=torch.tensor(places),
        targets=torch.tensor(targets),
        branch=torch.tensor(branch),
        branches=total,
    )


def hidden_states(model: Any, laid: Laid) -> Tensor:
    """Return the last layer's output at every place [B * T, width]."""
    inside = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    mask = additive(laid.mask, inside) if laid.mask.device.type == "cpu" else laid.mask  # once for all layers
    hidden: Tensor = model.model(
        input_ids=laid.ids, attention_mask=mask, position_ids=laid.positions, use_cache=False
    ).last_hidden_state
    return hidden.flatten(0, 1)


def token_logprobs(model: Any, laid: Laid) -> Tensor:
    """Return the log-probability of every wanted token [N], in nats, in float32; 0 for a filler."""
    logits = model.lm_head(hidden_states(model, laid)[laid.predictors])
    return -torch.nn.functional.cross_entropy(logits.float(), laid.targets, ignore_index=IGNORED, reduction="none")


def branch_lengths(laid: Laid) -> Tensor:
    """Return the tokens of every branch [branches]."""
    return torch.bincount(laid.branch, minlength=laid.branches + 1)[: laid.branches]


def branch_logprobs(model: Any, laid: Laid) -> Tensor:
    """Return log p(branch | prompt) of every branch [branches], in nats, summed over its tokens."""
    logprobs = token_logprobs(model, laid)
    return logprobs.new_zeros(laid.branches + 1).index_add(0, laid.branch, logprobs)[: laid.branches]


@torch.no_grad()
def reference_logprobs(model: Any, groups: Sequence[Group], pad: int, rows: int = 16) -> list[list[float]]:
    """Return log p(branch | prompt) for every branch of every group, in order, `rows` groups at a time."""
    order = sorted(range(len(groups)), key=lambda i: len(groups[i].prompt) + sum(map(len, groups[i].branches)))
    found: list[list[float]] = [[] for _ in groups]
    for start in range(0, len(order), rows):
        part = order[start : start + rows]
        with torch.autocast("cpu", torch.bfloat16):
            flat = iter(branch_logprobs(model, lay_out([groups[i] for i in part], pad)).tolist())
        for i in part:
            found[i] = [next(flat) for _ in groups[i].branches]
    return found
