"""Answers to calls, kept the moment they arrive, by the content of what was asked.

SQLite in write-ahead mode: a `kill -9` loses no answer that was put, and several processes may share a store. A failure
is never an answer: it goes to a ledger of its own.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psychocounsel.errors import ArtifactError
from psychocounsel.records import content_id

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, spec TEXT NOT NULL, request BLOB NOT NULL, answer BLOB NOT NULL,
    tokens_in INTEGER, tokens_out INTEGER, cost REAL, seconds REAL, created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    key TEXT NOT NULL, spec TEXT NOT NULL, attempt INTEGER NOT NULL, reason TEXT NOT NULL, created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS failures_by_key ON failures (key);
CREATE TABLE IF NOT EXISTS claims (
    key TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (id TEXT PRIMARY KEY, spec TEXT NOT NULL, keys BLOB NOT NULL) WITHOUT ROWID;
"""
_PATIENCE = 60
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer as it came."""

    key: str
    spec: str
    """Of the backend that was asked."""
    request: dict[str, Any]
    answer: dict[str, Any]
    """The server's JSON, whole: a changed parser reads it again without a call."""
    tokens_in: int | None
    tokens_out: int | None
    """As the server counts them; None where it does not say."""
    cost: float | None
    """By the recipe's prices, in its currency; None where it has none."""
    seconds: float
    created: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that brought no answer."""

    key: str
    spec: str
    attempt: int
    """From 1."""
    reason: str
    """Short, to count by; holds no text of a request or an answer."""
    created: float


def request_key(spec: str, request: dict[str, Any]) -> str:
    """Return the key of a request: the same words to the same model with the same settings have the same."""
    return content_id("call", spec, request) + content_id("call, again", spec, request)


class CallStore:
    """One file of answers. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open the store, or make it. Raises ArtifactError where the file is something else."""
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            # Going over to WAL does not wait for a lock as other statements do: two that open at once would clash.
            until = time.monotonic() + _PATIENCE
            while True:
                try:
                    self._prepare()
                    break
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                        raise
                    if time.monotonic() > until:
                        raise ArtifactError(
                            f"{path} has been locked by another process for {_PATIENCE} s. Stop it, then start again."
                        ) from None
                    time.sleep(0.05)
        except sqlite3.DatabaseError as error:
            raise ArtifactError(
                f"{path} is no call store: {error}. Name another file, or move this one away."
            ) from None
        self._owner = f"{os.getpid()}-{time.time_ns()}"
        self._drop_claims_of_the_dead()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        # With WAL, "normal" survives a kill of the process; only a power cut can lose the last answers.
        self._db.execute("PRAGMA synchronous=NORMAL")
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, _VERSION):
            raise ArtifactError(f"{self.path} is a call store of version {found}; this program reads {_VERSION}.")
        if not found:
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version={_VERSION}")

    def _drop_claims_of_the_dead(self) -> None:
        """Free what a killed process was asking; a store is used on one machine, as its lock needs."""
        with self._lock:
            owners = [row[0] for row in self._db.execute("SELECT DISTINCT owner FROM claims")]
            for owner in owners:
                if not Path(f"/proc/{owner.partition('-')[0]}").exists() and Path("/proc/self").exists():
                    self._db.execute("DELETE FROM claims WHERE owner = ?", (owner,))

    def paid(self, prefix: str) -> tuple[int, float]:
        """Return how many answers the specs that begin with `prefix` have, and what these cost."""
        with self._lock:
            row = self._db.execute(
                "SELECT COUNT(*), COALESCE(SUM(cost), 0) FROM answers WHERE substr(spec, 1, ?) = ?",
                (len(prefix), prefix),
            ).fetchone()
        return int(row[0]), float(row[1])

    def keep_batch(self, identity: str, spec: str, keys: list[str]) -> None:
        """Note that a batch of the provider's holds these requests."""
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO batches VALUES (?, ?, ?)", (identity, spec, _packed({"keys": keys}))
            )

    def batches(self, spec: str) -> dict[str, list[str]]:
        """Return the batches of a spec that have not been fetched, with their requests."""
        with self._lock:
            rows = self._db.execute("SELECT id, keys FROM batches WHERE spec = ?", (spec,)).fetchall()
        return {identity: json.loads(zlib.decompress(keys))["keys"] for identity, keys in rows}

    def forget_batch(self, identity: str) -> None:
        with self._lock:
            self._db.execute("DELETE FROM batches WHERE id = ?", (identity,))

    def close(self) -> None:
        self._db.close()

    def get(self, key: str) -> Stored | None:
        """Return the answer to a request, or None."""
        with self._lock:
            row = self._db.execute("SELECT * FROM answers WHERE key = ?", (key,)).fetchone()
        return _stored(row) if row else None

    def claim(self, key: str, seconds: float) -> bool:
        """Take a request for this process; False where another has it, and has had it for less than `seconds`."""
        now = time.time()
        with self._lock:
            done = self._db.execute(
                "INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, "
                "until = excluded.until WHERE claims.until < ? OR claims.owner = excluded.owner",
                (key, self._owner, now + seconds, now),
            )
        return done.rowcount > 0

    def put(self, stored: Stored) -> None:
        """Keep an answer, for good, before anything is done with it. A request that has one keeps the first."""
        row = (
            stored.key, stored.spec, _packed(stored.request), _packed(stored.answer), stored.tokens_in,
            stored.tokens_out, stored.cost, stored.seconds, stored.created,
        )  # fmt: skip
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(f"INSERT OR IGNORE INTO answers VALUES ({', '.join('?' * len(row))})", row)
            self._db.execute("DELETE FROM claims WHERE key = ?", (stored.key,))
            self._db.execute("COMMIT")

    def fail(self, key: str, spec: str, attempt: int, reason: str) -> None:
        """Write an attempt that failed to the ledger, and let go of the request."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO failures VALUES (?, ?, ?, ?, ?)", (key, spec, attempt, reason, time.time()))
            self._db.execute("DELETE FROM claims WHERE key = ? AND owner = ?", (key, self._owner))
            self._db.execute("COMMIT")

    def answers(self, spec: str | None = None) -> Iterator[Stored]:
        """Yield every answer, oldest first, one in memory at a time."""
        where, given = ("WHERE spec = ?", (spec,)) if spec else ("", ())
        reader = sqlite3.connect(self.path, timeout=60)  # a cursor of its own, so that writers go on meanwhile
        try:
            for row in reader.execute(f"SELECT * FROM answers {where} ORDER BY created, key", given):
                yield _stored(row)
        finally:
            reader.close()

    def failures(self) -> Iterator[Failure]:
        """Yield every failed attempt, oldest first."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM failures ORDER BY created, attempt").fetchall()
        yield from (Failure(*row) for row in rows)

    def stats(self) -> list[dict[str, Any]]:
        """Return a row for each spec: answers, failed attempts by reason, tokens, cost, seconds."""
        with self._lock:
            rows = self._db.execute(
                "SELECT spec, COUNT(*), SUM(tokens_in), SUM(tokens_out), SUM(cost), SUM(seconds), MIN(created), "
                "MAX(created), SUM(LENGTH(request) + LENGTH(answer)) FROM answers GROUP BY spec"
            ).fetchall()
            failed = self._db.execute("SELECT spec, reason, COUNT(*) FROM failures GROUP BY spec, reason").fetchall()
        names = (
            "spec", "answers", "tokens_in", "tokens_out", "cost", "seconds", "first", "last", "bytes",
        )  # fmt: skip
        by_spec = {row[0]: dict(zip(names, row, strict=True)) | {"failures": {}} for row in rows}
        for spec, reason, times in failed:
            empty = dict.fromkeys(names) | {"spec": spec, "answers": 0, "failures": {}}
            by_spec.setdefault(spec, empty)["failures"][reason] = times
        return [by_spec[spec] for spec in sorted(by_spec)]

    def prune(self, *, spec: str | None = None, before: float | None = None) -> int:
        """Forget answers of a spec, or older than a moment (seconds since 1970), or both; returns how many."""
        if spec is None and before is None:
            raise ValueError("prune needs a spec or a moment")
        where = [("spec = ?", spec), ("created < ?", before)]
        kept = [(clause, value) for clause, value in where if value is not None]
        with self._lock:
            done = self._db.execute(
                f"DELETE FROM answers WHERE {' AND '.join(c for c, _ in kept)}", [value for _, value in kept]
            )
            self._db.execute("VACUUM")
        return done.rowcount


def _packed(value: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), 3)


def _stored(row: tuple[Any, ...]) -> Stored:
    key, spec, request, answer, *rest = row
    return Stored(key, spec, json.loads(zlib.decompress(request)), json.loads(zlib.decompress(answer)), *rest)
