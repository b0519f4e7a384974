"""Records to Parquet and back; the schema is read off the record's own annotations."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
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
    if typing.get_origin(annotation) is tuple:
        return pa.list_(_arrow_type(typing.get_args(annotation)[0]))
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


_AT_ONCE = 50_000
"""Rows turned into columns at once: what bounds the memory of a million."""


def write_records(path: Path, record: type[R], rows: Iterable[R]) -> int:
    """Write rows to one Parquet file, atomically. Returns how many."""
    schema = schema_of(record)
    source, written = iter(rows), 0

    def write(temporary: Path) -> None:
        nonlocal written
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            while part := [asdict(row) for row in islice(source, _AT_ONCE)]:
                writer.write_table(pa.Table.from_pylist(part, schema=schema))
                written += len(part)

    write_atomically(path, write)
    return written


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
    hints = typing.get_type_hints(record)
    turns = [name for name, hint in hints.items() if hint == Conversation]
    tuples = [name for name, hint in hints.items() if typing.get_origin(hint) is tuple and name not in turns]
    records = []
    for batch in table.to_batches(_AT_ONCE):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            for name in turns:
                row[name] = tuple(Turn(t["role"], t["text"]) for t in row[name])
            for name in tuples:
                row[name] = tuple(row[name])
            records.append(record(**row))
    return records


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
