"""What raters do, as events that are only appended. The newest answer of an assignment is what counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Executable, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from psychocounsel.annotate.store import schema
from psychocounsel.annotate.store.access import stamp
from psychocounsel.annotate.store.database import Database
from psychocounsel.annotate.study import Answer

EventKind = Literal["answer", "consent", "declined", "break", "withdrawn", "imported"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a rater did."""

    id: int
    """Counts up; a later event has a higher one."""
    rater: str
    assignment: int | None
    kind: EventKind
    payload: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Saved:
    """What is told to whoever saved."""

    id: int
    again: bool
    """Whether the same save had come before, so that nothing was added."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The newest answer of an assignment."""

    answer: Answer
    at: datetime
    saves: int
    """How often it was saved."""
    imported: bool = False
    """Whether it came by a file: then `at` is when that was read, and not when it was said."""
    id: int = 0
    """Of its event; 0 where it was not read from the log."""


IMPORT = "import-"
"""Begins the key of what came by a file."""


# Statements are written once: to build one takes longer than SQLite needs to do what it says.
_C = schema.event.c
_KNOWN = select(_C.id).where(_C.rater == bindparam("of_rater"), _C.key == bindparam("of_key"))
_APPEND = {
    is_sqlite: written(schema.event).on_conflict_do_nothing(index_elements=["rater", "key"]).returning(_C.id)
    for is_sqlite, written in ((True, sqlite.insert), (False, postgresql.insert))
}


_NEWEST = select(_C.assignment, func.max(_C.id), func.count()).where(_C.kind == "answer").group_by(_C.assignment)
_NEWEST_OF_RATER = _NEWEST.where(_C.rater == bindparam("of_rater"))
# As `append` writes it; within a comment the quotes would have backslashes.
_NEWEST_FLAGGED = _NEWEST.where(_C.payload.like('%"risk": true%'))
_CHUNK = 500
"""Events asked for at once; databases allow some thousands."""
_REMEMBERED = 20_000
"""Answers that are remembered: some 40 MB."""


class Events:
    """The log of one study."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._said: dict[int, tuple[Answer, datetime, bool]] = {}

    def append(self, rater: str, kind: EventKind, key: str, payload: dict[str, Any], assignment: int | None) -> Saved:
        """Append one event, which is on the disk when this returns. The same `key` a second time adds nothing."""
        row = {
            "rater": rater, "assignment": assignment, "kind": kind, "key": key, "at": stamp(),
            "payload": json.dumps(payload, ensure_ascii=False, allow_nan=False),
        }  # fmt: skip
        with self._db.writing() as connection:
            made = connection.execute(_APPEND[self._db.is_sqlite], row).scalar()
            if made is not None:
                return Saved(made, False)
            known = connection.execute(_KNOWN, {"of_rater": rater, "of_key": key}).scalar_one()
        return Saved(known, True)

    def known(self, rater: str, key: str) -> bool:
        """Whether a rater's event with this key is kept already."""
        with self._db.reading() as connection:
            return connection.execute(_KNOWN, {"of_rater": rater, "of_key": key}).first() is not None

    def all(self, rater: str | None = None, kinds: tuple[EventKind, ...] = ()) -> list[Event]:
        """Return the events of a rater, or of all, in order; of some kinds alone where they are named."""
        query = select(schema.event).order_by(schema.event.c.id)
        if rater is not None:
            query = query.where(schema.event.c.rater == rater)
        if kinds:
            query = query.where(schema.event.c.kind.in_(kinds))
        with self._db.reading() as connection:
            rows = connection.execute(query).all()
        return [
            Event(row.id, row.rater, row.assignment, row.kind, json.loads(row.payload), moment(row.at)) for row in rows
        ]

    def newest(self) -> tuple[tuple[str, int, int, str], ...]:
        """Return rater, number of events, newest id and time: each event changes something, whatever their order."""
        of = schema.event.c
        query = select(of.rater, func.count(), func.max(of.id), func.max(of.at)).group_by(of.rater).order_by(of.rater)
        with self._db.reading() as connection:
            return tuple((row[0], row[1], row[2], row[3]) for row in connection.execute(query))

    def answers(self, rater: str | None = None) -> dict[int, Stored]:
        """Return assignment to its newest answer: of all, or of one rater.

        Which is the newest is asked each time, for another process may have saved; what it said is remembered, for
        events do not change. Of a join of the two PostgreSQL makes a search through the whole log.
        """
        if rater is None:
            return self._stored(_NEWEST)
        return self._stored(_NEWEST_OF_RATER, {"of_rater": rater})

    def flagged(self) -> dict[int, Stored]:
        """Return assignment to the newest of its answers that flag a danger, whatever was saved afterwards.

        `saves` counts those alone.
        """
        return self._stored(_NEWEST_FLAGGED)

    def _stored(self, query: Executable, values: dict[str, str] | None = None) -> dict[int, Stored]:
        """Return assignment to the answer of an event, for a query of assignments, events and numbers of saves."""
        kept = self._said
        with self._db.reading() as connection:
            newest = connection.execute(query, values or {}).all()
            said = {n: known for _, n, _ in newest if (known := kept.get(n)) is not None}
            missing = [n for _, n, _ in newest if n not in said]
            for start in range(0, len(missing), _CHUNK):
                some = select(_C.id, _C.payload, _C.at, _C.key).where(_C.id.in_(missing[start : start + _CHUNK]))
                for n, payload, at, key in connection.execute(some):
                    said[n] = kept[n] = Answer.model_validate_json(payload), moment(at), key.startswith(IMPORT)
        if len(kept) > _REMEMBERED:
            self._said = {}
        return {assignment: Stored(said[n][0], said[n][1], saves, said[n][2], n) for assignment, n, saves in newest}


def moment(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)
