"""`psychocounsel evaluate choices` asks a real server on loopback."""

from __future__ import annotations

import json

import pytest
from benchmarks.fault_server import serving
from typer.testing import CliRunner

from psychocounsel.cli.main import app
from psychocounsel.errors import BackendError, InputError

RIGHT = "abbaab"


@pytest.fixture
def exam(tmp_path):
    path = tmp_path / "qa.json"
    rows = [
        {"id": n, "question": f"Question {n}: which?", "a": "Belief", "b": "Bias", "answer": letter}
        for n, letter in enumerate(RIGHT)
    ]
    path.write_text(json.dumps(rows), "utf-8")
    return path


def recipe(tmp_path, url, **more):
    path = tmp_path / "recipe.json"
    given = {"name": "exam", "output": str(tmp_path / "run"), "endpoints": {"here": {"base_url": url, "attempts": 1}}}
    path.write_text(json.dumps(given | more), "utf-8")
    return path.rename(tmp_path / "recipe.yaml")  # JSON is YAML


def ask(*arguments):
    return CliRunner().invoke(app, ["evaluate", "choices", *map(str, arguments)])


def test_a_model_is_asked_and_measured_beside_one_that_does_not_read(tmp_path, exam):
    asked = []

    def content(request):
        asked.append(request)
        place = int(request["messages"][-1]["content"].split()[1].rstrip(":"))
        return "Hard to say." if place == 5 else RIGHT[place].upper()

    with serving(content=content) as server:
        made = recipe(tmp_path, server.url)
        found = ask("here/m", "--on", f"cbt-bench={exam}", "--recipe", made, "--json")
        told = ask("here/m", "--on", f"cbt-bench={exam}", "--recipe", made)
    assert found.exit_code == told.exit_code == 0, found.output
    row = json.loads(found.stdout)
    assert (row["measure"], row["figure"]["value"], row["figure"]["n"]) == ("accuracy", pytest.approx(5 / 6), 6)
    assert row["baselines"]["the option most often right"]["value"] == 0.5
    assert row["lost"] == {"named no option, or several where one is right": 1}
    assert not row["simulated"]
    assert [request["temperature"] for request in asked] == [0.0] * 6  # the second time out of the store
    assert all(len(request["messages"]) == 1 for request in asked)
    assert "1 counted as wrong: named no option" in told.output
    assert "arXiv 2410.13218" in told.output


def test_labels_of_several_kinds(tmp_path):
    path = tmp_path / "core_major.json"
    rows = [
        {"situation": f"Situation {n}", "thoughts": "None like me.", "core_belief_major": labels}
        for n, labels in enumerate([["unlovable"], ["helpless", "worthless"]])
    ]
    path.write_text(json.dumps(rows), "utf-8")
    with serving(content=lambda request: "a, c") as server:
        made = recipe(tmp_path, server.url)
        row = json.loads(ask("here/m", "--on", f"cbt-bench={path}", "--recipe", made, "--json").stdout)
    assert row["measure"] == "weighted F1"
    assert row["figure"]["value"] == pytest.approx((2 / 3 + 2 / 3) / 3)
    assert set(row["baselines"]) == {"the option most often right", "every option"}


def test_templates_say_that_they_are_none_and_one_question_has_no_interval(tmp_path):
    path = tmp_path / "qa.json"
    path.write_text(json.dumps([{"question": "Which?", "a": "x", "b": "y", "answer": "a"}]), "utf-8")
    told = ask("simulated/warm-novice", "--on", f"cbt-bench={path}")
    assert told.exit_code == 0, told.output
    assert "Templates of this package, and no language model" in told.output
    row = json.loads(ask("simulated/warm-novice", "--on", f"cbt-bench={path}", "--json").stdout)
    assert row["simulated"]
    assert row["figure"]["low"] is None


def test_mistakes(tmp_path, exam):
    wrong = ask("here/m", "--on", f"cbt-bench={exam}").exception
    assert isinstance(wrong, BackendError)
    assert "--recipe" in str(wrong)
    wrong = ask("here/m", "--on", f"epitome={exam}").exception
    assert isinstance(wrong, InputError)
    assert "those that have: cbt-bench" in str(wrong)
    away = recipe(tmp_path, "https://models.example/v1", collect={"source": "example"}, egress="local-only")
    wrong = ask("here/m", "--on", f"cbt-bench={exam}", "--recipe", away).exception
    assert isinstance(wrong, BackendError)
    assert "local-only" in str(wrong)
