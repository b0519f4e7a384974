"""Attention as plain products, for CPUs: at the quickstart's shapes in bf16 it is 1.6 to 3 times as fast, forward and
backward, as PyTorch's fused kernel (docs/experiments.md). The results are equal within rounding (checked in the tests).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

NAME = "psychocounsel_products"


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend with queries [B, H, N, D] to keys and values [B, K, T, D].

    `attention_mask` [B or 1, 1, N, T] is boolean (True: seen), additive, or None for causal. Returns [B, N, H, D].
    """
    repeats = query.shape[1] // key.shape[1]
    if repeats > 1:
        key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    if attention_mask is None:
        attention_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    scores = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling)) @ key.transpose(-1, -2)
    # Adding the mask is cheaper than filling by it, above all backwards; softmax works in float32 inside.
    scores = scores + additive(attention_mask, scores.dtype)
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous(), None


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask to add to scores: 0 where a boolean one is True, the least number where it is False."""
    if mask.dtype == torch.bool:
        return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)
    return mask.to(dtype)


def for_cpu(model: Any) -> Any:
    """Let the model attend by plain products if it is on a CPU. Returns the model."""
    if model.device.type == "cpu":
        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, eager_mask)
        model.set_attn_implementation(NAME)
    return model
