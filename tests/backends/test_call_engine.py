"""The call engine against a real server on loopback that misbehaves."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from benchmarks.fault_server import serving

from psychocounsel.backends.calls import CallStore
from psychocounsel.backends.calls.engine import Call, CallError, Engine, Limits, Progress
from psychocounsel.backends.calls.openai_sdk import key_from, reply_of, sender
from psychocounsel.errors import BackendError


def calls(count, spec="openai/m"):
    return (
        Call(spec, {"model": "m", "messages": [{"role": "user", "content": f"speech {i}"}]}, i) for i in range(count)
    )


def run(server, store, count, **limits):
    progress = Progress()
    engine = Engine(
        sender(server.url, "key", 60), store, Limits(**{"pause": 0.02, "concurrency": 16} | limits), progress
    )
    return list(engine.run(calls(count))), progress


@pytest.fixture
def store(tmp_path):
    return CallStore(tmp_path / "calls.db")


def test_every_call_is_answered_once_and_read_from_the_store_the_second_time(store):
    with serving(lambda text, times: "ok") as server:
        outcomes, progress = run(server, store, 60, prices={"default": (1.0, 2.0)})
        assert sorted(o.call.label for o in outcomes) == list(range(60))
        assert all(o.stored.answer["choices"][0]["message"]["content"].endswith(f" {o.call.label}") for o in outcomes)
        assert set(server.answered.values()) == {1}
        assert progress.cost == pytest.approx(60 * (7 + 10) / 1e6)
        again, progress = run(server, store, 60)
        assert (progress.paid, progress.from_store) == (0, 60)
        assert sum(server.asked.values()) == 60
        assert all(o.stored and not o.paid for o in again)


FAULTS = ("429", "429 0.05", "500", "reset", "cut", "prose", "trickle")


def test_with_a_third_of_answers_faulty_every_row_ends_and_none_is_paid_twice(store):
    def behaviour(text, times):
        rng = random.Random(f"{text} {times}")
        return rng.choice(FAULTS) if rng.random() < 0.3 else "ok"

    with serving(behaviour) as server:
        outcomes, progress = run(server, store, 150, deadline=0.6, attempts=10)
    assert sorted(o.call.label for o in outcomes) == list(range(150))
    assert all(o.stored for o in outcomes)
    # A trickled answer is paid for and thrown away by its deadline; what arrived whole is never asked again.
    assert max(server.answered.values()) == 1
    reasons = Counter(f.reason for f in store.failures())
    assert {"429", "500", "the answer is not JSON", "no connection", "no answer within the deadline"} <= set(reasons)
    assert progress.attempts == 150 + sum(reasons.values())


def test_what_never_works_is_given_up_with_its_reason(store):
    with serving(lambda text, times: "500" if text.endswith("3") else "ok") as server:
        outcomes, progress = run(server, store, 20, attempts=3)
    lost = {o.call.label: o.error for o in outcomes if not o.stored}
    assert lost == {3: "500, 3 times", 13: "500, 3 times"}
    assert server.asked["speech 3"] == 3
    assert progress.failed == {"500, 3 times": 2}


def test_a_wrong_key_is_not_tried_again(store):
    with serving(lambda text, times: "401") as server:
        outcomes, _ = run(server, store, 5)
    assert [o.error for o in outcomes] == ["401: the key is refused"] * 5
    assert set(server.asked.values()) == {1}


def test_a_dead_model_is_paused_and_others_go_on(store):
    with serving(lambda text, times: "ok") as server:
        good = sender(server.url, "key", 60)

        async def send(call):
            if call.spec == "openai/dead":
                raise CallError("no connection", dead=True)
            return await good(call)

        limits = Limits(concurrency=8, pause=0.01, dead_after=2, dead_pause=0.05, dead_pauses=2, attempts=50)
        mixed = [c for pair in zip(calls(20), calls(20, "openai/dead"), strict=True) for c in pair]
        outcomes = list(Engine(send, store, limits).run(mixed))
    assert Counter((o.call.spec, bool(o.stored)) for o in outcomes) == {
        ("openai/m", True): 20,
        ("openai/dead", False): 20,
    }
    assert {o.error for o in outcomes if o.error} == {"the model is dead: it was paused and did not come back"}


def test_the_rate_is_kept_and_concurrency_bounded(store):
    with serving(lambda text, times: "ok", latency=0.1) as server:
        begun = time.monotonic()
        run(server, store, 60, requests_per_second=50.0, concurrency=20)
        assert time.monotonic() - begun >= 59 / 50
    for i in range(len(server.starts) - 12):
        assert server.starts[i + 12] - server.starts[i] > 0.1  # 50 a second, and a little slack for the machine
    assert server.most <= 20


def test_throttling_lowers_concurrency_and_retry_after_is_kept(store):
    with serving(lambda text, times: "429 0.4" if times == 0 and text.endswith("0") else "ok") as server:
        outcomes, progress = run(server, store, 40)
    assert all(o.stored for o in outcomes)
    assert progress.throttled == 4
    assert max(server.starts) - min(server.starts) >= 0.4


@pytest.mark.parametrize("limits", [{"max_calls": 10}, {"max_cost": 10 * 17 / 1e6, "prices": {"default": (1.0, 2.0)}}])
def test_a_budget_stops_cleanly(store, limits):
    with serving(lambda text, times: "ok") as server:
        outcomes, progress = run(server, store, 50, concurrency=1, **limits)
        assert len(outcomes) == 50
        assert progress.paid == 10 == sum(server.answered.values())
        assert all("budget" in o.error for o in outcomes if not o.stored)
        more, _ = run(server, store, 50)
        assert all(o.stored for o in more)
        assert set(server.answered.values()) == {1}


def test_leaving_early_stops_and_keeps_what_was_paid(store):
    with serving(lambda text, times: "ok", latency=0.02) as server:
        progress = Progress()
        engine = Engine(sender(server.url, "key", 60), store, Limits(concurrency=4), progress)
        for number, _ in enumerate(engine.run(calls(10_000))):
            if number == 20:
                break
        paid = sum(server.answered.values())
        assert paid < 200
        assert progress.paid == sum(s["answers"] for s in store.stats())


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe", b"[]", b"{}", b'{"choices": []}', b'{"choices": [3]}', b'{"choices": [{"message": "hi"}]}',
        b'{"choices": [{"message": {"content": 5}}]}', b'{"choices": "many"}',
    ],
)  # fmt: skip
def test_what_is_no_chat_completion_is_a_failure_and_never_an_answer(content):
    with pytest.raises(CallError):
        reply_of(content)


def test_a_reply_keeps_the_servers_json_whole():
    reply = reply_of(b'{"choices": [{"message": {"content": "yes"}}], "usage": {"prompt_tokens": 3}, "x": 1}')
    assert (reply.answer["x"], reply.tokens_in, reply.tokens_out) == (1, 3, None)


def test_a_missing_key_is_told_by_its_variables_name(monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(BackendError, match="NO_SUCH_KEY holds no key"):
        key_from("NO_SUCH_KEY")
    monkeypatch.setenv("NO_SUCH_KEY", "secret")
    assert key_from("NO_SUCH_KEY") == "secret"
