"""One description of a table, from which the page, the CSV file and the LaTeX file are all made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from psychocounsel.report import words

Kind = Literal[
    "text", "code", "mark", "count", "number", "percent", "share", "decimal", "points", "odds", "p", "reasons"
]
"""What a column's values are, and so how they are shown.

`share` (per cent), `decimal`, `points` (signed points of per cent) and `odds` (signed) hold figures: mappings with
value, low, high, n and clusters. `percent` and `number` hold bare numbers, `reasons` counts by reason, `mark` a judge's
relation.
"""
FIGURES = ("share", "decimal", "points", "odds")
RELATIONS = {
    "independent": "independent",
    "unknown": "who labelled is not recorded",
    "kin": "same maker as a judged model",
    "family": "same family as a labeller",
    "labelled": "labelled the training data",
}
"""A judge's relation to those that labelled, as a reader sees it."""
PAGE_ROWS = 120
"""Rows of a table that the page shows; all are in its files."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    head: str
    kind: Kind = "text"
    digits: int = 2
    """Decimals of a number, a decimal figure or odds."""
    with_n: bool = False
    """Whether each figure's n stands below it: for tables in which it differs from cell to cell."""

    @property
    def left(self) -> bool:
        return self.kind in ("text", "code", "mark", "reasons")


@dataclass(frozen=True, slots=True)
class Table:
    """A table as data."""

    name: str
    """Name of its files and its place on the page: small letters, digits and hyphens."""
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]
    """A value for each column; None where there is none, which is shown as a dash and never as 0."""
    note: str = ""
    grouped: int = 0
    """How many of the first columns the page shows as a heading above the rows that share them."""
    strong: frozenset[str] = field(default_factory=frozenset)
    """First cells after the heading whose rows stand out."""
    files_only: bool = False
    """Whether it is written to files and not shown on the page."""

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ValueError(f"table {self.name}: {len(wrong)} rows have not {len(self.columns)} cells")

    @property
    def shown_columns(self) -> tuple[Column, ...]:
        return self.columns[self.grouped :]

    @property
    def groups(self) -> list[tuple[list[tuple[Column, Any]], list[tuple[Any, ...]]]]:
        """The rows that the page shows, under what they share."""
        found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        for row in self.rows[:PAGE_ROWS]:
            found.setdefault(tuple(row[: self.grouped]), []).append(tuple(row[self.grouped :]))
        return [(list(zip(self.columns[: self.grouped], head, strict=True)), rows) for head, rows in found.items()]

    @property
    def hidden(self) -> int:
        """Rows that the page does not show."""
        return max(0, len(self.rows) - PAGE_ROWS)


def shown(column: Column, value: Any) -> tuple[str, str]:
    """Return a cell in words: the value, and what stands small below it (interval, n)."""
    kind = column.kind
    if kind in FIGURES:
        return _figure(column, value)
    if kind == "count":
        return words.count(value), ""
    if kind == "number":
        return words.number(value, column.digits), ""
    if kind == "percent":
        return words.percent(value), ""
    if kind == "p":
        return words.p_value(value), ""
    if kind == "mark":
        return RELATIONS.get(value, value or words.ABSENT), ""
    if kind == "reasons":
        return "; ".join(f"{why} {words.count(n)}" for why, n in (value or {}).items()) or words.ABSENT, ""
    return (words.ABSENT if value is None or value == "" else str(value)), ""


def _figure(column: Column, figure: dict[str, Any] | None) -> tuple[str, str]:
    if not figure or not words.is_number(figure.get("value")):
        return words.ABSENT, ""
    digits = 1 if column.kind in ("share", "points") else column.digits
    scale = 100 if column.kind in ("share", "points") else 1
    write = words.signed if column.kind in ("points", "odds") else words.number
    # A figure out of a paper that gives no interval has no such keys; one of ours says that it has none.
    small = words.interval(figure, scale, digits) if "low" in figure else ""
    if column.with_n:
        small += f", n = {words.count(figure.get('n'))}"
    return write(scale * figure["value"], digits), small
