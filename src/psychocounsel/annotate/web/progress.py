"""How far a study has come: each rater's work, danger that was flagged, and agreement so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from threading import Lock

from psychocounsel.annotate.results.agreement import NOMINAL, ORDINAL, SHARE, Line, agree
from psychocounsel.annotate.results.answers import Answers, Checks, checks_of
from psychocounsel.annotate.results.codes import OVERALL
from psychocounsel.annotate.results.raters import seconds_of
from psychocounsel.annotate.store import Store, Stored
from psychocounsel.annotate.store.events import moment
from psychocounsel.annotate.store.store import annotation
from psychocounsel.annotate.study import Assignment, Item
from psychocounsel.annotate.web.remarks import Repeats, first_main, remarks, repeats_of, usual_seconds
from psychocounsel.records import Annotation


@dataclass(frozen=True, slots=True)
class Work:
    """What one rater has done."""

    code: str
    total: int
    """Items in their order, repeats and checks among them."""
    finished: int
    """Done or skipped."""
    skipped: int
    cannot: int
    """Items of which they said overall that they cannot judge."""
    seconds: float | None
    """Median for a main item, seen the first time; None where none is finished."""
    attention: Checks
    repeats: Repeats
    remarks: tuple[str, ...]
    """What is worth a look; see `remarks`."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A danger that a rater flagged, whether or not they finished the item, or withdrew afterwards."""

    place: int
    """Of the item in the design, from 1."""
    rater: str
    at: datetime
    comment: str
    again: bool
    """Whether it was flagged when the rater saw the item the second time."""
    answer: int
    """Number of the event in which it was flagged last."""
    taken_back: datetime | None
    """When the answer was saved that no longer flags it; None where the newest does."""

    @property
    def where(self) -> str:
        """Which item of which rater it is, at the first or the second showing."""
        return f"{self.rater}, item {self.place}{' again' if self.again else ''}"

    @property
    def about(self) -> str:
        """What the audit log calls it: a flag that is saved anew, with other words perhaps, is another one."""
        return f"{self.where}, answer {self.answer}"


@dataclass(frozen=True, slots=True)
class Live:
    """Agreement overall, over main items, each rater's first answer, without raters who withdrew."""

    items: int
    """Items that two raters or more have judged."""
    raters: int
    lines: tuple[Line, ...]
    """Krippendorff's alpha, nominal of verdicts and ordinal of ratings, and the share of pairs of raters who agree."""


@dataclass(frozen=True, slots=True)
class Progress:
    """All of a study's progress that follows from what raters did."""

    works: tuple[Work, ...]
    flags: tuple[Flag, ...]
    """The newest first."""
    live: Live
    seen: dict[str, datetime]
    """Rater to their latest click."""
    agreed: dict[str, datetime]
    """Rater to when they consented; who declined afterwards is not in it."""
    declined: frozenset[str]
    withdrawn: frozenset[str]

    def work(self, code: str) -> Work | None:
        return next((work for work in self.works if work.code == code), None)

    @property
    def left(self) -> tuple[Work, ...]:
        """Of raters who declined after they had answered: that counts until somebody withdraws them."""
        gone = self.declined - self.withdrawn
        return tuple(work for work in self.works if work.code in gone and work.finished)


def works_of(
    assignments: Sequence[Assignment], items: Mapping[str, Item], annotations: Sequence[Annotation],
    withdrawn: Collection[str] = (),
) -> tuple[Work, ...]:  # fmt: skip
    """Return each rater's work, by their assignments and finished answers. Who has `withdrawn` sets no usual time."""
    by_rater: dict[str, list[Annotation]] = {each.rater: [] for each in assignments}
    total = dict.fromkeys(by_rater, 0)
    for each in assignments:
        total[each.rater] += 1
    for said in annotations:
        by_rater[said.rater].append(said)
    checks = checks_of(list(annotations), items, "attention")
    usual = usual_seconds([mine for code, mine in by_rater.items() if code not in withdrawn])
    found = []
    for code, mine in by_rater.items():
        attention = checks.get(code, Checks(0, 0))
        found.append(
            Work(
                code, total[code], len(mine), sum(a.skipped for a in mine),
                sum(a.verdict == "cannot" and not a.skipped for a in mine), seconds_of(first_main(mine)), attention,
                repeats_of(mine), remarks(mine, attention, usual),
            )
        )  # fmt: skip
    return tuple(found)


def flags_of(
    assignments: Mapping[int, Assignment], items: Sequence[str], flagged: Mapping[int, Stored],
    answers: Mapping[int, Stored],
) -> tuple[Flag, ...]:  # fmt: skip
    """Return what was flagged, the newest first, and whether it was taken back. `items` are in the design's order.

    `flagged` are the newest answers with a flag, `answers` the newest of all.
    """
    place = {item: n for n, item in enumerate(items, 1)}
    found = []
    for number, stored in flagged.items():
        each, newest = assignments[number], answers.get(number, stored)
        found.append(
            Flag(
                place[each.item], each.rater, stored.at, stored.answer.comment, each.repeat > 0, stored.id,
                None if newest.answer.risk else newest.at,
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda flag: flag.at, reverse=True))


FLAG_SEEN = "saw what was flagged as a danger"


def seen_flags(store: Store, flags: Sequence[Flag]) -> dict[Flag, str]:
    """Return the flags that a coordinator has seen as they are now, and who was the first to."""
    # The newest line comes first, so that the first one stays.
    who = {line["about"]: str(line["who"]) for line in store.audit() if line["what"] == FLAG_SEEN}
    return {flag: who[flag.about] for flag in flags if flag.about in who}


def live_of(answers: Answers) -> Live:
    """Return agreement so far, as `annotate agree` reckons it; a line that cannot be had says why."""
    codes = answers.codes(OVERALL)
    alpha = NOMINAL if answers.plan.kind == "pairs" else ORDINAL
    said = {line.measure: line for line in agree(codes, answers.seed).lines}
    return Live(len(codes.rated(2).items), len(codes.raters), (said[alpha], said[SHARE]))


Newest = tuple[tuple[str, int, int, str], ...]


_TURN = Lock()


def progress_of(store: Store) -> Progress:
    """Return a study's progress; where nothing has happened since it was last asked for, what was found then."""
    with _TURN:  # raters' saves go before a second page of the same
        return _measured(store, store.events.newest(), len(store.assignments))


@lru_cache(maxsize=2)
def _measured(store: Store, newest: Newest, assigned: int) -> Progress:
    """Measure; all that it depends on is named, `assigned` too, for a rater may be added who has done nothing."""
    assignments, items, answers = store.assignments, store.items, store.events.answers()
    annotations = [
        annotation(store.plan, items[assignments[number].item], assignments[number], stored)
        for number, stored in sorted(answers.items())
        if stored.answer.done or stored.answer.skipped
    ]
    withdrawn = store.withdrawn()
    said = store.said()
    return Progress(
        works_of(list(assignments.values()), items, annotations, withdrawn),
        flags_of(assignments, list(items), store.events.flagged(), answers),
        live_of(_answers(store, [a for a in annotations if a.rater not in withdrawn], withdrawn)),
        {rater: moment(at) for rater, _, _, at in newest},
        {rater: event.at for rater, event in said.items() if event.kind == "consent"},
        frozenset(rater for rater, event in said.items() if event.kind == "declined"),
        frozenset(withdrawn),
    )


def _answers(store: Store, annotations: list[Annotation], withdrawn: set[str]) -> Answers:
    """Return what `answers_of` would, as far as agreement needs it, without reading everything again."""
    return Answers(
        plan=store.plan,
        items=store.items,
        annotations=tuple(annotations),
        adjudicated={},
        raters=tuple(code for code in store.numbers if code not in withdrawn),
        withdrawn=tuple(sorted(withdrawn)),
        excluded=(),
        asked={},
        agreed=0,
    )
