"""Sampling that suits many short responses: one prefill a prompt, its keys and values spread over the candidates,
finished rows taken out, and a random number for each (row, step), so that a row does not depend on its batch.

The loop is written out for Llama-type models (checked against `transformers` logits in the tests); any other
architecture goes through `generate`, which is slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from psychocounsel.models.attention import round_up
from psychocounsel.models.decoder import LlamaDecoder


@dataclass(frozen=True, slots=True)
class Sampled:
    """One sampled response."""

    tokens: list[int]
    """Without the end-of-sequence token."""
    finished: bool
    """False where the token limit cut it."""


def _pick(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """Choose one token a row: the likeliest at temperature 0, else by inversion at `uniforms` [B] in [0, 1)."""
    if temperature == 0:
        return logits.argmax(-1)
    cumulative = torch.softmax(logits / temperature, -1).cumsum(-1)
    target = (uniforms * cumulative[:, -1]).unsqueeze(-1)
    return torch.searchsorted(cumulative, target, right=True).squeeze(-1).clamp_(max=logits.shape[-1] - 1)


def _uniforms(seed: int, steps: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(steps, dtype=np.float32))


@torch.inference_mode()
def sample(
    model: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    temperature: float,
    end: int,
    pad: int,
    rows: int = 256,
) -> list[list[Sampled]]:
    """Sample a response to prompt i for each of `seeds[i]`; every prompt has as many. Returns them in order.

    `rows` bounds how many responses are decoded at once, and so the memory.
    """
    if len({len(group) for group in seeds}) > 1 or not all(prompts):
        raise ValueError("every prompt needs a token, and as many seeds as the others")
    if model.config.model_type != "llama":
        return _through_generate(model, prompts, seeds, max_tokens, temperature, end, pad)
    decoder = LlamaDecoder(model)
    results: list[list[Sampled]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), i))
    batch: list[int] = []
    for position, i in enumerate(order):
        batch.append(i)
        nxt = order[position + 1] if position + 1 < len(order) else None
        if nxt is None or sum(len(seeds[j]) for j in batch) + len(seeds[nxt]) > rows:
            done = _decode(
                decoder, [prompts[j] for j in batch], [seeds[j] for j in batch], max_tokens, temperature, end
            )
            for j, sampled in zip(batch, done, strict=True):
                results[j] = sampled
            batch = []
    return results


def _decode(
    decoder: LlamaDecoder,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[Sequence[int]],
    max_tokens: int,
    temperature: float,
    end: int,
) -> list[list[Sampled]]:
    longest, each = round_up(max(map(len, prompts)), 32), len(seeds[0])
    ids = torch.zeros((len(prompts), longest), dtype=torch.long)
    real = torch.zeros((len(prompts), longest), dtype=torch.bool)
    for row, prompt in enumerate(prompts):  # padded on the left, so that all prompts end at the same column
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        real[row, longest - len(prompt) :] = True
    ids, real = ids.to(decoder.device), real.to(decoder.device)
    logits, prefix = decoder.prefill(ids, real)

    slots = torch.arange(len(prompts) * each, device=decoder.device)  # row r continues prompt slots[r] // each
    rows = slots.clone()  # which row of the output it is
    uniforms = torch.stack([_uniforms(seed, max_tokens) for group in seeds for seed in group]).to(decoder.device)
    suffix = decoder.new_suffix(len(slots), max_tokens)
    logits, position = logits[slots // each], real.sum(-1)[slots // each]
    output = torch.full_like(slots, end)[:, None].repeat(1, max_tokens)
    going = torch.ones_like(slots, dtype=torch.bool)
    for step in range(max_tokens):
        token = _pick(logits, uniforms[rows, step], temperature)
        output[rows[going], step] = token[going]
        going &= token != end
        if not going.any() or step + 1 == max_tokens:
            break
        if going.sum() < 0.85 * len(slots):  # taking rows out copies their keys and values: not at every step
            kept = going.nonzero().squeeze(-1)
            groups, place = torch.unique(slots[kept] // each, return_inverse=True)
            slots, prefix = place * each + slots[kept] % each, prefix.keep(groups)
            suffix, rows, position, token, going = (
                suffix.keep(kept),
                rows[kept],
                position[kept],
                token[kept],
                going[kept],
            )
        logits, position = decoder.step(token, position, prefix, slots, each, suffix), position + 1
    return _collect(output, [len(group) for group in seeds], end)


def _collect(output: Tensor, sizes: Sequence[int], end: int) -> list[list[Sampled]]:
    sampled = []
    for row in output.tolist():
        cut = row.index(end) if end in row else None
        sampled.append(Sampled(row[:cut], cut is not None))
    groups, start = [], 0
    for size in sizes:
        groups.append(sampled[start : start + size])
        start += size
    return groups


def _through_generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[Sequence[int]],
    max_tokens: int,
    temperature: float,
    end: int,
    pad: int,
) -> list[list[Sampled]]:
    results = []
    for prompt, group in zip(prompts, seeds, strict=True):
        torch.manual_seed(group[0] % 2**63)
        ids = torch.tensor([list(prompt)] * len(group), device=model.device)
        how: dict[str, Any] = (
            {"do_sample": False} if temperature == 0 else {"do_sample": True, "temperature": temperature}
        )
        out = model.generate(ids, max_new_tokens=max_tokens, eos_token_id=end, pad_token_id=pad, top_k=0, **how)
        rows = F.pad(out[:, len(prompt) :], (0, max_tokens + len(prompt) - out.shape[1]), value=end)
        finished = (out[:, len(prompt) :] == end).any(-1)
        results.append(
            [
                Sampled(s.tokens, bool(f))
                for s, f in zip(_collect(rows.cpu(), [len(group)], end)[0], finished, strict=True)
            ]
        )
    return results
