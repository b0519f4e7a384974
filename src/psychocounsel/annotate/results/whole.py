"""All results of a study, or of a file of labels. What cannot be had says why, and the rest is there all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from psychocounsel.annotate.results.against import Against, against_people
from psychocounsel.annotate.results.agreement import Agreement, Line, agree, shown_first
from psychocounsel.annotate.results.answers import answers_of
from psychocounsel.annotate.results.codes import OVERALL, Codes
from psychocounsel.annotate.results.given import label_of, labels_of
from psychocounsel.annotate.results.judges import Judged, read_judge
from psychocounsel.annotate.results.label_errors import LabelError, label_errors
from psychocounsel.annotate.results.longform import read_long
from psychocounsel.annotate.results.raters import Consistency, RaterLine, consistency, rater_lines, seconds_of
from psychocounsel.annotate.store import Store
from psychocounsel.errors import TooLittleDataError
from psychocounsel.records import content_seed
from psychocounsel.statistics.intervals import finite


@dataclass(frozen=True, slots=True)
class Results:
    """How far people agree, and who else agrees with them."""

    name: str
    """The study's, or the file's."""
    kind: str
    """`pairs`, `responses`, or `file`."""
    simulated: bool
    """Whether responses or ratings are by rules: the study says so, or a file or the `study.json` beside it."""
    people: tuple[Agreement, ...]
    """Human-human, by task: overall first, then by principle."""
    against: tuple[Against, ...]
    """Label, reward model, judges and ceiling beside people."""
    tasks: dict[str, str] = field(default_factory=dict)
    """Task to its name for readers."""
    items: int = 0
    """Main items of the study; 0 of a file."""
    shown_first: Line | None = None
    """How often people preferred the response that they saw first, overall; None of single responses and of a file."""
    consistency: tuple[Consistency, ...] = ()
    raters: tuple[RaterLine, ...] = ()
    errors: tuple[LabelError, ...] = ()
    labelled: int = 0
    """Main items with an overall label."""
    seconds: float | None = None
    """Median for a main item."""
    withdrawn: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    """Raters left out because they failed an attention check."""
    agreed: int = 0
    """Raters who consented."""
    adjudicated: int = 0
    """Main items that a coordinator decided."""
    flagged: int = 0
    """Answers to main items that flag a danger."""
    notes: tuple[str, ...] = ()
    """What a reader of the figures must know."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; a bound that there is none of is null."""
        found: dict[str, Any] = finite(asdict(self))
        return found


def results_of_file(path: Path, judge: Path | None = None, order: Sequence[str] = ()) -> Results:
    """Measure a long-format file, task by task. Raises InputError with the rows at fault."""
    file = read_long(path, order)
    tables = {codes.task: codes for codes in file.tables}
    judged = read_judge(judge, tables) if judge else Judged()
    people, beside = [], []
    for task, codes in tables.items():
        seed = content_seed("annotate results", task)
        people.append(agree(codes, seed))
        beside += against_people(codes, judged.given.get(task, []), seed)
    notes = [*_judge_notes(judged)]
    if file.origin is not None:
        says = ", and says that it is simulated" if file.origin.simulated else ""
        notes.append(f"study.json beside the file tells what labels the study's raters could give{says}.")
    if all(codes.clusters == codes.items for codes in tables.values()):
        notes.append(
            "Intervals resample items. Where items hang together, name a column `cluster`, and it is resampled."
        )
    titles = {task: task.replace("_", " ") for task in tables}
    return Results(path.stem, "file", file.simulated, tuple(people), tuple(beside), titles, notes=tuple(notes))


def results_of(store: Store, judge: Path | None = None, without_failed_attention: bool = False) -> Results:
    """Measure a study, as far as it has been answered. Raises TooLittleDataError where no main item has an answer."""
    answers = answers_of(store, without_failed_attention)
    if not answers.of():
        raise TooLittleDataError(
            f"no main item of the study has an answer of a rater that counts ({len(answers.raters)} raters, "
            f"{len(answers.withdrawn)} withdrawn, {len(answers.excluded)} left out)."
        )
    tables: dict[str, Codes] = {task: answers.codes(task) for task in answers.tasks}
    main = {item.id: item for item in answers.main}
    judged = read_judge(judge, tables, main) if judge else Judged()
    people, beside = [], []
    for task, codes in tables.items():
        people.append(agree(codes, answers.seed, answers.missing(task)))
        given = [*labels_of(answers, task), *judged.given.get(task, [])]
        beside += against_people(codes, given, answers.seed)
    said = answers.of()
    return Results(
        name=answers.plan.name,
        kind=answers.plan.kind,
        simulated=answers.plan.simulated,
        people=tuple(people),
        against=tuple(beside),
        tasks={OVERALL: "Overall", **{p.key: p.name for p in answers.plan.rubric.principles}},
        items=len(main),
        shown_first=shown_first(answers),
        consistency=tuple(consistency(answers)),
        raters=tuple(rater_lines(answers)),
        errors=tuple(label_errors(answers, tables)),
        labelled=sum(label_of(answers, item, OVERALL) is not None for item in answers.main),
        seconds=seconds_of(said),
        withdrawn=answers.withdrawn,
        excluded=answers.excluded,
        agreed=answers.agreed,
        adjudicated=sum(item in main for item in answers.adjudicated),
        flagged=sum(a.risk for a in said),
        notes=tuple(_judge_notes(judged)),
    )


def _judge_notes(judged: Judged) -> list[str]:
    return [f"{n} rows of the judge's file left out: {why}." for why, n in judged.left_out.items()]
