"""Labels from a file of the user's: one row for what one rater said of one item on one task."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psychocounsel.annotate.results.codes import OVERALL, Codes
from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.files import ENDINGS, named, read_rows

NEEDED = ("item", "rater", "label")
COLUMNS = ("task", *NEEDED, "cluster")
LEVELS = 50
"""Different labels of a task at most: agreement is of categories and not of free numbers."""
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


def is_file(source: str) -> bool:
    """Whether a source is meant as a file of labels, going by its ending, and not as a study."""
    return Path(source).suffix.lower() in ENDINGS


def read_long(path: Path, order: Sequence[str] = ()) -> list[Codes]:
    """Read `task`, `item`, `rater`, `label` and perhaps `cluster` (transcript, client) as the tables of every task.

    Without `task` all rows are of one. Labels are in `order` where it has them all, in the order of numbers where they
    are numbers, and else without one. A rater who gave an item no label has no row. Raises InputError with the rows at
    fault.
    """
    rows = list(_rows(path))
    if not rows:
        raise TooLittleDataError(f"{path.name} has no row: agreement over nothing.")
    faults = [*_repeated(rows), *_two_clusters(rows)]
    tasks: dict[str, list[LongRow]] = {}
    for row in rows:
        tasks.setdefault(row.task, []).append(row)
    found = []
    for task, mine in tasks.items():
        try:
            found.append(_codes(task, mine, order))
        except ValueError as error:
            faults.append(str(error))
    refuse(path, faults)
    return found


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
        item = text(values["item"])
        yield LongRow(
            number, text(values.get("task")) or OVERALL, item, text(values["rater"]), text(values["label"]),
            text(values.get("cluster")) or item,
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


def _codes(task: str, rows: Sequence[LongRow], order: Sequence[str]) -> Codes:
    """Return a task's table. Raises ValueError where its labels are too many, or only partly in `order`."""
    labels = {row.label for row in rows}
    numbers: list[float] = []
    if labels & set(order):
        levels = list(order)
        if outside := [row.number for row in rows if row.label not in levels]:
            raise ValueError(f"{len(outside)} rows, the first is row {outside[0]}, have a label that --order lacks")
    else:
        values = {label: _number(label) for label in labels}
        ordered = all(value is not None for value in values.values())
        levels = sorted(labels, key=lambda label: (values[label] or 0.0, label)) if ordered else sorted(labels)
        numbers = [values[label] or 0.0 for label in levels] if ordered else []
        if len(set(numbers)) < len(numbers):
            raise ValueError("some labels are the same number, written in two ways")
    if len(levels) > LEVELS:
        raise ValueError(f"a task has {len(levels)} different labels; agreement here is of {LEVELS} at most")
    place = {label: float(n) for n, label in enumerate(levels)}
    said = [(row.item, row.rater, place[row.label]) for row in rows]
    is_ordered = bool(numbers) or bool(labels & set(order))
    return Codes.of(task, said, levels, {row.item: row.cluster for row in rows}, is_ordered, numbers)


def _number(label: str) -> float | None:
    try:
        value = float(label)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
