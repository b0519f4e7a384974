"""The weights of a Llama-type model laid out for decoding: prompts are read once, candidates share what was read.

Checked against the logits of `transformers` in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from psychocounsel.models.attention import round_up


@dataclass(frozen=True, slots=True)
class _Layer:
    norm_in: Tensor
    qkv: Tensor
    out: Tensor
    norm_mlp: Tensor
    gate_up: Tensor
    down: Tensor


COLUMNS = 16
"""Own tokens are attended to in steps of so many columns, so that few shapes of products are compiled."""


@dataclass(slots=True)
class Prefix:
    """What the candidates of a prompt share, a tensor a layer."""

    keys: list[Tensor]
    """[G, K, D, P], turned for the product with queries."""
    values: list[Tensor]
    """[G, K, P, D]."""
    hidden_from: Tensor
    """[G, P]: 0 at a real token, -inf at padding."""

    def keep(self, groups: Tensor) -> Prefix:
        return Prefix([k[groups] for k in self.keys], [v[groups] for v in self.values], self.hidden_from[groups])


@dataclass(slots=True)
class Suffix:
    """Keys and values of the tokens that each row wrote itself, [R, K, T, D] a layer."""

    keys: list[Tensor]
    values: list[Tensor]
    used: int = 0
    """Columns written so far."""

    def keep(self, rows: Tensor) -> Suffix:
        return Suffix([k[rows] for k in self.keys], [v[rows] for v in self.values], self.used)


class LlamaDecoder:
    """The weights of a `LlamaForCausalLM`, in `dtype`.

    Shapes: prompts G, their length P, live rows R, heads H, key-value heads K, head size D.
    """

    def __init__(self, model: Any, dtype: torch.dtype = torch.bfloat16) -> None:
        config = model.config
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.size: int = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.epsilon: float = config.rms_norm_eps
        self.dtype = dtype
        self.device: torch.device = model.device
        self.embedding = model.model.embed_tokens.weight.detach().to(dtype)
        self.head = model.lm_head.weight.detach().to(dtype)
        self.norm = model.model.norm.weight.detach().to(dtype)
        self.layers = [self._layer(layer) for layer in model.model.layers]
        self._rotary = model.model.rotary_emb

    def _layer(self, layer: Any) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp

        def weights(*modules: Any) -> Tensor:
            return torch.cat([m.weight.detach() for m in modules]).to(self.dtype)

        return _Layer(
            layer.input_layernorm.weight.detach().to(self.dtype),
            weights(attention.q_proj, attention.k_proj, attention.v_proj),
            weights(attention.o_proj),
            layer.post_attention_layernorm.weight.detach().to(self.dtype),
            weights(mlp.gate_proj, mlp.up_proj),
            weights(mlp.down_proj),
        )

    def _rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        cos, sin = self._rotary(x.float(), positions)
        cos, sin = cos.unsqueeze(1).to(x.dtype), sin.unsqueeze(1).to(x.dtype)
        half = x.shape[-1] // 2
        turned = torch.cat((-x[..., half:], x[..., :half]), -1)
        rotated: Tensor = x * cos + turned * sin
        return rotated

    def _qkv(self, layer: _Layer, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries [B, H, N, D] and keys and values [B, K, N, D] of hidden states [B, N, h]."""
        rows, width, _ = x.shape
        h = F.rms_norm(x, (x.shape[-1],), layer.norm_in, self.epsilon)
        qkv = F.linear(h, layer.qkv).view(rows, width, self.heads + 2 * self.kv_heads, self.size).transpose(1, 2)
        q, k, v = torch.split(qkv, [self.heads, self.kv_heads, self.kv_heads], dim=1)
        return self._rotate(q, positions), self._rotate(k, positions), v

    def _rest(self, layer: _Layer, x: Tensor, attended: Tensor) -> Tensor:
        """Add what was attended to, then the feed-forward part."""
        x = x + F.linear(attended, layer.out)
        h = F.rms_norm(x, (x.shape[-1],), layer.norm_mlp, self.epsilon)
        gate, up = F.linear(h, layer.gate_up).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, layer.down)

    def _logits(self, x: Tensor) -> Tensor:
        logits: Tensor = F.linear(F.rms_norm(x, (x.shape[-1],), self.norm, self.epsilon), self.head)
        return logits.float()

    def prefill(self, ids: Tensor, real: Tensor) -> tuple[Tensor, Prefix]:
        """Read prompts `ids` [G, P], padded on the left where `real` [G, P] is False.

        Returns the logits [G, vocabulary] of each prompt's next token, and what its candidates share.
        """
        positions = (real.long().cumsum(-1) - 1).clamp_(min=0)
        length = ids.shape[1]
        causal = torch.ones((length, length), dtype=torch.bool, device=ids.device).tril()
        # A padding row would see nothing at all, which is NaN in a softmax: let it see itself; nobody looks at it.
        mask = ((real[:, None, :] & causal) | torch.eye(length, dtype=torch.bool, device=ids.device))[:, None]
        x = F.embedding(ids, self.embedding)
        keys, values = [], []
        for layer in self.layers:
            q, k, v = self._qkv(layer, x, positions)
            keys.append(k.transpose(-1, -2).contiguous())
            values.append(v.contiguous())
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=self.heads != self.kv_heads)
            x = self._rest(layer, x, attended.transpose(1, 2).flatten(2))
        hidden_from = torch.zeros(real.shape, dtype=torch.float32, device=ids.device).masked_fill_(~real, -torch.inf)
        return self._logits(x[:, -1]), Prefix(keys, values, hidden_from)

    def step(self, ids: Tensor, positions: Tensor, prefix: Prefix, slots: Tensor, each: int, suffix: Suffix) -> Tensor:
        """Run one token of every live row: `ids` and `positions` [R]. Returns the logits [R, vocabulary].

        Row r continues prompt `slots[r] // each`. All rows of a prompt meet its keys in one product, which is what
        makes several candidates cheap; keys of their own tokens are in `suffix`.
        """
        x = F.embedding(ids, self.embedding)[:, None]
        rows, groups = len(ids), len(prefix.hidden_from)
        hidden_from = prefix.hidden_from[slots // each][:, None, None]
        column = suffix.used
        seen = round_up(column + 1, COLUMNS)
        unwritten = torch.arange(seen, device=ids.device) > column
        for number, layer in enumerate(self.layers):
            q, k, v = self._qkv(layer, x, positions[:, None])
            keys, values = suffix.keys[number], suffix.values[number]
            keys[:, :, column] = k[:, :, 0]
            values[:, :, column] = v[:, :, 0]
            q = q.view(rows, self.kv_heads, -1, self.size) * self.size**-0.5
            on_prompt = self._by_group(q, prefix.keys[number], slots, groups, each)
            on_own = (q @ keys[:, :, :seen].transpose(-1, -2)).masked_fill_(unwritten, -torch.inf)
            length = on_prompt.shape[-1]
            scores = torch.cat((on_prompt.float() + hidden_from, on_own.float()), -1)
            weights = scores.softmax(-1).to(self.dtype)
            attended = self._by_group(weights[..., :length], prefix.values[number], slots, groups, each)
            attended = attended + weights[..., length:] @ values[:, :, :seen]
            x = self._rest(layer, x, attended.reshape(rows, 1, -1))
        suffix.used += 1
        return self._logits(x[:, 0])

    @staticmethod
    def _by_group(x: Tensor, shared: Tensor, slots: Tensor, groups: int, each: int) -> Tensor:
        """Multiply rows [R, K, q, a] by what their prompts share [G, K, a, b]. Returns [R, K, q, b]."""
        _, heads, queries, inner = x.shape
        laid = x.new_zeros((groups * each, heads, queries, inner))
        laid[slots] = x
        laid = laid.view(groups, each, heads, queries, inner).transpose(1, 2).reshape(groups, heads, -1, inner)
        out = (laid @ shared).view(groups, heads, each, queries, -1).transpose(1, 2)
        return out.reshape(groups * each, heads, queries, -1)[slots]

    def new_suffix(self, rows: int, columns: int) -> Suffix:
        shape = (rows, self.kv_heads, round_up(columns, COLUMNS), self.size)
        return Suffix(
            [torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in self.layers],
            [torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in self.layers],
        )
