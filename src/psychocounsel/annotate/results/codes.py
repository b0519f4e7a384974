"""What raters said of items on one question, as a table of items by raters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from psychocounsel.statistics.agreement import tallies
from psychocounsel.statistics.intervals import Floats

OVERALL = "overall"
"""The question that is the judgement as a whole; the others are called as their principles."""
UNDECIDED = -1
"""In place of a label, where votes are tied or there is none."""
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Codes:
    """Labels of one question. A label is its place in `levels`."""

    task: str
    levels: tuple[str, ...]
    """Labels that could be given, in order where there is one."""
    ordered: bool
    items: tuple[str, ...]
    clusters: tuple[str, ...]
    """What each item is resampled with, such as its client speech."""
    raters: tuple[str, ...]
    table: Floats
    """(items, raters), from 0 to levels - 1; NaN where there is no label."""
    numbers: tuple[float, ...] = ()
    """The levels as numbers, where they are some."""

    @classmethod
    def of(
        cls,
        task: str,
        said: Iterable[tuple[str, str, float]],
        levels: Sequence[str],
        clusters: Mapping[str, str],
        ordered: bool = False,
        numbers: Sequence[float] = (),
    ) -> Codes:
        """Make the table of (item, rater, place in levels); of one item and rater the last counts."""
        given = {(item, rater): place for item, rater, place in said}
        items = tuple(sorted({item for item, _ in given}))  # sums, and so figures, are the same in any order of rows
        raters = tuple(sorted({rater for _, rater in given}, key=lambda name: (len(name), name)))
        row, column = ({name: n for n, name in enumerate(names)} for names in (items, raters))
        table = np.full((len(items), len(raters)), np.nan)
        for (item, rater), place in given.items():
            table[row[item], column[rater]] = place
        groups = tuple(clusters[item] for item in items)
        return cls(task, tuple(levels), ordered, items, groups, raters, table, tuple(numbers))

    @property
    def given(self) -> Places:
        """How many labels each item has."""
        counts: Places = (~np.isnan(self.table)).sum(axis=1)
        return counts

    def rated(self, least: int) -> Codes:
        """Return the items that have `least` labels or more."""
        kept = np.flatnonzero(self.given >= least).tolist()
        items, clusters = (tuple(names[n] for n in kept) for names in (self.items, self.clusters))
        return Codes(self.task, self.levels, self.ordered, items, clusters, self.raters, self.table[kept], self.numbers)

    def place(self, label: object) -> float | None:
        """Return a label's place in the levels, between two of them where its number is between; None if it is none."""
        if self.numbers:
            try:
                number = float(str(label))
            except ValueError:
                return None
            inside = self.numbers[0] <= number <= self.numbers[-1]
            return float(np.interp(number, self.numbers, range(len(self.numbers)))) if inside else None
        return float(self.levels.index(str(label))) if str(label) in self.levels else None

    def without(self, rater: int) -> Floats:
        """Return the table with one rater's labels taken out."""
        table = self.table.copy()
        table[:, rater] = np.nan
        return table

    def reference(self, table: Floats) -> Floats:
        """Return what a table's raters say together: the mean of ordered labels, else the majority. NaN: undecided."""
        found = np.full(len(table), np.nan)
        some = (~np.isnan(table)).any(axis=1)
        if some.any():
            decided = table[some]
            found[some] = np.nanmean(decided, axis=1) if self.ordered else majority(decided, len(self.levels))
        return np.where(found == UNDECIDED, np.nan, found)


def majority(table: Floats, levels: int) -> Places:
    """Return the label that most raters gave to each item; UNDECIDED where two have as many, or there is none."""
    counts = tallies(table, levels, "a majority")
    most = counts.max(axis=1)
    clear = (most > 0) & ((counts == most[:, None]).sum(axis=1) == 1)
    return np.where(clear, counts.argmax(axis=1), UNDECIDED)


def nearest(values: Floats) -> Floats:
    """Return the nearest whole numbers, the higher of two."""
    return np.asarray(np.floor(values + 0.5))
