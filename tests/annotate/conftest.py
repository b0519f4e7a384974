"""The databases that a study may be in: SQLite always, PostgreSQL where `make services` has installed it."""

from __future__ import annotations

import re

import pytest
from desk_study import coordinated_store
from postgres import AbsentError, cluster


@pytest.fixture(scope="session")
def postgres_server():
    try:
        with cluster() as server:
            yield server
    except AbsentError as reason:
        pytest.skip(str(reason))


@pytest.fixture
def desk_store(tmp_path, monkeypatch):
    """A small study with coordinators. Their passwords cost 0.1 s on purpose; here the same is reckoned with less."""
    monkeypatch.setattr("psychocounsel.annotate.store.access._N", 16)
    made = coordinated_store(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path):
    """Where a study can be made: a path that is free, or the URL of an empty database; once for each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "study.sqlite")
    name = re.sub(r"\W+", "_", request.node.name)[:50].lower()
    return request.getfixturevalue("postgres_server").fresh(name)
