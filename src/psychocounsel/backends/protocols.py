"""The small protocols that everything which runs a model follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from psychocounsel.errors import PsychocounselError
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

    score: float
    """1 to 5; whole, unless it is the mean of several samples or judges."""
    reason: str
    """One sentence that a reader can check against the text."""


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """A pairwise judge's answer on (first, second), in the order shown: `a` is the first, `b` the second."""

    overall: Verdict
    by_principle: dict[str, Verdict]


class Policy(Protocol):
    """Answers each conversation several times over."""

    spec: str

    def candidates(
        self, conversations: Sequence[Conversation], seeds: Sequence[Sequence[int]], max_words: int | None = None
    ) -> list[list[Completion]]:
        """Answer each conversation once for every seed of its group."""
        ...


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


Key = TypeVar("Key")


@runtime_checkable
class ManyJudge(Protocol):
    """A judge that has many texts under way at once."""

    def rate_all(
        self, items: Iterable[tuple[Key, Conversation, str]]
    ) -> Iterator[tuple[Key, dict[str, PrincipleScore] | PsychocounselError]]:
        """Yield for each item (key, conversation, response) its key and rating, as they come."""
        ...

    def compare_all(
        self, items: Iterable[tuple[Key, Conversation, str, str]]
    ) -> Iterator[tuple[Key, PairVerdict | PsychocounselError]]:
        """Yield for each item (key, conversation, first, second) its key and verdict, as they come."""
        ...


def rate_all(
    judge: Judge, items: Iterable[tuple[Key, Conversation, str]]
) -> Iterator[tuple[Key, dict[str, PrincipleScore] | PsychocounselError]]:
    """Yield for each item (key, conversation, response) its key and rating; a failure is yielded, not raised."""
    if isinstance(judge, ManyJudge):
        yield from judge.rate_all(items)
        return
    for key, conversation, response in items:
        try:
            yield key, judge.rate(conversation, response)
        except PsychocounselError as error:
            yield key, error


def compare_all(
    judge: Judge, items: Iterable[tuple[Key, Conversation, str, str]]
) -> Iterator[tuple[Key, PairVerdict | PsychocounselError]]:
    """Yield for each item (key, conversation, first, second) its key and verdict; a failure is yielded, not raised."""
    if isinstance(judge, ManyJudge):
        yield from judge.compare_all(items)
        return
    for key, conversation, first, second in items:
        try:
            yield key, judge.compare(conversation, first, second)
        except PsychocounselError as error:
            yield key, error
