"""Rows out of JSONL, JSON, CSV and Parquet files, one at a time, with faults that name the row.

A row that cannot be read is a fault and the next one goes on; InputError is for a file that cannot be read as a whole.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from psychocounsel.errors import InputError

ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")

YES, NO = frozenset({"1", "1.0", "true", "yes"}), frozenset({"", "0", "0.0", "false", "no"})
"""Cells, in small letters, of what is or is not, as spreadsheets and pandas write them again."""

_CELL_LIMIT = 4_000_000
"""Characters in a CSV cell. A longer one is not speech but a quote that is never closed."""
_UNCLOSED_LIMIT = 20
"""After this many quotes that are never closed, the file is not CSV as we know it."""
_SAMPLE = 1000
"""Lines looked at to tell a file in another encoding from one with a few bad lines."""

_MAGIC = (
    (b"\x1f\x8b", "a gzip compressed archive", "Unpack it first: gunzip FILE"),
    (b"BZh", "a bzip2 compressed archive", "Unpack it first: bunzip2 FILE"),
    (b"\xfd7zXZ", "an xz compressed archive", "Unpack it first: unxz FILE"),
    (b"\x28\xb5\x2f\xfd", "a zstd compressed archive", "Unpack it first: unzstd FILE"),
    (b"7z\xbc\xaf", "a 7z compressed archive", "Unpack it first"),
    (b"Rar!", "a RAR compressed archive", "Unpack it first"),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls or .doc)", "Open it and save the sheet as CSV UTF-8"),
    (b"%PDF", "a PDF", "Bring the table that it was made from, as CSV or JSONL"),
    (b"{\\rtf", "an RTF document", "Save it as plain text, as CSV or JSONL"),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV"),
    (b"PAR1", "Parquet", "Name it with the ending .parquet"),
    (b"ARROW1", "an Arrow file", "Use collect.source=hub, which reads it"),
)


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row of a user's file, or why it could not be read."""

    number: int
    """From 1; the CSV header and blank lines are not counted."""
    values: dict[str, Any] | None
    fault: str = ""


def read_rows(path: Path) -> Iterator[FileRow]:
    """Yield the rows of a file, by its ending, in memory of one row (a JSON array is read whole).

    Raises InputError where the file as a whole cannot be read.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file. Check collect.path.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file that ends in {', '.join(ENDINGS)}.")
    ending = path.suffix.lower()
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty.")
        _refuse_other_formats(path, ending)
        readers = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".tsv": _csv, ".parquet": _parquet}
        if ending not in readers:
            raise InputError(f"{path}: cannot tell its format; the name must end in {', '.join(ENDINGS)}.")
        yield from readers[ending](path)
    except PermissionError:
        raise InputError(f"{path} may not be read by this user. Check its permissions (chmod u+r).") from None


def _refuse_other_formats(path: Path, ending: str) -> None:
    with path.open("rb") as handle:
        start = handle.read(16)
    if ending == ".parquet":
        return
    for magic, what, mend in _MAGIC:
        if start.startswith(magic):
            raise InputError(f"{path} is {what}, not {ending or 'plain'} text. {mend.replace('FILE', path.name)}.")
    if start.startswith(b"PK\x03\x04"):
        try:
            names = zipfile.ZipFile(path).namelist()
        except (zipfile.BadZipFile, OSError):
            names = []
        if any(name.startswith("xl/") for name in names):
            raise InputError(f"{path} is an Excel workbook, not {ending} text. Save its sheet as CSV UTF-8.")
        raise InputError(f"{path} is a ZIP compressed archive, not {ending} text. Unpack it first: unzip {path.name}.")


def _encoding(path: Path) -> str:
    """Tell the encoding by the byte-order mark, or raise where it is neither UTF-8 nor marked."""
    with path.open("rb") as handle:
        start = handle.read(4096)
        for mark, name in (
            (b"\xff\xfe\x00\x00", "utf-32"),
            (b"\x00\x00\xfe\xff", "utf-32"),
            (b"\xff\xfe", "utf-16"),
            (b"\xfe\xff", "utf-16"),
            (b"\xef\xbb\xbf", "utf-8-sig"),
        ):
            if start.startswith(mark):
                return name
        for offset, name in ((1, "UTF-16LE"), (0, "UTF-16BE")):
            zeros = start[offset::2].count(0)
            if len(start) >= 4 and zeros > len(start) // 4 and not start[1 - offset :: 2].count(0):
                raise InputError(
                    f"{path} looks like {name} without a byte-order mark. Convert it: {_iconv(path, name)}"
                )
        handle.seek(0)
        _refuse_other_encodings(path, handle)
    return "utf-8"


def _refuse_other_encodings(path: Path, handle: BinaryIO) -> None:
    lines = bad = position = 0
    first = ""
    for number, line in enumerate(islice(handle, _SAMPLE), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            bad += 1
            first = first or f"byte {position + error.start} (line {number})"
        lines += bool(line.strip())
        position += len(line)
    if bad * 2 > lines:
        raise InputError(
            f"{path}: {first} is not UTF-8, nor are {bad} of the first {lines} lines. Convert the file, for "
            f"instance with: {_iconv(path, 'WINDOWS-1252')}"
        )


def _iconv(path: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t UTF-8 {path.name} > utf8{path.suffix}"


class _Lines:
    """Lines of a text file. Bytes that are not UTF-8 are noted, and do not stop the reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        """Lines given so far."""
        self.taken: list[tuple[str, str]] = []
        """Lines given since this was last emptied, each with its bad byte, if any."""
        self._again: deque[tuple[str, str]] = deque()
        encoding = _encoding(path)
        self._utf8 = encoding.startswith("utf-8")
        self._position = 3 if encoding == "utf-8-sig" else 0
        # Half of a surrogate pair goes through: it is one row's fault, which the stage names.
        errors = "surrogateescape" if self._utf8 else "surrogatepass"
        self._handle = path.open(encoding=encoding, errors=errors, newline="")

    @property
    def bad(self) -> str:
        """The first byte of the lines taken that is not UTF-8, in words; empty where there is none."""
        return next((bad for _, bad in self.taken if bad), "")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        self.number += 1
        self.taken.append(line)
        return line[0]

    def _read(self) -> tuple[str, str]:
        if self._handle.closed:
            raise StopIteration
        try:
            line = next(self._handle)
        except UnicodeError:
            self._handle.close()
            raise InputError(
                f"{self.path}: line {self.number + 1} is not in the encoding that the byte-order mark says; the file "
                "may be cut off. Fetch it again, or save it as UTF-8."
            ) from None
        except StopIteration:
            self._handle.close()
            raise
        if line.isascii() or not self._utf8:
            self._position += len(line)
            return line, ""
        raw = line.encode("utf-8", "surrogateescape")
        bad = ""
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            bad = f"byte {self._position + error.start} is not UTF-8"
        self._position += len(raw)
        return line, bad

    def give_back(self, count: int) -> None:
        """Let the last `count` lines be read once more."""
        self._again.extendleft(reversed(self.taken[len(self.taken) - count :]))
        del self.taken[len(self.taken) - count :]
        self.number -= count

    def at_end(self) -> bool:
        if next(self, None) is None:
            return True
        self.give_back(1)
        return False


def _jsonl(path: Path) -> Iterator[FileRow]:
    lines = _Lines(path)
    number = 0
    for line in lines:
        bad = lines.bad
        lines.taken.clear()
        if not line.strip():
            continue
        number += 1
        if bad:
            yield FileRow(number, None, bad)
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield FileRow(number, None, f"not JSON: {_why(error)}")
            continue
        yield _object(number, values)


def _json(path: Path) -> Iterator[FileRow]:
    """An array of objects, read whole, or else objects a line."""
    lines = _Lines(path)
    start = next((line.strip() for line in lines if line.strip()), "")
    if start == "{":
        raise InputError(f"{path} is one JSON object. Bring an array of objects, or one object a line (JSONL).")
    if not start.startswith("["):
        yield from _jsonl(path)
        return
    deque(lines, maxlen=0)
    text = "".join(line for line, _ in lines.taken)
    if lines.bad:
        raise InputError(f"{path}: {lines.bad}. Convert the file: {_iconv(path, 'WINDOWS-1252')}")
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"{path} is not JSON{where}: {_why(error)}. It may be cut off; fetch it again.") from None
    for number, values in enumerate(rows, 1):
        yield _object(number, values)


def _why(error: Exception) -> str:
    return str(getattr(error, "msg", "nested too deep" if isinstance(error, RecursionError) else "a number too long"))


def _object(number: int, values: Any) -> FileRow:
    return FileRow(number, values) if isinstance(values, dict) else FileRow(number, None, "not a JSON object")


def _csv(path: Path) -> Iterator[FileRow]:
    csv.field_size_limit(_CELL_LIMIT)
    lines = _Lines(path)
    first = next(lines, "")
    lines.give_back(len(lines.taken))
    # Excel writes semicolons where the comma is the decimal mark.
    delimiter = "\t" if path.suffix.lower() == ".tsv" else next((d for d in ",;\t" if d in first), ",")
    reader = csv.reader(lines, delimiter=delimiter)
    header = _header(path, reader, lines)
    number = unclosed = 0
    while True:
        lines.taken.clear()
        start = lines.number + 1
        cells: list[str] = []
        try:
            cells = next(reader)
            odd = len(lines.taken) > 1 and sum(line.count('"') for line, _ in lines.taken) % 2 == 1
            broken = odd and lines.at_end()
        except StopIteration:
            return
        except csv.Error:
            broken = True
        if broken:
            unclosed += 1
            if unclosed > _UNCLOSED_LIMIT:
                raise InputError(
                    f"{path}: {unclosed} rows, the last on line {start}, open a quote that is never closed. Export the "
                    'file again with every quote inside a cell doubled (""), or as JSONL.'
                )
            number += 1
            lines.give_back(len(lines.taken) - 1)
            yield FileRow(number, None, f"a cell on line {start} opens a quote that is never closed")
        elif cells:
            number += 1
            yield _csv_row(number, header, cells, lines, start)


def _header(path: Path, reader: Iterator[list[str]], lines: _Lines) -> list[str]:
    try:
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error:
        raise InputError(f"{path}: the first line is not a header of column names.") from None
    if lines.bad:
        raise InputError(f"{path}: {lines.bad}, in the header. Convert the file: {_iconv(path, 'WINDOWS-1252')}")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(f"{path}: more than one column is named {named(twice)}. Rename all but one.")
    return header


def _csv_row(number: int, header: list[str], cells: list[str], lines: _Lines, start: int) -> FileRow:
    if lines.bad:
        return FileRow(number, None, lines.bad)
    if len(cells) == len(header):
        return FileRow(number, dict(zip(header, cells, strict=True)))
    spread = f", on lines {start} to {lines.number}: is a quote not closed?" if len(lines.taken) > 1 else ""
    return FileRow(number, None, f"{len(cells)} cells where the header has {len(header)}{spread}")


def named(columns: list[str]) -> str:
    """Column names for a message. A long one may be a client's words in a file without a header, and is not shown."""
    shown = [repr(c) if len(c) <= 40 else f"(a name of {len(c)} characters: has the file a header?)" for c in columns]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")


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
