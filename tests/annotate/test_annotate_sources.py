"""Where a study's items come from, and the command that makes it."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from designing import KEYS, made, make_run, pair, response
from typer.testing import CliRunner

from psychocounsel import layout
from psychocounsel.annotate.design import Candidates, read_candidates, read_own
from psychocounsel.annotate.design.candidates import Draft, labelled_item
from psychocounsel.annotate.store import Store
from psychocounsel.artifacts import MANIFEST
from psychocounsel.cli import annotate_design
from psychocounsel.errors import ArtifactError, InputError
from psychocounsel.principles import default_rubric
from psychocounsel.records import ClientSpeech, Turn


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "somebody" / "quick")


def test_a_runs_pairs_are_read_with_label_scores_rewards_and_provenance(run):
    (run / "reward").mkdir()
    rewards = {"pair_id": ["p1"], "reward_chosen": [1.5], "reward_rejected": [-0.5], "margin_of": ["x"]}
    pq.write_table(pa.table(rewards), run / layout.REWARD_TEST)
    found = read_candidates(run)
    assert (found.source, found.simulated) == ("pairs of the run quick, its test split", True)
    assert found.left_out == {"of another split": 1}
    assert found.rubric == default_rubric()
    assert len(found.items) == 5
    for item in found.items:
        better = item.label
        assert item.texts["ab".index(better)].endswith("of 0.")
        assert item.models["ab".index(better)] == "simulated/m0"
        assert item.label_scores[better] == dict.fromkeys(KEYS, 4.0)
        assert (item.gap, item.labeller, item.split) == (2.0, "offline/j", "test")
        assert len(item.conversation) == 3
    first, second = sorted(found.items, key=lambda item: item.conversation[-1].text)[:2]
    assert (first.risk, first.topic, first.rewards) == ("elevated", "raw", {})
    assert (second.risk, second.topic) == ("low", "work")
    assert second.rewards == {second.label: 1.5, "ab".replace(second.label, ""): -0.5}
    assert len(read_candidates(run, split="all").items) == 6


def test_which_response_is_a_does_not_follow_from_the_label():
    labels = Counter(pair(n).label for n in range(200))
    assert 70 < labels["a"] < 130
    one, other = Draft("One."), Draft("Other.")
    turns = (Turn("client", "Hello."),)
    assert labelled_item("main", turns, one, other).texts == labelled_item("main", turns, other, one).texts


def test_a_runs_responses_are_read_with_the_judges_scores(run):
    found = read_candidates(run, "responses")
    assert len(found.items) == 10
    assert found.left_out == {"of another split": 2, "there is no response": 1}
    assert {next(iter(item.label_scores["a"].values())) for item in found.items} == {4.0, 2.0}
    assert {(item.label, item.gap, item.labeller) for item in found.items} == {("", None, "offline/j")}


def test_a_run_that_has_not_come_so_far_is_refused(run):
    (run / "pair" / MANIFEST).unlink()
    with pytest.raises(ArtifactError, match="pair is missing or half-written"):
        read_candidates(run)
    with pytest.raises(InputError, match="no split"):
        read_candidates(run, split="tset")
    with pytest.raises(InputError, match="no such run or file"):
        read_candidates(run / "nothing")


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_a_file_of_pairs_is_read_in_either_layout(tmp_path):
    rows = [
        {"prompt": "Hi.", "response_a": "A.", "response_b": "B.", "label": "B", "gap": 1.5, "topic": "work",
         "risk": "Low", "model_a": "m1", "model_b": "m2", "id": 7,
         "earlier": [{"role": "client", "text": "Before."}, {"role": "counsellor", "text": "Go on."}]},
        {"question": "Hi.", "chosen": "Good.", "rejected": "Bad.", "chosen_model": "m1", "rejected_model": "m2",
         "chosen_empathy_rating": 5, "rejected_empathy_rating": 3,
         "chosen_safety_rating": 4, "rejected_safety_rating": 3},
    ]  # fmt: skip
    first, second = read_candidates(lines(tmp_path / "x.jsonl", rows)).items
    assert (first.texts, first.label, first.gap, first.risk) == (("A.", "B."), "b", 1.5, "low")
    assert [turn.text for turn in first.conversation] == ["Before.", "Go on.", "Hi."]
    assert first.response_ids == ("7 response_a", "7 response_b")
    better, other = second.label, "ab".replace(second.label, "")
    assert second.texts["ab".index(better)] == "Good."
    assert second.label_scores == {better: {"empathy": 5, "safety": 4}, other: {"empathy": 3, "safety": 3}}
    assert second.gap == pytest.approx(1.5)
    assert second.speech_id == ClientSpeech.make("Hi.").id
    as_csv = tmp_path / "x.csv"
    turns = '"[{""role"": ""client"", ""text"": ""Before.""}, {""role"": ""counsellor"", ""text"": ""Go on.""}]"'
    as_csv.write_text(
        "prompt,response_a,response_b,label,gap,topic,risk,model_a,model_b,id,earlier,reward_a\n"
        f"Hi.,A.,B.,b,1.5,work,low,m1,m2,7,{turns},\n", "utf-8",
    )  # fmt: skip
    assert read_candidates(as_csv).items == (first,)
    bare = {"prompt": "Hello.", "response_a": "A.", "response_b": "B.", "gap": float("nan")}  # as pandas has no gap
    pq.write_table(pa.Table.from_pylist([rows[0] | {"id": "7", "gap": 1.5}, bare]), tmp_path / "x.parquet")
    read = read_candidates(tmp_path / "x.parquet").items
    assert read[0] == first
    assert (read[1].gap, read[1].label) == (None, "")


def test_a_file_of_responses_and_one_that_is_simulated(tmp_path):
    rows = [{"prompt": "Hi.", "response": "A.", "model": "simulated/x", "scores": {"empathy": 4}}]
    found = read_candidates(lines(tmp_path / "x.jsonl", rows), "responses")
    assert found.items[0].label_scores == {"a": {"empathy": 4.0}}
    assert found.simulated
    assert found.source == "the file x.jsonl"


def test_every_faulty_row_is_told_without_its_text(tmp_path):
    good = {"prompt": "Private words.", "response_a": "Mine.", "response_b": "Yours."}
    bad = [
        {"response_a": "Mine.", "response_b": "Yours."},
        {"prompt": "Private words.", "response_a": "Mine."},
        {"prompt": "Private words.", "response": "Mine."},
        good | {"label": "left"},
        good | {"gap": "large"},
        good | {"gap": -1},
        good | {"risk": "Private"},
        good | {"earlier": "Private words."},
        good | {"earlier": [{"role": "Private", "text": "Private."}]},
        good | {"prompt": "Half \ud800."},
        good | {"scores_a": [1, 2]},
        good | {"scores_a": {"empathy": "Private"}},
        good | {"reward_a": float("inf")},
    ]
    path = lines(tmp_path / "x.jsonl", [good, *bad])
    path.write_text(path.read_text("utf-8") + "Private words, no JSON\n", "utf-8")
    with pytest.raises(InputError) as told:
        read_candidates(path)
    message = str(told.value)
    assert "x.jsonl: 14 of 15 rows" in message
    assert [f"row {n}:" in message for n in range(1, 16)] == [False, *[True] * 14]
    assert not any(word in message for word in ("Private", "Mine", "Yours"))


def test_a_split_of_a_file_is_drawn_from_alone(tmp_path):
    rows = [
        {"prompt": f"Hi {n}.", "response_a": "A.", "response_b": "B.", "split": "dev" if n else "test"}
        for n in range(3)
    ]
    path = lines(tmp_path / "x.jsonl", rows)
    assert len(read_candidates(path).items) == 3
    found = read_candidates(path, split="dev")
    assert (len(found.items), found.left_out) == (2, {"of another split": 1})
    with pytest.raises(InputError, match="no row of the split"):
        read_candidates(path, split="train")


def test_items_of_ones_own_take_the_place_of_made_ones(tmp_path):
    common = {"prompt": "Practice.", "response_a": "A.", "response_b": "B."}
    path = lines(tmp_path / "own.jsonl", [
        common | {"role": "calibration", "expected": "tie", "why": "Both are short."},
        common | {"prompt": "Check.", "role": "attention", "expected": "a"},
    ])  # fmt: skip
    own = read_own(path, "pairs")
    design, summary = made(own=own)
    assert (summary.calibration, summary.attention) == (1, 1)
    assert design.items[:2] == own
    assert own[0].expected.why == "Both are short."
    assert summary.notes == ()
    for row, words in (
        (common | {"expected": "a"}, "`role`"),
        (common | {"role": "attention", "expected": "c"}, "`expected`"),
        ({"prompt": "P.", "chosen": "A.", "rejected": "B.", "role": "attention", "expected": "a"}, "`response_a`"),
    ):
        with pytest.raises(InputError, match=words):
            read_own(lines(tmp_path / "bad.jsonl", [row]), "pairs")


def test_scores_that_are_expected_are_of_the_studys_principles(tmp_path):
    row = {"prompt": "P.", "response": "R.", "role": "calibration", "expected": {KEYS[0]: 4}}
    own = read_own(lines(tmp_path / "own.jsonl", [row]), "responses")
    assert own[0].expected.scores == {KEYS[0]: 4}
    candidates = Candidates(tuple(response(n) for n in range(40)))
    assert made(candidates, items=21, kind="responses", own=own)[1].calibration == 1
    wrong = read_own(lines(tmp_path / "own.jsonl", [row | {"expected": '{"charm": 4}'}]), "responses")
    with pytest.raises(InputError, match="1 of the principles"):
        made(candidates, items=21, kind="responses", own=wrong)
    with pytest.raises(InputError, match="whole number from 1 to 5"):
        read_own(lines(tmp_path / "own.jsonl", [row | {"expected": {KEYS[0]: 6}}]), "responses")


# The command


def command(*arguments):
    app = typer.Typer()
    app.command("design")(annotate_design.design)
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "80"})


NUMBERS = ("--items", 3, "--raters", 3, "--per-item", 2, "--repeats", 1, "--calibration", 1, "--attention", 1)


def test_the_command_makes_a_study_and_says_what_comes_next(run, tmp_path):
    study = tmp_path / "study.sqlite"
    consent = tmp_path / "consent.txt"
    consent.write_text("We ask you kindly.\n", "utf-8")
    told = command(run, study, *NUMBERS, "--name", "Our study", "--consent", consent)
    assert told.exit_code == 0, told.output
    assert "3 items of 5 candidates" in told.stdout
    assert f"psychocounsel annotate invite {study}" in told.stdout
    assert "simulated" in told.stdout
    assert not any(word in told.stdout for word in ("Secret", "Answer", "somebody"))
    assert all(len(line) <= 80 for line in told.stdout.splitlines() if "psychocounsel annotate" not in line)
    with Store.open(study) as store:
        assert (store.plan.name, store.plan.consent) == ("Our study", "We ask you kindly.")
        assert (store.plan.simulated, store.plan.source) == (True, "pairs of the run quick, its test split")
        assert len(store.assignments) == 3 * 2 + 3 * (1 + 1 + 1)
        assert [len(mine) for mine in store.numbers.values()] == [5, 5, 5]


def test_the_command_writes_its_summary_as_json_and_refuses_what_cannot_be(run, tmp_path):
    told = json.loads(command(run, tmp_path / "a.sqlite", *NUMBERS, "--json").stdout)
    assert (told["event"], told["items"], told["balance"]["exact"]) == ("designed", 3, True)
    with_url = command(run, tmp_path / "a.sqlite", *NUMBERS)
    assert isinstance(with_url.exception, InputError)  # there is a study already
    assert command(run, tmp_path / "b.sqlite", "--kind", "both").exit_code == 2
    assert isinstance(command(run, tmp_path / "b.sqlite", "--consent", tmp_path / "none.txt").exception, InputError)
    assert isinstance(command(run, tmp_path / "b.sqlite", "--items", 6).exception, InputError)
    assert not (tmp_path / "b.sqlite").exists()
