"""The small protocols that everything which runs a model follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from psychocounsel.records import Conversation, Verdict


@dataclass(frozen=True, slots=True)
class Completion:
    """What a generator gave for one conversation."""

    text: str
    """The response; empty only where `error` says why."""
    error: str = ""
    """Why there is none; empty when there is one."""


class Generator(Protocol):
    """Conversations to completions."""

    spec: str
    """The name it is called by in a recipe, such as `simulated/novice-advisor`."""
    simulated: bool
    """Whether what it writes is simulated; every artifact downstream inherits it."""

    def generate(
        self, conversations: Sequence[Conversation], seeds: Sequence[int], max_words: int | None = None
    ) -> list[Completion]:
        """Answer each conversation. A completion depends on its conversation, its seed and `max_words` alone."""
        ...


class Scorer(Protocol):
    """Conversation and response to a number: a reward model."""

    spec: str

    def score(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        """Return one unbounded reward for each response, in order; higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class PrincipleScore:
    """One principle's rating with its reason."""

    score: int
    """1 to 5."""
    reason: str
    """One sentence that a reader can check against the text."""


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """A pairwise judge's answer on (first, second), in the order shown: `a` is the first, `b` the second."""

    overall: Verdict
    by_principle: dict[str, Verdict]


class Judge(Protocol):
    """Reads a conversation and responses, never who wrote them."""

    spec: str
    simulated: bool

    def rate(self, conversation: Conversation, response: str) -> dict[str, PrincipleScore]:
        """Rate one response on every principle of the rubric."""
        ...

    def compare(self, conversation: Conversation, first: str, second: str) -> PairVerdict:
        """Compare two responses shown in this order."""
        ...
