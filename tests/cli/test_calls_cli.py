"""`calls`, `plan` and what a server says of itself, as a user meets them."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from benchmarks.fault_server import serving
from typer.testing import CliRunner

from psychocounsel import pipeline
from psychocounsel.cli.main import app
from psychocounsel.costs import check_servers
from psychocounsel.errors import BackendError
from psychocounsel.recipe import recipe_of


def settings(output, url, **more):
    endpoint = json.dumps({"base_url": url, "requests_per_second": 50} | more)
    return [
        f"output={output}", f"endpoints.here={endpoint}", "collect.limit=25", "generate.pool=[here/a, here/b]",
        "generate.per_speech=2",
    ]  # fmt: skip


def ask(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output


def test_answers_are_counted_exported_and_forgotten(tmp_path):
    with serving(lambda text, times: "ok" if times else "500") as server:
        prices = {"default": {"input": 1000.0, "output": 2000.0}}
        made = recipe_of(settings(tmp_path, server.url, prices=prices))
        pipeline.run(made, only="collect")
        pipeline.run(made, only="generate")
    store = tmp_path / "calls.sqlite"
    code, said = ask("calls", "stats", store)
    assert code == 0
    assert "here/a" in said
    assert "x 500" in said
    code, said = ask("calls", "stats", store, "--json")
    rows = [json.loads(line) for line in said.splitlines()]
    assert [row["answers"] for row in rows] == [25, 25]
    assert sum(row["failures"]["500"] for row in rows) == 25  # each text failed once, for whichever asked first
    assert rows[0]["cost"] == pytest.approx(25 * (7 * 1000 + 5 * 2000) / 1e6)
    code, said = ask("calls", "export", store, "--model", "here/a")
    exported = [json.loads(line) for line in said.splitlines()]
    assert len(exported) == 25
    assert {row["model"] for row in exported} == {"here/a"}
    assert ask("calls", "prune", store)[0] == 2
    assert ask("calls", "prune", store, "--model", "here/a")[1] == "25 answers forgotten\n"
    assert ask("calls", "prune", store, "--older-than-days", "1")[1] == "0 answers forgotten\n"


def test_the_plan_shows_calls_tokens_price_and_time(tmp_path):
    prices = {"default": {"input": 1.0, "output": 2.0}}
    recipe = tmp_path / "r.yaml"
    recipe.write_text(json.dumps({"name": "planned", "output": "x"}))
    known = settings(tmp_path, "http://127.0.0.1:9/v1", prices=prices)
    code, said = ask("plan", recipe, *known)
    assert code == 0
    assert "Calls to servers, at most" in said
    assert "in all" in said
    code, said = ask("plan", recipe, *known, "--json")
    calls = json.loads(said)["calls"]
    assert sum(cost["calls"] for cost in calls) == 50
    code, said = ask("plan", recipe, *settings(tmp_path, "http://127.0.0.1:9/v1"))
    assert "No price for some models" in said


class Told(BaseHTTPRequestHandler):
    status, body = 200, b""

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"{}", "refuses the key"),
        (403, b"{}", "refuses the key"),
        (200, b"<html>hello</html>", "not as an OpenAI-compatible server"),
        (200, b'{"models": []}', "not as an OpenAI-compatible server"),
        (200, b'{"object": "list", "data": [{"id": "aa"}]}', "has no model a; it has aa"),
        (404, b"{}", None),
        (500, b"oops", None),
        (200, b'{"object": "list", "data": [{"id": "a"}, {"id": "b"}]}', None),
    ],
)
def test_what_a_server_says_of_itself_is_heard_before_any_call(tmp_path, status, body, said):
    handler = type("Handler", (Told,), {"status": status, "body": body})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = recipe_of(settings(tmp_path, f"http://127.0.0.1:{server.server_address[1]}/v1"))
    try:
        if said is None:
            check_servers(made)
        else:
            with pytest.raises(BackendError, match=said):
                check_servers(made)
    finally:
        server.shutdown()
