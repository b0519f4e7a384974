"""The tables, as SQLAlchemy writes queries against them. What makes and changes them are the migrations beside."""

from __future__ import annotations

import re

from sqlalchemy import BigInteger, Boolean, Column, Dialect, ForeignKey, Integer, MetaData, Table, UniqueConstraint
from sqlalchemy import Text as _Text
from sqlalchemy.types import TypeDecorator

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Text(TypeDecorator[str]):
    """Text, where what PostgreSQL or UTF-8 cannot hold is replaced, one character by one: no request fails by it."""

    impl = _Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)


METADATA = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER keys up by itself

study = Table(
    "study",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("made", Text, nullable=False),
)
item = Table(
    "item",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("content", Text, nullable=False),
)
rater = Table(
    "rater",
    METADATA,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("token", Text, unique=True),
    Column("expires", Text),
    Column("revoked", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)
assignment = Table(
    "assignment",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("rater", Text, ForeignKey("rater.code"), nullable=False),
    Column("item", Text, ForeignKey("item.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("flipped", Boolean, nullable=False),
    Column("repeat", Integer, nullable=False),
    UniqueConstraint("rater", "position"),
)
event = Table(
    "event",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("rater", Text, ForeignKey("rater.code"), nullable=False),
    Column("assignment", Integer, ForeignKey("assignment.id")),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("at", Text, nullable=False),
    UniqueConstraint("rater", "key"),
)
coordinator = Table(
    "coordinator",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("password", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("version", Integer, nullable=False),
)
adjudication = Table(
    "adjudication",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("item", Text, ForeignKey("item.id"), nullable=False),
    Column("who", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("at", Text, nullable=False),
)
audit = Table(
    "audit",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("at", Text, nullable=False),
)
