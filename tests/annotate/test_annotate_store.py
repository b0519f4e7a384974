"""What the store promises, in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from small_study import KEYS, small_design
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.event import listens_for
from sqlalchemy.exc import DBAPIError

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer, Span
from psychocounsel.errors import InputError, ResourceError

ODD = "caf\u00e9 \U0001f642 \u202e'; DROP TABLE event; -- \\ %s {} \t\n\u2028"


@pytest.fixture
def store(where):
    made = Store.make(where, small_design())
    yield made
    made.close()


def done(verdict="a", **more):
    return Answer(verdict=verdict, verdicts=dict.fromkeys(KEYS, verdict), done=True, **more)


def events_of(store, kind="answer"):
    return store.events.all(kinds=(kind,))


def test_a_design_is_read_back_as_it_was_made(where):
    design = small_design(seed=7, source=ODD)
    Store.make(where, design).close()
    with Store.open(where) as store:
        assert tuple(store.items.values()) == design.items
        assert tuple(store.assignments.values()) == design.assignments
        assert store.plan == design.plan
        assert [r.code for r in store.access.raters()] == list(design.raters)
        assert len(store.secret) > 60
        assert not store.paused
        secret = store.secret
    with Store.open(where) as store:
        assert store.secret == secret


def test_a_study_in_the_way_is_not_overwritten(store, where):
    store.save(1, done(), "one")
    with pytest.raises(InputError, match="is there already"):
        Store.make(where, small_design())
    with Store.open(where) as again:
        assert len(events_of(again)) == 1


def test_what_was_saved_is_read_back_to_the_letter(store):
    answer = done("tie", comment=ODD, risk=True, seconds=12.5, spans=(Span(side="b", start=0, end=9, kind="harmful"),))
    saved = store.save(2, answer, "one")
    assert not saved.again
    stored = store.events.answers()[2]
    assert stored.answer == answer
    assert stored.saves == 1
    assert abs(datetime.now(UTC) - stored.at) < timedelta(minutes=1)
    store.save(2, done("b"), "two")
    stored = store.events.answers("R01")[2]
    assert (stored.answer.verdict, stored.saves) == ("b", 2)
    (one,) = store.annotations()
    assert (one.verdict, one.position, one.rater) == ("b", 1, "R01")


def test_the_same_save_again_adds_nothing(store):
    first = store.save(1, done(), "one")
    again = store.save(1, done(), "one")
    assert (again.id, again.again) == (first.id, True)
    assert len(events_of(store)) == 1
    # Two raters' keys do not meet.
    assert not store.save(7, done(), "one").again


def test_another_answer_under_a_key_that_was_used_is_kept_all_the_same(store):
    """A browser without scripts sends a page's key again when its form is corrected, or sent after going back."""
    store.save(1, done("a"), "one")
    other = store.save(1, done("b"), "one")
    elsewhere = store.save(2, done("b"), "one")
    assert not other.again
    assert not elsewhere.again
    assert {n: s.answer.verdict for n, s in store.events.answers().items()} == {1: "b", 2: "b"}
    assert store.save(1, done("b"), "one").again
    assert store.has(1, done("b"), "one")
    assert not store.has(1, done("tie"), "one")
    assert not store.has(2, done("a"), "one")


def test_the_same_save_from_eight_threads_at_one_moment_is_kept_once(store):
    gate = threading.Barrier(8)

    def save(key):
        gate.wait()
        return store.save(1, done(), key)

    with ThreadPoolExecutor(8) as pool:
        for key in ("one", "two", "three"):
            saved = list(pool.map(save, [key] * 8))
            assert len({s.id for s in saved}) == 1
            assert sorted(s.again for s in saved) == [False] + [True] * 7
    assert len(events_of(store)) == 3


def test_many_threads_lose_nothing(store):
    def save(n):
        return store.save(1 + n % 12, done(seconds=float(n)), f"key {n}").id

    with ThreadPoolExecutor(24) as pool:
        ids = list(pool.map(save, range(240)))
    assert len(set(ids)) == 240
    assert sorted(e.payload.get("seconds", 0.0) for e in events_of(store)) == [float(n) for n in range(240)]
    last = {1 + n % 12: ids[n] for n in sorted(range(240), key=ids.__getitem__)}
    by_id = {e.id: e.payload.get("seconds", 0.0) for e in events_of(store)}
    assert {n: s.answer.seconds for n, s in store.events.answers().items()} == {n: by_id[i] for n, i in last.items()}


def _write(where, who):
    with Store.open(where) as store:
        for n in range(40):
            store.save(1 + n % 6 + 6 * who, done(seconds=float(n)), f"key {n}")


def test_processes_that_write_at_once_lose_nothing(store, where):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(where, who)) for who in (0, 1)]
    for process in processes:
        process.start()
    for n in range(40):  # and this one reads and writes meanwhile
        store.note("test", "noted", str(n))
        store.annotations()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    kept = events_of(store)
    assert len(kept) == len({(e.rater, e.assignment, e.payload.get("seconds")) for e in kept}) == 80
    assert [row["about"] for row in store.audit()] == [str(n) for n in reversed(range(40))]


@pytest.mark.parametrize("table", ["event", "adjudication", "audit"])
def test_what_was_done_can_only_grow(store, table):
    store.save(1, done(), "one")
    store.adjudicate(next(iter(store.items)), "Ann", done())
    store.note("Ann", "looked")
    changes = [f"UPDATE {table} SET at = '2020'", f"DELETE FROM {table}"]
    changes += [] if store._db.is_sqlite else [f"TRUNCATE {table}", f"TRUNCATE {table} CASCADE"]
    for change in changes:
        with pytest.raises(DBAPIError, match=f"{table} only grows"), store._db.writing() as connection:
            connection.execute(text(change))
    assert len(events_of(store)) == len(store.adjudicated()) == len(store.audit()) == 1


def test_nothing_is_kept_that_does_not_fit_its_item(store):
    for bad, says in (
        (Answer(verdict="a", done=True), "is not answered"),
        (Answer(verdicts={"charm": "a"}), "no principle is called charm"),
        (Answer(overall=3), "compared, not rated"),
        (Answer(spans=(Span(side="b", start=0, end=10_000, kind="good"),)), "outside its response"),
    ):
        with pytest.raises(InputError, match=says):
            store.save(1, bad, "bad")
    with pytest.raises(InputError, match="no such item"):
        store.adjudicate("nothing", "Ann", done())
    assert events_of(store) == []
    assert store.adjudicated() == {}


def test_a_block_that_fails_leaves_nothing(store):
    with pytest.raises(RuntimeError), store._db.writing() as connection:
        connection.execute(text("UPDATE study SET paused = true"))
        raise RuntimeError
    assert not store.paused


def test_what_a_database_cannot_hold_is_replaced_and_nothing_fails(store):
    odd = "a\0b\ud800c"
    store.access.invite("R01", name=odd)
    assert store.access.rater("R01").name == "a\ufffdb\ufffdc"
    store.note(odd, odd, odd)
    assert store.audit()[0]["about"] == "a\ufffdb\ufffdc"
    store.save(1, done(comment="a\0b"), odd)
    assert store.save(1, done(comment="a\0b"), odd).again
    assert store.events.answers()[1].answer.comment == "a\0b"
    assert store.access.rater("\0") is None
    with pytest.raises(InputError, match="no rater"):
        store.access.invite("R01\0")


def test_links_expire_are_replaced_and_taken_back(store):
    access = store.access
    assert access.by_token("guess") is None
    first = access.invite("R01", name="  Ann \n Smith ")
    assert access.by_token(first).code == "R01"
    assert access.rater("R01").name == "Ann Smith"
    session = access.rater("R01").version
    second = access.invite("R01")
    assert access.rater("R01").name == "Ann Smith"
    assert access.by_token(first) is None
    assert access.standing("R01", session) is None
    assert access.standing("R01", access.by_token(second).version).code == "R01"
    access.invite("R02", days=-0.001)
    assert not access.rater("R02").welcome(datetime.now(UTC))
    assert access.standing("R02", access.rater("R02").version) is None
    access.revoke("R01")
    assert access.by_token(second) is None
    assert access.standing("R01", access.rater("R01").version) is None
    for change in (access.invite, access.revoke):
        with pytest.raises(InputError, match="no rater"):
            change("R99")
    for odd in ("\0", "\ud800", "x" * 100_000, ODD):
        assert access.by_token(odd) is None


def test_who_has_withdrawn_gets_no_link_and_no_earlier_one_lets_them_in(store):
    access = store.access
    link = access.invite("R01")
    session = access.by_token(link).version
    store.events.append("R01", "withdrawn", "w", {}, None)
    assert access.by_token(link) is None
    assert access.standing("R01", session) is None
    with pytest.raises(InputError, match="R01 has withdrawn"):
        access.invite("R01")
    assert access.rater("R01").version == session
    other = access.by_token(access.invite("R02"))
    assert access.standing("R02", other.version).code == "R02"


def test_where_a_rater_stands_is_one_question(store):
    store.access.invite("R01")
    asked = []

    @listens_for(store._db.engine, "before_cursor_execute")
    def _count(connection, cursor, statement, *_):
        asked.append(statement)

    assert store.access.standing("R01", 1)
    assert len([statement for statement in asked if "SELECT" in statement and "FROM rater" in statement]) == 1
    assert len(asked) == 1


def test_a_link_is_not_in_the_database(store):
    token = store.access.invite("R01")
    with store._db.reading() as connection:
        rows = [str(row) for table in ("rater", "audit", "event", "study")
                for row in connection.execute(text(f"SELECT * FROM {table}"))]  # fmt: skip
    assert rows
    assert not [row for row in rows if token in row]


def test_coordinators_sign_in_by_a_password_that_is_not_kept(store):
    access = store.access
    access.set_coordinator("Ann", "correct horse battery", "owner")
    found = access.sign_in(" Ann ", "correct horse battery")
    assert (found.name, found.role) == ("Ann", "owner")
    assert access.by_name("Ann", found.version) == found
    access.set_coordinator("Ann", "another one altogether", "observer")
    assert access.by_name("Ann", found.version) is None
    for name, password in (("Ann", "correct horse battery"), ("Bob", "another one altogether"), ("", ""),
                           ("\0", "\0"), ("\ud800", "\ud800"), ("Ann", "x" * 10_000)):  # fmt: skip
        assert access.sign_in(name, password) is None
    assert access.sign_in("Ann", "another one altogether").role == "observer"
    good = "long enough it is"
    for name, password, role in (
        ("", good, "owner"), ("Cy", "short", "owner"), ("Cy\0", good, "owner"), ("Cy", good, "king"),
    ):  # fmt: skip
        with pytest.raises(InputError):
            access.set_coordinator(name, password, role)
    with store._db.reading() as connection:
        (row,) = connection.execute(text("SELECT * FROM coordinator")).all()
    assert "another" not in str(row)


def test_consent_counts_as_it_was_last_given_and_who_withdraws_is_left_out(store):
    store.access.invite("R01")
    assert store.access.standing("R01", 1).said == ""
    for n, (kind, agreed) in enumerate((("consent", True), ("declined", False), ("consent", True))):
        store.events.append("R01", kind, f"c{n}", {}, None)
        assert (store.consent_of("R01") is not None) is agreed
        assert store.access.standing("R01", store.access.rater("R01").version).said == kind
    assert store.consent_of("R02") is None
    for number in (1, 7):
        store.save(number, done(), "one")
    store.save(8, Answer(verdict="a"), "two")  # begun, not finished
    assert [(a.rater, a.position) for a in store.annotations()] == [("R01", 0), ("R02", 0)]
    store.events.append("R01", "withdrawn", "w", {}, None)
    assert [a.rater for a in store.annotations()] == ["R02"]


def test_the_newest_decision_on_an_item_counts(store):
    item = next(iter(store.items))
    store.adjudicate(item, "Ann", done("a"))
    store.adjudicate(item, "Bob", done("tie", comment=ODD))
    ((answer, who),) = store.adjudicated().values()
    assert (answer.verdict, answer.comment, who) == ("tie", ODD, "Bob")


def test_a_pause_is_seen_by_who_opens_the_study_too(store, where):
    store.access.invite("R01")
    assert not store.access.standing("R01", 1).paused
    store.pause(True)
    assert store.access.standing("R01", 1).paused
    with Store.open(where) as other:
        assert other.paused
        other.pause(False)
    assert not store.paused


def test_a_study_of_a_newer_version_is_not_touched(store, where):
    with store._db.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError, match=r"newer psychocounsel\. Update"), Store.open(where):
        pass


def test_a_study_of_an_older_version_is_brought_up_and_keeps_its_answers(store, where):
    store.save(1, done("b"), "one")
    with store._db.writing() as connection:  # as the first version left it
        connection.execute(text("DROP INDEX event_of_rater"))
        connection.execute(text("CREATE INDEX event_of_assignment ON event (assignment, id)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with Store.open(where) as again:
        assert again.events.answers()[1].answer == done("b")
        assert {i["name"] for i in inspect(again._db.engine).get_indexes("event")} >= {"event_of_rater"}
    with Store.open(where) as again:
        assert again.events.answers("R01").keys() == {1}


def test_what_another_process_saved_is_seen_though_answers_are_remembered(store, where, monkeypatch):
    monkeypatch.setattr("psychocounsel.annotate.store.events._REMEMBERED", 2)
    with Store.open(where) as other:
        for n, number in enumerate((1, 7, 2, 8, 1, 3)):
            (store, other)[n % 2].save(number, done(comment=str(n)), "one")
            for each in (store, other):
                seen = each.events.answers()
                assert seen[number].answer.comment == str(n)
                assert seen == {**each.events.answers("R01"), **each.events.answers("R02")}
    assert {number: s.answer.comment for number, s in seen.items()} == {1: "4", 7: "1", 2: "2", 8: "3", 3: "5"}
    assert seen[1].saves == 2


def test_a_database_of_something_else_is_left_as_it_is(where):
    url = where.replace("postgresql:", "postgresql+psycopg:") if "://" in where else f"sqlite:///{where}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE study (title TEXT)"))
        connection.execute(text("INSERT INTO study VALUES ('mine')"))
    before = Path(where).read_bytes() if "://" not in where else None
    with pytest.raises(InputError, match="holds no study"), Store.open(where):
        pass
    with pytest.raises(InputError, match="holds something else"):
        Store.make(where, small_design())
    with engine.begin() as connection:
        assert connection.execute(text("SELECT * FROM study")).all() == [("mine",)]
    engine.dispose()
    assert before is None or Path(where).read_bytes() == before


_MAKE = """
import sys
sys.path.insert(0, sys.argv[2])
from small_study import small_design
from psychocounsel.annotate.store import Store
design = small_design(raters=tuple(f"R{n:02}" for n in range(20)), count=300)
print("begin", flush=True)
Store.make(sys.argv[1], design).close()
print("made", flush=True)
"""


def test_a_study_that_was_killed_while_it_was_made_leaves_no_half(where):
    """`kill -9` at moments over the whole of it: afterwards there is all of the study, or it can be made anew."""
    took = _made(where, None)
    assert _found(where) == "whole"
    _remove(where)
    outcomes = []
    for part in (0.1, 0.5, 0.8):
        _made(where, part * took)
        outcomes.append(_found(where))
        if outcomes[-1] == "whole":
            _remove(where)
    assert "none" in outcomes
    Store.make(where, small_design()).close()  # over whatever the last kill left
    with Store.open(where) as store:
        assert len(store.items) == 6


def _made(where, kill_after):
    """Make a large study in a process of its own, killed so many seconds after it began; returns how long it took."""
    command = [sys.executable, "-c", _MAKE, where, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begin\n"
        begun = time.monotonic()
        if kill_after is not None:
            time.sleep(kill_after)
            process.kill()
        elif process.stdout.readline() != "made\n":
            raise AssertionError
    return time.monotonic() - begun


def _found(where):
    try:
        with Store.open(where) as store:
            assert (len(store.items), len(store.assignments), len(store.access.raters())) == (300, 6000, 20)
            assert store.plan.name == "A study"
    except InputError as error:
        return "none" if "Make one with" in str(error) else str(error)
    return "whole"


def _remove(where):
    if "://" not in where:
        for end in ("", "-wal", "-shm"):
            Path(where + end).unlink(missing_ok=True)
        return
    engine = create_engine(where.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()


def test_files_that_hold_no_study_are_told_apart(tmp_path):
    (tmp_path / "text.sqlite").write_text("Client: I feel stuck.\n" * 100)
    (tmp_path / "empty.sqlite").touch()
    (tmp_path / "folder").mkdir()
    Store.make(tmp_path / "cut.sqlite", small_design()).close()
    whole = (tmp_path / "cut.sqlite").read_bytes()
    (tmp_path / "cut.sqlite").write_bytes(whole[: len(whole) // 2])
    for name, kind, says in (
        ("text.sqlite", InputError, "not a database"),
        ("empty.sqlite", InputError, "holds no study"),
        ("folder", InputError, "no such study"),
        ("absent.sqlite", InputError, "no such study"),
        ("cut.sqlite", InputError, "malformed"),
        ("text.sqlite/x", InputError, "no such study"),
        ("", InputError, "no such study"),
    ):
        with pytest.raises(kind, match=says) as raised, Store.open(tmp_path / name):
            pass
        assert "feel stuck" not in str(raised.value)
    for name in (":memory:", "", "sqlite://", "mysql://me@host/x", "postgresql://[::1", "http://host:x/y"):
        with pytest.raises(InputError), Store.open(name):
            pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.sqlite", "empty.sqlite", "folder", "text.sqlite"]
    assert (tmp_path / "empty.sqlite").stat().st_size == 0
    with pytest.raises(InputError, match="no such folder"):
        Store.make(tmp_path / "absent" / "x.sqlite", small_design())
    with pytest.raises(InputError, match="not a database"):
        Store.make(tmp_path / "text.sqlite", small_design())
    assert (tmp_path / "text.sqlite").read_text().startswith("Client:")
    Store.make(tmp_path / "empty.sqlite", small_design()).close()  # nothing was in it


def test_a_file_that_is_moved_away_or_replaced_takes_no_more_answers(tmp_path):
    """SQLite itself would write on into the file that is gone, and say that all is well."""
    store = Store.make(tmp_path / "x.sqlite", small_design())
    store.save(1, done(), "one")
    (tmp_path / "x.sqlite").rename(tmp_path / "y.sqlite")
    with pytest.raises(ResourceError, match="is gone"):
        store.save(2, done(), "two")
    shutil.copy(tmp_path / "y.sqlite", tmp_path / "x.sqlite")
    with pytest.raises(ResourceError, match="was replaced"):
        store.save(2, done(), "two")
    (tmp_path / "x.sqlite").unlink()
    (tmp_path / "y.sqlite").rename(tmp_path / "x.sqlite")
    assert not store.save(2, done(), "two").again
    store.close()


def test_a_writer_waits_for_another_process_and_then_gives_up_without_a_loss(tmp_path, monkeypatch):
    monkeypatch.setattr("psychocounsel.annotate.store.database.WAIT", 0.3)
    store = Store.make(tmp_path / "x.sqlite", small_design())
    other = sqlite3.connect(tmp_path / "x.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DBAPIError, match="locked"):
        store.save(1, done(), "one")
    assert store.events.answers() == {}  # reading goes on meanwhile
    other.execute("ROLLBACK")
    other.close()
    assert not store.save(1, done(), "one").again
    store.close()


def test_what_is_acknowledged_is_on_the_disk(store):
    with store._db.reading() as connection:
        if store._db.is_sqlite:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
            assert connection.execute(text("SHOW fsync")).scalar() == "on"
