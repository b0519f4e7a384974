"""One study, opened: its design, who may come in, what was answered, and what the coordinator did."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Executable, func, insert, select, update

from psychocounsel.annotate.store import schema
from psychocounsel.annotate.store.access import Access, digest, now, stamp
from psychocounsel.annotate.store.database import Database, make_database, open_database
from psychocounsel.annotate.store.events import Event, Events, Saved, Stored, moment
from psychocounsel.annotate.study import Answer, Assignment, Design, Expected, Item, StudyPlan
from psychocounsel.errors import InputError
from psychocounsel.records import Annotation, Turn, content_id


@dataclass(frozen=True, slots=True)
class Decision:
    """A coordinator's decision on an item."""

    number: int
    """Counts up; a later decision has a higher one, and none has 0."""
    answer: Answer
    who: str


class Store:
    """A study in its database. Safe to use from several threads and processes at once."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.access = Access(database)
        self.events = Events(database)

    @classmethod
    def make(cls, where: str | Path, design: Design) -> Store:
        """Write a design into a database of its own, all or nothing. Raises InputError where something is there."""
        return cls(make_database(str(where), lambda connection: _begin(connection, design)))

    @classmethod
    @contextmanager
    def open(cls, where: str | Path) -> Iterator[Store]:
        """Open a study, and close it. Raises InputError where there is none."""
        store = cls(open_database(str(where)))
        try:
            yield store
        finally:
            store.close()

    def close(self) -> None:
        self._db.close()

    @cached_property
    def plan(self) -> StudyPlan:
        with self._db.reading() as connection:
            return StudyPlan.model_validate_json(connection.execute(select(schema.study.c.plan)).scalar_one())

    @cached_property
    def secret(self) -> str:
        """What sessions are signed with; made with the study, and never shown."""
        with self._db.reading() as connection:
            return str(connection.execute(select(schema.study.c.secret)).scalar_one())

    @cached_property
    def items(self) -> dict[str, Item]:
        """Id to item, in the design's order."""
        with self._db.reading() as connection:
            rows = connection.execute(select(schema.item).order_by(schema.item.c.place)).all()
        return {row.id: _item(row.content) for row in rows}

    @property
    def assignments(self) -> dict[int, Assignment]:
        """Number of an assignment to it, by rater and position. Some may be added, and none changes; see `renew`."""
        return self._given[0]

    @property
    def numbers(self) -> dict[str, list[int]]:
        """Rater's code to the numbers of their assignments, by position."""
        return self._given[1]

    @cached_property
    def _given(self) -> tuple[dict[int, Assignment], dict[str, list[int]]]:
        """Both in one, so that another thread never sees the one without the other."""
        of = schema.assignment
        with self._db.reading() as connection:
            rows = connection.execute(select(of).order_by(of.c.rater, of.c.position)).all()
        numbers: dict[str, list[int]] = {}
        for row in rows:
            numbers.setdefault(row.rater, []).append(row.id)
        given = {row.id: Assignment(row.rater, row.item, row.position, bool(row.flipped), row.repeat) for row in rows}
        return given, numbers

    def renew(self) -> bool:
        """Read the assignments again where some were added, by another process too. Return whether there were any."""
        with self._db.reading() as connection:
            newest = connection.execute(select(func.max(schema.assignment.c.id))).scalar()
        if newest == max(self.assignments, default=None):
            return False
        self.__dict__.pop("_given", None)
        return True

    def replace(self, code: str, who: str, force: bool = False) -> str:
        """Add a rater with the items of `code`, in the same order and with the same sides; return the new code.

        Raises InputError where the study has no such rater, and without `force` where they may still answer or were
        replaced before.
        """
        of = schema.assignment.c
        with self._db.changing_tables() as connection:  # in turn: two at once would take the same code
            codes = connection.execute(select(schema.rater.c.code)).scalars().all()
            rows = connection.execute(select(schema.assignment).where(of.rater == code).order_by(of.position)).all()
            if not rows:
                raise InputError(f"this study has no rater {code[:40]!r} with items.")
            if not force:
                self._refuse_needless(code)
            new, last = _next_code(codes), connection.execute(select(func.max(of.id))).scalar_one()
            connection.execute(insert(schema.rater).values(code=new, name="", revoked=False, version=0))
            connection.execute(
                insert(schema.assignment),
                [{**row._mapping, "id": n, "rater": new} for n, row in enumerate(rows, last + 1)],
            )
            note = {"who": who, "what": f"replaced {code} by {new}", "about": "", "at": stamp()}
            connection.execute(insert(schema.audit).values(note))
        self.renew()
        return new

    def _refuse_needless(self, code: str) -> None:
        if by := self.replaced().get(code):
            raise InputError(f"{code} was replaced by {by} already. Replace {by}, or say --force for one more.")
        rater = self.access.rater(code)
        if rater is not None and rater.welcome(now()) and code not in self.withdrawn():
            raise InputError(
                f"{code} has a link that is good, and has not withdrawn. Take the link back first, or say --force."
            )

    def replaced(self) -> dict[str, str]:
        """Return each rater who was replaced, and by whom: the last, where it was done twice."""
        return dict(self.replacements())

    def replacements(self) -> list[tuple[str, str]]:
        """Return each rater who was replaced with who was added for them, in order; one may have been so twice."""
        with self._db.reading() as connection:
            query = select(schema.audit.c.what).where(schema.audit.c.what.like("replaced % by %"))
            said = connection.execute(query.order_by(schema.audit.c.id)).scalars().all()
        found = (re.fullmatch(r"replaced (.+) by (R[0-9]+)", what) for what in said)
        return [(each[1], each[2]) for each in found if each]

    @property
    def paused(self) -> bool:
        with self._db.reading() as connection:
            return bool(connection.execute(select(schema.study.c.paused)).scalar_one())

    def pause(self, paused: bool) -> None:
        with self._db.writing() as connection:
            connection.execute(update(schema.study).values(paused=paused))

    def save(self, number: int, answer: Answer, key: str) -> Saved:
        """Keep an answer to assignment `number`. It is on the disk when this returns.

        The same answer with the same `key` a second time adds nothing.
        Raises InputError where the answer does not fit its item.
        """
        each = self.assignments[number]
        faults = answer.faults(self.plan, self.items[each.item])
        if faults:
            raise InputError("; ".join(faults))
        payload = answer.as_payload()
        return self.events.append(each.rater, "answer", _key(number, payload, key), payload, number)

    def has(self, number: int, answer: Answer, key: str) -> bool:
        """Whether this very save is kept already."""
        return self.events.known(self.assignments[number].rater, _key(number, answer.as_payload(), key))

    def withdrawn(self) -> set[str]:
        """Return the raters whose answers are left out of every result."""
        return {event.rater for event in self.events.all(kinds=("withdrawn",))}

    def said(self) -> dict[str, Event]:
        """Return rater to what they said last to taking part: an event of the kind `consent` or `declined`."""
        return {event.rater: event for event in self.events.all(kinds=("consent", "declined"))}

    def consent_of(self, rater: str) -> datetime | None:
        """Return when a rater agreed to take part; None where they did not, or declined afterwards."""
        said = self.said().get(rater)
        return said.at if said and said.kind == "consent" else None

    def agreed_elsewhere(self, rater: str, key: str, payload: dict[str, Any]) -> None:
        """Keep a rater's consent that came by a file, where they have said nothing here and have not withdrawn."""
        if rater not in self.said() and rater not in self.withdrawn():
            self.events.append(rater, "consent", key, payload, None)

    def annotations(self) -> list[Annotation]:
        """Return what every rater said, finished or skipped, of raters that have not withdrawn; sorted by position."""
        left_out, found = self.withdrawn(), []
        answers = self.events.answers()
        for number, each in self.assignments.items():
            stored = answers.get(number)
            if stored is not None and (stored.answer.done or stored.answer.skipped) and each.rater not in left_out:
                found.append(annotation(self.plan, self.items[each.item], each, stored))
        return found

    def adjudicate(self, item: str, who: str, answer: Answer, after: int | None = None) -> bool:
        """Keep a coordinator's decision on an item. Raises InputError where it does not fit.

        Where `after` is named, it is the number of the decision that this one was made after, 0 for none:
        False, and nothing is kept, where that is not the newest.
        """
        if item not in self.items:
            raise InputError("this study has no such item.")
        if faults := answer.faults(self.plan, self.items[item]):
            raise InputError("; ".join(faults))
        row = {"item": item, "who": who, "payload": json.dumps(answer.as_payload(), ensure_ascii=False), "at": stamp()}
        with self._db.writing() as connection:
            # PostgreSQL lets several write at once: who decides on this item has the next one wait.
            connection.execute(select(schema.item.c.id).where(schema.item.c.id == item).with_for_update())
            if after is not None and after != (connection.execute(_newest_decision(item)).scalar() or 0):
                return False
            connection.execute(insert(schema.adjudication).values(row))
        return True

    def decision(self, item: str) -> Decision | None:
        """Return the newest decision on an item."""
        with self._db.reading() as connection:
            row = connection.execute(_newest_decision(item)).first()
        return Decision(row.id, Answer.model_validate_json(row.payload), row.who) if row else None

    def adjudicated(self) -> dict[str, tuple[Answer, str]]:
        """Return item to the newest decision and who took it."""
        with self._db.reading() as connection:
            rows = connection.execute(select(schema.adjudication).order_by(schema.adjudication.c.id)).all()
        return {row.item: (Answer.model_validate_json(row.payload), row.who) for row in rows}

    def note(self, who: str, what: str, about: str = "") -> None:
        """Append a line to the audit log. No client text and no rater's name.

        `about` is a rater's code, an item, or the name that a coordinator signs in by.
        """
        with self._db.writing() as connection:
            connection.execute(insert(schema.audit).values(who=who, what=what, about=about, at=stamp()))

    def audit(self) -> list[dict[str, Any]]:
        """Return the audit log, the newest first."""
        with self._db.reading() as connection:
            rows = connection.execute(select(schema.audit).order_by(schema.audit.c.id.desc())).all()
        return [{"who": r.who, "what": r.what, "about": r.about, "at": moment(r.at)} for r in rows]


def _key(number: int, payload: dict[str, Any], key: str) -> str:
    """Return what a save is known by. A browser without scripts sends a corrected form with the key of the first."""
    return f"{key}-{digest(f'{number} {json.dumps(payload, sort_keys=True)}')[:12]}"


def _next_code(codes: Sequence[str]) -> str:
    """Return the code that comes after the last of them, as wide as they are."""
    known = [code for code in codes if re.fullmatch(r"R[0-9]+", code)]
    width = max((len(code) - 1 for code in known), default=2)
    return f"R{max((int(code[1:]) for code in known), default=0) + 1:0{width}d}"


def _newest_decision(item: str) -> Executable:
    of = schema.adjudication
    return select(of).where(of.c.item == item).order_by(of.c.id.desc()).limit(1)


def _begin(connection: Connection, design: Design) -> None:
    connection.execute(
        insert(schema.item),
        [{"id": item.id, "place": n, "content": _written(item)} for n, item in enumerate(design.items)],
    )
    connection.execute(
        insert(schema.rater), [{"code": code, "name": "", "revoked": False, "version": 0} for code in design.raters]
    )
    connection.execute(
        insert(schema.assignment), [asdict(each) | {"id": n} for n, each in enumerate(design.assignments, 1)]
    )
    connection.execute(
        insert(schema.study).values(
            id=1, plan=design.plan.model_dump_json(), secret=secrets.token_urlsafe(48), paused=False, made=stamp()
        )
    )


def annotation(plan: StudyPlan, item: Item, each: Assignment, stored: Stored) -> Annotation:
    """Return an answer as the record that studies are exported in."""
    answer, ids = stored.answer, (*item.response_ids, "", "")
    return Annotation(
        id=content_id("annotation", plan.name, item.id, each.rater, each.repeat),
        study=plan.name,
        item=item.id,
        rater=each.rater,
        role=item.role,
        speech_id=item.speech_id,
        response_a=ids[0],
        response_b=ids[1] if len(item.texts) > 1 else "",
        shown_first="b" if each.flipped else "a",
        position=each.position,
        repeat=each.repeat,
        verdict=answer.verdict or ("cannot" if answer.cannot else ""),
        principle_verdicts=dict(answer.verdicts),
        overall=None if answer.overall is None else float(answer.overall),
        scores={key: float(score) for key, score in answer.scores.items()},
        spans=tuple(f"{s.side} {s.start} {s.end} {s.kind}" for s in answer.spans),
        comment=answer.comment,
        risk=answer.risk,
        skipped=answer.skipped,
        seconds=answer.seconds,
        at=stamp(stored.at),
    )


def _written(item: Item) -> str:
    return json.dumps(asdict(item), ensure_ascii=False, allow_nan=False)


def _item(content: str) -> Item:
    raw = json.loads(content)
    raw["conversation"] = tuple(Turn(turn["role"], turn["text"]) for turn in raw["conversation"])
    for name in ("texts", "response_ids", "models"):
        raw[name] = tuple(raw[name])
    raw["expected"] = Expected(**raw["expected"]) if raw["expected"] else None
    return Item(**raw)


__all__ = ["Decision", "Event", "Store", "annotation"]
