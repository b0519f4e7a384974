"""The losses, as pure functions; each is compared with TRL's or with the paper's formula in the tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 5
"""Ratings are from 1 to this."""


def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    *,
    beta: float,
    kind: str = "sigmoid",
    label_smoothing: float = 0.0,
    lengths: Tensor | None = None,
) -> Tensor:
    """Return the loss of each pair [pairs].

    `chosen` and `rejected` [pairs] are log-ratios in nats, log p(response | prompt) under the policy less that under
    the reference; `lengths` [pairs, 2] are the tokens of both, which `ipo` and `sigmoid_norm` need. Kinds, by TRL's
    names: `sigmoid` (Rafailov et al. 2023, equation 7), `hinge` (Zhao et al. 2023), `ipo` (Azar et al. 2023, equation
    17, with log-ratios a token), `robust` (Chowdhury et al. 2024), `sigmoid_norm` (log-ratios a token).
    """
    if kind in ("ipo", "sigmoid_norm"):
        if lengths is None:
            raise ValueError(f"{kind} needs the lengths")
        chosen, rejected = chosen / lengths[:, 0], rejected / lengths[:, 1]
    margin = chosen - rejected
    if kind in ("sigmoid", "sigmoid_norm"):
        return -F.logsigmoid(beta * margin)
    if kind == "hinge":
        return torch.relu(1 - beta * margin)
    if kind == "ipo":
        return (margin - 1 / (2 * beta)).square()
    if kind == "robust":
        right, flipped = F.logsigmoid(beta * margin), F.logsigmoid(-beta * margin)
        return ((1 - label_smoothing) * -right + label_smoothing * flipped) / (1 - 2 * label_smoothing)
    raise ValueError(f"no loss {kind}")


def bradley_terry(chosen: Tensor, rejected: Tensor, margin: Tensor | float = 0.0, centring: float = 0.0) -> Tensor:
    """Return -log sigmoid(chosen - rejected - margin) + centring * (chosen + rejected)^2 of each pair [pairs]."""
    return -F.logsigmoid(chosen - rejected - margin) + centring * (chosen + rejected).square()


def wanted_levels(ratings: Tensor) -> Tensor:
    """Return ratings [...], 1 to 5, as shares of the five levels [..., 5]; one between two levels is shared by both."""
    levels = torch.arange(LEVELS, device=ratings.device)
    return (1 - (ratings.clamp(1, LEVELS).unsqueeze(-1) - 1 - levels).abs()).clamp(min=0)


def level_shares(ratings: Sequence[Sequence[float]]) -> Tensor:
    """Return how often each level was given [principles, 5], of ratings [n, principles]; one is added to each count."""
    given = torch.tensor(ratings, dtype=torch.float32)
    rated = ~given.isnan()
    counts = (wanted_levels(given.nan_to_num(1.0)) * rated.unsqueeze(-1)).sum(0) + 1
    return counts / counts.sum(-1, keepdim=True)


def level_loss(logits: Tensor, ratings: Tensor) -> Tensor:
    """Return the cross-entropy of ratings [n, principles], 1 to 5 and NaN where there is none, under `logits`
    [n, principles, 5], the mean over the principles that were rated [n].

    A rating between two levels, such as the mean of a panel, is shared out over both.
    """
    rated = ~ratings.isnan()
    entropy = -(wanted_levels(ratings.nan_to_num(1.0)) * logits.float().log_softmax(-1)).sum(-1)
    return (entropy * rated).sum(-1) / rated.sum(-1).clamp(min=1)


def expected_level(logits: Tensor) -> Tensor:
    """Return the mean level, 1 to 5, of `logits` [..., 5]."""
    return (logits.float().softmax(-1) * torch.arange(1, LEVELS + 1, device=logits.device)).sum(-1)
