"""The words of the house: one frozen record for each thing that moves between stages.

Ids are hashes of content, so the same content has the same id in every run and joins and resumption are safe.
A row that could not be made keeps its place with `error` set: every count shown is of all rows asked.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["client", "counsellor"]
Split = Literal["train", "dev", "test"]
Verdict = Literal["a", "b", "tie"]

STAGES_OF_CHANGE = ("precontemplation", "contemplation", "preparation", "action", "maintenance")
"""The transtheoretical model's stages (Prochaska & DiClemente 1983)."""

SIMULATED_RATERS = "simulated-raters"
"""Stands as the rater of labels that rules of this package gave in a demonstration; what is made of them says so."""

RISK_LEVELS = ("none", "low", "elevated", "imminent")
"""From no sign of risk to plan, means or intent now."""

AT_RISK = ("elevated", "imminent")
"""The levels that are evaluated by their own rubric and pooled with no other."""


def gravest(*levels: str) -> str:
    """Return the gravest of some levels of risk; empty where none is one."""
    return max((level for level in levels if level in RISK_LEVELS), key=RISK_LEVELS.index, default="")


def content_id(*parts: object) -> str:
    """Return 16 hex digits that depend on `parts` alone (BLAKE2b over their JSON), the same in every process."""
    canonical = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def content_seed(*parts: object) -> int:
    """Return a seed in [0, 2**63) that depends on `parts` alone, so that choices follow content and not position."""
    return int(content_id(*parts), 16) >> 1


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a dialogue."""

    role: Role
    """Who speaks."""
    text: str
    """What is said; not empty."""


_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def count_tokens(text: str) -> int:
    """Count words and marks: a length in tokens that is the same for every model."""
    return len(_TOKEN.findall(text))


Conversation = tuple[Turn, ...]
"""Turns in order. What a backend answers ends with a client turn; it may hold any number of earlier turns."""


@dataclass(frozen=True, slots=True)
class ClientSpeech:
    """What a client says and the counsellor must answer, with the dialogue before it."""

    id: str
    """`content_id` of text and earlier turns."""
    text: str
    """The client's latest turn; not empty."""
    earlier: Conversation = ()
    """Turns before it, oldest first; empty for a single-turn speech."""
    topic: str = ""
    """Coarse topic as the source gives it; empty where unknown."""
    subtopic: str = ""
    """Fine topic as the source gives it; empty where unknown."""
    stage: str = ""
    """One of STAGES_OF_CHANGE as the source labels it; empty where unknown."""
    risk: str = ""
    """One of RISK_LEVELS as the source labels it; empty where unknown."""
    source: str = ""
    """Name of the source it came from."""
    source_id: str = ""
    """The id that the source gave it, for joining back; empty where it gave none."""
    coarse_topic: str = ""
    """One of the eight coarse topics, as assigned here; empty where nothing fits."""
    fine_topic: str = ""
    """One of the 42 fine topics, as assigned here; empty where nothing fits."""
    topic_confidence: float = 0.0
    """Roughly the chance that the fine topic is right, 0 to 1; 1 where the source's own label is one of ours."""
    screened: str = ""
    """One of RISK_LEVELS, as `safety.screen` decided before de-identification; empty where it was not run."""
    risk_signs: tuple[str, ...] = ()
    """Kinds of the signs that decided `screened`."""
    deidentified: bool = False
    """Whether de-identification has run on text and earlier turns. It misses some: never read it as safe to publish."""
    group: str = ""
    """Near twins and speeches of one dialogue share a group; a group never stands in two splits."""
    split: Split = "train"
    """Which split its group was drawn into."""

    @staticmethod
    def make(text: str, earlier: Conversation = (), **rest: Any) -> ClientSpeech:
        """Build a speech, its id hashed from text and earlier turns."""
        identity = content_id("speech", text, [[t.role, t.text] for t in earlier])
        return ClientSpeech(id=identity, text=text, earlier=earlier, **rest)

    @property
    def risk_level(self) -> str:
        """The graver of the source's label and the screen's; empty where there is neither."""
        return gravest(self.risk, self.screened)

    @property
    def conversation(self) -> Conversation:
        """Earlier turns and then the speech itself: what a backend is shown."""
        return (*self.earlier, Turn("client", self.text))


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that did not become a client speech, and why. Holds no client text."""

    where: str
    """File and row, such as `speeches.csv row 12`."""
    reason: str
    """Short name of the rule, to count by."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """One counsellor's answer to one client speech."""

    id: str
    """`content_id` of speech, model, draw and text."""
    speech_id: str
    model: str
    """Spec of the backend that wrote it, such as `simulated/novice-advisor`, or the name a source gives."""
    text: str
    """The answer; empty only where `error` says why."""
    draw: int = 0
    """Which of several draws from the same model for the same speech, from 0."""
    error: str = ""
    """Why there is no answer; empty when there is one."""
    max_words: int | None = None
    """Words it was asked to keep within; None for as many as it liked."""

    @staticmethod
    def make(
        speech_id: str, model: str, text: str, draw: int = 0, error: str = "", max_words: int | None = None
    ) -> Response:
        limit = () if max_words is None else (max_words,)
        identity = content_id("response", speech_id, model, draw, text, *limit)
        return Response(identity, speech_id, model, text, draw, error, max_words)


@dataclass(frozen=True, slots=True)
class Rating:
    """One judge's ratings of one response on every principle of a rubric."""

    id: str
    """`content_id` of response and judge."""
    response_id: str
    speech_id: str
    judge: str
    """Spec of the judge."""
    scores: dict[str, float]
    """Principle key to 1..5, whole unless it is the mean of several; empty where `error` says why."""
    reasons: dict[str, str]
    """Principle key to one sentence on why."""
    overall: float
    """Weighted mean of `scores` under the rubric, in [1, 5]; NaN where there is an error."""
    error: str = ""
    """Why there is no rating; empty when there is one."""


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two responses to one client speech, one preferred."""

    id: str
    """`content_id` of chosen and rejected response ids."""
    speech_id: str
    chosen_id: str
    rejected_id: str
    conversation: Conversation
    chosen: str
    rejected: str
    chosen_model: str
    rejected_model: str
    chosen_scores: dict[str, float]
    rejected_scores: dict[str, float]
    gap: float
    """Preference score of chosen minus that of rejected, > 0, at most 4."""
    topic: str = ""
    risk: str = ""
    """The speech's level as screened."""
    split: Split = "train"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One judge's verdict on two responses to one speech, shown in one order."""

    id: str
    speech_id: str
    setting: str
    """`free` or `length-constrained`."""
    model_a: str
    """The model under test."""
    model_b: str
    """What it is compared with: the reference, or in a league another model."""
    judge: str
    """Spec of the judge."""
    order: Literal["ab", "ba"]
    """Which of the two the judge was shown first; `verdict` is already turned back."""
    verdict: Verdict
    principle_verdicts: dict[str, Verdict]
    """Principle key to the verdict on that principle alone."""
    length_a: int
    """Words in a's response."""
    length_b: int
    """Words in b's response."""
    tokens_a: int
    """Tokens in a's response: words and marks, whatever the model's own tokenizer makes of them."""
    tokens_b: int
    error: str = ""
    """Why there is no verdict (then `verdict` is `tie` and is not counted); empty when there is one."""


@dataclass(frozen=True, slots=True)
class DevelopmentAnswer:
    """One answer of a checkpoint to a development speech, kept so that another judge can read it."""

    step: str
    """`base`, `dpo`, or `round-1` and so on."""
    speech_id: str
    text: str
    reward: float
    """By the run's reward model; higher is better."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one person said of one item of a study: of two responses to a client speech, or of one."""

    id: str
    """`content_id` of study, item, rater and repeat."""
    study: str
    item: str
    rater: str
    """The rater's code; never a name."""
    role: Literal["main", "calibration", "attention"]
    speech_id: str
    response_a: str
    """Id of response a; empty where the source gave none."""
    response_b: str
    """Id of response b; empty where one response was rated."""
    shown_first: Literal["a", "b"]
    position: int
    """Place in the rater's order, from 0."""
    repeat: int
    """0 the first time that the rater saw it, 1 the second."""
    verdict: str
    """`a`, `b`, `tie` or `cannot`, sides as in the item; empty where one response was rated."""
    principle_verdicts: dict[str, str]
    overall: float | None
    """1 to 5, of one response; None where it was not given."""
    scores: dict[str, float]
    """Principle key to 1..5, of one response."""
    spans: tuple[str, ...]
    """Marked parts as `side start end kind`, such as `a 12 30 harmful`; characters as code points."""
    comment: str
    risk: bool
    """Whether the rater flagged a danger."""
    skipped: bool
    """Whether the rater skipped it as distressing; then nothing else is said."""
    seconds: float
    """Time that the page was looked at."""
    at: str
    """When it was last saved, in UTC, ISO 8601."""
