"""A Llama's layers over packed rows on a CPU, forward and backward written out.

Autograd over `transformers`' modules makes some forty passes over memory a layer, and on a processor the passes cost as
much as the products. Here queries, keys and values are one product, gate and up another, the norms' weights are folded
into them, and nothing is kept that backward does not read. Equal to `transformers` and to TRL in value and gradient
(tests); used for plain Llama-type models that are trained whole, and every other model goes through its own modules.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from psychocounsel.models import attention
from psychocounsel.models.attention import Segments
from psychocounsel.models.casting import cast

_TYPES = ("llama", "mistral")


class _Shape(NamedTuple):
    heads: int
    groups: int
    """Key-value heads."""
    size: int
    epsilon: float
    scale: float
    segments: Segments
    dtype: torch.dtype


def suits(backbone: Any) -> bool:
    """Whether the model's layers are ones that are written out here."""
    config = backbone.config
    if config.model_type not in _TYPES or config.hidden_act != "silu" or backbone.device.type != "cpu":
        return False
    if isinstance(backbone.norm.weight, DTensor):  # FSDP gathers a layer's weights at the layer's own call
        return False
    if getattr(backbone, "gradient_checkpointing", False) or getattr(config, "attention_dropout", 0):
        return False
    return all(
        type(part) is nn.Linear and part.bias is None
        for layer in backbone.layers
        for part in (
            *layer.self_attn.children(),
            *(getattr(layer.mlp, n) for n in ("gate_proj", "up_proj", "down_proj")),
        )
        if isinstance(part, nn.Module)
    )


def states(backbone: Any, ids: Tensor, positions: Tensor, segments: Segments, dtype: torch.dtype) -> Tensor:
    """Return the last layer's output [T, width], normed, for one row: ids and positions [1, T]."""
    config = backbone.config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    shape = _Shape(
        config.num_attention_heads, config.num_key_value_heads, size, config.rms_norm_eps, size**-0.5, segments, dtype
    )
    device = ids.device.type
    with torch.autocast(device, enabled=False):
        embed = F.embedding if torch.distributed.is_initialized() else _Embed.apply
        x = embed(ids, backbone.embed_tokens.weight, backbone.embed_tokens.padding_idx)[0]
        cos, sin = (t[0, :, : size // 2].to(dtype) for t in backbone.rotary_emb(x[None], positions))
        for layer in backbone.layers:
            a, m = layer.self_attn, layer.mlp
            x = _Layer.apply(  # type: ignore[no-untyped-call]
                x, cos, sin, shape, layer.input_layernorm.weight, a.q_proj.weight, a.k_proj.weight, a.v_proj.weight,
                a.o_proj.weight, layer.post_attention_layernorm.weight, m.gate_proj.weight, m.up_proj.weight,
                m.down_proj.weight,
            )  # fmt: skip
        normed: Tensor = F.rms_norm(x, (x.shape[-1],), backbone.norm.weight, config.rms_norm_eps)
    return normed


class _Embed(torch.autograd.Function):
    """Adds to the rows of the gradient that a row's tokens have, where autograd makes and adds a whole matrix a row.

    What waits for autograd to bring the gradient (DDP) never sees it.
    """

    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor, padding: int | None) -> Tensor:
        ctx.ids, ctx.weight, ctx.padding = ids, weight, padding
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        weight: Tensor = ctx.weight
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        ids, rows = ctx.ids.flatten(), gradients[0].flatten(0, 1).to(weight.dtype)
        if ctx.padding is not None:  # its row never learns from being read
            rows = rows.masked_fill((ids == ctx.padding)[:, None], 0.0)
        weight.grad.index_add_(0, ids, rows)
        return None, None, None


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, shape: _Shape,
        norm_1: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor,
        norm_2: Tensor, gate: Tensor, up: Tensor, down: Tensor,
    ) -> Tensor:  # fmt: skip
        """x [T, width] in float32, cos and sin [T, size / 2]; then the layer's weights."""
        keep = any(ctx.needs_input_grad)
        dtype = shape.dtype
        w_qkv = cast((q, k, v, norm_1), dtype, lambda: (torch.cat((q, k, v)) * norm_1).to(dtype))
        w_up = cast((gate, up, norm_2), dtype, lambda: (torch.cat((gate, up)) * norm_2).to(dtype))
        w_o, w_down = cast((o,), dtype, lambda: o.to(dtype)), cast((down,), dtype, lambda: down.to(dtype))
        normed_1, root_1 = _norm(x, shape)
        queries, keys, values = _split(normed_1 @ w_qkv.T, cos, sin, shape)
        seen, kept = attention.forward(queries, keys, values, shape.segments, shape.scale, keep)
        seen = seen.flatten(1)
        middle = x + seen @ w_o.T
        normed_2, root_2 = _norm(middle, shape)
        both = normed_2 @ w_up.T
        gates, ups = both.chunk(2, -1)
        opened = F.silu(gates)
        inner = opened * ups
        if keep:
            ctx.shape = shape
            ctx.save_for_backward(
                cos, sin, norm_1, q, k, v, norm_2, gate, up, w_qkv, w_up, w_o, w_down, normed_1, root_1, queries, keys,
                values, seen, normed_2, root_2, both, opened, inner, *kept,
            )  # fmt: skip
        return middle + inner @ w_down.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (
            cos, sin, norm_1, q, k, v, norm_2, gate, up, w_qkv, w_up, w_o, w_down, normed_1, root_1, queries, keys,
            values, seen, normed_2, root_2, both, opened, inner, *kept,
        ) = ctx.saved_tensors  # fmt: skip
        shape: _Shape = ctx.shape
        d_out = gradients[0]
        upstream = d_out.to(shape.dtype)
        d_down = (upstream.T @ inner).float()
        d_inner = upstream @ w_down
        width = len(gate)
        gates, ups = both.chunk(2, -1)
        d_both = torch.empty_like(both)
        torch.mul(d_inner, opened, out=d_both[:, width:])
        d_both[:, :width] = torch.ops.aten.silu_backward(d_inner.mul_(ups), gates)
        d_up, d_norm_2 = _unfold((d_both.T @ normed_2).float(), torch.cat((gate, up)), norm_2)
        d_middle = _norm_backward(d_out, d_both @ w_up, normed_2, root_2)
        upstream = d_middle.to(shape.dtype)
        d_o = (upstream.T @ seen).float()
        d_seen = (upstream @ w_o).view(len(seen), shape.heads, shape.size)
        d_q, d_k, d_v = attention.backward(d_seen, queries, keys, values, kept, shape.segments, shape.scale)
        d_qkv = _join(d_q, d_k, d_v, cos, sin)
        d_weights, d_norm_1 = _unfold((d_qkv.T @ normed_1).float(), torch.cat((q, k, v)), norm_1)
        d_x = _norm_backward(d_middle, d_qkv @ w_qkv, normed_1, root_1)
        parts = torch.split(d_weights, [len(q), len(k), len(v)])
        return d_x, None, None, None, d_norm_1, *parts, d_o, d_norm_2, d_up[:width], d_up[width:], d_down


def _norm(x: Tensor, shape: _Shape) -> tuple[Tensor, Tensor]:
    """Return x divided by its root mean square, and one over that root [T, 1]."""
    root = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(shape.epsilon).rsqrt_()
    return (x * root).to(shape.dtype), root


def _norm_backward(skipped: Tensor, gradient: Tensor, normed: Tensor, root: Tensor) -> Tensor:
    """Return the gradient of what was normed, that of the residual stream `skipped` included."""
    along = torch.linalg.vecdot(gradient, normed).unsqueeze(-1).div_(-normed.shape[-1])
    return torch.addcmul(skipped, torch.addcmul(gradient, normed, along).float(), root)


def _unfold(product: Tensor, weight: Tensor, norm: Tensor) -> tuple[Tensor, Tensor]:
    """Part the gradient of `weight * norm` [rows, width] into those of both."""
    d_norm = (product * weight).sum(0)
    return product.mul_(norm), d_norm


def _split(qkv: Tensor, cos: Tensor, sin: Tensor, shape: _Shape) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries [H, T, D] and keys [K, T, D], turned by their positions, and values."""
    turning = shape.heads + shape.groups
    parts = qkv.view(len(qkv), turning + shape.groups, shape.size).transpose(0, 1)
    turned = qkv.new_empty((turning, len(qkv), shape.size))
    _turn(parts[:turning], turned, cos, sin, 1)
    return turned[: shape.heads], turned[shape.heads :], parts[turning:].contiguous()


def _join(d_q: Tensor, d_k: Tensor, d_v: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return the gradient of what `_split` took apart."""
    heads, groups, length = len(d_q), len(d_k), d_q.shape[1]
    joined = d_q.new_empty((length, heads + 2 * groups, d_q.shape[2]))
    parts = joined.transpose(0, 1)
    _turn(d_q, parts[:heads], cos, sin, -1)
    _turn(d_k, parts[heads : heads + groups], cos, sin, -1)
    parts[heads + groups :] = d_v
    return joined.view(length, -1)


def _turn(x: Tensor, into: Tensor, cos: Tensor, sin: Tensor, way: int) -> None:
    """Write x [H, T, D] rotated by its positions, or back where `way` is -1."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    torch.mul(first, cos, out=into[..., :half]).addcmul_(second, sin, value=-way)
    torch.mul(second, cos, out=into[..., half:]).addcmul_(first, sin, value=way)
