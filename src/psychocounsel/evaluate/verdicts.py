"""Comparisons as columns: 36,000 speeches by 8 models in both orders are half a million rows, and no objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from psychocounsel.errors import ArtifactError
from psychocounsel.records import Comparison
from psychocounsel.statistics.intervals import Floats
from psychocounsel.tables import schema_of

Places = NDArray[np.intp]
_POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}


@dataclass(frozen=True, slots=True)
class Names:
    """A column of names as numbers: `names[places[row]]` is the row's."""

    names: tuple[str, ...]
    places: Places

    def at(self, name: str) -> NDArray[np.bool_]:
        return np.equal(self.places, self.names.index(name) if name in self.names else -1)

    def of(self, rows: NDArray[np.bool_]) -> list[str]:
        """Return the names that some of `rows` have, in order."""
        present = set(np.unique(self.places[rows]).tolist())
        return [name for place, name in enumerate(self.names) if place in present]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Rows of comparisons.parquet, a column each."""

    judge: Names
    setting: Names
    model: Names
    against: Names
    speech: Names
    forward: NDArray[np.bool_]
    """Whether `model` was shown first."""
    points: Floats
    """1 where `model` was preferred, 0.5 for a tie, 0 where it lost; NaN where there is no verdict."""
    by_principle: dict[str, Floats]
    """Points on each principle; NaN where none was given."""
    words: Floats
    words_against: Floats
    tokens: Floats
    tokens_against: Floats
    error: Names
    """Empty where there is a verdict."""

    def __len__(self) -> int:
        return len(self.points)

    def where(self, rows: NDArray[np.bool_] | Places) -> Verdicts:
        """Return some of the rows, by a mask, or by their places in another order."""
        cut: dict[str, Any] = {}
        for field in ("judge", "setting", "model", "against", "speech", "error"):
            column = getattr(self, field)
            cut[field] = Names(column.names, column.places[rows])
        for field in ("forward", "points", "words", "words_against", "tokens", "tokens_against"):
            cut[field] = getattr(self, field)[rows]
        return replace(self, **cut, by_principle={key: each[rows] for key, each in self.by_principle.items()})


def read_verdicts(path: Path) -> Verdicts:
    """Read `comparisons.parquet`. Raises ArtifactError where it is missing or holds something else."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing. Run the evaluate stage first.") from None
    except pa.ArrowInvalid as error:
        raise ArtifactError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    if table.schema.remove_metadata() != schema_of(Comparison):
        raise ArtifactError(f"{path} does not hold comparisons; it has {', '.join(table.column_names)}.")
    return verdicts_of(table)


def verdicts_in(comparisons: Sequence[Comparison]) -> Verdicts:
    """Return comparisons as columns."""
    from dataclasses import asdict

    return verdicts_of(pa.Table.from_pylist([asdict(c) for c in comparisons], schema=schema_of(Comparison)))


def verdicts_of(table: pa.Table) -> Verdicts:
    """Return a table of comparisons as columns."""
    error = _names(table["error"])
    missing = ~error.at("")
    points = _points(table["verdict"].combine_chunks())
    points[missing] = np.nan

    def numbers(name: str) -> Floats:
        return np.asarray(table[name].to_numpy(), dtype=np.float64)

    return Verdicts(
        judge=_names(table["judge"]),
        setting=_names(table["setting"]),
        model=_names(table["model_a"]),
        against=_names(table["model_b"]),
        speech=_names(table["speech_id"]),
        forward=_names(table["order"]).at("ab"),
        points=points,
        by_principle=_by_principle(table["principle_verdicts"].combine_chunks(), missing),
        words=numbers("length_a"),
        words_against=numbers("length_b"),
        tokens=numbers("tokens_a"),
        tokens_against=numbers("tokens_b"),
        error=error,
    )


def _names(column: Any) -> Names:
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):  # a column of no rows
        coded = pa.array([], pa.string()).dictionary_encode()
    return Names(tuple(coded.dictionary.to_pylist()), np.asarray(coded.indices.to_numpy(), dtype=np.intp))


def _points(verdicts: Any) -> Floats:
    values = np.full(len(verdicts), np.nan)
    for verdict, worth in _POINTS.items():
        values[np.asarray(pc.equal(verdicts, verdict))] = worth
    return values


def _by_principle(column: Any, missing: NDArray[np.bool_]) -> dict[str, Floats]:
    if isinstance(column, pa.ChunkedArray) or len(column) == 0:
        return {}
    offsets = np.asarray(column.offsets)
    rows = np.repeat(np.arange(len(column)), np.diff(offsets))
    inside = slice(int(offsets[0]), int(offsets[-1]))
    keys, worth = column.keys[inside].dictionary_encode(), _points(column.items[inside])
    places = np.asarray(keys.indices)
    found = {}
    for place, key in enumerate(keys.dictionary.to_pylist()):
        points = np.full(len(column), np.nan)
        points[rows[places == place]] = worth[places == place]
        points[missing] = np.nan
        found[key] = points
    return found
