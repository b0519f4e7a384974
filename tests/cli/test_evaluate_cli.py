"""`psychocounsel evaluate judge`, as a user and a script meet it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from psychocounsel.cli.main import app
from psychocounsel.errors import BackendError, InputError, RecipeError

SAID = ["You feel torn about the move.", "Moves are like that.", "What would you miss?", "I'm sorry."]


@pytest.fixture
def epitome(tmp_path):
    path = tmp_path / "epitome.jsonl"
    with path.open("w", encoding="utf-8") as out:
        for n in range(16):
            row = {
                "id": n, "seeker_id": n // 2, "seeker_post": "I feel torn.", "response_post": SAID[n % 4],
                "emotional_reactions": (n % 4 == 3) * 1, "interpretations": (n % 4 == 0) * 2,
                "explorations": (n % 4 == 2) * 2,
            }  # fmt: skip
            out.write(json.dumps(row) + "\n")
    return path


def ask(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_tables_for_people_and_lines_for_scripts(epitome):
    told = ask("judge", "--on", f"epitome={epitome}")
    assert told.exit_code == 0
    assert "offline/microskills and offline/cues: rules of this package, and no people." in told.output
    assert "Order by sum of the three" in told.output
    found = ask("judge", "--on", f"epitome={epitome}", "--judge", "offline/cues", "--json")
    [trial] = [json.loads(line) for line in found.stdout.splitlines()]
    assert (trial["event"], trial["on"], trial["judge"], trial["simulated"]) == (
        "trial",
        "epitome",
        "offline/cues",
        True,
    )
    assert "EMNLP 2020" in trial["citation"]
    assert set(trial["beats"]["sum of the three"]) == {"offline/cues", "offline/cues, rounded"}
    assert {"measure", "label", "who", "name", "figure"} == set(trial["lines"][0])
    assert {"value", "low", "high", "n", "clusters"} == set(trial["lines"][0]["figure"])


def test_a_limit_makes_it_cheap(epitome):
    found = ask("judge", "--on", f"epitome={epitome}", "--judge", "offline/cues", "--limit", 12, "--json")
    assert json.loads(found.stdout)["asked"] == 12


def test_mistakes_have_their_own_exit_codes(epitome):
    wrong = ask("judge", "--on", f"epitom={epitome}").exception
    assert isinstance(wrong, InputError)
    assert wrong.exit_code == 3
    wrong = ask("judge", "--on", f"epitome={epitome}", "--judge", "offline/none").exception
    assert isinstance(wrong, BackendError)
    assert wrong.exit_code == 6
    wrong = ask("judge", "--on", f"epitome={epitome}", "--judge", "here/none").exception
    assert "--recipe" in str(wrong)
    assert ask("judge").exit_code == 2


def test_a_file_of_another_layout_is_refused_by_its_row(epitome):
    wrong = ask("judge", "--on", f"annomi={epitome}").exception
    assert isinstance(wrong, InputError)
    assert "epitome.jsonl row 1 has no transcript_id" in str(wrong)
    assert "torn" not in str(wrong)


def test_a_recipe_still_makes_the_stage():
    assert isinstance(ask("nowhere.yaml").exception, RecipeError)
    assert "judge" in ask("--help").output
