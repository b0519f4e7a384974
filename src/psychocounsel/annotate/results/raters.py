"""Each rater by themselves: self-consistency, known answers, time, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from psychocounsel.annotate.results.agreement import Line, measured
from psychocounsel.annotate.results.answers import SCALE, VERDICTS, Answers, Checks, checks_of, place_of
from psychocounsel.annotate.results.codes import OVERALL
from psychocounsel.annotate.study import speech_of
from psychocounsel.errors import TooLittleDataError
from psychocounsel.records import Annotation
from psychocounsel.statistics import agreement
from psychocounsel.statistics.intervals import Moments

SAME = "share same"


@dataclass(frozen=True, slots=True)
class RaterLine:
    """One rater's work."""

    rater: str
    asked: int
    """Main items, repeats apart."""
    answered: int
    """Of those, finished and not skipped; "I cannot judge" is an answer."""
    cannot: int
    skipped: int
    seconds: float | None
    """Median for a main item, seen the first time; None where none was answered."""
    same: Line
    """Share of repeated items with the same answer overall."""
    attention: Checks
    calibration: Checks


@dataclass(frozen=True, slots=True)
class Consistency:
    """All raters together: the second answer beside the first, on one question."""

    task: str
    lines: tuple[Line, ...]


def rater_lines(answers: Answers) -> list[RaterLine]:
    """Return every rater that counts, those without an answer too."""
    first = answers.of()
    checks = {
        role: checks_of(list(answers.annotations), answers.items, role) for role in ("attention", "calibration")
    }  # fmt: skip
    none, twice = Checks(0, 0), _twice(answers, OVERALL)
    found = []
    for rater in answers.raters:
        mine = [a for a in first if a.rater == rater]
        mine_twice = [pair for pair in twice if pair.rater == rater]
        found.append(
            RaterLine(
                rater, answers.asked[rater], sum(not a.skipped for a in mine),
                sum(a.verdict == "cannot" for a in mine), sum(a.skipped for a in mine), seconds_of(mine),
                _same(mine_twice, answers.seed), checks["attention"].get(rater, none),
                checks["calibration"].get(rater, none),
            )
        )  # fmt: skip
    return found


def seconds_of(said: list[Annotation]) -> float | None:
    """Return the median time for an item, in seconds, of those not skipped and timed; None where there is none."""
    times = [a.seconds for a in said if not a.skipped and a.seconds > 0]  # 0: imported, with no clock
    return median(times) if times else None


def consistency(answers: Answers) -> list[Consistency]:
    """Return by question how far raters agree with themselves: the share and kappa, weighted for ratings."""
    pairs = answers.plan.kind == "pairs"
    name = "Cohen's kappa" if pairs else "weighted kappa"
    found = []
    for task in answers.tasks:
        twice = _twice(answers, task)

        def kappa(twice: Sequence[_Twice] = twice) -> Moments:
            _repeated(len(twice))
            first, second = [pair.first for pair in twice], [pair.second for pair in twice]
            levels = len(VERDICTS if pairs else SCALE)
            return agreement.cohen_kappa(first, second, levels, "nominal" if pairs else "quadratic")

        clusters = [pair.cluster for pair in twice]
        found.append(Consistency(task, (_same(twice, answers.seed), measured(name, clusters, kappa, answers.seed))))
    return found


@dataclass(frozen=True, slots=True)
class _Twice:
    """What a rater said of an item the first and the second time."""

    rater: str
    cluster: str
    first: float
    second: float


def _twice(answers: Answers, task: str) -> list[_Twice]:
    first = {(a.item, a.rater): place_of(a, task) for a in answers.of()}
    found = []
    for each in answers.of(repeat=1):
        before, after = first.get((each.item, each.rater)), place_of(each, task)
        if before is not None and after is not None:
            found.append(_Twice(each.rater, speech_of(answers.items[each.item]), before, after))
    return found


def _same(pairs: Sequence[_Twice], seed: int) -> Line:
    def make() -> Moments:
        _repeated(len(pairs))
        return agreement.accuracy([pair.first for pair in pairs], [pair.second for pair in pairs])

    return measured(SAME, [pair.cluster for pair in pairs], make, seed)


def _repeated(n: int) -> None:
    if not n:
        raise TooLittleDataError("no item was answered a second time.")
