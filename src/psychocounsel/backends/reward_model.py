"""A reward model in a folder as a scorer: what `reward` made, or any one-label sequence classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from psychocounsel.backends.transformers_local import load_tokenizer
from psychocounsel.models import runtime
from psychocounsel.models.encoding import encode_prompt, encode_response
from psychocounsel.records import Conversation


class Scored(NamedTuple):
    """What a reward model says of one response."""

    reward: float
    """In nats: a difference of rewards of two responses to one prompt is a log-odds of being preferred."""
    principles: dict[str, float]
    """Principle key to its expected rating, 1 to 5; empty where the model has no such heads."""


class RewardModel:
    """Conversation and response to a reward. Responses to one prompt share it: it is computed once for all of them."""

    def __init__(self, folder: Path, *, max_prompt: int = 192, row_tokens: int = 4096) -> None:
        runtime.prepare()
        from psychocounsel.models.rewards import load_reward_model

        self.spec = f"reward/{folder}"
        self.tokenizer = load_tokenizer(folder)
        self.model = load_reward_model(folder)
        self.principles: list[str] = getattr(self.model.config, "principles", [])
        self.max_prompt = max_prompt
        self.row_tokens = row_tokens

    def score(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        """Return one reward for each response, in order."""
        return [scored.reward for scored in self.score_all(conversations, responses)]

    def score_all(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[Scored]:
        """Return reward and principle scores of each response, in order."""
        from psychocounsel.models.scoring import score_groups

        prompts: dict[Conversation, list[int]] = {}
        for number, conversation in enumerate(conversations):
            prompts.setdefault(conversation, []).append(number)
        groups = [
            (
                encode_prompt(self.tokenizer, conversation, self.max_prompt)[0],
                [encode_response(self.tokenizer, responses[i]) for i in members],
            )
            for conversation, members in prompts.items()
        ]
        found = score_groups(self.model, groups, self.tokenizer.pad_token_id, self.row_tokens)
        result: list[Scored | None] = [None] * len(responses)
        for members, outcomes in zip(prompts.values(), found, strict=True):
            for i, (reward, levels) in zip(members, outcomes, strict=True):
                result[i] = Scored(reward, dict(zip(self.principles, levels, strict=True)))
        return [scored for scored in result if scored is not None]
