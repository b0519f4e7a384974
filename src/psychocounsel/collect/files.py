"""Rows out of JSONL, CSV and Parquet files, with errors that name the row."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from psychocounsel.errors import InputError

ENDINGS = (".jsonl", ".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row of a user's file, or why it could not be read."""

    number: int
    """From 1; the CSV header and blank lines are not counted."""
    values: dict[str, Any] | None
    fault: str = ""


def read_rows(path: Path) -> Iterator[FileRow]:
    """Yield the rows of a file, by its ending. Raises InputError where the file as a whole cannot be read."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file. Check collect.path.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file that ends in {', '.join(ENDINGS)}.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty.")
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: cannot tell its format; the name must end in {', '.join(ENDINGS)}.")
    with path.open("rb") as handle:
        magic = handle.read(4)
    if magic[:2] == b"PK" or magic[:2] == b"\x1f\x8b":
        raise InputError(f"{path} is a compressed archive, not {path.suffix} text. Unpack it first.")
    yield from readers[path.suffix.lower()](path)


def _text(path: Path) -> TextIO:
    """Open as UTF-8 after checking that all of it is; a byte-order mark is left out."""
    position = 0
    with path.open("rb") as handle:
        for number, line in enumerate(handle, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}: byte {position + error.start} (line {number}) is not UTF-8. Convert the file, for "
                    f"instance with: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8{path.suffix}"
                ) from None
            position += len(line)
    return path.open(encoding="utf-8-sig", newline="")


def _jsonl(path: Path) -> Iterator[FileRow]:
    with _text(path) as handle:
        number = 0
        for line in handle:
            if not line.strip():
                continue
            number += 1
            try:
                values = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                yield FileRow(number, None, f"not JSON: {getattr(error, 'msg', 'nested too deep')}")
                continue
            yield FileRow(number, values) if isinstance(values, dict) else FileRow(number, None, "not a JSON object")


def _csv(path: Path) -> Iterator[FileRow]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a long speech is judged by max_chars, not by the reader
    with _text(path) as handle:
        reader = csv.reader(handle)
        header = next(reader, [])
        for number, cells in enumerate((c for c in reader if c), 1):
            if len(cells) != len(header):
                yield FileRow(number, None, f"{len(cells)} cells where the header has {len(header)}")
            else:
                yield FileRow(number, dict(zip(header, cells, strict=True)))


def _parquet(path: Path) -> Iterator[FileRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        number = 0
        for batch in file.iter_batches(4096):
            for values in batch.to_pylist():
                number += 1
                yield FileRow(number, values)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
