"""Simulated raters: rules of this package, and no people. For the demonstration, and for tests of what measures them.

A rater sees the labels' scores through noise of their own: who is careful has little, and everyone has a threshold
below which two responses are equally good. Nothing of it was fitted to people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from psychocounsel.annotate.study import Answer, Assignment, Choice, Item, StudyPlan
from psychocounsel.principles import HIGHEST, LOWEST
from psychocounsel.records import content_seed

MIDDLE = 3.0
"""Score of a response that nobody labelled."""


@dataclass(frozen=True, slots=True)
class SimulatedRater:
    """How one simulated rater judges."""

    code: str
    noise: float
    """Standard deviation of what is added to each score, in points."""
    threshold: float
    """Points under which a difference is a tie."""
    cannot: float = 0.02
    """Chance of saying "I cannot judge"."""
    seconds: float = 60.0
    """Median time of an item."""

    @classmethod
    def named(cls, code: str, seed: int = 0) -> SimulatedRater:
        """Return the rater of a code: the same one each time."""
        rng = np.random.default_rng(content_seed("simulated rater", seed, code))
        noise, threshold, seconds = rng.uniform(0.4, 1.1), rng.uniform(0.15, 0.45), rng.uniform(35, 90)
        return cls(code, float(noise), float(threshold), seconds=float(seconds))

    def answer(self, plan: StudyPlan, item: Item, each: Assignment, seed: int = 0) -> Answer:
        """Return what this rater says of an item; to a check they answer as they are told to."""
        rng = np.random.default_rng(content_seed("simulated answer", seed, self.code, item.id, each.repeat))
        took = round(float(self.seconds * rng.lognormal(0, 0.4)), 1)
        if item.role == "attention" and item.expected is not None:
            return self._as_told(plan, item, took)
        sides = "ab"[: len(item.texts)]
        seen = {
            side: {
                key: item.label_scores.get(side, {}).get(key, MIDDLE) + float(rng.normal(0, self.noise))
                for key in plan.rubric.keys
            }
            for side in sides
        }
        if plan.kind == "responses":
            scores = {key: int(np.clip(round(value), LOWEST, HIGHEST)) for key, value in seen["a"].items()}
            return Answer(overall=round(plan.rubric.overall(scores)), scores=scores, seconds=took, done=True)
        verdicts = {key: self._better(seen["a"][key], seen["b"][key]) for key in plan.rubric.keys}
        whole = self._better(plan.rubric.overall(seen["a"]), plan.rubric.overall(seen["b"]))
        unsure = rng.random() < self.cannot
        return Answer(verdict="cannot" if unsure else whole, verdicts=verdicts, seconds=took, done=True)

    def _better(self, a: float, b: float) -> Choice:
        if abs(a - b) < self.threshold:
            return "tie"
        return "a" if a > b else "b"

    def _as_told(self, plan: StudyPlan, item: Item, took: float) -> Answer:
        assert item.expected is not None
        if plan.kind == "pairs":
            verdict = item.expected.verdict or "tie"
            return Answer(verdict=verdict, verdicts=dict.fromkeys(plan.rubric.keys, verdict), seconds=took, done=True)
        scores = {key: item.expected.scores.get(key, LOWEST) for key in plan.rubric.keys}
        return Answer(overall=round(plan.rubric.overall(scores)), scores=scores, seconds=took, done=True)
