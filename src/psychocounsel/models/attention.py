"""Attention over packed rows: a token sees its prompt and its own branch, and nothing else of the row.

Three ways to compute the same numbers (checked against one another in the tests). On a CPU, a segment at a time by
plain products: only what is seen is computed, where a mask over the whole row would compute the row's square. On a
GPU, FlexAttention with a block mask. A boolean mask over the row works everywhere: the other two are tested with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

NAME = "psychocounsel_segments"
STEP = 32
"""Segments are computed in sizes of this multiple: on a CPU, products in bf16 are compiled for each new shape, and few
shapes train faster (docs/experiments.md)."""


class Segment(NamedTuple):
    """Tokens of a row that see the same others: a prompt, a branch, or an encoder's document."""

    start: int
    end: int
    prompt_start: int
    """What it sees besides itself; nothing where both are equal."""
    prompt_end: int


def round_up(number: int, multiple: int) -> int:
    """Return the least multiple that is not below `number`."""
    return -(-number // multiple) * multiple


@dataclass(frozen=True, slots=True)
class Cut:
    """A segment as it is computed: padded sizes, and what is added to its scores."""

    segment: Segment
    rows: int
    """Queries, padded. Those past the segment are of whatever follows it, and are thrown away."""
    columns: int
    """Keys, padded: the prompt's, then its own."""
    mask: Tensor
    """[rows, columns], 0 where seen."""


class Segments:
    """What `attend` needs to know of a row; made once for all layers."""

    def __init__(self, segments: Sequence[Segment], length: int, causal: bool, dtype: torch.dtype) -> None:
        """`length` is the row's, a multiple of STEP that leaves room for the last segment's padding."""
        self.cuts = [_cut(s, length, causal, dtype) for s in segments]
        self.end = max(s.end for s in segments)


def _cut(segment: Segment, length: int, causal: bool, dtype: torch.dtype) -> Cut:
    own, prompt = segment.end - segment.start, segment.prompt_end - segment.prompt_start
    rows = min(round_up(own, STEP), length - segment.start)
    columns = round_up(prompt + own, STEP)
    mask = torch.full((rows, columns), torch.finfo(dtype).min, dtype=dtype)
    mask[:, :prompt] = 0
    mask[:own, prompt : prompt + own].triu_(1) if causal else mask[:own, prompt : prompt + own].zero_()
    mask[own:, 0] = 0  # a row that sees nothing would be NaN
    return Cut(segment, rows, columns, mask)


def _both(x: Tensor, cut: Cut) -> Tensor:
    """Return the rows [K, columns, D] of x [K, T, D] that a segment sees, zeros after them."""
    start, end, p0, p1 = cut.segment
    if p0 == p1 and start + cut.columns <= x.shape[1]:
        return x[:, start : start + cut.columns]
    seen = x.new_zeros((x.shape[0], cut.columns, x.shape[2]))
    seen[:, : p1 - p0] = x[:, p0:p1]
    seen[:, p1 - p0 : p1 - p0 + end - start] = x[:, start:end]
    return seen


def forward(
    q: Tensor, k: Tensor, v: Tensor, segments: Segments, scale: float, keep: bool
) -> tuple[Tensor, list[Tensor]]:
    """Return softmax attention by segments [T, H, D], and the weights that backward needs if they are to be kept.

    q [H, T, D], k and v [K, T, D]: H heads, K key-value heads, T tokens, size D.
    """
    heads, length, size = q.shape
    groups, repeats = k.shape[0], heads // k.shape[0]
    result = q.new_empty((length, heads, size))
    result[segments.end :] = 0
    kept = []
    q = q * scale
    for cut in segments.cuts:
        start, end = cut.segment.start, cut.segment.end
        queries = q[:, start : start + cut.rows].reshape(groups, repeats * cut.rows, size)
        scores = (queries @ _both(k, cut).transpose(1, 2)).view(groups, repeats, cut.rows, cut.columns)
        weights = scores.add_(cut.mask).softmax(-1)
        if cut.rows > end - start:
            weights[:, :, end - start :] = 0
        weights = weights.view(groups, repeats * cut.rows, cut.columns)
        seen = (weights @ _both(v, cut)).view(heads, cut.rows, size)
        result[start:end] = seen[:, : end - start].transpose(0, 1)
        if keep:
            kept.append(weights)
    return result, kept


def backward(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, kept: Sequence[Tensor], segments: Segments, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of q, k and v, given that of the result [T, H, D]."""
    heads, _, size = q.shape
    groups, repeats = k.shape[0], heads // k.shape[0]
    gradient = gradient.transpose(0, 1)
    d_q, d_k, d_v = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for cut, weights in zip(segments.cuts, kept, strict=True):
        start, end, p0, p1 = cut.segment
        own, prompt = end - start, p1 - p0
        shape = (groups, repeats * cut.rows, size)
        queries = q[:, start : start + cut.rows].reshape(shape)
        upstream = gradient[:, start : start + cut.rows].reshape(shape)
        d_weights = upstream @ _both(v, cut).transpose(1, 2)
        d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype)
        d_q[:, start:end] = (d_scores @ _both(k, cut)).view(heads, cut.rows, size)[:, :own]
        d_keys, d_values = d_scores.transpose(1, 2) @ queries, weights.transpose(1, 2) @ upstream
        for total, part in ((d_k, d_keys), (d_v, d_values)):
            if prompt:
                total[:, p0:p1] += part[:, :prompt]
            total[:, start:end] += part[:, prompt : prompt + own]
    return d_q.mul_(scale), d_k.mul_(scale), d_v


class _Attend(torch.autograd.Function):
    """The same, one row and so no batch dimension, for autograd."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, segments: Segments, scale: float) -> Tensor:
        result, kept = forward(q, k, v, segments, scale, any(ctx.needs_input_grad))
        ctx.save_for_backward(q, k, v, *kept)
        ctx.segments, ctx.scale = segments, scale
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, *kept = ctx.saved_tensors
        return *backward(gradients[0], q, k, v, kept, ctx.segments, ctx.scale), None, None


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    segments: Segments | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend with queries [1, H, T, D] to keys and values [1, K, T, D] by `segments`. Returns [1, T, H, D]."""
    if segments is None:
        raise ValueError("this model is set up for packed rows; call it with the row's segments")
    device = query.device.type
    inside = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else value.dtype
    q, k, v = (x[0].to(inside) for x in (query, key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    with torch.autocast(device, enabled=False):
        result: Tensor = _Attend.apply(q, k, v, segments, scale)  # type: ignore[no-untyped-call]
    return result[None], None


def _no_mask(*_: Any, **__: Any) -> None:
    """Segments say who sees whom."""


def by_segments(model: Any) -> Any:
    """Let the model attend by segments. Returns the model."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, _no_mask)
    model.set_attn_implementation(NAME)
    return model


def for_rows(model: Any) -> Any:
    """Let the model attend over packed rows in this machine's way. Returns the model."""
    if not torch.cuda.is_available():
        return by_segments(model)
    model.set_attn_implementation("flex_attention")
    # Under a launcher the Trainer puts it where it belongs: FSDP never has it whole on one GPU.
    return model if "LOCAL_RANK" in os.environ or model.device.type == "cuda" else model.cuda()


def autocast(model: Any) -> Any:
    """Return the context in which a model is scored: products in bf16."""
    return torch.autocast(model.device.type, torch.bfloat16)
