"""The one encode function: training, scoring and serving all turn text into tokens here.

A prompt is the conversation rendered by the tokenizer's own chat template, ending where the counsellor starts to speak.
A response is its tokens and exactly one end-of-sequence token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psychocounsel.errors import BackendError
from psychocounsel.records import Conversation, PreferencePair

ROLES = {"client": "user", "counsellor": "assistant"}

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|counsellor|>{{ message['content'] }}<|end|>"
    "{% else %}<|client|>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|counsellor|>{% endif %}"
)
"""Template of the models made here."""
PAD, END, CLIENT, COUNSELLOR = "<|pad|>", "<|end|>", "<|client|>", "<|counsellor|>"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tokens are read."""

    prompt: int
    """Older tokens of the conversation are left out (truncate-prompt)."""
    response: int
    """Longer responses are dropped from training, never cut."""


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A preference pair as tokens."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


@dataclass(frozen=True, slots=True)
class EncodedPairs:
    """Encoded pairs, and what the limits did to them."""

    pairs: list[EncodedPair]
    dropped: int
    """Pairs left out because a response was longer than the limit."""
    truncated: int
    """Pairs kept whose prompt was shortened."""


def check_tokenizer(tokenizer: Any) -> None:
    """Refuse a tokenizer that would make silent mistakes. Raises BackendError."""
    if tokenizer.chat_template is None:
        raise BackendError("the tokenizer has no chat template; without it a model is asked in words it never learned.")
    if tokenizer.eos_token_id is None:
        raise BackendError("the tokenizer has no end-of-sequence token; responses could not end.")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise BackendError("the tokenizer's pad token must exist and differ from its end-of-sequence token.")


BRIEFLY = "(Answer in at most {} words.)"
"""What the length constraint says to a policy. It stands at the prompt's end, which no limit cuts off."""


def encode_prompt(
    tokenizer: Any, conversation: Conversation, limit: int, max_words: int | None = None
) -> tuple[list[int], bool]:
    """Return the prompt's tokens, the newest `limit` of them, and whether any were left out.

    With `max_words`, the prompt ends by asking for an answer of at most so many words.
    """
    messages = [{"role": ROLES[turn.role], "content": plain(tokenizer, turn.text)} for turn in conversation]
    if max_words is not None:
        messages[-1]["content"] += f"\n\n{BRIEFLY.format(max_words)}"
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids[-limit:], len(ids) > limit


def plain(tokenizer: Any, text: str) -> str:
    """Break special tokens that a client wrote out: a template would render them as if they ended the turn."""
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def encode_response(tokenizer: Any, text: str) -> list[int]:
    """Return the response's tokens, ended by exactly one end-of-sequence token.

    Special tokens written out in the text (by a model, or by somebody who would like to end the turn early) are
    encoded as the plain characters they are.
    """
    ids: list[int] = tokenizer(text.strip(), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [*ids, tokenizer.eos_token_id]


def encode_pairs(tokenizer: Any, pairs: Sequence[PreferencePair], limits: Limits) -> EncodedPairs:
    """Encode pairs; those with a response over the limit are dropped and counted."""
    encoded = []
    dropped = truncated = 0
    for pair in pairs:
        chosen, rejected = encode_response(tokenizer, pair.chosen), encode_response(tokenizer, pair.rejected)
        if max(len(chosen), len(rejected)) > limits.response:
            dropped += 1
            continue
        prompt, cut = encode_prompt(tokenizer, pair.conversation, limits.prompt)
        truncated += cut
        encoded.append(EncodedPair(prompt, chosen, rejected))
    return EncodedPairs(encoded, dropped, truncated)
