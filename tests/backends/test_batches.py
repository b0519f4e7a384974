"""The batch API against a real server on loopback that keeps files and batches as OpenAI's does."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from psychocounsel.backends.calls import CallStore
from psychocounsel.backends.calls.batches import PRICE, ask_in_batches
from psychocounsel.backends.calls.engine import Call, Limits, Progress


class BatchServer(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.batches, self.asked, self.polls = {}, {}, [], 0
        self.ready_after = 1
        self.failing = ()


class Handler(BaseHTTPRequestHandler):
    server: BatchServer

    def log_message(self, *_):
        """Say nothing."""

    def say(self, value, raw=False):
        payload = value.encode() if raw else json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        if self.path == "/v1/files":
            lines = re.findall(rb"^\{.*\}\r?$", body, re.MULTILINE)
            name = f"file-{len(server.files)}"
            server.files[name] = [json.loads(line) for line in lines]
            self.say({"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "batch"})
        else:
            name = f"batch-{len(server.batches)}"
            rows = server.files[json.loads(body)["input_file_id"]]
            server.asked += [row["body"]["messages"][-1]["content"] for row in rows]
            server.batches[name] = {"rows": rows, "polls": 0}
            self.say(self.batch(name, "validating"))

    def batch(self, name, status):
        return {
            "id": name, "object": "batch", "status": status, "created_at": 1, "completion_window": "24h",
            "endpoint": "/v1/chat/completions", "input_file_id": "x",
            "output_file_id": f"out-{name}" if status == "completed" else None,
        }  # fmt: skip

    def do_GET(self):
        server = self.server
        name = self.path.split("/")[3]
        if "/files/" in self.path:
            lines = []
            for row in server.batches[name.removeprefix("out-")]["rows"]:
                text = row["body"]["messages"][-1]["content"]
                message = {"role": "assistant", "content": f"I hear: {text}"}
                body = {"choices": [{"message": message}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
                code = 500 if text in server.failing else 200
                lines.append(
                    json.dumps({"custom_id": row["custom_id"], "response": {"status_code": code, "body": body}})
                )
            self.say("\n".join(lines[::-1]), raw=True)
            return
        server.batches[name]["polls"] += 1
        done = server.batches[name]["polls"] > server.ready_after
        self.say(self.batch(name, "completed" if done else "in_progress"))


@pytest.fixture
def server():
    made = BatchServer()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()


def calls(count):
    return [
        Call("here/m", {"model": "m", "messages": [{"role": "user", "content": f"speech {i}"}]}, i)
        for i in range(count)
    ]


def ask(server, store, asked, **more):
    progress = Progress()
    limits = Limits(prices={"default": (2.0, 4.0)}, deadline=10)
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    return list(ask_in_batches(url, "k", limits, store, progress, asked, every=0.01, **more)), progress


def test_answers_come_back_to_their_calls_at_half_the_price_and_are_kept(server, tmp_path):
    store = CallStore(tmp_path / "calls.sqlite")
    outcomes, progress = ask(server, store, [*calls(5), *calls(1)])
    assert sorted(o.call.label for o in outcomes) == [0, 0, 1, 2, 3, 4]
    assert all(o.stored.answer["choices"][0]["message"]["content"].endswith(f" {o.call.label}") for o in outcomes)
    assert progress.cost == pytest.approx(5 * PRICE * (2 * 10 + 4 * 5) / 1e6)
    assert sorted(server.asked) == [f"speech {i}" for i in range(5)]
    again, progress = ask(server, store, calls(5))
    assert (len(again), progress.paid, progress.from_store, len(server.batches)) == (5, 0, 5, 1)


def test_what_failed_in_a_batch_is_told_and_the_rest_is_kept(server, tmp_path):
    server.failing = ("speech 2",)
    outcomes, _ = ask(server, CallStore(tmp_path / "calls.sqlite"), calls(4))
    assert {o.call.label: o.error for o in outcomes} == {0: "", 1: "", 2: "500", 3: ""}


def test_a_batch_that_a_killed_run_sent_is_waited_for_and_not_sent_again(server, tmp_path):
    path = tmp_path / "calls.sqlite"

    class Killed(BaseException):
        """In place of a kill -9: nothing after it runs."""

    server.ready_after = 10**9
    threading.Timer(1.0, lambda: setattr(server, "ready_after", 0)).start()
    waiting = ask_in_batches(
        f"http://127.0.0.1:{server.server_address[1]}/v1", "k", Limits(deadline=10), CallStore(path), Progress(),
        calls(3), every=0.01,
    )  # fmt: skip
    thread = threading.Thread(target=lambda: next(waiting), daemon=True)
    thread.start()
    while not CallStore(path).batches("here/m"):
        pass
    outcomes, _ = ask(server, CallStore(path), calls(4))
    assert sorted(o.call.label for o in outcomes) == [0, 1, 2, 3]
    assert sorted(server.asked) == [f"speech {i}" for i in range(4)]
    assert not CallStore(path).batches("here/m")
