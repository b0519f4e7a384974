"""Recipes whose models stand behind servers: real ones on loopback, well-behaved and not."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from benchmarks.fault_server import serving

from psychocounsel import layout, pipeline
from psychocounsel.artifacts import complete_manifest
from psychocounsel.backends.calls import CallStore
from psychocounsel.collect import read_source
from psychocounsel.costs import check_offline, check_servers, costs
from psychocounsel.errors import BackendError, RecipeError
from psychocounsel.hyperparameters import MadeModel
from psychocounsel.principles import default_rubric
from psychocounsel.recipe import Collect, Judging, recipe_of
from psychocounsel.records import Comparison, Rating, Response
from psychocounsel.tables import read_records

ROOT = Path(__file__).parents[1]
KEYS = default_rubric().keys
SECRET = "sk-notakeybutasecret-7f3a"


def counsellor_and_judge(request):
    """Answer a client as a model would, and a rating or comparison as a judge would."""
    told = request["messages"][0]["content"]
    if "You rate one response" in told:
        score = 1 + sum(map(ord, request["messages"][1]["content"])) % 5
        return json.dumps({key: {"reason": "seen", "score": score} for key in KEYS})
    if "You compare two responses" in told:
        return json.dumps(dict.fromkeys([*KEYS, "overall"], "A"))
    return f"It sounds as if this has been with you for a while. I am {request['model']}. What weighs most?"


def recipe(output, url, *more, **endpoint):
    settings = {"base_url": url, "attempts": 8} | endpoint
    return recipe_of(
        [
            f"output={output}",
            f"endpoints.here={json.dumps(settings)}",
            "collect.limit=25",
            "generate.pool=[here/a, here/b, here/c]",
            "generate.per_speech=2",
            "rate.judge=here/judge",
            *more,
        ],
        "servers",
    )


def make(made, *stages):
    for stage in stages:
        pipeline.run(made, only=stage)


def test_a_pool_and_a_judge_behind_a_server(tmp_path):
    with serving(content=counsellor_and_judge) as server:
        made = recipe(tmp_path, server.url)
        check_servers(made)
        make(made, "collect", "generate", "rate")
    responses = read_records(tmp_path / layout.RESPONSES, Response)
    assert len(responses) == 50
    assert set(Counter(r.model for r in responses)) == {"here/a", "here/b", "here/c"}
    assert all(r.text.endswith(f"I am {r.model[-1]}. What weighs most?") for r in responses)
    ratings = read_records(tmp_path / layout.RATINGS, Rating)
    assert [r.error for r in ratings] == [""] * 50
    manifest = complete_manifest(tmp_path / "generate")
    assert manifest.counts["calls"]["here"]["paid"] == 50
    assert manifest.simulated is False
    assert complete_manifest(tmp_path / "rate").backends == ["here/judge"]


FAULTS = ("429", "429 0.05", "500", "reset", "cut", "prose", "refusal", "empty", "types")


def test_with_faults_every_row_ends_answered_or_with_its_reason(tmp_path):
    def behaviour(text, times):
        rng = random.Random(f"{text} {times}")
        return rng.choice(FAULTS) if rng.random() < 0.3 else "ok"

    def content(request):
        rng = random.Random(request["messages"][-1]["content"])
        if "You rate one response" in request["messages"][0]["content"] and rng.random() < 0.3:
            said = {key: {"score": rng.choice([0, 11, "four", None])} for key in KEYS}
            return rng.choice(["I cannot rate this.", json.dumps(said), "{", ""])
        return counsellor_and_judge(request)

    with serving(behaviour, content=content) as server:
        make(recipe(tmp_path, server.url), "collect", "generate", "rate")
    responses = read_records(tmp_path / layout.RESPONSES, Response)
    ratings = read_records(tmp_path / layout.RATINGS, Rating)
    assert len(responses) == len({r.id for r in responses}) == 50
    assert [r.response_id for r in ratings] == [r.id for r in responses]
    assert all(bool(r.text) != bool(r.error) for r in responses)
    assert all(bool(r.scores) != bool(r.error) for r in ratings)
    assert sum(bool(r.scores) for r in ratings) >= 35
    lost = complete_manifest(tmp_path / "rate").counts["lost"]
    assert sum(lost.values()) == sum(bool(r.error) for r in ratings)


def test_killed_at_any_moment_no_more_is_paid_twice_than_was_in_flight(tmp_path):
    arguments = [
        "collect.limit=60", "generate.pool=[here/a, here/b, here/c]", "generate.per_speech=3", f"output={tmp_path}/run",
    ]  # fmt: skip
    with serving(latency=0.02, content=counsellor_and_judge) as server:
        endpoint = {"base_url": server.url, "concurrency": 4}
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps({"name": "killed", "output": "x", "endpoints": {"here": endpoint}}))
        command = [sys.executable, "-m", "psychocounsel", "generate", str(path), *arguments]
        collect = [*command[:3], "collect", *command[4:]]
        assert subprocess.run(collect, cwd=ROOT, capture_output=True, check=False).returncode == 0
        rng, kills = random.Random(4), 0
        for _ in range(6):
            before = sum(server.answered.values())
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            target = before + rng.randint(1, 25)
            while process.poll() is None and sum(server.answered.values()) < target:
                time.sleep(0.005)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.wait()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        store = CallStore(tmp_path / "run" / "calls.sqlite")
        answers = sum(row["answers"] for row in store.stats())
        assert answers == 180
        assert kills >= 3
        assert sum(server.answered.values()) - answers <= 4 * kills


def test_ctrl_c_stops_at_the_calls_under_way(tmp_path):
    with serving(latency=0.1, content=counsellor_and_judge) as server:
        path = tmp_path / "recipe.yaml"
        endpoint = {"base_url": server.url, "concurrency": 2}
        path.write_text(
            json.dumps({"name": "stopped", "output": str(tmp_path / "run"), "endpoints": {"here": endpoint}})
        )
        settings = ["collect.limit=100", "generate.pool=[here/a, here/b, here/c]", "generate.per_speech=3"]
        command = [sys.executable, "-m", "psychocounsel", "generate", str(path), *settings]
        done = subprocess.run([*command[:3], "collect", *command[4:]], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while sum(server.answered.values()) < 6 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "stopped" in said
        assert "Traceback" not in said
        assert sum(server.answered.values()) < 150


def test_no_key_is_in_any_file_or_line(tmp_path, monkeypatch):
    with serving(lambda text, times: "ok" if times else "500", content=counsellor_and_judge) as server:
        endpoint = json.dumps({"base_url": server.url, "key_env": "OUR_KEY"})
        arguments = ["collect.limit=8", "generate.pool=[here/a, here/b]", "generate.per_speech=2", f"output={tmp_path}"]
        path = tmp_path / "r.yaml"
        path.write_text(json.dumps({"name": "keys", "output": "x"}))
        environment = os.environ | {"OUR_KEY": SECRET}
        for stage in ("collect", "generate"):
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "psychocounsel",
                    stage,
                    str(path),
                    f"endpoints.here={endpoint}",
                    "--json",
                    *arguments,
                ],
                cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert SECRET not in done.stdout + done.stderr
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def test_what_can_be_known_before_money_is_spent(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(BackendError, match="OPENAI_API_KEY holds no key"):
        check_offline(recipe_of(["generate.pool=[openai/gpt-x, simulated/*]"]))
    with pytest.raises(RecipeError, match="ther is no endpoint"):
        recipe_of(["generate.pool=[ther/model]"])
    with pytest.raises(BackendError, match="no price for a"):
        check_offline(recipe(tmp_path, "http://127.0.0.1:9/v1", max_cost=5, prices={"z": {"input": 1, "output": 1}}))
    with pytest.raises(RecipeError, match="max_cost needs prices"):
        recipe(tmp_path, "http://127.0.0.1:9/v1", max_cost=5)
    with pytest.raises(BackendError, match="nothing answers"):
        check_servers(recipe(tmp_path, "http://127.0.0.1:9/v1"))
    with pytest.raises(RecipeError, match="NAME of an environment variable"):
        recipe(tmp_path, "http://127.0.0.1:9/v1", key_env="sk-123")
    with pytest.raises(RecipeError, match="circular"):
        recipe(tmp_path, "http://127.0.0.1:9/v1", "rate.panel=[offline/cues]", "evaluate.judge=offline/cues")


def own_speeches(tmp_path):
    path = tmp_path / "mine.jsonl"
    rows = islice(read_source(Collect()), 40)
    path.write_text("\n".join(json.dumps({"text": row.text}) for row in rows))
    return path


def test_nothing_leaves_the_machine_without_the_recipe_saying_so(tmp_path):
    """The address is one that nobody has: a byte sent would end in another error than ours."""
    away, path = "http://192.0.2.1/v1", own_speeches(tmp_path)
    source = ["collect.source=file", f"collect.path={path}"]
    refused = recipe(tmp_path / "a", away, "egress=local-only", *source)
    with pytest.raises(BackendError, match="egress is local-only"):
        check_offline(refused)
    raw = recipe(tmp_path / "b", away, *source, "collect.deidentify=false")
    make(raw, "collect")
    with pytest.raises(BackendError, match="25 of 25 client speeches have not been through de-identification"):
        make(raw, "generate")
    assert not (tmp_path / "b" / "calls.sqlite").exists()
    with serving(content=counsellor_and_judge) as server:
        here = recipe(tmp_path / "c", server.url, *source, "collect.deidentify=false", "egress=local-only")
        make(here, "collect", "generate")
        assert sum(server.asked.values()) == 50


def test_a_proxy_of_the_environment_is_not_told_of_local_calls(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(content=counsellor_and_judge) as server:
        make(recipe(tmp_path, server.url), "collect", "generate")
        assert sum(server.asked.values()) == 50


def test_a_budget_stops_cleanly_and_the_rest_goes_on_from_there(tmp_path):
    with serving(content=counsellor_and_judge) as server:
        short = recipe(tmp_path, server.url, max_calls=20)
        make(short, "collect", "generate")
        responses = read_records(tmp_path / layout.RESPONSES, Response)
        assert sum(not r.error for r in responses) == 20
        assert {r.error for r in responses if r.error} == {"the budget of 20 calls is spent"}
        (tmp_path / "generate" / "manifest.json").unlink()
        make(recipe(tmp_path, server.url), "generate")
        assert all(not r.error for r in read_records(tmp_path / layout.RESPONSES, Response))
        assert sum(server.asked.values()) == 50


def test_a_panel_is_averaged_and_its_agreement_measured(tmp_path):
    with serving(content=counsellor_and_judge) as server:
        made = recipe(tmp_path, server.url, "rate.panel=[here/second, offline/microskills]")
        make(made, "collect", "generate", "rate")
    ratings = read_records(tmp_path / layout.RATINGS, Rating)
    each = read_records(tmp_path / layout.PANEL_RATINGS, Rating)
    assert len(each) == 3 * len(ratings)
    by_response = {}
    for rating in each:
        by_response.setdefault(rating.response_id, []).append(rating.scores["empathy"])
    assert all(r.scores["empathy"] == pytest.approx(sum(by_response[r.response_id]) / 3) for r in ratings)
    agreement = complete_manifest(tmp_path / "rate").counts["agreement"]
    assert agreement["empathy"]["n"] == 50


def test_the_plan_counts_what_will_be_asked(tmp_path):
    prices = {"default": {"input": 2.0, "output": 10.0}}
    made = recipe(tmp_path, "http://127.0.0.1:9/v1", prices=prices, requests_per_second=5)
    found = {(cost.stage, cost.spec): cost for cost in costs(made)}
    generate = [cost for (stage, _), cost in found.items() if stage == "generate"]
    assert sum(cost.calls for cost in generate) == 50
    assert found["rate", "here/judge"].calls == 50
    assert found["rate", "here/judge"].seconds == 10
    assert found["rate", "here/judge"].price > sum(cost.price for cost in generate) > 0


def test_the_plan_lets_the_judge_that_did_not_label_rate_for_the_curves(tmp_path):
    made = recipe(
        tmp_path,
        "http://127.0.0.1:9/v1",
        "rate.judge=here/gpt-4o",
        "evaluate.judge=here/gpt-4.1",  # of the labeller's family
        "evaluate.panel=[other/neutral]",
        'endpoints.other={"base_url": "http://127.0.0.1:9/v1"}',
    )
    found = {cost.spec: cost.calls for cost in costs(made) if cost.stage == "evaluate"}
    assert found["other/neutral"] > found["here/gpt-4.1"] > 0


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def real_server(tmp_path_factory):
    """`transformers serve` with a small model made here, over real HTTP."""
    from psychocounsel.base.made import make_model, make_tokenizer

    folder, port = tmp_path_factory.mktemp("served") / "model", free_port()
    shape = MadeModel(vocabulary=512, hidden=32, layers=2, heads=2, intermediate=64)
    tokenizer = make_tokenizer((row.text for row in read_source(Collect())), shape)
    tokenizer.save_pretrained(folder)
    make_model(tokenizer, shape, 3).save_pretrained(folder)
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except OSError:
                assert process.poll() is None, "transformers serve ended"
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", folder
    finally:
        process.kill()
        process.wait()


def test_generation_and_pairwise_judging_by_a_real_server(tmp_path, real_server):
    from psychocounsel.backends import Connections, open_judge
    from psychocounsel.evaluate import compare_everything
    from psychocounsel.evaluate.answers import Answer
    from psychocounsel.progress import silent
    from psychocounsel.records import ClientSpeech

    url, folder = real_server
    made = recipe_of(
        [
            f"output={tmp_path}",
            f"endpoints.real={json.dumps({'base_url': url, 'concurrency': 4, 'structured': 'none'})}",
            "collect.limit=6",
            f"generate.pool=[real/{folder}, simulated/*]",
            "generate.per_speech=21",
            "generate.sampling={max_tokens: 24}",
        ],
        "real",
    )
    check_servers(made)
    make(made, "collect", "generate")
    mine = [r for r in read_records(tmp_path / layout.RESPONSES, Response) if r.model == f"real/{folder}"]
    assert len(mine) == 6
    assert all(bool(r.text) != bool(r.error) for r in mine)
    assert complete_manifest(tmp_path / "generate").counts["calls"]["real"]["paid"] == 6

    judge = open_judge(f"real/{folder}", default_rubric(), Connections.of(made), Judging(max_tokens=12))
    speeches = read_records(tmp_path / layout.SPEECHES, ClientSpeech)[:3]
    answers = [Answer(s.id, "free", model, f"{model} hears you.") for s in speeches for model in ("dpo", "reference")]
    verdicts = compare_everything(speeches, answers, judge, "reference", silent)
    assert len(verdicts) == 6
    # So small a model cannot judge: what counts is that each row says so, and that nothing is made up.
    assert all(isinstance(v, Comparison) and ("unreadable" in v.error or not v.error) for v in verdicts)
