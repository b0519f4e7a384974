"""What outside tests are made of: one frozen record for each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from psychocounsel.records import Conversation, Turn

Rewrite = Callable[[str], str]
"""A text to what is shown in its place, such as the same with identifiers replaced."""


def _turns(turns: Conversation, by: Rewrite) -> Conversation:
    return tuple(Turn(turn.role, by(turn.text)) for turn in turns)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One response with what people said of it."""

    id: str
    cluster: str
    """Seeker or transcript: what intervals resample."""
    conversation: Conversation
    response: str
    labels: dict[str, int]
    """Name of a label to its level, from 0."""

    def rewritten(self, by: Rewrite) -> Labelled:
        """Return the same with every text rewritten."""
        return replace(self, conversation=_turns(self.conversation, by), response=by(self.response))


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two responses to one prompt, one preferred."""

    id: str
    cluster: str
    """The question: what intervals resample."""
    conversation: Conversation
    chosen: str
    rejected: str
    subset: str = ""
    """Part of the set, as its publishers name it; empty where it has none."""
    views: tuple[int, int] | None = None
    """How often chosen and rejected were seen by those who voted; None where nobody counted."""

    def rewritten(self, by: Rewrite) -> LabelledPair:
        """Return the same with every text rewritten."""
        turns = _turns(self.conversation, by)
        return replace(self, conversation=turns, chosen=by(self.chosen), rejected=by(self.rejected))


@dataclass(frozen=True, slots=True)
class BestOf:
    """Several responses to one prompt, of which one or more are right."""

    id: str
    cluster: str
    conversation: Conversation
    responses: tuple[str, ...]
    """At least two."""
    best: frozenset[int]
    """Places of the right ones in `responses`; neither none nor all of them."""
    subset: str = ""

    def rewritten(self, by: Rewrite) -> BestOf:
        """Return the same with every text rewritten."""
        turns = _turns(self.conversation, by)
        return replace(self, conversation=turns, responses=tuple(by(text) for text in self.responses))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that nobody's answer was labelled for."""

    id: str
    cluster: str
    conversation: Conversation
    response: str = ""
    """One model's answer; empty where the set has questions alone."""
    model: str = ""
    subset: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with options, some of them right."""

    id: str
    cluster: str
    question: str
    options: dict[str, str]
    """Letter to option."""
    right: frozenset[str]
    """Letters of the right options; at least one."""
    several: bool
    """Whether more than one may be right: then a set of letters is the answer."""


Item = Labelled | LabelledPair | BestOf | Candidate | Choice
