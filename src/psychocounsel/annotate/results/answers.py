"""A study's answers, gathered once: what raters said of its main items, and what was asked for and is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from psychocounsel.annotate.results.codes import OVERALL, Codes
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer, Item, StudyPlan, speech_of
from psychocounsel.principles import HIGHEST, LOWEST
from psychocounsel.records import Annotation, content_seed

VERDICTS = ("a", "b", "tie")
SCALE = tuple(range(LOWEST, HIGHEST + 1))


@dataclass(frozen=True, slots=True)
class Checks:
    """How a rater met items whose answer is known beforehand."""

    passed: int
    failed: int

    @property
    def asked(self) -> int:
        return self.passed + self.failed


@dataclass(frozen=True, slots=True)
class Answers:
    """What a study's raters said. Raters who withdrew are in none of it."""

    plan: StudyPlan
    items: dict[str, Item]
    annotations: tuple[Annotation, ...]
    """Of the raters that count, in the order of rater and position."""
    adjudicated: dict[str, Answer]
    """Item to the newest decision on it."""
    raters: tuple[str, ...]
    """Codes of those that count."""
    withdrawn: tuple[str, ...]
    excluded: tuple[str, ...]
    """Left out because they failed an attention check, where that was asked for."""
    asked: dict[str, int]
    """Rater to how many main items, repeats apart, they were to judge."""
    agreed: int
    """Raters who consented."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The judgement as a whole, and each principle."""
        return (OVERALL, *self.plan.rubric.keys)

    @property
    def main(self) -> list[Item]:
        return [item for item in self.items.values() if item.role == "main"]

    @property
    def seed(self) -> int:
        return content_seed("annotate results", self.plan.name, self.plan.seed)

    def of(self, repeat: int = 0) -> list[Annotation]:
        """Return what was said of main items, the first or the second time."""
        return [a for a in self.annotations if a.role == "main" and a.repeat == repeat]

    def codes(self, task: str, repeat: int = 0) -> Codes:
        """Return a question's labels; "I cannot judge" and skipped items are missing."""
        said = [(a.item, a.rater, place) for a in self.of(repeat) if (place := place_of(a, task)) is not None]
        return self.table(task, said)

    def table(self, task: str, said: list[tuple[str, str, float]]) -> Codes:
        """Return (item, rater, place) as a question's table; items of one speech are one cluster."""
        clusters = {item.id: speech_of(item) for item in self.items.values()}
        if self.plan.kind == "pairs":
            return Codes.of(task, said, VERDICTS, clusters)
        return Codes.of(task, said, [str(n) for n in SCALE], clusters, ordered=True, numbers=SCALE)

    def missing(self, task: str) -> dict[str, int]:
        """Return how many labels of a question were asked for and not given, by reason."""
        found = self.of()
        lost = Counter(reason for a in found if (reason := _why_missing(a, task)))
        lost["not answered yet"] = sum(self.asked.values()) - len(found)
        return {reason: n for reason, n in lost.items() if n}


def answers_of(store: Store, without_failed_attention: bool = False) -> Answers:
    """Read a study's answers; on request without the raters who failed an attention check."""
    items, withdrawn = store.items, store.withdrawn()
    annotations = store.annotations()
    checks = checks_of(annotations, items, "attention")
    excluded = {code for code, each in checks.items() if each.failed} if without_failed_attention else set()
    raters = [code for code in store.numbers if code not in withdrawn | excluded]
    asked = Counter(
        a.rater for a in store.assignments.values() if a.repeat == 0 and items[a.item].role == "main"
    )  # fmt: skip
    return Answers(
        plan=store.plan,
        items=items,
        annotations=tuple(a for a in annotations if a.rater not in excluded),
        adjudicated={item: answer for item, (answer, _) in store.adjudicated().items()},
        raters=tuple(raters),
        withdrawn=tuple(sorted(withdrawn)),
        excluded=tuple(sorted(excluded)),
        asked={code: asked[code] for code in raters},
        agreed=sum(event.kind == "consent" for event in store.said().values()),
    )


def checks_of(annotations: list[Annotation], items: Mapping[str, Item], role: str) -> dict[str, Checks]:
    """Return rater to how they met the known answers of `attention` or `calibration` items.

    One skipped as distressing is neither met nor failed; "I cannot judge" is failed.
    """
    met: dict[str, list[bool]] = {}
    for each in annotations:
        expected = items[each.item].expected
        if each.role == role and expected is not None and not each.skipped:
            met.setdefault(each.rater, []).append(each.verdict != "cannot" and expected.met(_answer(each)))
    return {rater: Checks(sum(found), len(found) - sum(found)) for rater, found in met.items()}


def _answer(each: Annotation) -> Answer:
    scores = {key: round(score) for key, score in each.scores.items()}
    return Answer.model_validate({"verdict": each.verdict or None, "scores": scores})


def place_of(each: Annotation, task: str) -> float | None:
    """Return what an answer says on a question, as a place in VERDICTS or SCALE; None where it says nothing.

    Who cannot judge a pair as a whole may have judged it on a principle. Of one response "I cannot judge" is of all.
    """
    if each.skipped:
        return None
    verdict = each.verdict if task == OVERALL else each.principle_verdicts.get(task, "")
    if verdict:
        return float(VERDICTS.index(verdict)) if verdict in VERDICTS else None
    if each.verdict == "cannot":
        return None
    score = each.overall if task == OVERALL else each.scores.get(task)
    return None if score is None else score - LOWEST


def _why_missing(each: Annotation, task: str) -> str:
    if place_of(each, task) is not None:
        return ""
    if each.skipped:
        return "skipped"
    cannot = each.verdict == "cannot" or each.principle_verdicts.get(task) == "cannot"
    return "cannot judge" if cannot else "not given"
