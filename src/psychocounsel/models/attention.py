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
    scores = (query @ key.transpose(-1, -2)).float() * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is None:
        attention_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attention_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    else:
        scores = scores + attention_mask
    return (scores.softmax(-1).to(value.dtype) @ value).transpose(1, 2).contiguous(), None


def for_cpu(model: Any) -> Any:
    """Let the model attend by plain products if it is on a CPU. Returns the model."""
    if model.device.type == "cpu":
        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, eager_mask)
        model.set_attn_implementation(NAME)
    return model
