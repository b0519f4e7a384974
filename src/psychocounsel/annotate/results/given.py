"""What somebody who is no rater says of a study's items: the label, a reward model, a judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psychocounsel.annotate.results.answers import VERDICTS, Answers
from psychocounsel.annotate.results.codes import OVERALL
from psychocounsel.annotate.study import Item
from psychocounsel.principles import LOWEST

Who = Literal["label", "reward model", "judge", "a rater"]


@dataclass(frozen=True, slots=True)
class Given:
    """Labels of one who is no rater of the study, on one question."""

    who: Who
    name: str
    places: dict[str, float]
    """Item to place in the levels; not whole where it is a mean."""
    rewards: bool = False
    """Whether `places` are a reward model's numbers of single responses, of which only the order counts."""


def labels_of(answers: Answers, task: str) -> list[Given]:
    """Return the label, and where there are rewards the reward model's choice, on a question."""
    items = answers.main
    name = ", ".join(sorted({item.labeller for item in items if item.labeller}))
    pairs = answers.plan.kind == "pairs"
    label = {i.id: place for i in items if (place := label_of(answers, i, task)) is not None}
    found = [Given("label", name, label)] if label else []
    if task == OVERALL:
        rewards = {i.id: r for i in items if (r := _reward(i, pairs)) is not None}
        found += [Given("reward model", "", rewards, rewards=not pairs)] if rewards else []
    return found


def label_of(answers: Answers, item: Item, task: str) -> float | None:
    """Return the label of an item on a question as a place in the levels, not whole where it is a mean."""
    return _pair_label(answers, item, task) if answers.plan.kind == "pairs" else _score(answers, item, task)


def _pair_label(answers: Answers, item: Item, task: str) -> float | None:
    if task == OVERALL:
        return float(VERDICTS.index(item.label)) if item.label in VERDICTS else None
    first, second = (item.label_scores.get(side, {}).get(task) for side in "ab")
    return _side(first, second)


def _score(answers: Answers, item: Item, task: str) -> float | None:
    scores, rubric = item.label_scores.get("a", {}), answers.plan.rubric
    if task == OVERALL:
        return rubric.overall(scores) - LOWEST if all(key in scores for key in rubric.keys) else None
    return scores[task] - LOWEST if task in scores else None


def _reward(item: Item, pairs: bool) -> float | None:
    first, second = (item.rewards.get(side) for side in "ab")
    return _side(first, second) if pairs else first


def _side(a: float | None, b: float | None) -> float | None:
    """Return which of two numbers is the higher, as a place in VERDICTS."""
    return None if a is None or b is None else 0.0 if a > b else 1.0 if b > a else 2.0
