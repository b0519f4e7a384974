"""A causal model in a folder, loaded by `transformers`, as a generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psychocounsel.backends.asking import completion
from psychocounsel.backends.protocols import Completion
from psychocounsel.errors import BackendError
from psychocounsel.hyperparameters import Lora
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
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        _reserve_pad(tokenizer)
    check_tokenizer(tokenizer)
    return tokenizer


RESERVED = ("<|finetune_right_pad_id|>", "<|reserved_special_token_0|>", "<|vision_pad|>", "<unk>")
"""Tokens of published vocabularies that no text is encoded as, so that one of them can be padding. Llama's instruct
models ship without a pad token, and their end token must not be it."""


def _reserve_pad(tokenizer: Any) -> None:
    known = tokenizer.get_vocab()
    for token in RESERVED:
        if token in known and known[token] != tokenizer.eos_token_id:
            tokenizer.pad_token = token
            return


def load_causal(folder: Path, lora: Lora | None = None) -> Any:
    """Load a causal model for this machine, in evaluation mode. Raises BackendError where it cannot be.

    In float32, or where an adapter is to be trained beside weights that stay as they are, in bf16 or four bits.
    """
    runtime.prepare()
    from transformers import AutoModelForCausalLM

    from psychocounsel.models.adapters import frozen_in

    try:
        model = AutoModelForCausalLM.from_pretrained(str(folder), **frozen_in(lora))
    except (OSError, ValueError) as error:
        raise BackendError(f"no causal model can be loaded from {folder}: {str(error).splitlines()[0]}") from None
    return model.eval() if lora and lora.quantised else on_device(model.eval())


def on_device(model: Any) -> Any:
    """Move a model to the GPU if there is one."""
    import torch

    return model.to("cuda") if torch.cuda.is_available() else model


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
