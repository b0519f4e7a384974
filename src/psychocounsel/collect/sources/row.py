"""The one shape that every source's rows come in, and how rows of one speech are put together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from psychocounsel.errors import InputError
from psychocounsel.files import ENDINGS, named, read_rows
from psychocounsel.records import Conversation, content_id

_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SourceResponse:
    """An answer that a source carries for a client speech."""

    model: str
    """The model's name as the source gives it, or a word for people: therapist, peer, supporter. Never a name."""
    text: str
    ratings: dict[str, float] | None = None
    """The source's ratings by its own keys and on its own scale, not yet checked; NaN for what is no number."""
    rater: str = ""
    """Who rated, as far as the source says; never a person's name."""
    derived: bool = False
    """Whether ratings were made from labels of another scale: those that a rubric has no place for are left out."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One client speech as a source gives it, or the fault of its row."""

    where: str
    """File and row; the first row where the source has several for the speech."""
    text: str = ""
    earlier: Conversation = ()
    labels: dict[str, str] = field(default_factory=dict)
    """topic, subtopic, stage, risk: as the source gives them."""
    source_id: str = ""
    group: str = ""
    """Speeches of one dialogue share a group; empty where the speech stands alone."""
    fault: str = ""
    """Why the row cannot become a speech; empty where it may."""
    reason: str = ""
    """Short name to count a fault by, where it is not that the row is unreadable."""
    responses: tuple[SourceResponse, ...] = ()


class Gather:
    """Speeches in the order in which they came, each with the responses of all of its rows.

    Holds the speeches and their responses, and nothing else of the rows.
    """

    def __init__(self) -> None:
        self._rows: dict[str, SourceRow] = {}
        self._responses: dict[str, dict[str, SourceResponse]] = {}

    def add(self, row: SourceRow, *responses: SourceResponse, key: str = "") -> None:
        """Add responses to the speech that `key` (or else its id and words) names; a repeated one counts once."""
        name = content_id(key) if key else content_id(row.source_id, row.text, [[t.role, t.text] for t in row.earlier])
        self._rows.setdefault(name, row)
        mine = self._responses.setdefault(name, {})
        for r in responses:
            ratings = sorted((k, repr(v)) for k, v in (r.ratings or {}).items())
            mine.setdefault(content_id(r.model, r.text, r.rater, ratings), r)

    def rows(self) -> Iterator[SourceRow]:
        """Yield each speech and forget it."""
        while self._rows:
            name = next(iter(self._rows))
            yield replace(self._rows.pop(name), responses=tuple(self._responses.pop(name).values()))


def table(
    path: Path, source: str, needed: tuple[str, ...], texts: tuple[str, ...] = ()
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield (where, values, fault) of a file's rows, or of all readable files in a folder.

    `needed` columns must be there, and those of `texts` hold text or nothing. Raises InputError where the first row
    that can be read lacks a needed column: the file is then not the source that it is said to be.
    """
    for one in _files(path):
        known = False
        for row in read_rows(one):
            where = f"{one.name} row {row.number}"
            if row.values is None:
                yield where, {}, row.fault
                continue
            absent = [c for c in needed if c not in row.values]
            if absent and not known:
                raise InputError(
                    f"{one} is not laid out as {source}: no column {', '.join(absent)}; it has "
                    f"{named([str(c) for c in row.values])}. For another layout use collect.source=file with "
                    "collect.columns."
                )
            known = True
            wrong = [c for c in texts if not isinstance(row.values.get(c), str | None)]
            fault = f"no {', '.join(absent)}" if absent else ""
            if wrong:
                fault = f"{wrong[0]} is {type(row.values[wrong[0]]).__name__}, not a string"
            yield where, row.values, fault


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(f for f in path.iterdir() if f.suffix.lower() in ENDINGS)
    if not files:
        raise InputError(f"{path} has no file that ends in {', '.join(ENDINGS)}.")
    return files


def options(path: Path, known: tuple[str, ...]) -> tuple[Path, dict[str, str]]:
    """Take apart `PLACE?key=value&key=value`. Raises InputError that names the options there are."""
    place, sign, query = str(path).rpartition("?")
    if not sign or path.exists():
        return path, {}
    given = dict(parse_qsl(query, keep_blank_values=True))
    unknown = [k for k in given if k not in known]
    if unknown or not given:
        raise InputError(f"collect.path: after the ? may stand {', '.join(f'{k}=...' for k in known)}, not {query!r}.")
    return Path(place), given


def clean(value: Any) -> str:
    """Text as published, with HTML line breaks and non-breaking spaces made plain, without space around it."""
    return _BREAK.sub("\n", str(value if value is not None else "")).replace("\u00a0", " ").strip()


def no_labels(topic: Any = "", subtopic: Any = "") -> dict[str, str]:
    return {"topic": clean(topic), "subtopic": clean(subtopic), "stage": "", "risk": ""}


def titled(title: Any, body: Any) -> str:
    """A question's title and text, as one; the title once where the text repeats it."""
    head, rest = clean(title), clean(body)
    return f"{head}\n\n{rest}" if head and rest and head != rest else rest or head
