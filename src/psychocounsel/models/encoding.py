"""The one encode function: training, scoring and serving all turn text into tokens here.

A prompt is the conversation rendered by the tokenizer's own chat template, ending where the counsellor starts to speak.
A response is its tokens and exactly one end-of-sequence token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from psychocounsel.errors import BackendError, InputError
from psychocounsel.hyperparameters import Base
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
    """How many tokens are read, and what becomes of the others."""

    prompt: int
    response: int
    """End token included. A longer response is never cut: its row is dropped, or the run stops."""
    too_long: str = "truncate-prompt"
    """`truncate-prompt` leaves the oldest tokens of a prompt out; `drop` leaves its row out; `error` stops the run."""

    @classmethod
    def of(cls, base: Base) -> Limits:
        return cls(base.max_prompt, base.max_response, base.too_long)


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A preference pair as tokens."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
    pair: PreferencePair | None = None
    """What it was made from, where that is one."""


@dataclass(slots=True)
class EncodedPairs:
    """Encoded pairs, and what the limits did to them."""

    pairs: list[EncodedPair]
    dropped: int = 0
    """Pairs left out because a response, or with `drop` a prompt, was over the limit."""
    truncated: int = 0
    """Pairs kept whose prompt was shortened."""
    equal: int = 0
    """Pairs left out because both responses are the same tokens."""

    @property
    def counts(self) -> dict[str, int]:
        return {
            "pairs": len(self.pairs),
            "dropped_too_long": self.dropped,
            "prompts_truncated": self.truncated,
            "dropped_equal": self.equal,
        }


def check_tokenizer(tokenizer: Any) -> None:
    """Refuse a tokenizer that would make silent mistakes. Raises BackendError."""
    if reads_pairs(tokenizer):
        return
    if tokenizer.chat_template is None:
        raise BackendError("the tokenizer has no chat template; without it a model is asked in words it never learned.")
    if tokenizer.eos_token_id is None:
        raise BackendError("the tokenizer has no end-of-sequence token; responses could not end.")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise BackendError("the tokenizer's pad token must exist and differ from its end-of-sequence token.")


def reads_pairs(tokenizer: Any) -> bool:
    """Whether it is an encoder's: [CLS] prompt [SEP] response [SEP], and no chat template."""
    return tokenizer.chat_template is None and tokenizer.cls_token_id is not None and tokenizer.sep_token_id is not None


def end_of(tokenizer: Any) -> int:
    """Return the token that ends a response."""
    return int(tokenizer.sep_token_id if reads_pairs(tokenizer) else tokenizer.eos_token_id)


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
    if reads_pairs(tokenizer):
        said = "\n".join(message["content"] for message in messages)
        inner: list[int] = tokenizer(said, add_special_tokens=False)["input_ids"]
        kept = inner[-(limit - 2) :] if limit > 2 else []
        return [tokenizer.cls_token_id, *kept, tokenizer.sep_token_id], len(inner) > len(kept)
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
    return [*ids, end_of(tokenizer)]


class Pair(Protocol):
    """What can be encoded as a pair."""

    @property
    def id(self) -> str: ...
    @property
    def conversation(self) -> Conversation: ...
    @property
    def chosen(self) -> str: ...
    @property
    def rejected(self) -> str: ...


def encode_pairs(tokenizer: Any, pairs: Sequence[Pair], limits: Limits) -> EncodedPairs:
    """Encode pairs by the limits. Raises InputError where `too_long` is `error` and a pair is."""
    result = EncodedPairs([])
    for pair in pairs:
        chosen, rejected = encode_response(tokenizer, pair.chosen), encode_response(tokenizer, pair.rejected)
        prompt, cut = encode_prompt(tokenizer, pair.conversation, limits.prompt)
        over = max(len(chosen), len(rejected)) > limits.response
        if (over or cut) and limits.too_long == "error":
            what = "a response is over base.max_response" if over else "its prompt is over base.max_prompt"
            raise InputError(f"pair {pair.id}: {what}, and base.too_long is error. Raise the limit, or let it drop.")
        if over or (cut and limits.too_long == "drop"):
            result.dropped += 1
        elif chosen == rejected:
            result.equal += 1
        else:
            result.truncated += cut
            source = pair if isinstance(pair, PreferencePair) else None
            result.pairs.append(EncodedPair(prompt, chosen, rejected, source))
    return result
