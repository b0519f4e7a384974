"""`psychocounsel annotate` as a coordinator and a script meet it, with the real server in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from browsing import free_port
from small_study import filled, small_design, token
from typer.testing import CliRunner

from psychocounsel import pipeline
from psychocounsel.annotate.demo import FREE
from psychocounsel.annotate.store import Store
from psychocounsel.cli.main import app
from psychocounsel.errors import InputError, ResourceError
from psychocounsel.recipe import recipe_of

ROOT = Path(__file__).parents[2]


def say(*arguments, **more):
    return CliRunner().invoke(app, ["annotate", *map(str, arguments)], **more)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small finished run up to its pairs."""
    folder = tmp_path_factory.mktemp("annotated") / "run"
    made = recipe_of([f"output={folder}", "collect.limit=420", "pair.min_gap=0.3"], "annotated")
    for stage in ("collect", "generate", "rate", "pair"):
        pipeline.run(made, only=stage)
    return folder


@pytest.fixture
def study(tmp_path):
    Store.make(tmp_path / "study.sqlite", small_design()).close()
    return tmp_path / "study.sqlite"


class Served:
    """`annotate serve` or `annotate demo` in a process of its own."""

    def __init__(self, *arguments):
        self.port = free_port()
        command = [sys.executable, "-m", "psychocounsel", "annotate", *map(str, arguments), "--port", str(self.port)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"COLUMNS": "80"},
        )
        self.base = f"http://127.0.0.1:{self.port}"
        given_up = time.monotonic() + 120
        while True:
            try:
                httpx.get(self.base, timeout=5)
                break
            except httpx.TransportError:
                assert self.process.poll() is None, self.process.stderr.read()
                assert time.monotonic() < given_up
                time.sleep(0.1)

    def stop(self, by=signal.SIGINT):
        self.process.send_signal(by)
        return self.process.communicate(timeout=60)


def test_a_study_is_served_answered_and_nothing_of_it_stands_in_a_log(study):
    told = say("invite", study, "--rater", "R01", "--json")
    token_of_link = json.loads(told.stdout)["link"].rpartition("/")[2]
    server = Served("serve", study)
    with httpx.Client(base_url=server.base, follow_redirects=True) as who:
        page = who.get(f"/r/{token_of_link}")
        page = who.post("/rate/consent", data={"csrf_token": token(page), "agree": "yes"})
        assert who.post("/rate/1", data=filled(page)).status_code == 200
    out, err = server.stop()
    assert "raters by their links" in out
    assert "No coordinator can sign in yet" in err
    assert "What was saved is kept" in err
    assert "training step" not in err
    assert token_of_link not in out + err
    assert "Traceback" not in err
    with Store.open(study) as store:
        assert len(store.annotations()) == 1


def test_links_are_new_each_time_and_taken_back(study):
    first = say("invite", study, "--url", "https://study.example.org/").stdout.splitlines()
    assert [line.split()[0] for line in first] == ["R01", "R02"]
    assert all("https://study.example.org/r/" in line for line in first)
    assert say("revoke", study, "R01").exit_code == 0
    with Store.open(study) as store:
        assert store.access.by_token(first[0].rpartition("/")[2]) is None
        assert store.access.by_token(first[1].rpartition("/")[2]).code == "R02"
    assert isinstance(say("revoke", study, "R99").exception, InputError)


def test_a_late_rater_is_invited_and_nobody_elses_link_ends(study):
    say("invite", study, "--rater", "R01")
    with Store.open(study) as store:
        kept = store.access.invite("R01")
    late = say("invite", study)
    assert [line.split()[0] for line in late.stdout.splitlines()] == ["R02"]
    assert "Left alone, as their link is good: 1 rater. --renew" in late.stderr
    again = say("invite", study, "--json")
    assert again.stdout == ""
    assert "2 raters" in again.stderr
    with Store.open(study) as store:
        assert store.access.by_token(kept).code == "R01"
    renewed = say("invite", study, "--renew").stdout.splitlines()
    assert [line.split()[0] for line in renewed] == ["R01", "R02"]
    named = say("invite", study, "--rater", "R02").stdout
    with Store.open(study) as store:
        assert store.access.by_token(kept) is None
        assert store.access.by_token(renewed[1].rpartition("/")[2]) is None
        assert store.access.by_token(named.strip().rpartition("/")[2]).code == "R02"


def test_who_has_withdrawn_is_not_invited(study):
    with Store.open(study) as store:
        store.events.append("R01", "withdrawn", "w", {}, None)
    for more in ((), ("--renew",)):
        told = say("invite", study, *more)
        assert [line.split()[0] for line in told.stdout.splitlines()] == ["R02"]
        assert "Withdrawn, and not invited: 1 rater." in told.stderr
    wrong = say("invite", study, "--rater", "R01").exception
    assert isinstance(wrong, InputError)
    assert "has withdrawn" in str(wrong)


def test_a_coordinators_password_comes_from_standard_input(study):
    good = say("coordinator", study, "ann", "--password-stdin", input="a long password\n")
    assert good.exit_code == 0
    assert "a long password" not in good.output
    assert isinstance(say("coordinator", study, "bob", "--password-stdin", input="short\n").exception, InputError)
    assert isinstance(
        say("coordinator", study, "bob", "--role", "king", "--password-stdin", input="a long password\n").exception,
        InputError,
    )
    with Store.open(study) as store:
        assert [c.name for c in store.access.coordinators()] == ["ann"]
        assert store.access.sign_in("ann", "a long password")
    assert isinstance(say("coordinator", study, "ann", "--remove").exception, InputError)  # the last owner
    say("coordinator", study, "bea", "--role", "observer", "--password-stdin", input="a long password\n")
    assert "comes in no more" in say("coordinator", study, "bea", "--remove").output
    with Store.open(study) as store:
        assert [c.name for c in store.access.coordinators()] == ["ann"]
        assert [(line["what"], line["about"]) for line in store.audit()] == [
            ("removed a coordinator", "bea"), ("set a coordinator as observer", "bea"),
            ("set a coordinator as owner", "ann"),
        ]  # fmt: skip


def test_a_port_that_is_taken_is_said(study):
    server = Served("serve", study)
    with Store.open(study):
        wrong = subprocess.run(
            [sys.executable, "-m", "psychocounsel", "annotate", "serve", study, "--port", str(server.port)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    server.stop()
    assert wrong.returncode == ResourceError.exit_code, wrong.stderr
    assert "cannot be listened on" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_the_demonstration_says_that_it_is_simulated_everywhere(run, tmp_path):
    server = Served("demo", run, "--study", tmp_path / "demo.sqlite")
    with Store.open(tmp_path / "demo.sqlite") as store:
        assert store.plan.simulated
        done = {a.rater for a in store.annotations()}
        assert len(done) == 10
        assert FREE not in done
    agreed = say("agree", tmp_path / "demo.sqlite")
    assert agreed.exit_code == 0
    assert "imulated" in agreed.output
    assert max(map(len, agreed.output.splitlines())) <= 80
    with httpx.Client(base_url=server.base, follow_redirects=True) as who:
        page = who.get("/coordinator/sign-in")
        assert page.status_code == 200
    out, err = server.stop()
    assert "Traceback" not in err
    link = re.search(r"http://\S+/r/\S+", out)[0]
    assert link.startswith(server.base)
    assert "imulated" in out
    assert re.search(r"as demo with the password \S{12,}", out)


def test_a_demonstration_replaces_itself_and_nothing_else(run, study, tmp_path):
    wrong = say("demo", run, "--study", study, "--no-serve").exception
    assert isinstance(wrong, ResourceError)
    assert "no demonstration" in str(wrong)
    where = tmp_path / "demo.sqlite"
    for _ in range(2):
        assert say("demo", run, "--study", where, "--no-serve").exit_code == 0
    with Store.open(where) as store:
        first = store.annotations()
    assert say("demo", run, "--study", where, "--no-serve").exit_code == 0
    with Store.open(where) as store:  # simulated raters say the same each time
        assert [(a.id, a.verdict, a.seconds) for a in store.annotations()] == [
            (a.id, a.verdict, a.seconds) for a in first
        ]


def test_mistakes_are_said_in_words(tmp_path):
    for command in (("serve", "none.sqlite"), ("invite", tmp_path / "x"), ("agree", tmp_path / "none.jsonl")):
        wrong = say(*command).exception
        assert isinstance(wrong, InputError), command
        assert "there is no such" in str(wrong)
    odd = say("serve", "mysql://a:secret@host/db").exception
    assert isinstance(odd, InputError)
    assert "secret" not in str(odd)
