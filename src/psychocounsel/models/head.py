"""The language-model head on the rows that predict a wanted token, and nowhere else.

A vocabulary is wide: logits of every position are most of the memory of preference training, and half of its time.
Here the head runs on chunks of rows; what backward needs, the probabilities, is kept in the products' own arithmetic
while it fits, and computed again where it does not. No pass over the logits is made in backward: the gradient of the
weights is a product with rows that carry the loss's own gradient already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from psychocounsel.models.casting import cast

CHUNK = 256
"""Rows whose logits are made at once: as many as stay in a processor's cache."""
KEEP_BYTES = 1 << 30
"""Probabilities kept for backward at most; beyond it they are computed again, which costs a third more products."""


class _Picked(torch.autograd.Function):
    """log softmax(hidden @ weight.T)[targets], a row at a time."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """`hidden` [N, width], `weight` [vocabulary, width], `targets` [N]. Returns float32 [N]."""
        weight = cast((weight,), hidden.dtype, lambda: weight.to(hidden.dtype))
        learns = any(ctx.needs_input_grad)
        keep = ctx.needs_input_grad[1] and len(hidden) * len(weight) * hidden.element_size() <= KEEP_BYTES
        kept = hidden.new_empty((len(hidden), len(weight))) if keep else None
        # d log p / d hidden waits for the loss's gradient of its row alone, so its product is made while p is in cache.
        slopes = torch.empty_like(hidden) if learns else None
        picked = hidden.new_empty(len(hidden), dtype=torch.float32)
        for here in _chunks(len(hidden)):
            picked[here], p = _chunk(hidden[here], weight, targets[here])
            if slopes is not None:
                torch.mm(p, weight, out=slopes[here])
            if kept is not None:
                kept[here] = p
        ctx.save_for_backward(hidden, weight, targets, slopes, kept)
        return picked

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        hidden, weight, targets, slopes, kept = ctx.saved_tensors
        scale = gradients[0].to(hidden.dtype).neg().unsqueeze(-1)
        scaled = hidden * scale
        if not ctx.needs_input_grad[1]:  # an adapter is trained, and the head stays
            return slopes * scale, None, None
        if kept is not None:
            return slopes * scale, (kept.T @ scaled).float(), None
        d_weight = torch.zeros_like(weight, dtype=torch.float32)
        for here in _chunks(len(hidden), 8 * CHUNK):
            p = torch.cat(
                [_chunk(hidden[part], weight, targets[part])[1] for part in _chunks(here.stop, start=here.start)]
            )
            d_weight += p.T @ scaled[here]
        return slopes * scale, d_weight, None


def _chunks(stop: int, size: int = CHUNK, start: int = 0) -> Iterator[slice]:
    return (slice(at, min(at + size, stop)) for at in range(start, stop, size))


def _chunk(hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-probabilities [n] of the targets in float32, and p - onehot(target) [n, vocabulary]."""
    logits = hidden @ weight.T
    p = logits.softmax(-1)
    wanted = targets.unsqueeze(-1)
    # log sum exp, from the likeliest entry: a pass over the logits in float32 would take as long as the product.
    total = logits.amax(-1).float() - p.amax(-1).float().log()
    picked = logits.gather(-1, wanted).squeeze(-1).float() - total
    return picked, p.scatter_add_(-1, wanted, p.new_full(wanted.shape, -1.0))


def picked_logprobs(hidden: Tensor, head: Any, targets: Tensor) -> Tensor:
    """Return log p(target) [N] in nats, in float32, for rows `hidden` [N, width] under the linear layer `head`."""
    weight = head.weight
    if torch.is_autocast_enabled(hidden.device.type):
        inside = torch.get_autocast_dtype(hidden.device.type)
        hidden = hidden.to(inside)
    with torch.autocast(hidden.device.type, enabled=False):
        result: Tensor = _Picked.apply(hidden, weight, targets)  # type: ignore[no-untyped-call]
    return result
