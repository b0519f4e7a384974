"""`psychocounsel ablate` as a person meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from psychocounsel.ablations import variants_of
from psychocounsel.recipe import load_recipe

ROOT = Path(__file__).parents[2]
TINY = """
name: tiny
output: OUTPUT
until: pair
collect: {limit: 45}
pair: {min_gap: 0.5}
ablations:
  wider: [pair.min_gap=0.8]
  without-empathy: [pair.weights.empathy=0]
"""


def cli(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "psychocounsel", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, check=False, env={"PATH": "", "COLUMNS": "80", "HOME": str(cwd)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    path = folder / "tiny.yaml"
    path.write_text(TINY.replace("OUTPUT", str(folder / "run")))
    return path


def test_the_table_is_printed_in_80_columns_and_written(recipe):
    done = cli("ablate", recipe)
    assert done.returncode == 0, done.stderr
    table = json.loads((recipe.parent / "run/ablations/table.json").read_text())
    assert "SIMULATED" in done.stdout
    for row in table["rows"]:
        line = next(line for line in done.stdout.splitlines() if line.startswith(row["name"]))
        assert f" {row['train_pairs']} " in line
    printed = [line for line in done.stdout.splitlines() if not line.startswith("Table: ")]
    assert max(map(len, printed)) <= 80
    assert (recipe.parent / "run/ablations/table.tex").is_file()
    again = cli("ablate", recipe, "--quiet")
    assert again.stdout.strip() == str(recipe.parent / "run/ablations/table.json")


def test_json_says_which_run_each_event_is_of(recipe):
    done = cli("ablate", recipe, "--only", "wider", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["name"] for e in events if e["event"] == "run"] == ["tiny", "wider"]
    assert events[-1]["event"] == "finished"
    assert events[-1]["main"] == "tiny"


def test_an_unknown_variant_is_refused_with_the_known_ones(recipe):
    done = cli("ablate", recipe, "--only", "wide,without-empathy")
    assert done.returncode == 2
    assert "wide: no such variant; known: wider, without-empathy" in done.stderr


def test_two_studies_into_one_folder_are_refused(recipe):
    from psychocounsel.artifacts import locked

    with locked(recipe.parent / "run/ablations"):
        done = cli("ablate", recipe)
    assert done.returncode == 8
    assert "another process" in done.stderr


def test_the_recipe_in_the_box_has_no_broken_variant_and_is_the_quickstart_but_for_its_name():
    path = ROOT / "recipes/ablations.yaml"
    main = load_recipe(path)
    variants = variants_of(path, [], main)
    assert len(variants) == len(main.ablations) == 17
    quickstart = load_recipe(ROOT / "recipes/quickstart.yaml")
    for name in ("collect", "generate", "rate", "pair", "base", "reward", "align", "evaluate", "seed", "max_words"):
        assert getattr(main, name) == getattr(quickstart, name), name
    without = [v for v in variants if v.name.startswith("without-")]
    assert len(without) == 7
    for v in without:
        assert v.recipe.pair.weights == {v.name.removeprefix("without-"): 0}
