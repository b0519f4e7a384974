"""A study's items as a table: what was judged, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer, Item
from psychocounsel.records import Conversation


@dataclass(frozen=True, slots=True)
class StudyItem:
    """One item of a study. Whatever a blind export leaves out is empty."""

    id: str
    """As in Annotation.item."""
    role: str
    """`main`, `calibration` or `attention`."""
    conversation: Conversation
    """Ends with the client speech."""
    text_a: str
    text_b: str
    """Empty where one response was rated."""
    topic: str
    risk: str
    """One of records.RISK_LEVELS; empty where unknown."""
    split: str
    speech_id: str
    response_a: str
    response_b: str
    model_a: str
    model_b: str
    gap: float | None
    """Preference score of the labelled response minus that of the other, 0 to 4; None where there is no label."""
    label: str
    """`a`, `b` or `tie`; empty where there is none."""
    labeller: str
    label_scores_a: dict[str, float]
    """Principle key to the labeller's rating, 1 to 5."""
    label_scores_b: dict[str, float]
    reward_a: float | None
    reward_b: float | None
    expected: str
    """The verdict that a calibration or attention item should get; empty where there is none."""
    expected_scores: dict[str, float]
    adjudicated: str
    """A coordinator's verdict, `a`, `b`, `tie` or `cannot`; empty where there is none. Who took it is not told."""
    adjudicated_verdicts: dict[str, str]
    adjudicated_overall: float | None
    """1 to 5."""
    adjudicated_scores: dict[str, float]
    simulated: bool
    """Whether raters of the study are rules of this package, and no people."""


def study_items(store: Store, blind: bool) -> list[StudyItem]:
    """Return every item in the design's order, with the newest decision on it."""
    decisions = store.adjudicated()
    return [
        _row(item, decisions[item.id][0] if item.id in decisions else Answer(), blind, store.plan.simulated)
        for item in store.items.values()
    ]


def _row(item: Item, decision: Answer, blind: bool, simulated: bool) -> StudyItem:
    def told(names: tuple[str, ...], place: int) -> str:
        return names[place] if not blind and place < len(names) else ""

    def scores(of: dict[str, dict[str, float]], side: str) -> dict[str, float]:
        return {} if blind else {key: float(score) for key, score in of.get(side, {}).items()}

    expected = None if blind else item.expected
    return StudyItem(
        id=item.id,
        role=item.role,
        conversation=item.conversation,
        text_a=item.texts[0],
        text_b=item.texts[1] if len(item.texts) > 1 else "",
        topic=item.topic,
        risk=item.risk,
        split=item.split,
        speech_id="" if blind else item.speech_id,
        response_a=told(item.response_ids, 0),
        response_b=told(item.response_ids, 1),
        model_a=told(item.models, 0),
        model_b=told(item.models, 1),
        gap=None if blind else item.gap,
        label="" if blind else item.label,
        labeller="" if blind else item.labeller,
        label_scores_a=scores(item.label_scores, "a"),
        label_scores_b=scores(item.label_scores, "b"),
        reward_a=None if blind else item.rewards.get("a"),
        reward_b=None if blind else item.rewards.get("b"),
        expected=(expected.verdict or "") if expected else "",
        expected_scores={key: float(score) for key, score in expected.scores.items()} if expected else {},
        adjudicated=decision.verdict or ("cannot" if decision.cannot else ""),
        adjudicated_verdicts=dict(decision.verdicts),
        adjudicated_overall=None if decision.overall is None else float(decision.overall),
        adjudicated_scores={key: float(score) for key, score in decision.scores.items()},
        simulated=simulated,
    )
