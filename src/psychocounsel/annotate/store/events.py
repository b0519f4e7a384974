"""What raters do, as events that are only appended. The newest answer of an assignment is what counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import IntegrityError

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


class Events:
    """The log of one study."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def append(self, rater: str, kind: EventKind, key: str, payload: dict[str, Any], assignment: int | None) -> Saved:
        """Append one event, which is on the disk when this returns. The same `key` a second time adds nothing."""
        row = {
            "rater": rater, "assignment": assignment, "kind": kind, "key": key, "at": stamp(),
            "payload": json.dumps(payload, ensure_ascii=False, allow_nan=False),
        }  # fmt: skip
        try:
            with self._db.writing() as connection:
                if (known := self._known(connection, rater, key)) is not None:
                    return Saved(known, True)
                made = connection.execute(schema.event.insert().values(row)).inserted_primary_key
        except IntegrityError:  # the same save twice at one moment, each before the other was there
            with self._db.reading() as connection:
                known = self._known(connection, rater, key)
            if known is None:
                raise
            return Saved(known, True)
        assert made is not None
        return Saved(int(made[0]), False)

    @staticmethod
    def _known(connection: Connection, rater: str, key: str) -> int | None:
        of = schema.event.c
        return connection.execute(select(of.id).where(of.rater == rater, of.key == key)).scalar()

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

    def answers(self, rater: str | None = None, assignment: int | None = None) -> dict[int, Stored]:
        """Return assignment to its newest answer: of all, of one rater, or of one assignment."""
        of = schema.event.c
        newest = select(func.max(of.id).label("id"), func.count().label("saves")).where(of.kind == "answer")
        if rater is not None:
            newest = newest.where(of.rater == rater)
        if assignment is not None:
            newest = newest.where(of.assignment == assignment)
        last = newest.group_by(of.assignment).subquery()
        query = select(of.assignment, of.payload, of.at, last.c.saves).join(last, last.c.id == of.id)
        with self._db.reading() as connection:
            rows = connection.execute(query).all()
        return {
            row.assignment: Stored(Answer.model_validate_json(row.payload), moment(row.at), row.saves) for row in rows
        }


def moment(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)
