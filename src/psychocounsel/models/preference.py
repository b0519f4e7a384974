"""TRL's trainers, fed by our one encode function instead of a tokenization of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import DPOTrainer, RewardTrainer

from psychocounsel.models.encoding import EncodedPair


class EncodedDpoTrainer(DPOTrainer):  # type: ignore[misc]
    """DPO on pairs that are tokens already."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class EncodedRewardTrainer(RewardTrainer):  # type: ignore[misc]
    """Bradley-Terry on pairs that are tokens already."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


def dpo_dataset(pairs: Sequence[EncodedPair]) -> Dataset:
    """Return the columns that DPOTrainer trains on, and the length that batches are grouped by."""
    return Dataset.from_list(
        [
            {
                "prompt_ids": p.prompt,
                "chosen_ids": p.chosen,
                "rejected_ids": p.rejected,
                "length": len(p.prompt) + max(len(p.chosen), len(p.rejected)),
            }
            for p in pairs
        ]
    )


def reward_dataset(pairs: Sequence[EncodedPair]) -> Dataset:
    """Return the columns that RewardTrainer trains on: whole rows, prompt and response."""
    return Dataset.from_list(
        [
            {
                "chosen_ids": p.prompt + p.chosen,
                "rejected_ids": p.prompt + p.rejected,
                "length": len(p.prompt) + max(len(p.chosen), len(p.rejected)),
            }
            for p in pairs
        ]
    )
