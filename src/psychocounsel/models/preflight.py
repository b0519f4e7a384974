"""What is checked before any step of training: the silent mistakes of `shared/PEERS.md`, each with its message."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from psychocounsel.errors import BackendError
from psychocounsel.models.branches import Group
from psychocounsel.models.encoding import EncodedPair, check_tokenizer, end_of, reads_pairs
from psychocounsel.models.preference import Example
from psychocounsel.models.reference import logprobs_of

TOLERANCE = 0.02
"""Nats a token by which a policy may seem to differ from itself, for products in bf16."""
FIRST = 8
"""Pairs that the check of the first step computes."""


def check_encoded(tokenizer: Any, pairs: Sequence[EncodedPair]) -> None:
    """Refuse tokens that would teach something else than was meant. Raises BackendError."""
    check_tokenizer(tokenizer)
    check_template(tokenizer)
    end = end_of(tokenizer)
    for pair in pairs:
        if not pair.prompt:
            raise BackendError("a pair has an empty prompt: the chat template gave no token. Mend the template.")
        for response in (pair.chosen, pair.rejected):
            if response.count(end) != 1 or response[-1] != end:
                raise BackendError(
                    f"a response has {response.count(end)} end tokens ({tokenizer.convert_ids_to_tokens(end)}); it "
                    "needs one, at its end, or a policy learns never to stop."
                )
        if pair.chosen == pair.rejected:
            raise BackendError("a pair has the same response twice; it teaches nothing. Leave it out.")


def check_template(tokenizer: Any) -> None:
    """Refuse a chat template whose prompt is not how the whole conversation begins. Raises BackendError."""
    if reads_pairs(tokenizer):
        return
    asked = [{"role": "user", "content": "I cannot sleep."}]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    answered = [*asked, {"role": "assistant", "content": "What keeps you awake?"}]
    whole = tokenizer.apply_chat_template(answered, tokenize=False)
    if not whole.startswith(prompt) or len(whole) == len(prompt):
        raise BackendError(
            "the chat template renders an answered conversation in a way that does not begin with its own prompt, so "
            "that training and answering would see different tokens. Pass a tokenizer whose template does."
        )
    again = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if tokenizer(whole, add_special_tokens=False)["input_ids"][: len(again)] != again:
        raise BackendError(
            "the tokenizer joins the prompt's last token with the answer's first; end the template's "
            "generation prompt with a special token or a line break."
        )


def check_first_step(model: Any, examples: Sequence[Example], pad: int, *, precise: bool = False) -> None:
    """Refuse to train a policy that is not its own reference before the first step. Raises BackendError.

    Dropout, another attention, or a stale cache would show here, and nowhere else.
    """
    some: list[Group] = [e.group for e in examples[:FIRST]]
    model.eval()
    for example, found in zip(examples, logprobs_of(model, some, pad, precise=precise), strict=False):
        for branch, now, then in zip(example.group.branches, found, example.numbers["reference"], strict=True):
            if not math.isclose(now, then, abs_tol=TOLERANCE * len(branch) + 0.05):
                raise BackendError(
                    f"before the first step the policy gives a response {now:.2f} nats and the reference, which is the "
                    f"same model, {then:.2f}. Remove align/reference.sqlite from the run's folder if the model changed."
                )
