"""The call store: nothing that was put is lost, whoever dies, and nobody is asked twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.backends.calls import CallStore, Stored, request_key
from psychocounsel.errors import ArtifactError


def stored(key, spec="openai/m", answer="hello", created=1.0, cost=0.5):
    return Stored(key, spec, {"messages": [key]}, {"text": answer}, 3, 4, cost, 0.2, created)


def test_an_answer_comes_back_whole_and_the_first_one_stays(tmp_path):
    store = CallStore(tmp_path / "calls.db")
    assert store.get("a") is None
    store.put(stored("a"))
    store.put(stored("a", answer="another"))
    assert CallStore(tmp_path / "calls.db").get("a") == stored("a")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4), st.dictionaries(st.text(), values, max_size=4))
def test_the_key_is_the_content_and_not_the_order(one, other):
    turned = dict(reversed(list(one.items())))
    assert request_key("s", one) == request_key("s", turned)
    assert request_key("s", one) != request_key("t", one)
    if one != other:
        assert request_key("s", one) != request_key("s", other)


def test_failures_are_a_ledger_and_never_an_answer(tmp_path):
    store = CallStore(tmp_path / "calls.db")
    assert store.claim("a", 60)
    store.fail("a", "openai/m", 1, "429")
    store.fail("a", "openai/m", 2, "timeout")
    assert store.get("a") is None
    assert [(f.attempt, f.reason) for f in store.failures()] == [(1, "429"), (2, "timeout")]
    assert store.stats()[0]["failures"] == {"429": 1, "timeout": 1}
    assert store.stats()[0]["answers"] == 0


def test_a_claim_is_one_processs_until_it_runs_out(tmp_path):
    one, other = CallStore(tmp_path / "calls.db"), CallStore(tmp_path / "calls.db")
    assert one.claim("a", 0.2)
    assert one.claim("a", 0.2)
    assert not other.claim("a", 60)
    time.sleep(0.25)
    assert other.claim("a", 60)
    other.put(stored("a"))
    assert one.get("a") is not None


def test_stats_export_and_prune(tmp_path):
    store = CallStore(tmp_path / "calls.db")
    for i in range(6):
        store.put(stored(f"k{i}", spec=f"openai/{'ab'[i % 2]}", created=float(i)))
    assert [(s["spec"], s["answers"], s["cost"]) for s in store.stats()] == [("openai/a", 3, 1.5), ("openai/b", 3, 1.5)]
    assert [s.key for s in store.answers("openai/b")] == ["k1", "k3", "k5"]
    assert store.prune(before=2.0) == 2
    assert store.prune(spec="openai/b") == 2
    assert [s.key for s in store.answers()] == ["k2", "k4"]
    with pytest.raises(ValueError, match="prune needs"):
        store.prune()


def test_another_file_is_refused(tmp_path):
    (tmp_path / "no.db").write_text("this is no database, but it is long enough to be looked at " * 50)
    with pytest.raises(ArtifactError, match="is no call store"):
        CallStore(tmp_path / "no.db")


WRITER = """
import sys
from pathlib import Path
from psychocounsel.backends.calls import CallStore, Stored
store = CallStore(Path(sys.argv[1]))
for i in range(100_000):
    store.put(Stored(f"{sys.argv[2]}{i}", "s", {"i": i}, {"text": "x" * 200}, 1, 1, None, 0.1, float(i)))
    print(i, flush=True)
"""


def test_what_was_put_survives_kill_9_of_two_writers_at_once(tmp_path):
    path = tmp_path / "calls.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, name], stdout=subprocess.PIPE, text=True) for name in "ab"
    ]
    for writer in writers:
        while int(writer.stdout.readline()) < 50:
            pass
    for writer in writers:
        os.kill(writer.pid, signal.SIGKILL)
    told = [writer.communicate()[0].split() for writer in writers]
    store = CallStore(path)
    for name, said in zip("ab", told, strict=True):
        last = int(said[-1]) if said else 50
        for i in range(last + 1):
            assert store.get(f"{name}{i}").request == {"i": i}


def test_many_processes_may_open_a_new_store_at_once(tmp_path):
    opening = (
        "import sys; from pathlib import Path; from psychocounsel.backends.calls.store import CallStore; "
        "CallStore(Path(sys.argv[1]))"
    )
    for turn in range(3):
        path = tmp_path / f"{turn}.db"
        opened = [subprocess.Popen([sys.executable, "-c", opening, path]) for _ in range(6)]
        assert [process.wait(timeout=120) for process in opened] == [0] * 6
