from __future__ import annotations

from pathlib import Path

import pytest

from psychocounsel.errors import RecipeError
from psychocounsel.recipe import load_recipe

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_shipped_recipe_is_valid_and_begins_with_its_command(path):
    assert load_recipe(path).name == path.stem
    command = "ablate" if path.stem == "ablations" else "run"
    assert path.read_text().startswith(f"# psychocounsel {command} recipes/{path.name}\n")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    return path


def test_all_faults_are_told_at_once_with_where_and_how_to_mend(tmp_path):
    path = write(tmp_path, "name: x\noutput: o\ncolect: {}\npair: {min_gap: 9}\nalign: {dpo: {betta: 0.1}}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, ["nonsense", "seed=-1"])
    message = str(caught.value)
    assert len(caught.value.faults) == 5
    for part in ("did you mean collect?", "pair.min_gap", "align.dpo.betta", "did you mean beta?", "key=value", "seed"):
        assert part in message
    assert caught.value.exit_code == 2


def test_overrides_reach_nested_keys_and_keep_types(tmp_path):
    path = write(tmp_path, "name: x\noutput: o\n")
    recipe = load_recipe(path, ["output=elsewhere", "align.iterate.rounds=0", "collect.columns.text=question"])
    assert (recipe.output, recipe.align.iterate.rounds) == (Path("elsewhere"), 0)
    assert recipe.collect.columns == {"text": "question"}


def test_one_judge_cannot_label_and_evaluate(tmp_path):
    path = write(tmp_path, "name: x\noutput: o\n")
    with pytest.raises(RecipeError, match="circular"):
        load_recipe(path, ["evaluate.judge=offline/microskills"])


@pytest.mark.parametrize("text", ["[1, 2", "just words", "- a\n- b\n", "\x00"])
def test_what_is_no_recipe_is_refused_without_a_traceback(tmp_path, text):
    with pytest.raises(RecipeError):
        load_recipe(write(tmp_path, text))


def test_a_missing_recipe_names_those_that_are_there(tmp_path):
    write(tmp_path, "name: x\n")
    with pytest.raises(RecipeError, match=r"r\.yaml"):
        load_recipe(tmp_path / "quickstrat.yaml")
