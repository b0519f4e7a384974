"""A causal model in a folder, loaded by `transformers`, as a generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psychocounsel.backends.asking import completion
from psychocounsel.backends.protocols import Completion
from psychocounsel.errors import BackendError
from psychocounsel.models import runtime
from psychocounsel.models.encoding import check_tokenizer, encode_prompt
from psychocounsel.records import Conversation


def load_tokenizer(folder: Path) -> Any:
    """Load and check a tokenizer. Raises BackendError where the folder has none or it would make silent mistakes."""
    runtime.prepare()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError) as error:
        raise BackendError(f"no tokenizer can be loaded from {folder}: {str(error).splitlines()[0]}") from None
    check_tokenizer(tokenizer)
    return tokenizer


def load_causal(folder: Path) -> Any:
    """Load a causal model in float32 for this machine, in evaluation mode. Raises BackendError where it cannot be."""
    runtime.prepare()
    import torch
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise BackendError(f"no causal model can be loaded from {folder}: {str(error).splitlines()[0]}") from None
    return model.eval()


class LocalPolicy:
    """A causal model and its tokenizer, answering conversations."""

    simulated = False
    """What a real model writes is real; that it was trained on simulated data is in its artifact's manifest."""

    def __init__(
        self, folder: Path, *, temperature: float = 0.7, max_prompt: int = 192, max_tokens: int = 128, rows: int = 256
    ) -> None:
        self.spec = f"transformers/{folder}"
        self.tokenizer = load_tokenizer(folder)
        self.model = load_causal(folder)
        self.temperature = temperature
        self.max_prompt = max_prompt
        self.max_tokens = max_tokens
        self.rows = rows

    def generate(
        self, conversations: Sequence[Conversation], seeds: Sequence[int], max_words: int | None = None
    ) -> list[Completion]:
        """Answer each conversation once."""
        return [group[0] for group in self.candidates(conversations, [[seed] for seed in seeds], max_words)]

    def candidates(
        self, conversations: Sequence[Conversation], seeds: Sequence[Sequence[int]], max_words: int | None = None
    ) -> list[list[Completion]]:
        """Answer each conversation once for every seed of its group. A response without a whole sentence is an error.

        With `max_words` the policy is asked to keep within it, and what runs over is cut at its last whole sentence.
        """
        from psychocounsel.models.sampling import sample

        tokenizer = self.tokenizer
        prompts = [encode_prompt(tokenizer, c, self.max_prompt, max_words)[0] for c in conversations]
        groups = sample(
            self.model,
            prompts,
            seeds,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            end=tokenizer.eos_token_id,
            pad=tokenizer.pad_token_id,
            rows=self.rows,
        )
        completions = []
        for group in groups:
            texts = tokenizer.batch_decode([s.tokens for s in group], skip_special_tokens=True)
            completions.append([completion(text, s.finished, max_words) for text, s in zip(texts, group, strict=True)])
        return completions
