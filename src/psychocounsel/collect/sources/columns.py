"""The corpus in the box, and tables of the user's own, whose columns the recipe maps to our fields."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from psychocounsel.collect.sources.row import Gather, SourceResponse, SourceRow
from psychocounsel.errors import InputError
from psychocounsel.files import FileRow, named, read_rows
from psychocounsel.records import Conversation, Turn

_SPEECH = ("text", "earlier", "topic", "subtopic", "stage", "risk", "id", "group")
FIELDS = (*_SPEECH, "response", "model", "ratings", "rater")
"""What `collect.columns` may map. `earlier` is a list of {role, text}, or JSON text of one; `ratings` an object of
principle to number, or JSON text of one. `rating.KEY` maps one column a principle."""

_RATING = "rating."


def example() -> Iterator[SourceRow]:
    """The corpus in the box."""
    folder = resources.files("psychocounsel.collect").joinpath("corpus")
    for part in sorted(folder.iterdir(), key=lambda f: f.name):
        if part.name.endswith(".jsonl"):
            for number, line in enumerate(part.read_text("utf-8").splitlines(), 1):
                yield _row(f"{part.name} row {number}", json.loads(line), {f: f for f in FIELDS})


def file(path: Path, columns: dict[str, str]) -> Iterator[SourceRow]:
    """A JSONL, JSON, CSV or Parquet file of the user's own."""
    yield from mapped(path.name, read_rows(path), columns)


def mapped(name: str, rows: Iterable[FileRow], columns: dict[str, str]) -> Iterator[SourceRow]:
    """Yield rows by `columns`, our field to theirs. Rows of one speech are put together where there are responses.

    Without responses, no row is held. Raises InputError for a field that we do not have and for a column that the first
    readable row does not have.
    """
    unknown = [f for f in columns if f not in FIELDS and not (f.startswith(_RATING) and len(f) > len(_RATING))]
    if unknown:
        raise InputError(
            f"collect.columns: {', '.join(unknown)} is not a field of ours; known: {', '.join(FIELDS)}, rating.KEY."
        )
    mapping = {f: f for f in FIELDS} | columns
    gather: Gather | None = None
    known = False
    for row in rows:
        where = f"{name} row {row.number}"
        if row.values is None:
            yield SourceRow(where, fault=row.fault)
            continue
        if not known:
            _need(name, row.values, mapping, columns)
            gather = Gather() if mapping["response"] in row.values else None
            known = True
        made = _row(where, row.values, mapping)
        if gather is None or made.fault:
            yield made
            continue
        try:
            responses = _responses(row.values, mapping)
        except ValueError as error:
            yield SourceRow(where, fault=f"ratings: {error}")
            continue
        gather.add(made, *responses)
    if gather is not None:
        yield from gather.rows()


def _need(name: str, values: dict[str, Any], mapping: dict[str, str], columns: dict[str, str]) -> None:
    absent = [c for f, c in mapping.items() if c not in values and (f == "text" or f in columns)]
    if absent:
        raise InputError(
            f"{name} has no column {named(absent)}; it has {named([str(c) for c in values])}. Say which is which, for "
            "instance collect.columns.text=question."
        )


def _row(where: str, values: dict[str, Any], mapping: dict[str, str]) -> SourceRow:
    def cell(name: str) -> str:
        value = values.get(mapping[name])
        return "" if value is None else str(value)

    text = values.get(mapping["text"])
    if not isinstance(text, str):
        return SourceRow(where, fault=f"text is {'absent' if text is None else type(text).__name__}, not a string")
    try:
        earlier = turns_from(values.get(mapping["earlier"]))
    except ValueError as error:
        return SourceRow(where, fault=f"earlier turns: {error}")
    labels = {name: cell(name) for name in ("topic", "subtopic", "stage", "risk")}
    return SourceRow(where, text, earlier, labels, cell("id"), cell("group"))


def _loaded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None


def turns_from(value: Any) -> Conversation:
    value = _loaded(value)
    if not value:
        return ()
    if not isinstance(value, list):
        raise ValueError("not a list of {role, text}")
    turns = []
    for turn in value:
        if not isinstance(turn, dict) or turn.get("role") not in ("client", "counsellor"):
            raise ValueError("each needs a role, client or counsellor")
        if not isinstance(turn.get("text"), str) or not turn["text"].strip():
            raise ValueError("each needs a text")
        turns.append(Turn(turn["role"], turn["text"].strip()))
    return tuple(turns)


def _responses(values: dict[str, Any], mapping: dict[str, str]) -> list[SourceResponse]:
    text = values.get(mapping["response"])
    if text is None:
        return []
    whole = _loaded(values.get(mapping["ratings"])) or {}
    if not isinstance(whole, dict):
        raise ValueError("not an object of principle to number")
    ratings = {str(key): number(value) for key, value in whole.items() if value is not None}
    for name, column in mapping.items():
        if name.startswith(_RATING) and values.get(column) not in (None, ""):
            ratings[name.removeprefix(_RATING)] = number(values[column])
    model, rater = (str(values.get(mapping[name]) or "") for name in ("model", "rater"))
    return [SourceResponse(model or "unnamed", str(text), ratings or None, rater)]


def number(value: Any) -> float:
    """A rating as a number; NaN for what is none."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan
