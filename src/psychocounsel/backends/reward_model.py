"""A reward model in a folder, loaded by `transformers` as a one-label sequence classifier, as a scorer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from psychocounsel.backends.transformers_local import load_tokenizer
from psychocounsel.errors import BackendError
from psychocounsel.models import runtime
from psychocounsel.models.encoding import encode_prompt, encode_response
from psychocounsel.records import Conversation


class RewardModel:
    """Conversation and response to a reward, in nats: a difference of rewards is a log-odds of being preferred."""

    def __init__(self, folder: Path, *, max_prompt: int = 192, batch: int = 64) -> None:
        runtime.prepare()
        import torch
        from transformers import AutoModelForSequenceClassification

        from psychocounsel.models.attention import for_cpu

        self.spec = f"reward/{folder}"
        self.tokenizer = load_tokenizer(folder)
        try:
            model = AutoModelForSequenceClassification.from_pretrained(str(folder), dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise BackendError(f"no reward model can be loaded from {folder}: {str(error).splitlines()[0]}") from None
        if model.config.num_labels != 1:
            raise BackendError(f"{folder} has {model.config.num_labels} labels; a reward model has one.")
        # transformers finds the last token of a row by its pad id; were it the end token, the wrong one would be read.
        model.config.pad_token_id = self.tokenizer.pad_token_id
        self.model = for_cpu(model).eval()
        self.max_prompt = max_prompt
        self.batch = batch

    def score(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        """Return one reward for each response, in order."""
        import torch

        from psychocounsel.models.branches import round_up

        rows = [
            encode_prompt(self.tokenizer, conversation, self.max_prompt)[0] + encode_response(self.tokenizer, response)
            for conversation, response in zip(conversations, responses, strict=True)
        ]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        rewards = [0.0] * len(rows)
        for start in range(0, len(order), self.batch):
            part = order[start : start + self.batch]
            longest = round_up(max(len(rows[i]) for i in part), 32)
            ids = torch.full((len(part), longest), self.tokenizer.pad_token_id)
            mask = torch.zeros((len(part), longest), dtype=torch.long)
            for k, i in enumerate(part):
                ids[k, : len(rows[i])] = torch.tensor(rows[i])
                mask[k, : len(rows[i])] = 1
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            for i, reward in zip(part, logits.float().squeeze(-1).tolist(), strict=True):
                rewards[i] = reward
        return rewards
