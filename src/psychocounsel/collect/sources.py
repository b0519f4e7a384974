"""Sources by name: each turns its own layout into rows of the same shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from psychocounsel.collect.files import FileRow, read_rows
from psychocounsel.errors import InputError
from psychocounsel.recipe import Collect
from psychocounsel.records import Conversation, Turn

FIELDS = ("text", "earlier", "topic", "subtopic", "stage", "risk", "id", "group")
"""What `collect.columns` may map. `earlier` is a list of {role, text}, or JSON text of one."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One client speech as a source gives it, or the fault of its row."""

    where: str
    text: str = ""
    earlier: Conversation = ()
    labels: dict[str, str] = field(default_factory=dict)
    """topic, subtopic, stage, risk: as the source gives them."""
    source_id: str = ""
    group: str = ""
    fault: str = ""


def read_source(section: Collect) -> Iterator[SourceRow]:
    """Yield the rows of the recipe's source. Raises InputError where the source as a whole cannot be read."""
    if section.source == "example":
        yield from _example()
    elif section.source == "counsel-chat":
        yield from _counsel_chat(_given(section.path))
    else:
        yield from _file(_given(section.path), section.columns)


def _given(path: Path | None) -> Path:
    assert path is not None, "the recipe model refuses a file source without a path"
    return path


def _example() -> Iterator[SourceRow]:
    folder = resources.files("psychocounsel.collect").joinpath("corpus")
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".jsonl"):
            for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
                yield _row(f"{file.name} row {number}", json.loads(line), {f: f for f in FIELDS})


def _file(path: Path, columns: dict[str, str]) -> Iterator[SourceRow]:
    unknown = [name for name in columns if name not in FIELDS]
    if unknown:
        raise InputError(f"collect.columns: {', '.join(unknown)} is not a field of ours; known: {', '.join(FIELDS)}.")
    mapping = {f: columns.get(f, f) for f in FIELDS}
    for row in read_rows(path):
        where = f"{path.name} row {row.number}"
        if row.values is None:
            yield SourceRow(where, fault=row.fault)
            continue
        absent = [c for f, c in mapping.items() if c not in row.values and (f == "text" or f in columns)]
        if absent and row.number == 1:
            raise InputError(
                f"{path} has no column {', '.join(repr(c) for c in absent)}; it has "
                f"{', '.join(map(str, row.values))}. Say which is which, for instance collect.columns.text=question."
            )
        yield _row(where, row.values, mapping)


def _row(where: str, values: dict[str, Any], mapping: dict[str, str]) -> SourceRow:
    def cell(name: str) -> str:
        value = values.get(mapping[name])
        return "" if value is None else str(value)

    text = values.get(mapping["text"])
    if not isinstance(text, str):
        return SourceRow(where, fault=f"text is {'absent' if text is None else type(text).__name__}, not a string")
    try:
        earlier = _turns(values.get(mapping["earlier"]))
    except ValueError as error:
        return SourceRow(where, fault=f"earlier turns: {error}")
    labels = {name: cell(name) for name in ("topic", "subtopic", "stage", "risk")}
    return SourceRow(where, text, earlier, labels, cell("id"), cell("group"))


def _turns(value: Any) -> Conversation:
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except json.JSONDecodeError:
            raise ValueError("not JSON") from None
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


def _counsel_chat(path: Path) -> Iterator[SourceRow]:
    """counsel-chat (Bertagnolli 2020, MIT): one row an answer.

    `questionLink` is the key: `questionID` is not unique.
    """
    seen: set[str] = set()
    needed = ("questionLink", "questionTitle", "questionText", "topic")
    for row in read_rows(path):
        where = f"{path.name} row {row.number}"
        if row.values is None:
            yield SourceRow(where, fault=row.fault)
            continue
        _need(path, row, needed)
        link = str(row.values["questionLink"])
        if link in seen:
            continue  # another answer to a question that we have
        seen.add(link)
        title, body = (_clean_spaces(row.values[c]) for c in ("questionTitle", "questionText"))
        text = f"{title}\n\n{body}" if title and body and title != body else body or title
        labels = {"topic": _clean_spaces(row.values["topic"]), "subtopic": "", "stage": "", "risk": ""}
        yield SourceRow(where, text, (), labels, source_id=link.rstrip("/").rsplit("/", 1)[-1])


def _need(path: Path, row: FileRow, columns: tuple[str, ...]) -> None:
    absent = [c for c in columns if c not in (row.values or {})]
    if absent:
        raise InputError(f"{path} is not laid out as counsel-chat: no column {', '.join(absent)}.")


def _clean_spaces(value: Any) -> str:
    return str(value or "").replace("\u00a0", " ").strip()
