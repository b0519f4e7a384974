"""Rows of published files, checked as they are read: an error names the row and the layout, and none of its text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from psychocounsel.errors import InputError
from psychocounsel.files import named, read_rows
from psychocounsel.records import Conversation, Turn, content_id

_ROLES = {"user": "client", "client": "client", "assistant": "counsellor", "counsellor": "counsellor"}


def rows(path: Path, fields: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where and what of each row. A field may be named in several ways, as in `prompt|question`.

    Raises InputError at the first row that cannot be read or lacks a field.
    """
    for row in read_rows(path):
        where = f"{path.name} row {row.number}"
        if row.values is None:
            raise InputError(f"{where}: {row.fault}")
        missing = [field for field in fields if not any(name in row.values for name in field.split("|"))]
        if missing:
            raise InputError(
                f"{where} has no {', '.join(missing)}. It has {named(list(row.values))}; the layout wanted is "
                f"one JSON object a line (or a CSV or Parquet row) with {', '.join(fields)}."
            )
        yield where, row.values


def pick(row: dict[str, Any], names: str, other: Any = None) -> Any:
    """Return the first of `names`, divided by |, that the row has a value for."""
    return next((row[name] for name in names.split("|") if row.get(name) is not None), other)


def level(value: Any, names: tuple[Any, ...], where: str, field: str) -> int:
    """Return the place of a label among its names."""
    if value not in names:
        raise InputError(f"{where}: {field} must be one of {', '.join(map(str, names))}.")
    return names.index(value)


def text(value: Any, where: str, field: str) -> str:
    """Return a text that says something."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: {field} holds no text.")
    return value


def number(value: Any, where: str, field: str) -> float:
    """Return a finite number, also where a CSV wrote it as text."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{where}: {field} must be a number.") from None
    if found != found or abs(found) == float("inf"):
        raise InputError(f"{where}: {field} must be a number.")
    return found


def answer(value: Any, where: str, field: str) -> str:
    """Return a response: a text, or an object with the text in `answer` or `content`. It may be empty."""
    if isinstance(value, dict):
        value = pick(value, "answer|content|response")
    if not isinstance(value, str):
        raise InputError(f"{where}: {field} must be a text, or an object with `answer`.")
    return value


def answers(value: Any, where: str, field: str) -> list[str]:
    """Return one response or a list of them."""
    return [answer(each, where, field) for each in (value if isinstance(value, list) else [value])]


def conversation(value: Any, where: str, field: str) -> Conversation:
    """Return a prompt: a text, or a list of {role, content} that ends with the user's.

    A system message is put before the user's next words, and turns of one speaker in a row become one: what a
    counsellor is shown has two speakers, who take turns.
    """
    if isinstance(value, str):
        return (Turn("client", text(value, where, field)),)
    turns: list[Turn] = []
    system = ""
    for message in value if isinstance(value, list) else []:
        role = message.get("role") if isinstance(message, dict) else None
        said = text(pick(message, "content|text") if isinstance(message, dict) else None, where, field)
        if role == "system":
            system += f"{said}\n\n"
        elif not isinstance(role, str) or role not in _ROLES:
            raise InputError(f"{where}: a turn of {field} has the role {role!r}; known are system, user and assistant.")
        elif turns and turns[-1].role == _ROLES[role]:
            turns[-1] = Turn(turns[-1].role, f"{turns[-1].text}\n{said}")
        elif _ROLES[role] == "client":
            turns.append(Turn("client", system + said))
            system = ""
        else:
            turns.append(Turn("counsellor", said))
    if not turns or turns[-1].role != "client" or system:
        raise InputError(f"{where}: {field} must be a text, or a list of {{role, content}} that ends with the user's.")
    return tuple(turns)


def cluster_of(turns: Conversation) -> str:
    """Return a name for a prompt by its content: responses to equal prompts are not independent."""
    return content_id("prompt", [[turn.role, turn.text] for turn in turns])
