"""Debian's PostgreSQL, started for the tests in a folder of its own and stopped after them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

USER = "postgres"


class AbsentError(Exception):
    """There is no PostgreSQL to start here; the message says why."""


@dataclass(frozen=True)
class Server:
    """A running cluster that only this machine reaches."""

    port: int
    folder: Path

    def url(self, database: str, password: str = "") -> str:
        return f"postgresql://{USER}{f':{password}' if password else ''}@127.0.0.1:{self.port}/{database}"

    def fresh(self, name: str) -> str:
        """Make an empty database, instead of one of that name; returns its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def dropped(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def programs() -> Path:
    """Return the folder of the newest server's programs. Raises AbsentError where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise AbsentError("no PostgreSQL: `make services` installs it")
    return found[-1].parent


@contextmanager
def cluster() -> Iterator[Server]:
    """A cluster that keeps what it acknowledged (fsync stays on). Raises AbsentError where there can be none."""
    tools, as_user = programs(), []
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        if shutil.which("runuser") is None:
            raise AbsentError("PostgreSQL does not run as root, and there is no runuser to become another")
        as_user = ["runuser", "-u", "postgres", "--"]
    folder = Path(tempfile.mkdtemp(prefix="psychocounsel-postgres-", dir="/tmp"))
    folder.chmod(0o755)
    if as_user:
        shutil.chown(folder, "postgres")
    data, port = folder / "data", _free_port()

    def run(*command: object) -> None:
        # No pipes: the server would hold them open, and waiting for their end would wait for its.
        with (folder.parent / f"{folder.name}.out").open("w+b") as out:
            done = subprocess.run(
                [*as_user, *map(str, command)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", check=False
            )
            if done.returncode:
                out.seek(0)
                raise RuntimeError(out.read().decode(errors="replace")[-2000:])

    try:
        run(
            tools / "initdb",
            "--username",
            USER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
            data,
        )
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=on"
        start = (tools / "pg_ctl", "start", "--wait", "-D", data, "-l", folder / "log", "-o", options)
        run(*start)
        try:
            yield Server(port, folder)
        finally:
            run(tools / "pg_ctl", "stop", "--mode", "immediate", "--wait", "-D", data)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(f"{folder.name}.out").unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
