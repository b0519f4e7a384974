"""Which reader a file needs: by its ending, and by what it begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from psychocounsel.annotate.exchange import argilla, label_studio, offline, own, qualtrics
from psychocounsel.annotate.exchange.given import Given
from psychocounsel.annotate.exchange.json_files import read_json
from psychocounsel.annotate.store import Store
from psychocounsel.errors import InputError

Reader = Callable[[Store, Path, Mapping[str, str]], Iterator[Given]]
READERS: dict[str, Reader] = {
    "offline": offline.read,
    "csv": own.read_csv,
    "parquet": own.read_parquet,
    "long": own.read_long,
    "label-studio": label_studio.read,
    "argilla": argilla.read,
    "qualtrics": qualtrics.read,
}


def reader_of(file: Path, name: str) -> tuple[str, Path, Reader]:
    """Return format, file and reader. Raises InputError where there is no such file, or it is of no known format."""
    if name != "auto" and name not in READERS:
        raise InputError(f"no import is called {name!r}; there are auto, {', '.join(READERS)}.")
    path = file / argilla.RECORDS if file.is_dir() else file
    if not path.is_file():
        raise InputError(f"{file}: there is no such file{f' as {argilla.RECORDS} in it' if file.is_dir() else ''}.")
    found = _told(path) if name == "auto" else name
    return found, path, READERS[found]


def _told(path: Path) -> str:
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return "qualtrics" if qualtrics.is_one(path) else "csv"
    if ending in (".parquet", ".jsonl"):
        return {".parquet": "parquet", ".jsonl": "long"}[ending]
    if ending == ".json":
        found = _told_by_content(read_json(path))
        if found:
            return found
    raise InputError(f"{path.name}: cannot tell what made it. Say --format, one of {', '.join(READERS)}.")


def _told_by_content(content: Any) -> str:
    if isinstance(content, dict):
        return "offline" if str(content.get("format", "")).startswith(offline.FAMILY) else ""
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    if "data" in first and "annotations" in first:
        return "label-studio"
    return "argilla" if "fields" in first and "responses" in first else ""
