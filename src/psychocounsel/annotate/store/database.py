"""Opening a database: SQLite by a path, PostgreSQL by a URL; each brought to the newest tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from psychocounsel.errors import InputError, MissingExtraError, ResourceError

WAIT = 30
"""Seconds that a writer waits for another process, and that a server may take to let us in."""
_OURS = 7_097_441
"""Number of the advisory lock that stands for the tables; any would do."""


class Database:
    """An engine, with writing transactions that do not step on each other."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        # SQLite lets one writer in at a time, and has the others sleep ever longer; in turn they are done sooner.
        self._turn = threading.Lock()
        self._file: tuple[int, int] | None = None

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
                self._refuse_moved()
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    @contextmanager
    def changing_tables(self) -> Iterator[Connection]:
        """A writing transaction that waits until no other process makes or changes the tables."""
        with self.writing() as connection:
            if not self.is_sqlite:  # SQLite has one writer anyhow
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_OURS})")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to ask by; each statement stands for itself, and costs no transaction besides."""
        with self._reads.connect() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()

    def keep_a_log_ahead(self) -> None:
        """Have SQLite write ahead, as PostgreSQL does: then readers and the writer do not wait for each other."""
        if self.is_sqlite:
            with self.reading() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    def _refuse_moved(self) -> None:
        """SQLite goes on writing to a file that was removed or replaced, and all of it would be lost."""
        try:
            now = Path(str(self.engine.url.database)).stat()
        except OSError:
            raise ResourceError("the study's file is gone from its place. Put it back, and start again.") from None
        found = now.st_dev, now.st_ino
        self._file = self._file or found
        if found != self._file:
            raise ResourceError("the study's file was replaced while it was open. Start again.")


def open_database(where: str) -> Database:
    """Open the study at `where`, a path or a `postgresql://` URL, and bring its tables up to date.

    Raises InputError where there is none, ResourceError where it cannot be reached.
    """
    url, shown = _url(where)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise InputError(f"{shown}: there is no such study. Make one with: psychocounsel annotate design")
    with _opening(url, shown) as database:
        if not _tables(database) >= _TABLES:
            raise InputError(f"{shown} holds no study. Make one with: psychocounsel annotate design")
        database.keep_a_log_ahead()
        with database.changing_tables() as connection:
            _migrate(connection)
    return database


def make_database(where: str, begin: Callable[[Connection], None]) -> Database:
    """Make the tables at `where` and what `begin` puts into them, in one transaction: all of it is there, or nothing.

    Raises InputError where something is there already, ResourceError where it cannot be reached.
    """
    url, shown = _url(where)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).parent.is_dir():
        raise InputError(f"{Path(str(url.database)).parent}: there is no such folder to put a study in.")
    with _opening(url, shown) as database:
        _refuse_taken(_tables(database), shown)
        database.keep_a_log_ahead()
        with database.changing_tables() as connection:
            _refuse_taken(set(inspect(connection).get_table_names()), shown)
            _migrate(connection)
            begin(connection)
    return database


_TABLES = {"study", "event", "assignment", "alembic_version"}
"""Some of the tables that a study has; a database without them is something else."""


def _tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names())


def _refuse_taken(tables: set[str], shown: str) -> None:
    if tables >= _TABLES:
        raise InputError(f"{shown} is there already. Name another, or remove it if its answers may go.")
    if tables:
        raise InputError(f"{shown} holds something else already. Give the study a database of its own.")


@contextmanager
def _opening(url: URL, shown: str) -> Iterator[Database]:
    """What goes wrong with a database that is being opened, as errors that say which and what."""
    database = Database(_engine(url))
    try:
        yield database
    except OperationalError as error:
        database.close()
        raise ResourceError(f"{shown} cannot be opened: {_first_line(error)}") from None
    except DatabaseError as error:
        database.close()
        raise InputError(f"{shown} is no study: {_first_line(error)}") from None
    except CommandError:
        database.close()
        raise InputError(f"{shown} was made by a newer psychocounsel. Update this one to open it.") from None
    except BaseException:
        database.close()
        raise


def _first_line(error: DatabaseError) -> str:
    return str(error.orig).strip().splitlines()[0]


def _url(where: str) -> tuple[URL, str]:
    """Return the engine's URL, and how it may be shown: without a password."""
    if "://" not in where:
        return _of_file(where)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        raise InputError("a study is a file, or a URL such as postgresql://USER@HOST/DATABASE.") from None
    if url.get_backend_name() not in ("postgresql", "sqlite"):
        raise InputError(f"{url.get_backend_name()} is not known here: a study is a file, or a postgresql:// URL.")
    if url.get_backend_name() == "sqlite":
        return _of_file(url.database or "")
    shown = url.set(query={}).render_as_string(hide_password=True)  # a password may stand in the query too
    return url.set(drivername="postgresql+psycopg"), shown


def _of_file(where: str) -> tuple[URL, str]:
    if where in ("", ":memory:"):
        raise InputError("a study is a file, or a postgresql:// URL; this names neither.")
    path = Path(where).absolute()
    return URL.create("sqlite", database=str(path)), where


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"timeout": WAIT}, hide_parameters=True)

        @event.listens_for(engine, "connect")
        def _prepare(connection: object, _: object) -> None:
            cursor = connection.cursor()  # type: ignore[attr-defined]
            for pragma in ("synchronous=FULL", "foreign_keys=ON"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        return engine
    try:
        return create_engine(
            url, pool_pre_ping=True, pool_size=16, max_overflow=32, hide_parameters=True,
            connect_args={} if "connect_timeout" in url.query else {"connect_timeout": WAIT},
        )  # fmt: skip
    except ModuleNotFoundError:
        raise MissingExtraError(
            "PostgreSQL needs a driver that is not installed: pip install 'psychocounsel[annotate]'"
        ) from None


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "psychocounsel.annotate.store:migrations")
    config.attributes["connection"] = connection
    with _ONE_MIGRATES:
        command.upgrade(config, "head")


_ONE_MIGRATES = threading.Lock()
"""Alembic keeps what it works on in a module: two threads at once would change each other's database."""
