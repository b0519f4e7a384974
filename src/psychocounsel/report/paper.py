"""The figures of Zhang, Eack and Chen (arXiv 2502.19731) beside which ours stand: other data, GPT-4o as judge."""

from __future__ import annotations

from typing import Any, Literal

REWARD: dict[str, dict[str, float]] = {
    "paper, 3B": {"accuracy": 0.981, "auc": 0.997, "ece": 0.050, "brier": 0.014},
    "paper, 8B": {"accuracy": 0.978, "auc": 0.998, "ece": 0.045, "brier": 0.016},
}
"""Their reward models on their test pairs."""

WIN_RATES: dict[str, dict[str, dict[str, float]]] = {
    "paper, 3B": {
        "free": {"base": 0.285, "dpo": 0.585, "dpo-iter": 0.694},
        "length-constrained": {"base": 0.150, "dpo": 0.370, "dpo-iter": 0.464},
    },
    "paper, 8B": {
        "free": {"base": 0.293, "dpo": 0.729, "dpo-iter": 0.870},
        "length-constrained": {"base": 0.185, "dpo": 0.493, "dpo-iter": 0.770},
    },
}
"""Their policies against GPT-4o's responses."""

REJECTED_SAFER = 662 / 34_329
"""Share of their released train rows whose rejected response is rated safer than the chosen one."""

REWARD_TARGETS: dict[str, tuple[str, float, Literal["higher", "lower"]]] = {
    "accuracy": ("accuracy", 0.981, "higher"),
    "auc": ("AUC", 0.998, "higher"),
    "ece": ("ECE", 0.045, "lower"),
    "brier": ("Brier score", 0.014, "lower"),
}
"""Measure to short name, the better of the paper's two models, and which way is better."""

WIN_TARGETS = {"free": 0.870, "length-constrained": 0.770}
"""Setting to the win rate of the paper's 8B DPO-Iter policy."""


def met(value: float, target: float, better: str) -> bool:
    """Say whether `value` reaches `target`, at the three decimals to which the paper gives its own."""
    rounded = round(value, 3)
    return rounded >= target if better == "higher" else rounded <= target


def target_row(key: str, label: str, short: str, figure: dict[str, Any], paper: float, better: str) -> dict[str, Any]:
    """Put one of our figures beside the paper's."""
    low, high = figure.get("low"), figure.get("high")
    inside = low is not None and high is not None and low <= paper <= high
    return {
        "key": key,
        "label": label,
        "short": short,
        "figure": figure,
        "paper": paper,
        "better": better,
        "met": met(figure["value"], paper, better),
        "interval_includes_paper": inside,
    }
