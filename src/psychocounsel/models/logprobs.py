"""Log-probabilities of responses under a causal model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from psychocounsel.models.branches import round_up


@torch.inference_mode()
def response_logprobs(
    model: Any, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], pad: int, batch: int = 64
) -> list[float]:
    """Return log p(response | prompt) in nats for each row, summed over the response's tokens, in order.

    `responses` end with the end-of-sequence token, which counts. The head runs on response positions only.
    """
    rows = [list(p) + list(r) for p, r in zip(prompts, responses, strict=True)]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    result = [0.0] * len(rows)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        longest = round_up(max(len(rows[i]) for i in part), 32)
        ids = torch.full((len(part), longest), pad)
        mask = torch.zeros((len(part), longest), dtype=torch.long)
        for k, i in enumerate(part):
            ids[k, : len(rows[i])] = torch.tensor(rows[i])
            mask[k, : len(rows[i])] = 1
        with torch.autocast("cpu", torch.bfloat16, enabled=model.device.type == "cpu"):
            hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            for k, i in enumerate(part):
                # The token at column c is predicted at column c - 1.
                first, last = len(prompts[i]), len(rows[i])
                logits: Tensor = model.lm_head(hidden[k, first - 1 : last - 1]).float()
                picked = logits.log_softmax(-1).gather(-1, ids[k, first:last, None])
                result[i] = float(picked.sum())
    return result
