"""How good a reward model is on pairs that it never saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from psychocounsel.errors import TooLittleDataError
from psychocounsel.records import RISK_LEVELS, PreferencePair
from psychocounsel.statistics import pairs as measures
from psychocounsel.statistics.intervals import Figure, Moments

GAPS = ((0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.01))
"""Bands of the preference-score gap, lower end included."""


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """A test pair with its rewards."""

    pair_id: str
    speech_id: str
    topic: str
    risk: str
    gap: float
    reward_chosen: float
    reward_rejected: float
    words_chosen: int
    words_rejected: int
    principle_gaps: dict[str, float]
    """Principle key to rating of chosen minus that of rejected."""

    @property
    def margin(self) -> float:
        return self.reward_chosen - self.reward_rejected


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures on the test pairs."""

    overall: dict[str, Figure]
    """accuracy, auc, ece, brier, log_loss."""
    by_principle: dict[str, Figure]
    """Accuracy on the pairs where the chosen one is rated higher on that principle."""
    by_topic: dict[str, Figure]
    by_risk: dict[str, Figure]
    """Accuracy by the speech's level of risk, as screened."""
    by_gap: dict[str, Figure]
    length: dict[str, float]
    """Spearman correlation of reward with length in words, and accuracy of "the longer one is chosen"."""

    def as_dict(self) -> dict[str, Any]:
        def plain(figures: dict[str, Figure]) -> dict[str, Any]:
            return {name: figure.as_dict() for name, figure in figures.items()}

        return {
            "overall": plain(self.overall),
            "by_principle": plain(self.by_principle),
            "by_topic": plain(self.by_topic),
            "by_risk": plain(self.by_risk),
            "by_gap": plain(self.by_gap),
            "length": self.length,
        }


def scored_pair(pair: PreferencePair, chosen: float, rejected: float) -> ScoredPair:
    gaps = {k: pair.chosen_scores[k] - pair.rejected_scores[k] for k in pair.chosen_scores if k in pair.rejected_scores}
    words = (len(pair.chosen.split()), len(pair.rejected.split()))
    return ScoredPair(pair.id, pair.speech_id, pair.topic, pair.risk, pair.gap, chosen, rejected, *words, gaps)


def measure(pairs: Sequence[ScoredPair], resamples: int, seed: int) -> Measured:
    """Return every figure with n and interval. Raises TooLittleDataError where there is no pair."""

    def figure(some: Sequence[ScoredPair], statistic: Callable[[Any], Moments] = measures.accuracy) -> Figure:
        clusters = [p.speech_id for p in some]
        return statistic([p.margin for p in some]).figure(clusters, resamples=resamples, seed=seed)

    topics: dict[str, list[ScoredPair]] = defaultdict(list)
    for pair in pairs:
        topics[pair.topic or "unknown"].append(pair)
    keys = list(pairs[0].principle_gaps) if pairs else []
    principles = {k: [p for p in pairs if p.principle_gaps.get(k, 0) > 0] for k in keys}
    gaps = {f"{low:g} to {min(high, 4):g}": [p for p in pairs if low <= p.gap < high] for low, high in GAPS}
    auc = measures.auc_figure([p.margin for p in pairs], [p.speech_id for p in pairs], resamples=resamples, seed=seed)
    return Measured(
        overall={
            "accuracy": figure(pairs),
            "auc": auc,
            "ece": figure(pairs, measures.ece),
            "brier": figure(pairs, measures.brier),
            "log_loss": figure(pairs, measures.log_loss),
        },
        by_principle={k: figure(some) for k, some in principles.items() if some},
        by_topic={t: figure(some) for t, some in sorted(topics.items())},
        by_risk={level: figure(some) for level in RISK_LEVELS if (some := [p for p in pairs if p.risk == level])},
        by_gap={name: figure(some) for name, some in gaps.items() if some},
        length=_length(pairs),
    )


def _length(pairs: Sequence[ScoredPair]) -> dict[str, float]:
    rewards = [r for p in pairs for r in (p.reward_chosen, p.reward_rejected)]
    words = [w for p in pairs for w in (p.words_chosen, p.words_rejected)]
    longer = np.array([p.words_chosen - p.words_rejected for p in pairs], dtype=float)
    return {
        "spearman_reward_words": measures.spearman(rewards, words),
        "longer_is_chosen": measures.accuracy(longer).value,
    }


def calibrated(test: Sequence[ScoredPair], dev: Sequence[ScoredPair], resamples: int, seed: int) -> dict[str, Any]:
    """Return the temperature that the dev pairs ask for, and the calibration of the test pairs' margins under it.

    Scaling moves no accuracy and no AUC. Where no temperature exists, `refused` says why.
    """
    try:
        scale = measures.temperature([p.margin for p in dev])
    except TooLittleDataError as error:
        return {"refused": str(error)}
    margins, clusters = [p.margin / scale for p in test], [p.speech_id for p in test]
    statistics = {"ece": measures.ece, "brier": measures.brier, "log_loss": measures.log_loss}
    figures = {
        name: statistic(margins).figure(clusters, resamples=resamples, seed=seed).as_dict()
        for name, statistic in statistics.items()
    }
    return {"value": scale, "dev_pairs": len(dev)} | figures
