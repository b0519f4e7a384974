from __future__ import annotations

import json

import pytest

from psychocounsel.backends import Connections
from psychocounsel.errors import InputError
from psychocounsel.evaluate.answers import answer_everything, answers_in_file
from psychocounsel.recipe import recipe_of
from psychocounsel.records import ClientSpeech

SPEECHES = [ClientSpeech.make(f"I feel {word}.", source_id=f"q{i}") for i, word in enumerate(("low", "stuck", "tense"))]
LONG = "That sounds hard. " * 5 + "What would help?"


def written(tmp_path, rows, name="answers.jsonl"):
    (tmp_path / name).write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return tmp_path / name


@pytest.mark.parametrize(
    "key", [lambda s: {"speech_id": s.id}, lambda s: {"id": s.source_id}, lambda s: {"question": f" {s.text}\n"}]
)
def test_rows_are_joined_by_our_id_the_sources_or_the_text(tmp_path, key):
    path = written(tmp_path, [key(s) | {"response": f"to {s.source_id}"} for s in reversed(SPEECHES)])
    answers = answers_in_file("lab", path, SPEECHES, 50)
    assert [a.text for a in answers if a.setting == "free"] == ["to q0", "to q1", "to q2"]
    assert not any(a.error for a in answers)


def test_a_speech_without_a_row_is_lost_and_says_so(tmp_path):
    path = written(tmp_path, [{"id": "q0", "response": "yes"}, {"id": "q1", "response": "  "}])
    free = [a for a in answers_in_file("lab", path, SPEECHES, 50) if a.setting == "free"]
    assert [a.error for a in free] == ["", "empty answer", "answers.jsonl has no row for it"]


def test_free_answers_are_cut_where_none_were_asked_to_be_brief(tmp_path):
    path = written(tmp_path, [{"id": "q0", "response": LONG}])
    brief = next(a for a in answers_in_file("lab", path, SPEECHES, 8) if a.setting == "length-constrained")
    assert brief.text == "That sounds hard. That sounds hard."
    own = written(tmp_path, [{"id": "q0", "response": LONG, "setting": "length-constrained"}], "own.jsonl")
    asked = next(a for a in answers_in_file("lab", own, SPEECHES, 8) if a.setting == "length-constrained")
    assert asked.error == "over the limit of 8 words"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "nobody", "response": "x"}], "none of its 1 rows"),
        ([{"id": "q0", "response": "x"}, {"speech_id": SPEECHES[0].id, "response": "y"}], "row 2 answers a speech"),
        ([{"id": "q0", "answer": "x"}], "row 1 needs `response`"),
        ([{"id": "q0", "response": "x", "setting": "short"}], "setting must be"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path, rows, said):
    with pytest.raises(InputError, match=said):
        answers_in_file("lab", written(tmp_path, rows), SPEECHES, 50)


def test_a_bad_file_is_told_before_any_model_answers(tmp_path):
    path = written(tmp_path, [{"id": "nobody", "response": "x"}])
    models = json.dumps({"sim": "simulated/warm-novice", "lab": f"file/{path}"})
    made = recipe_of([f"output={tmp_path}", f"evaluate.models={models}"], "early")
    with pytest.raises(InputError, match="none of its 1 rows"):
        next(answer_everything(SPEECHES, tmp_path, made, Connections.of(made)))
