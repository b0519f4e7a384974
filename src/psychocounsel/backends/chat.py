"""Models behind a server, as generators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psychocounsel.backends.asking import completion, messages_of
from psychocounsel.backends.calls.connection import Connection
from psychocounsel.backends.calls.engine import Call, Outcome
from psychocounsel.backends.protocols import Completion
from psychocounsel.endpoints import Sampling
from psychocounsel.records import Conversation

WORD_TOKENS = 1.4
"""Tokens a word, for what a call will about cost before it is made."""


class ChatGenerator:
    """One model of a server."""

    simulated = False

    def __init__(self, spec: str, connection: Connection, sampling: Sampling) -> None:
        self.spec = spec
        self.model = spec.partition("/")[2]
        self.connection = connection
        self.sampling = sampling

    def request(self, conversation: Conversation, seed: int, max_words: int | None = None) -> dict[str, Any]:
        """Return the body of the request."""
        sampling = self.sampling
        messages = messages_of(conversation, sampling.system, max_words)
        # Servers take seeds of 32 bits with a sign.
        given = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop": sampling.stop or None,
            "seed": seed % 2**31,
        } | sampling.extra
        return {"model": self.model, "messages": messages} | {k: v for k, v in given.items() if v is not None}

    def call(self, conversation: Conversation, seed: int, max_words: int | None = None, label: Any = None) -> Call:
        """Return the call that asks for an answer."""
        request = self.request(conversation, seed, max_words)
        return Call(self.spec, request, label, about_tokens(request))

    def read(self, outcome: Outcome, max_words: int | None = None) -> Completion:
        """Return what an outcome says."""
        if outcome.stored is None:
            return Completion("", outcome.error)
        text, ending = said(outcome.stored.answer)
        if ending == "content_filter":
            return Completion("", "the server's filter kept the answer back")
        return completion(text, ending != "length", max_words)

    def generate(
        self, conversations: Sequence[Conversation], seeds: Sequence[int], max_words: int | None = None
    ) -> list[Completion]:
        """Answer each conversation; those that the store has are not asked again."""
        calls = (self.call(c, s, max_words, k) for k, (c, s) in enumerate(zip(conversations, seeds, strict=True)))
        found = {outcome.call.label: self.read(outcome, max_words) for outcome in self.connection.ask(calls)}
        return [found[k] for k in range(len(conversations))]


def said(answer: dict[str, Any]) -> tuple[str, str]:
    """Return the text of a chat completion, and why it ended."""
    choice = answer["choices"][0]
    return choice["message"].get("content") or "", str(choice.get("finish_reason") or "")


def about_tokens(request: dict[str, Any]) -> int:
    """Return about how many tokens a request will take, in and out; for rates, budgets and plans only."""
    words = sum(len(message["content"].split()) for message in request["messages"])
    return int(words * WORD_TOKENS) + int(request.get("max_tokens", request.get("max_completion_tokens", 256)))
