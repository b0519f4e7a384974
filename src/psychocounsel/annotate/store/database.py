"""Opening a database: SQLite by a path, PostgreSQL by a URL; each brought to the newest tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from psychocounsel.errors import InputError, MissingExtraError, ResourceError

WAIT = 30
"""Seconds that a writer waits for another process."""


class Database:
    """An engine, with writing transactions that do not step on each other."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        # SQLite lets one writer in at a time, and has the others sleep ever longer; in turn they are done sooner.
        self._turn = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is on the disk when the block ends, or leaves nothing where the block raises."""
        if not self.is_sqlite:
            with self.engine.begin() as connection:
                yield connection
            return
        with self._turn, self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            yield connection


def open_database(where: str, *, create: bool) -> Database:
    """Open `where`, a path or a `postgresql://` URL.

    Raises InputError where there is no study and `create` is False, or one already where it is True.
    """
    url, shown = _url(where)
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        if create and path.exists() and path.stat().st_size:
            raise InputError(f"{path} is there already. Name another file, or remove it if its answers may go.")
        if not create and not path.is_file():
            raise InputError(f"{path}: there is no such study. Make one with: psychocounsel annotate design")
        if not path.parent.is_dir():
            raise InputError(f"{path.parent}: there is no such folder to put a study in.")
    database = Database(_engine(url))
    try:
        has_tables = inspect(database.engine).has_table("study")
        if create and has_tables:
            raise InputError(f"{shown} holds a study already. Give this one a database of its own.")
        if not create and not has_tables:
            raise InputError(f"{shown} holds no study. Make one with: psychocounsel annotate design")
        with database.writing() as connection:
            _migrate(connection)
    except OperationalError as error:
        database.engine.dispose()
        raise ResourceError(f"{shown} cannot be opened: {_first_line(error)}") from None
    except DatabaseError as error:
        database.engine.dispose()
        raise InputError(f"{shown} is no study: {_first_line(error)}") from None
    except BaseException:
        database.engine.dispose()
        raise
    return database


def _first_line(error: DatabaseError) -> str:
    return str(error.orig).strip().splitlines()[0]


def _url(where: str) -> tuple[URL, str]:
    """Return the engine's URL, and how it may be shown: without a password."""
    if "://" not in where:
        path = Path(where)
        return URL.create("sqlite", database=str(path)), str(path)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        raise InputError("a study is a file, or a URL such as postgresql://USER@HOST/DATABASE.") from None
    if url.get_backend_name() not in ("postgresql", "sqlite"):
        raise InputError(f"{url.get_backend_name()} is not known here: a study is a file, or a postgresql:// URL.")
    shown = url.render_as_string(hide_password=True)
    return (url.set(drivername="postgresql+psycopg") if url.get_backend_name() == "postgresql" else url), shown


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"timeout": WAIT})

        @event.listens_for(engine, "connect")
        def _prepare(connection: object, _: object) -> None:
            cursor = connection.cursor()  # type: ignore[attr-defined]
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        return engine
    try:
        return create_engine(url, pool_pre_ping=True, pool_size=16, max_overflow=32)
    except ModuleNotFoundError:
        raise MissingExtraError(
            "PostgreSQL needs a driver that is not installed: pip install 'psychocounsel[annotate]'"
        ) from None


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "psychocounsel.annotate.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
