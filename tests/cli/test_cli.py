"""The command line as a person meets it: real processes, exit codes, messages without tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "recipes" / "smoke.yaml"


def cli(*arguments, cwd=ROOT, width="80"):
    return subprocess.run(
        [sys.executable, "-m", "psychocounsel", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, check=False, env={"PATH": "", "COLUMNS": width, "HOME": str(cwd)},
    )  # fmt: skip


def refused(done, code, *says):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for part in says:
        assert part in done.stderr


def test_help_names_every_command_and_exit_code_within_80_columns():
    done = cli("--help")
    assert done.returncode == 0
    for word in ("run", "plan", "show", "collect", "report", "Exit codes", "recipes/quickstart.yaml"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "command",
    [
        *("run", "plan", "show", "ablate", "publish", "collect", "generate", "rate", "pair", "base", "reward", "align"),
        *("evaluate", "report"),
    ],
)
def test_every_command_explains_itself(command):
    done = cli(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_a_recipe_with_three_faults_tells_all_three(tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: x\noutput: o\ncollect: {sauce: y}\npair: {min_gap: 9}\nseed: none\n")
    for command in ("run", "plan", "rate"):
        refused(cli(command, recipe), 2, "3 faults", "collect.sauce", "did you mean source?", "pair.min_gap", "seed")


def test_bad_input_has_its_own_exit_codes(tmp_path):
    refused(cli("run", tmp_path / "no.yaml"), 2, "no such file")
    out = f"output={tmp_path / 'run'}"
    refused(cli("collect", SMOKE, out, "collect.source=file", "collect.path=no.csv"), 3, "no.csv", "no such file")
    refused(cli("show", tmp_path / "run" / "pair"), 4, "no artifact")
    refused(cli("pair", SMOKE, out), 4, "needs collect", "psychocounsel collect RECIPE")
    refused(cli("run", SMOKE, out, "rate.judge=offline/microskill"), 6, "did you mean offline/microskills?")
    refused(cli("run", SMOKE, out, "generate.pool=[simulated/nobody, simulated/polished-assistant]"), 6, "nobody")
    refused(cli("collect", SMOKE, out, "collect.limit=2"), 7, "too few to split")
    (tmp_path / "file").write_text("in the way")
    done = cli("collect", SMOKE, f"output={tmp_path / 'file'}")
    refused(done, 8)


def test_stages_run_one_by_one_and_plan_and_show_say_what_is_there(tmp_path):
    out = f"output={tmp_path / 'run'}"
    for stage in ("collect", "generate", "rate", "pair"):
        done = cli(stage, SMOKE, out, "--json")
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert events[-1]["event"] == "finished"
    planned = json.loads(cli("plan", SMOKE, out, "--json").stdout)["steps"]
    assert [s["name"] for s in planned if s["done"]] == ["collect", "generate", "rate", "pair"]
    changed = json.loads(cli("plan", SMOKE, out, "pair.min_gap=0.9", "--json").stdout)["steps"]
    assert [s["name"] for s in changed if s["done"]] == ["collect", "generate", "rate"]
    assert next(s["why"] for s in changed if s["name"] == "pair") == "pair.min_gap changed"
    shown = cli("show", tmp_path / "run" / "rate")
    assert "simulated" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    speech = cli("show", tmp_path / "run" / "collect", "--rows", "1")
    assert '"text"' in speech.stdout
    assert '"text"' not in cli("show", tmp_path / "run" / "collect").stdout
    (tmp_path / "run" / "rate" / "ratings.parquet").write_bytes(b"damaged")
    refused(cli("show", tmp_path / "run" / "rate"), 4, "damaged", "ratings.parquet")
