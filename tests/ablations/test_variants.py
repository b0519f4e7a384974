"""What a recipe may ask for."""

from __future__ import annotations

import pytest
from studies import TINY, study

from psychocounsel.errors import RecipeError


def test_a_variant_is_the_recipe_with_its_overrides_below_the_main_runs_folder(tmp_path):
    main, variants = study(tmp_path, given=["seed=9"])
    assert [v.name for v in variants] == ["without-empathy", "gap-of-four", "other-labeller"]
    first = variants[0].recipe
    assert first.output == tmp_path / "run/ablations/without-empathy"
    assert (first.seed, first.pair.weights, first.pair.min_gap) == (9, {"empathy": 0}, 0.5)
    assert first.call_store == main.call_store == tmp_path / "run/calls.sqlite"
    assert first.name == "tiny, ablation without-empathy"


def test_faults_of_all_variants_are_told_before_anything_runs(tmp_path):
    text = TINY + (
        "  elsewhere: [output=/tmp/x]\n"
        "  ../up: [seed=1]\n"
        "  tiny: [seed=1]\n"
        "  nobody: [pair.weights.empathie=0]\n"
        "  misspelt: [pair.min_gapp=1, evaluate.judge=offline/microskills]\n"
    )
    with pytest.raises(RecipeError) as error:
        study(tmp_path, text)
    told = "\n".join(error.value.faults)
    for part in (
        "ablations.elsewhere: override 'output=/tmp/x'",
        "ablations.../up: a name is the name of a folder",
        "ablations.tiny: this is the name of the main run",
        "ablations.nobody: pair.weights.empathie: no such principle; did you mean empathy?",
        "ablations.misspelt: pair.min_gapp",
    ):
        assert part in told
    assert not (tmp_path / "run").exists()


def test_a_recipe_without_ablations_says_how_to_write_them(tmp_path):
    with pytest.raises(RecipeError, match="names no variant"):
        study(tmp_path, "name: x\noutput: OUTPUT\n")
