"""Rewards of many responses: a prompt is computed once for all of its responses, in packed rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from psychocounsel.models.attention import autocast
from psychocounsel.models.branches import Group, is_encoder, pack, rows_of
from psychocounsel.models.casting import weights_stay
from psychocounsel.models.losses import expected_level
from psychocounsel.models.rewards import rewarded

Tokens = Sequence[int]


@torch.inference_mode()
@weights_stay()
def score_groups(
    model: Any, groups: Sequence[tuple[Tokens, Sequence[Tokens]]], pad: int, row_tokens: int, *, precise: bool = False
) -> list[list[tuple[float, list[float]]]]:
    """Return (reward, expected level of each principle) of every response to every prompt, in order.

    `precise` computes in float32: a reward then does not depend on what else is in its row (to 1e-5); in bf16 it may in
    the third digit. Prompts with more responses than a row holds are computed again for the next row.
    """
    causal = not is_encoder(model.config)
    pieces = [(i, part) for i, (prompt, branches) in enumerate(groups) for part in _parts(prompt, branches, row_tokens)]
    sizes = [
        len(groups[i][0]) * (1 if causal else len(part)) + sum(len(groups[i][1][b]) for b in part) for i, part in pieces
    ]
    result: list[list[tuple[float, list[float]]]] = [[(0.0, [])] * len(branches) for _, branches in groups]
    for members in rows_of(sizes, row_tokens):
        chosen = [pieces[m] for m in members]
        row = pack([Group(groups[i][0], [groups[i][1][b] for b in part]) for i, part in chosen], pad, causal=causal)
        with torch.autocast(model.device.type, enabled=False) if precise else autocast(model):
            rewards, levels = rewarded(model, row.to(model.device))
        expected = expected_level(levels).tolist() if levels is not None else [[]] * row.branches
        flat = iter(zip(rewards.tolist(), expected, strict=True))
        for i, part in chosen:
            for b in part:
                result[i][b] = next(flat)
    return result


def _parts(prompt: Tokens, branches: Sequence[Tokens], row_tokens: int) -> list[list[int]]:
    """Share the responses to a prompt out over as few rows as hold them."""
    parts: list[list[int]] = [[]]
    used = len(prompt)
    for number, branch in enumerate(branches):
        if parts[-1] and used + len(branch) > row_tokens:
            parts.append([])
            used = len(prompt)
        parts[-1].append(number)
        used += len(branch)
    return [part for part in parts if part]


@torch.inference_mode()
@weights_stay()
def level_logits(model: Any, texts: Sequence[tuple[Tokens, Tokens]], pad: int, row_tokens: int = 4096) -> Any:
    """Return the principle heads' logits [n, principles, 5] of (prompt, response) tokens, as a NumPy array."""
    result: Any = None
    causal = not is_encoder(model.config)
    for members in rows_of([len(p) + len(r) for p, r in texts], row_tokens):
        row = pack([Group(texts[i][0], [texts[i][1]]) for i in members], pad, causal=causal)
        with autocast(model):
            levels = rewarded(model, row.to(model.device)).levels
        if levels is None:
            raise ValueError("the model has no principle heads")
        found = levels.float().cpu().numpy()
        result = np.zeros((len(texts), *found.shape[1:])) if result is None else result
        result[members] = found
    return result
