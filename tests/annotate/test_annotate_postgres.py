"""What is PostgreSQL's own: addresses with passwords, a server that goes away and comes back, several at once."""

from __future__ import annotations

import logging
import socket
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from small_study import KEYS, small_design
from sqlalchemy.exc import DBAPIError

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer
from psychocounsel.errors import InputError, ResourceError

PASSWORD = "open-sesame-17"


def done(**more):
    return Answer(verdict="a", verdicts=dict.fromkeys(KEYS, "a"), done=True, **more)


@pytest.fixture
def url(postgres_server, request):
    return postgres_server.fresh(request.node.name[:50])


def refused_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:{password}@127.0.0.1:{port}/study",
        "postgresql://127.0.0.1:{port}/study?user=me&password={password}",
        "postgresql+psycopg://me:{password}@127.0.0.1:{port}/study?connect_timeout=2",
    ],
)
@pytest.mark.parametrize("make", [True, False])
def test_a_server_that_is_not_there_is_named_without_the_password(address, make, caplog):
    where = address.format(password=PASSWORD, port=refused_port())
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ResourceError, match="cannot be opened") as raised:
        if make:
            Store.make(where, small_design())
        else:
            with Store.open(where):
                pass
    chain = [raised.value, raised.value.__cause__]
    assert not [each for each in chain if PASSWORD in str(each)]
    assert raised.value.__suppress_context__
    assert PASSWORD not in caplog.text
    assert "127.0.0.1" in str(raised.value)


def test_a_password_is_not_shown_where_the_study_is_there_or_is_not(postgres_server, url):
    with_password = url.replace("postgres@", f"postgres:{PASSWORD}@")
    with pytest.raises(InputError, match="holds no study") as raised, Store.open(with_password):
        pass
    assert PASSWORD not in str(raised.value)
    Store.make(with_password, small_design()).close()
    with pytest.raises(InputError, match="is there already") as raised:
        Store.make(with_password, small_design())
    assert PASSWORD not in str(raised.value)
    with pytest.raises(ResourceError, match="does not exist") as raised, Store.open(with_password + "_absent"):
        pass
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgres://me@host/study", "postgresql://"),
        ("postgresql://me@host:port/study", "postgresql://USER@HOST/DATABASE"),
        ("mysql://me:" + PASSWORD + "@host/study", "mysql is not known here"),
        ("postgresql://", "cannot be opened"),
    ],
)
def test_an_address_that_is_none_is_told(address, says, monkeypatch):
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(refused_port()))
    with pytest.raises((InputError, ResourceError), match=says) as raised, Store.open(address):
        pass
    assert PASSWORD not in str(raised.value)


def test_connections_that_the_server_closed_are_opened_again(postgres_server, url):
    """A server that was started again, or an idle connection that a firewall dropped: nobody is told of an error."""
    store = Store.make(url, small_design())
    store.save(1, done(), "one")
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as connection:
        closed = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.rpartition("/")[2]]
        ).fetchall()
    assert closed
    assert store.save(1, done(), "one").again
    assert not store.save(2, done(), "two").again
    store.close()


def test_a_database_that_is_gone_is_an_error_at_once_and_never_an_acknowledgement(postgres_server, url):
    store = Store.make(url, small_design())
    postgres_server.dropped(url.rpartition("/")[2])
    with pytest.raises(DBAPIError) as raised:
        store.save(1, done(comment="I feel stuck."), "one")
    assert "stuck" not in str(raised.value)
    store.close()


def test_no_error_of_the_database_quotes_what_was_written(url):
    store = Store.make(url, small_design())
    with pytest.raises(DBAPIError) as raised:
        store.events.append("R99", "answer", "one", {"comment": "I feel stuck."}, 1)
    assert "stuck" not in str(raised.value)
    store.close()


def test_two_that_make_a_study_at_one_moment_make_one(url):
    def make(seed):
        try:
            Store.make(url, small_design(seed=seed)).close()
        except InputError:
            return None
        return seed

    with ThreadPoolExecutor(4) as pool:
        made = [seed for seed in pool.map(make, range(4)) if seed is not None]
    assert len(made) == 1
    with Store.open(url) as store:
        assert store.plan.seed == made[0]
        assert len(store.items) == 6
