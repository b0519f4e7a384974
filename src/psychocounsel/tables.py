"""Records to Parquet and back; the schema is read off the record's own annotations."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from psychocounsel.artifacts import write_atomically
from psychocounsel.errors import ArtifactError
from psychocounsel.records import Conversation, Turn

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")
_TURNS = pa.list_(pa.struct([("role", pa.string()), ("text", pa.string())]))
_SCALARS: dict[Any, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _arrow_type(annotation: Any) -> pa.DataType:
    if annotation == Conversation:
        return _TURNS
    if typing.get_origin(annotation) is Literal:
        return pa.string()
    if typing.get_origin(annotation) is dict:
        key, value = typing.get_args(annotation)
        return pa.map_(_arrow_type(key), _arrow_type(value))
    if isinstance(annotation, types.UnionType):  # "X | None": Parquet columns are nullable anyway
        return _arrow_type(next(a for a in typing.get_args(annotation) if a is not type(None)))
    return _SCALARS[annotation]


def schema_of(record: Any) -> pa.Schema:
    hints = typing.get_type_hints(record)
    return pa.schema([(name, _arrow_type(hint)) for name, hint in hints.items()])


def _turn_columns(record: Any) -> tuple[str, ...]:
    hints = typing.get_type_hints(record)
    return tuple(name for name, hint in hints.items() if hint == Conversation)


def write_records(path: Path, record: type[R], rows: Iterable[R]) -> int:
    """Write rows to one Parquet file, atomically. Returns how many."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema_of(record))
    write_atomically(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
    return int(table.num_rows)


def read_records(path: Path, record: type[R]) -> list[R]:
    """Read back what `write_records` wrote. Raises ArtifactError where the file is missing or is not that record's."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing. Run the stage that makes it first.") from None
    except pa.ArrowInvalid as error:
        raise ArtifactError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    if table.schema.remove_metadata() != schema_of(record):
        raise ArtifactError(f"{path} does not hold {record.__name__} records; it has {', '.join(table.column_names)}.")
    rows = table.to_pylist(maps_as_pydicts="strict")
    for name in _turn_columns(record):
        for row in rows:
            row[name] = tuple(Turn(t["role"], t["text"]) for t in row[name])
    return [record(**row) for row in rows]


def head(path: Path, rows: int) -> dict[str, Any]:
    """Return the columns, row count and first `rows` rows of a Parquet file. Raises ArtifactError if it is not one."""
    try:
        file = pq.ParquetFile(path)
        first = next(file.iter_batches(rows), None) if rows else None
    except FileNotFoundError:
        raise ArtifactError(f"{path}: there is no such file.") from None
    except pa.ArrowInvalid as error:
        raise ArtifactError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    return {
        "columns": {field.name: str(field.type) for field in file.schema_arrow},
        "rows": file.metadata.num_rows,
        "first": first.to_pylist(maps_as_pydicts="strict") if first is not None else [],
    }
