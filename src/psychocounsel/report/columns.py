"""Parquet files as columns: a run may hold a million verdicts, of which a page shows a few dozen rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from psychocounsel.errors import ArtifactError

_AT_ONCE = 65_536
"""Rows in memory at a time where only some are kept."""
_MANY = ("text", "id", "response_id")
"""Columns of texts that hardly repeat; any other is kept as a dictionary and numbers."""
POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}


def columns(path: Path, names: Sequence[str]) -> pa.Table | None:
    """Return some columns of a file, None where there is no file. Raises ArtifactError where it lacks one of them."""
    if not path.is_file():
        return None
    try:
        file = _opened(path, names)
        few = [n for n in names if file.schema_arrow.field(n).type == pa.string() and n not in _MANY]
        # Row groups have dictionaries of their own, over which a count by value cannot go.
        return pq.read_table(path, columns=list(names), read_dictionary=few).unify_dictionaries()
    except pa.ArrowInvalid as error:
        raise _unreadable(path, error) from None


def matching(
    path: Path, where: Mapping[str, Collection[str]], names: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows whose columns hold one of the values wanted, in batches; nothing where there is no file."""
    if not path.is_file():
        return
    try:
        file = _opened(path, [*where, *(names or [])])
        wanted = None if names is None else list(dict.fromkeys([*where, *names]))
        for batch in file.iter_batches(_AT_ONCE, columns=wanted):
            keep = None
            for name, values in where.items():
                one = pc.is_in(batch[name], value_set=pa.array(sorted(values), pa.string()))
                keep = one if keep is None else pc.and_(keep, one)
            kept = batch if keep is None else batch.filter(keep)
            if kept.num_rows:
                yield kept
    except pa.ArrowInvalid as error:
        raise _unreadable(path, error) from None


def rows(path: Path, where: Mapping[str, Collection[str]], names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows that match, as mappings. Only for the few that a page shows."""
    return [row for batch in matching(path, where, names) for row in batch.to_pylist(maps_as_pydicts="strict")]


def _opened(path: Path, names: Sequence[str]) -> pq.ParquetFile:
    file = pq.ParquetFile(path)
    missing = [name for name in names if name not in file.schema_arrow.names]
    if missing:
        raise ArtifactError(
            f"{path} lacks the column {', '.join(missing)}; it was written by another version of this package. Run its "
            "recipe again."
        )
    return file


def _unreadable(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}")


def tally(table: pa.Table | None, *names: str) -> Counter[tuple[Any, ...]]:
    """Count the rows by what `names` hold."""
    if table is None or not table.num_rows:
        return Counter()
    grouped = table.group_by(list(names)).aggregate([([], "count_all")]).to_pydict()
    return Counter(dict(zip(zip(*(grouped[n] for n in names), strict=True), grouped["count_all"], strict=True)))


def numbers(table: pa.Table | None, name: str) -> NDArray[np.float64]:
    """Return a column of numbers, NaN where there is none."""
    if table is None:
        return np.zeros(0)
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), dtype=np.float64)


def word_counts(texts: Any) -> Any:
    """Return how many words each text has."""
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(trimmed, ""), 0, pc.list_value_length(pc.utf8_split_whitespace(trimmed)))


@dataclass(frozen=True, slots=True)
class SpeechPoints:
    """One model's points on each speech that a judge gave a verdict on, both orders together."""

    ids: NDArray[np.str_]
    """Speech ids, sorted."""
    points: NDArray[np.float64]
    """Mean over the orders, 0 to 1."""
    margins: NDArray[np.float64]
    """Principles won minus lost, over both orders; 0 where no principle was judged."""


def speech_points(path: Path, judge: str, setting: str, model: str, against: str) -> SpeechPoints:
    """Read one model's verdicts by one judge. A speech with a row without a verdict is left out."""
    where = {"judge": {judge}, "setting": {setting}, "model_a": {model}, "model_b": {against}}
    ids: list[NDArray[Any]] = []
    points: list[NDArray[np.float64]] = []
    margins: list[NDArray[np.float64]] = []
    for batch in matching(path, where, ["speech_id", "verdict", "principle_verdicts", "error"]):
        ids.append(np.asarray(batch["speech_id"].to_numpy(zero_copy_only=False), dtype=str))
        points.append(np.where(np.asarray(pc.equal(batch["error"], "")), _worth(batch["verdict"]), np.nan))
        margins.append(_margin(batch["principle_verdicts"]))
    if not ids:
        return SpeechPoints(np.zeros(0, dtype=str), np.zeros(0), np.zeros(0))
    names, place = np.unique(np.concatenate(ids), return_inverse=True)
    sums = np.bincount(place, np.concatenate(points), len(names))
    balance = np.bincount(place, np.concatenate(margins), len(names)).astype(np.float64)
    whole = np.isfinite(sums)
    means = sums / np.bincount(place, minlength=len(names))
    return SpeechPoints(names[whole], means[whole], balance[whole])


def _worth(verdicts: Any) -> NDArray[np.float64]:
    worth = np.full(len(verdicts), 0.5)
    for verdict, value in POINTS.items():
        worth[np.asarray(pc.equal(verdicts, verdict))] = value
    return worth


def _margin(by_principle: Any) -> NDArray[np.float64]:
    offsets = np.asarray(by_principle.offsets)
    of = np.repeat(np.arange(len(by_principle)), np.diff(offsets))
    items = by_principle.items[int(offsets[0]) : int(offsets[-1])]
    return np.bincount(of, 2 * _worth(items) - 1, len(by_principle)).astype(np.float64)
