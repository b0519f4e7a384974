"""Calibration items and attention checks, where the coordinator brings none of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from psychocounsel.annotate.design.sampling import mean_score
from psychocounsel.annotate.study import Expected, Item, Side, StudyPlan, item_id
from psychocounsel.families import RULES, family_of
from psychocounsel.principles import HIGHEST, LOWEST
from psychocounsel.records import AT_RISK, content_id, content_seed

CHECK_PAIR = (
    "This is a check that somebody is reading, and no response to a client. Please choose the other response, overall "
    "and on every principle."
)
CHECK_RESPONSE = (
    "This is a check that somebody is reading, and no response to a client. Please give 1, overall and on every "
    "principle."
)
CHECK = "attention check"
"""What stands for the model that wrote a check."""
MIDDLE = (LOWEST + HIGHEST) / 2
RULES_SAID = " The scores were made by rules of a computer program, and by no person."


def calibration_of(rest: Iterable[Item], count: int, plan: StudyPlan) -> list[Item]:
    """Return the `count` clearest labelled items as practice: of pairs the largest gaps, of responses the ends.

    They teach raters the labeller's taste: what raters say afterwards agrees with the labels a little more than it
    would have. Where that matters, let people write the calibration items. Fewer where there are not so many.
    """
    clear = [(clearness, item) for item in rest if (clearness := _clearness(item, plan)) is not None]
    order = sorted(clear, key=lambda each: (-each[0], content_id("annotate calibration", each[1].id)))
    return [_practice(item, plan) for _, item in order[:count]]


def _clearness(item: Item, plan: StudyPlan) -> float | None:
    if len(item.texts) > 1:
        return item.gap if item.label in ("a", "b") else None
    score = mean_score(item)
    known = set(plan.rubric.keys) & set(item.label_scores.get("a", ()))
    return None if score is None or not known else abs(score - MIDDLE)


def _practice(item: Item, plan: StudyPlan) -> Item:
    by_rules = any(family_of(name) == RULES for name in item.labeller.split(", ")) if item.labeller else plan.simulated
    said_by = RULES_SAID if by_rules else ""
    if len(item.texts) > 1:
        why = f"The expected response was scored {item.gap:.1f} points higher, on a scale from 1 to 5.{said_by}"
        verdict: Side = "a" if item.label == "a" else "b"
        expected = Expected(verdict, why=why)
    else:
        given = item.label_scores["a"]
        scores = {k: max(LOWEST, min(HIGHEST, int(given[k] + 0.5))) for k in plan.rubric.keys if k in given}
        expected = Expected(None, scores, f"A score one point away counts as agreement.{said_by}")
    identity = item_id(item.conversation, item.texts, "calibration")
    return replace(item, id=identity, role="calibration", expected=expected)


def checks_of(rest: Sequence[Item], drawn: Sequence[Item], count: int, plan: StudyPlan) -> list[Item]:
    """Return `count` items of which one response says which answer is wanted.

    Made of candidates that were not drawn, if there are any, and rather of clients who are not at risk: nobody should
    meet a check while they read of a suicide plan.
    """
    calm = sorted(
        [(item.risk in AT_RISK, place, item) for place, items in enumerate((rest, drawn)) for item in items],
        key=lambda each: (each[0], each[1], content_id("annotate attention", plan.seed, each[2].id)),
    )
    return [_check(item, plan) for _, _, item in calm[:count]]


def _check(item: Item, plan: StudyPlan) -> Item:
    if plan.kind == "responses":
        place, wording = 0, CHECK_RESPONSE
        expected = Expected(None, dict.fromkeys(plan.rubric.keys, LOWEST), within=0)
    else:
        place, wording = content_seed("annotate attention side", plan.seed, item.id) % 2, CHECK_PAIR
        wanted: Side = "b" if place == 0 else "a"
        expected = Expected(wanted)
    texts, models, ids = (
        tuple(new if side == place else old for side, old in enumerate(olds))
        for new, olds in ((wording, item.texts), (CHECK, item.models), ("", item.response_ids))
    )
    return Item(
        item_id(item.conversation, texts, "attention"), "attention", item.conversation, texts,
        speech_id=item.speech_id, response_ids=ids, models=models, topic=item.topic, risk=item.risk, split=item.split,
        expected=expected,
    )  # fmt: skip
