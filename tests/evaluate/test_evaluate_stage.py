"""What the stage refuses, and what a change of the recipe or of a file means for it."""

from __future__ import annotations

import json

import pytest

from psychocounsel import pipeline
from psychocounsel.errors import BackendError, RecipeError
from psychocounsel.evaluate import make
from psychocounsel.progress import silent
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech
from psychocounsel.tables import write_records


def recipe(tmp_path, **evaluate):
    section = {"speeches": "all", "models": {"mine": "simulated/expert-mi"}} | evaluate
    return Recipe.model_validate({"name": "r", "output": str(tmp_path), "evaluate": section, "collect": {"limit": 9}})


def test_models_made_elsewhere_need_no_training_and_a_stage_that_is_not_there_says_so(tmp_path):
    made = recipe(tmp_path)
    assert [spec.name for spec in pipeline.steps_of(made)] == ["collect", "evaluate", "report"]
    with pytest.raises(RecipeError, match="no reward step"):
        pipeline.run(made, only="reward")
    own = recipe(tmp_path, reference="dpo")
    assert "align/dpo" in [spec.name for spec in pipeline.steps_of(own)]


@pytest.mark.parametrize("place", ["models", "reference"])
def test_a_file_of_answers_that_changes_is_evaluated_anew(tmp_path, place):
    file = tmp_path / "answers.jsonl"
    made = recipe(
        tmp_path, **({"models": {"m": f"file/{file}"}} if place == "models" else {"reference": f"file/{file}"})
    )
    seen = set()
    for text in ("one", "two"):
        file.write_text(json.dumps({"question": "x", "response": text}), "utf-8")
        seen.add(json.dumps(pipeline.section_of(made, ("evaluate",))))
    assert len(seen) == 2


def test_a_folder_whose_weights_change_is_evaluated_anew(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}", "utf-8")
    made = recipe(tmp_path, models={"m": f"transformers/{folder}"})
    before = pipeline.section_of(made, ("evaluate",))
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert pipeline.section_of(made, ("evaluate",)) != before


def test_the_judge_of_answers_at_risk_gets_no_client_text_that_was_not_deidentified(tmp_path):
    write_records(tmp_path / "collect/speeches.parquet", ClientSpeech, [ClientSpeech.make("I am Ann Other.")])
    made = Recipe.model_validate(
        {
            "name": "r", "output": str(tmp_path), "collect": {"source": "file", "path": "x.csv"},
            "evaluate": {"speeches": "all", "models": {"m": "simulated/expert-mi"}, "risk_judge": "openai/gpt-4o"},
        }
    )  # fmt: skip
    with pytest.raises(BackendError, match="have not been through de-identification") as error:
        make(None, tmp_path, made, silent)
    assert "Ann" not in str(error.value)
