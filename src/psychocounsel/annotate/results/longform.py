"""Labels from a file of the user's: one row for what one rater said of one item on one task."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from psychocounsel.annotate.results.answers import SCALE, VERDICTS
from psychocounsel.annotate.results.codes import OVERALL, Codes
from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.files import ENDINGS, NO, YES, named, read_rows

NEEDED = ("item", "rater", "label")
COLUMNS = ("task", *NEEDED, "cluster", "simulated")
LEVELS = 50
"""Different labels of a task at most: agreement is of categories and not of free numbers."""
WIDEST = 20
"""Whole numbers from the least label to the greatest that are taken as a scale, those that nobody gave too."""
_SHOWN = 5
"""Faults that a message names."""


@dataclass(frozen=True, slots=True)
class LongRow:
    """One label."""

    number: int
    """Row of the file, from 1."""
    task: str
    item: str
    rater: str
    label: str
    cluster: str
    """What the item is resampled with; the item itself where the file does not say."""
    simulated: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """What `study.json` tells of the study that a file was exported from."""

    kind: str
    simulated: bool
    tasks: frozenset[str]

    @classmethod
    def beside(cls, path: Path) -> Origin | None:
        """Read the `study.json` beside a file; None where there is none, or it is none of our exports'."""
        try:
            told = json.loads((path.parent / "study.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(told, dict) or not isinstance(told.get("digest"), str):
            return None
        kind, simulated, principles = (told.get(name) for name in ("kind", "simulated", "principles"))
        if kind not in ("pairs", "responses") or not isinstance(simulated, bool) or not isinstance(principles, dict):
            return None
        return cls(kind, simulated, frozenset((OVERALL, *principles)))

    def levels(self, task: str) -> list[str]:
        """Return the labels that raters could give, whether they did or not; none where the task is not the study's."""
        if task not in self.tasks:
            return []
        return list(VERDICTS) if self.kind == "pairs" else [str(n) for n in SCALE]


@dataclass(frozen=True, slots=True)
class LongFile:
    """The labels of a file."""

    tables: list[Codes]
    """Of every task."""
    simulated: bool
    """Whether a row, or `study.json` beside the file, says that labels or responses were simulated."""
    origin: Origin | None


def is_file(source: str) -> bool:
    """Whether a source is meant as a file of labels, going by its ending, and not as a study."""
    return Path(source).suffix.lower() in ENDINGS


def read_long(path: Path, order: Sequence[str] = ()) -> LongFile:
    """Read `task`, `item`, `rater`, `label`, perhaps `cluster` (transcript, client) and `simulated`, by task.

    Without `task` all rows are of one. Labels are in `order` where it has them all, in the order of numbers where they
    are numbers, and else without one. Whole numbers are a scale from the least to the greatest, and the labels of an
    exported study are the study's. A rater who gave an item no label has no row. Raises InputError with the rows at
    fault.
    """
    rows = list(_rows(path))
    if not rows:
        raise TooLittleDataError(f"{path.name} has no row: agreement over nothing.")
    faults = [*_repeated(rows), *_two_clusters(rows)]
    origin = Origin.beside(path)
    tasks: dict[str, list[LongRow]] = {}
    for row in rows:
        tasks.setdefault(row.task, []).append(row)
    found = []
    for task, mine in tasks.items():
        try:
            found.append(_codes(task, mine, order, origin))
        except ValueError as error:
            faults.append(str(error))
    refuse(path, faults)
    simulated = any(row.simulated for row in rows) or (origin is not None and origin.simulated)
    return LongFile(found, simulated, origin)


def refuse(path: Path, faults: Sequence[str]) -> None:
    """Raise InputError with the first faults and how many there are, where there is any."""
    if faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise InputError(f"{path.name}: {'; '.join(faults[:_SHOWN])}{more}.")


def checked(path: Path, known: Sequence[str], needed: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield row number and values. Raises InputError for a column that is unknown or lacking, and for bad rows."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file. A file of labels ends in {', '.join(ENDINGS)}.")
    faults: list[str] = []
    columns: set[str] | None = None
    for row in read_rows(path):
        if row.values is None:
            faults.append(f"row {row.number}: {row.fault}")
            continue
        if columns is None:
            columns = set(row.values)
            if lacking := [name for name in needed if name not in columns]:
                raise InputError(
                    f"{path.name} has no column {', '.join(lacking)}; it has {named([str(c) for c in row.values])}. "
                    f"Known are {', '.join(known)}."
                )
        if other := [str(name) for name in row.values if name not in known]:
            raise InputError(
                f"{path.name} row {row.number}: no column is called {named(other)}; known are {', '.join(known)}. "
                "Leave the others out, or rename them."
            )
        if empty := [name for name in needed if not text(row.values.get(name))]:
            faults.append(f"row {row.number} has no {', '.join(empty)} (leave a missing label's row out)")
            continue
        yield row.number, row.values
    refuse(path, faults)


def text(value: Any) -> str:
    """Return a cell as text; empty where it is absent, not a number, or a list."""
    if value is None or isinstance(value, list | dict) or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _rows(path: Path) -> Iterator[LongRow]:
    for number, values in checked(path, COLUMNS, NEEDED):
        item, simulated = text(values["item"]), text(values.get("simulated")).lower()
        if simulated not in YES | NO:
            raise InputError(f"{path.name}: row {number} has a `simulated` that is neither true nor false.")
        yield LongRow(
            number, text(values.get("task")) or OVERALL, item, text(values["rater"]), text(values["label"]),
            text(values.get("cluster")) or item, simulated in YES,
        )  # fmt: skip


def _repeated(rows: Sequence[LongRow]) -> Iterator[str]:
    first: dict[tuple[str, str, str], int] = {}
    for row in rows:
        known = first.setdefault((row.task, row.item, row.rater), row.number)
        if known != row.number:
            yield f"row {row.number} has the task, item and rater of row {known}"


def _two_clusters(rows: Sequence[LongRow]) -> Iterator[str]:
    first: dict[str, LongRow] = {}
    for row in rows:
        known = first.setdefault(row.item, row)
        if known.cluster != row.cluster:
            yield f"row {row.number} has another cluster than row {known.number}, of the same item"


def _codes(task: str, rows: Sequence[LongRow], order: Sequence[str], origin: Origin | None) -> Codes:
    """Return a task's table. Raises ValueError where its labels are too many, or only partly in `order`."""
    labels = {row.label for row in rows}
    told = origin.levels(task) if origin is not None else []
    if labels & set(order):
        levels, ordered = list(order), True
        if outside := [row.number for row in rows if row.label not in levels]:
            raise ValueError(f"{len(outside)} rows, the first is row {outside[0]}, have a label that --order lacks")
    elif labels <= set(told):
        levels, ordered = told, bool(_numbers(told))
    else:
        levels, ordered = _seen(labels)
    if len(levels) > LEVELS:
        raise ValueError(f"a task has {len(levels)} different labels; agreement here is of {LEVELS} at most")
    place = {label: float(n) for n, label in enumerate(levels)}
    said = [(row.item, row.rater, place[row.label]) for row in rows]
    numbers = _numbers(levels) if ordered else []
    return Codes.of(task, said, levels, {row.item: row.cluster for row in rows}, ordered, numbers)


def _seen(labels: set[str]) -> tuple[list[str], bool]:
    """Return levels by the labels that were given, and whether they have an order: numbers have.

    A whole number between two that were given is a level too. Without it 1 and 5 would be neighbours, and figures
    would hang on whether any rater of any item gave a 3.
    """
    by_number = {value: label for label in labels if (value := _number(label)) is not None}
    if any(_number(label) is None for label in labels):
        return sorted(labels), False
    if len(by_number) < len(labels):
        raise ValueError("some labels are the same number, written in two ways")
    least, greatest = min(by_number), max(by_number)
    if greatest - least < WIDEST and all(value.is_integer() for value in by_number):
        return [by_number.get(n, str(n)) for n in range(int(least), int(greatest) + 1)], True
    return [by_number[value] for value in sorted(by_number)], True


def _numbers(levels: Sequence[str]) -> list[float]:
    """Return the levels as numbers; none where one is no number, or they do not ascend."""
    found = [value for label in levels if (value := _number(label)) is not None]
    ascend = all(low < high for low, high in pairwise(found))
    return found if ascend and len(found) == len(levels) else []


def _number(label: str) -> float | None:
    try:
        value = float(label)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
