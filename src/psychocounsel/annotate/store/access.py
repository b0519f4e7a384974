"""Who may come in: raters by links that cannot be guessed, expire and can be taken back; coordinators by a password."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, bindparam, delete, select, update

from psychocounsel.annotate.store import schema
from psychocounsel.annotate.store.database import Database
from psychocounsel.errors import InputError

CoordinatorRole = Literal["owner", "coordinator", "observer"]
ROLES: tuple[CoordinatorRole, ...] = ("owner", "coordinator", "observer")
"""An owner also adds coordinators; an observer reads, and sees no names."""
DAYS = 60
"""How long a link is good for unless told otherwise."""
LEAST_PASSWORD = 12
"""Characters of a password at least."""
_N, _R, _P = 2**15, 8, 1
"""Cost of scrypt, as RFC 7914 and OWASP have it for sign-in: about 32 MiB and 0.1 s."""


@dataclass(frozen=True, slots=True)
class Rater:
    """One rater, without the link."""

    code: str
    name: str
    """For the coordinator alone; empty where none was given. In no export."""
    expires: datetime | None
    """When the link ends, in UTC; None where there is none."""
    revoked: bool
    version: int
    """Counts links given; a session of an earlier link is no longer good."""

    def welcome(self, now: datetime) -> bool:
        """Whether the rater's link, or a session that it began, is good at `now`."""
        return not self.revoked and self.expires is not None and now < self.expires


@dataclass(frozen=True, slots=True)
class Standing:
    """What a rater may do at this moment: all that each of their requests asks first."""

    code: str
    paused: bool
    """Whether the whole study is."""
    said: Literal["consent", "declined", ""]
    """What they last said to taking part."""


@dataclass(frozen=True, slots=True)
class Coordinator:
    name: str
    role: CoordinatorRole
    version: int
    """Counts passwords; a session from before a change is no longer good."""


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime | None = None) -> str:
    """Return a moment as it is kept: ISO 8601 in UTC, to the millisecond."""
    return (moment or now()).isoformat(timespec="milliseconds")


def digest(token: str) -> str:
    """Return what is kept of a link: who reads the database cannot come in by it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Access:
    """Raters and coordinators of one study."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def raters(self) -> list[Rater]:
        """Return every rater, by code."""
        with self._db.reading() as connection:
            rows = connection.execute(select(schema.rater).order_by(schema.rater.c.code)).all()
        return [_rater(row) for row in rows]

    def rater(self, code: str) -> Rater | None:
        with self._db.reading() as connection:
            row = connection.execute(select(schema.rater).where(schema.rater.c.code == code)).first()
        return _rater(row) if row else None

    def invite(self, code: str, name: str | None = None, days: float = DAYS) -> str:
        """Return a new link's token for a rater; the one before is no longer good. Kept is only its digest.

        Raises InputError for an unknown rater, and for one who has withdrawn: what they say would count nowhere.
        """
        token = secrets.token_urlsafe(32)
        values = {
            "token": digest(token),
            "expires": stamp(now() + timedelta(days=days)),
            "revoked": False,
            "version": schema.rater.c.version + 1,
        } | ({} if name is None else {"name": " ".join(name.split())[:120]})
        with self._db.writing() as connection:
            if connection.execute(select(_WITHDRAWN).where(schema.rater.c.code == code)).scalar():
                raise InputError(f"{code[:40]} has withdrawn from the study, so no link is given.")
            _change(connection, code, values)
        return token

    def revoke(self, code: str) -> None:
        """Take a rater's link back, at once and for sessions too."""
        with self._db.writing() as connection:
            _change(connection, code, {"revoked": True, "token": None, "version": schema.rater.c.version + 1})

    def by_token(self, token: str) -> Rater | None:
        """Return whose link a token is, where it is good and they have not withdrawn."""
        with self._db.reading() as connection:
            row = connection.execute(_BY_TOKEN, {"of_token": digest(token)}).first()
        found = _rater(row) if row and row.withdrawn is None else None
        return found if found and found.welcome(now()) else None

    def standing(self, code: str, version: int) -> Standing | None:
        """Return where the rater of a session stands, in one question.

        None where its link is no longer good, or they have withdrawn.
        """
        with self._db.reading() as connection:
            row = connection.execute(_STANDING, {"of_code": code}).first()
        if row is None or row.withdrawn is not None or row.version != version or not _rater(row).welcome(now()):
            return None
        return Standing(row.code, bool(row.paused), row.said or "")

    def coordinators(self) -> list[Coordinator]:
        with self._db.reading() as connection:
            rows = connection.execute(select(schema.coordinator).order_by(schema.coordinator.c.name)).all()
        return [Coordinator(row.name, row.role, row.version) for row in rows]

    def set_coordinator(self, name: str, password: str, role: CoordinatorRole = "coordinator") -> None:
        """Add a coordinator, or change password and role. Raises InputError for a weak password or a bad name."""
        name = name.strip()
        if not name or len(name) > 60 or any(not letter.isprintable() for letter in name):
            raise InputError("a coordinator's name is 1 to 60 printable characters.")
        _strong(password)
        if role not in ROLES:
            raise InputError(f"a coordinator's role is one of {', '.join(ROLES)}.")
        column, hashed = schema.coordinator, hash_password(password)
        with self._db.writing() as connection:
            changed = connection.execute(
                update(column)
                .where(column.c.name == name)
                .values(password=hashed, role=role, version=column.c.version + 1)
            )
            if not changed.rowcount:
                # Not 1: a session of somebody removed under this name would be good again.
                first = secrets.randbelow(2**30)
                connection.execute(column.insert().values(name=name, password=hashed, role=role, version=first))

    def change_password(self, who: Coordinator, password: str) -> Coordinator:
        """Change the password of `who` and nothing else; their sessions end. Return them as they are then.

        Raises InputError for a weak password, and where they were changed or removed since `who` was read.
        """
        _strong(password)
        if not self._renew(who, password=hash_password(password)):
            raise InputError("you were changed or removed meanwhile; sign in again.")
        return replace(who, version=who.version + 1)

    def end_sessions(self, who: Coordinator) -> None:
        """End every session of a coordinator, copies of their cookies too; the password stays."""
        self._renew(who)

    def _renew(self, who: Coordinator, **values: str) -> bool:
        of = schema.coordinator.c
        change = update(schema.coordinator).where(of.name == who.name, of.version == who.version)
        with self._db.writing() as connection:
            return bool(connection.execute(change.values(version=who.version + 1, **values)).rowcount)

    def remove_coordinator(self, name: str) -> None:
        """Remove a coordinator, and end their sessions. Raises InputError for an unknown name, and the last owner."""
        of = schema.coordinator.c
        with self._db.writing() as connection:
            known = {row.name: row.role for row in connection.execute(select(of.name, of.role))}
            if name not in known:
                raise InputError("there is no coordinator of this name.")
            if [each for each, role in known.items() if role == "owner"] == [name]:
                raise InputError("a study needs an owner, and there is no other one.")
            connection.execute(delete(schema.coordinator).where(of.name == name))

    def sign_in(self, name: str, password: str) -> Coordinator | None:
        """Return the coordinator, where name and password belong together; as slow where there is no such name."""
        with self._db.reading() as connection:
            row = connection.execute(
                select(schema.coordinator).where(schema.coordinator.c.name == name.strip()[:60])
            ).first()
        good = check_password(password, row.password if row else _NOBODY)
        return Coordinator(row.name, row.role, row.version) if row and good else None

    def by_name(self, name: str, version: int) -> Coordinator | None:
        """Return the coordinator of a session, where the password that began it is still the one."""
        return next((c for c in self.coordinators() if (c.name, c.version) == (name, version)), None)


_WITHDRAWN = (
    select(schema.event.c.id)
    .where(schema.event.c.rater == schema.rater.c.code, schema.event.c.kind == "withdrawn")
    .limit(1)
    .scalar_subquery()
    .label("withdrawn")
)
_BY_TOKEN = select(schema.rater, _WITHDRAWN).where(schema.rater.c.token == bindparam("of_token"))
_STANDING = select(
    schema.rater,
    _WITHDRAWN,
    select(schema.study.c.paused).scalar_subquery().label("paused"),
    select(schema.event.c.kind)
    .where(schema.event.c.rater == schema.rater.c.code, schema.event.c.kind.in_(("consent", "declined")))
    .order_by(schema.event.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("said"),
).where(schema.rater.c.code == bindparam("of_code"))


def _change(connection: Connection, code: str, values: dict[str, object]) -> None:
    done = connection.execute(update(schema.rater).where(schema.rater.c.code == code).values(values))
    if not done.rowcount:
        raise InputError(f"this study has no rater {code[:40]!r}.")


def _strong(password: str) -> None:
    if len(password) < LEAST_PASSWORD:
        raise InputError(f"a password has {LEAST_PASSWORD} characters or more.")


def _rater(row: object) -> Rater:
    expires = datetime.fromisoformat(row.expires) if row.expires else None  # type: ignore[attr-defined]
    return Rater(row.code, row.name, expires, bool(row.revoked), row.version)  # type: ignore[attr-defined]


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=_N, r=_R, p=_P, maxmem=2 * 128 * _N * _R, dklen=32
    )


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def check_password(password: str, hashed: str) -> bool:
    _, salt, known = hashed.split("$")
    return hmac.compare_digest(_scrypt(password[:1000], bytes.fromhex(salt)).hex(), known)


_NOBODY = f"scrypt${'00' * 16}${'00' * 32}"
