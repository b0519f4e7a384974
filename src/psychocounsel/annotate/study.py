"""What a study is made of: its plan, items, raters, who rates what in which order, and what a rater may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from psychocounsel.endpoints import Positive, Section
from psychocounsel.principles import HIGHEST, LOWEST, Rubric, default_rubric
from psychocounsel.records import Conversation, content_id

Kind = Literal["pairs", "responses"]
"""Two responses to one client speech are compared, or one is rated from 1 to 5."""
Role = Literal["main", "calibration", "attention"]
"""What an item is for: the study itself; practice, after which the rater is told; a check that somebody reads."""
Choice = Literal["a", "b", "tie", "cannot"]
Side = Literal["a", "b"]
SpanKind = Literal["harmful", "good"]
COMMENT = 2000
"""Characters of a comment at most."""
SPANS = 40
"""Marked spans of one answer at most."""


class HelpLine(Section):
    """Whom a rater may turn to."""

    name: str
    how: str
    """Number or address, as it is to be read."""
    where: str = ""
    """Country or hours."""


HELP_LINES = (
    HelpLine(name="Your coordinator", how="Use the address in your invitation."),
    HelpLine(name="988 Suicide and Crisis Lifeline", how="Call or text 988", where="United States, at any hour"),
    HelpLine(name="Samaritans", how="Call 116 123", where="United Kingdom and Ireland, at any hour"),
    HelpLine(name="Find A Helpline", how="findahelpline.com", where="other countries"),
)
CONSENT = (
    "You are asked to read messages that clients wrote, or that were written to resemble them, and responses that "
    "people or language models drafted. Some are about distress, self-harm or violence.\n\n"
    "Your answers are kept under a code, with the time they took. They are used to measure how far people agree and "
    "how well the models respond, and may be published without your name.\n\n"
    "Taking part is your choice. You may skip any item, take a break, or stop at any time; nothing you have done so "
    "far is lost, and the coordinator can leave your answers out if you ask."
)
INSTRUCTIONS = (
    "Read what the client says, and the turns before it where there are any. Then judge the responses as a supervisor "
    "would judge a trainee's draft, by each principle and overall. The descriptions of the principles stay in view. "
    "Where you cannot judge, say so: a guess is worth less than a gap."
)


class StudyPlan(Section):
    """What holds for a whole study. A rater's page shows name, consent, instructions, principles and help lines."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    kind: Kind = "pairs"
    rubric: Rubric = Field(default_factory=default_rubric)
    """The principles that are rated, with their anchors."""
    per_item: Positive = 3
    """Raters of each main item, m."""
    repeats: Annotated[int, Field(ge=0)] = 5
    """Main items that each rater sees a second time, sides changed, for self-consistency."""
    feedback: bool = True
    """Whether raters are told the expected answer after each calibration item."""
    break_after: Annotated[int, Field(ge=0)] = 45
    """Minutes of work after which a break is proposed; 0 for never."""
    consent: str = CONSENT
    instructions: str = INSTRUCTIONS
    help_lines: tuple[HelpLine, ...] = HELP_LINES
    seed: int = 0
    source: str = ""
    """What the items come from, for the coordinator and the exports; never shown to raters."""
    simulated: bool = False
    """Whether responses or ratings in it were made by rules of this package; inherited from the source."""

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        return " ".join(name.split())


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer that is known beforehand, to a calibration or attention item."""

    verdict: Choice | None = None
    """Of a pair."""
    scores: dict[str, int] = field(default_factory=dict)
    """Of a response: principle key to 1..5."""
    why: str = ""
    """What the rater is told afterwards."""
    within: int = 1
    """Points that a score may be away; none where the text itself asks for a score."""

    def met(self, answer: Answer) -> bool:
        """Whether an answer agrees: the same verdict, and each score given and near enough."""
        if self.verdict is not None and answer.verdict != self.verdict:
            return False
        given = answer.scores
        return all(key in given and abs(given[key] - score) <= self.within for key, score in self.scores.items())


@dataclass(frozen=True, slots=True)
class Item:
    """What is judged: two responses a and b to a client speech, or one response a."""

    id: str
    """`item_id` of conversation, texts and role. Never sent to a rater's browser."""
    role: Role
    conversation: Conversation
    """Ends with the client speech."""
    texts: tuple[str, ...]
    """The response a, and b in a study of pairs. Which is shown first is the assignment's."""
    speech_id: str = ""
    response_ids: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """Who wrote each text; never sent to a rater's browser."""
    topic: str = ""
    risk: str = ""
    gap: float | None = None
    """Of a labelled pair: preference score of the preferred response minus that of the other."""
    label: str = ""
    """Which response the label prefers, `a`, `b` or `tie`; empty where there is none. Never sent to a rater."""
    label_scores: dict[str, dict[str, float]] = field(default_factory=dict)
    """`a` or `b` to principle key to the labeller's rating."""
    labeller: str = ""
    """Spec of the judge whose label it is."""
    rewards: dict[str, float] = field(default_factory=dict)
    """`a` or `b` to what the reward model gave; empty where none was asked."""
    split: str = ""
    expected: Expected | None = None


def item_id(conversation: Conversation, texts: tuple[str, ...], role: Role) -> str:
    """Return an item's id: the same content has the same id in every study."""
    return content_id("annotate item", [[t.role, t.text] for t in conversation], list(texts), role)


def speech_of(item: Item) -> str:
    """Return what tells one client speech from another; what an item is resampled with."""
    return item.speech_id or content_id("speech", [[turn.role, turn.text] for turn in item.conversation])


@dataclass(frozen=True, slots=True)
class Assignment:
    """One item in one rater's order."""

    rater: str
    """The rater's code, such as `R01`."""
    item: str
    """The item's id."""
    position: int
    """Place in the rater's order, from 0; calibration items stand first."""
    flipped: bool = False
    """Whether b is shown first (on the left, or above). Counterbalanced; always False for single responses."""
    repeat: int = 0
    """0 the first time, 1 the second."""


@dataclass(frozen=True, slots=True)
class Design:
    """A whole study before anybody has answered."""

    plan: StudyPlan
    items: tuple[Item, ...]
    raters: tuple[str, ...]
    """Codes, in order."""
    assignments: tuple[Assignment, ...]
    """Sorted by rater and position; positions of a rater are 0, 1, … without a gap."""


class Span(Section):
    """A marked part of a response."""

    side: Side
    """Which response, a or b, whatever was shown first."""
    start: Annotated[int, Field(ge=0)]
    """First character, counted in code points."""
    end: Annotated[int, Field(ge=1)]
    """One past the last."""
    kind: SpanKind

    @model_validator(mode="after")
    def _not_empty(self) -> Span:
        if self.end <= self.start:
            raise ValueError("a span ends after it begins")
        return self


class Answer(Section):
    """All that a rater has said of an assignment so far; each save replaces the one before.

    Sides are a and b as the item has them, not as they were shown: the page's form is turned back when it is saved.
    """

    verdict: Choice | None = None
    """Overall, of a pair; `cannot` is "I cannot judge"."""
    verdicts: dict[str, Choice] = {}
    """Principle key to verdict, of a pair."""
    overall: Annotated[int, Field(ge=LOWEST, le=HIGHEST)] | None = None
    """Of a response, 1 to 5; None where it was not given."""
    scores: dict[str, Annotated[int, Field(ge=LOWEST, le=HIGHEST)]] = {}
    """Principle key to 1..5, of a response."""
    cannot: bool = False
    """Of a response: "I cannot judge"."""
    spans: Annotated[tuple[Span, ...], Field(max_length=SPANS)] = ()
    comment: Annotated[str, Field(max_length=COMMENT)] = ""
    risk: bool = False
    """Whether the rater flags the speech or a response as a danger."""
    skipped: bool = False
    """Skipped as distressing; it is not asked for again."""
    done: bool = False
    """Whether the rater has finished the item; it may be changed afterwards."""
    seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    """Time that the page was looked at, so far."""

    def faults(self, plan: StudyPlan, item: Item) -> list[str]:
        """Return what is wrong with it for this item, or missing where it says that it is done."""
        keys = set(plan.rubric.keys)
        found = [f"no principle is called {key}" for key in sorted({*self.verdicts, *self.scores} - keys)]
        lengths = dict(zip("ab", map(len, item.texts), strict=False))
        found += ["a span lies outside its response" for s in self.spans if s.end > lengths.get(s.side, 0)]
        if plan.kind == "pairs" and (self.scores or self.overall is not None or self.cannot):
            found.append("a pair is compared, not rated")
        if plan.kind == "responses" and (self.verdicts or self.verdict is not None):
            found.append("a single response is rated, not compared")
        if self.done and not self.skipped and not found:
            found += [f"{name} is not answered" for name in self.missing(plan)]
        return found

    def missing(self, plan: StudyPlan) -> list[str]:
        """Return the names of what is not answered yet: every principle and the overall judgement are asked for."""
        if self.cannot or self.skipped or self.verdict == "cannot":
            return []
        given: Mapping[str, object] = self.verdicts if plan.kind == "pairs" else self.scores
        rest = [p.name for p in plan.rubric.principles if p.key not in given]
        whole = self.verdict if plan.kind == "pairs" else self.overall
        return [*rest, "Overall"] if whole is None else rest

    def as_payload(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)
