"""Folders for the hub: they load as they are, hold what may leave and nothing else, and replace only their own."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
import torch
from finished_run import step, write_data, write_policy, write_reward, write_speeches
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from psychocounsel import layout
from psychocounsel.backends.reward_model import RewardModel
from psychocounsel.errors import ArtifactError
from psychocounsel.pair.exchange import RELEASED_SCHEMA
from psychocounsel.publish import Permissions, publish
from psychocounsel.records import ClientSpeech, PreferencePair, Turn
from psychocounsel.tables import read_records, write_records

HELD_SAYS = "I have the pills in front of me and I am going to take them tonight."


def copy(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


def snippet(card: Path) -> str:
    return card.read_text("utf-8").split("```python\n", 1)[1].split("```", 1)[0]


def test_the_dataset_loads_in_the_released_layout_with_three_splits(whole, published, tmp_path):
    loaded = datasets.load_dataset(str(published / "dataset"), cache_dir=str(tmp_path))
    assert list(loaded) == ["train", "validation", "test"]
    for ours, theirs in (("train", "train"), ("dev", "validation"), ("test", "test")):
        table = pq.read_table(whole / "pair" / "released" / f"{ours}.parquet")
        assert loaded[theirs].column_names == RELEASED_SCHEMA.names
        assert loaded[theirs].to_list() == table.to_pylist()


def test_models_load_and_the_snippets_on_their_cards_do_what_the_package_does(published, monkeypatch):
    model = AutoModelForSequenceClassification.from_pretrained(published / "reward-model")
    assert model.config.num_labels == 1
    AutoModelForCausalLM.from_pretrained(published / "policy")
    assert AutoTokenizer.from_pretrained(published / "policy").chat_template
    said, answer = "I cannot sleep. " * 30, "That sounds hard."
    monkeypatch.chdir(published / "reward-model")
    names: dict = {}
    exec(snippet(published / "reward-model" / "README.md"), names)
    ours = RewardModel(published / "reward-model", max_prompt=60).score([(Turn("client", said),)], [answer])
    assert names["reward"]([{"role": "user", "content": said}], answer) == pytest.approx(ours[0], abs=1e-4)
    monkeypatch.chdir(published / "policy")
    torch.manual_seed(1)
    exec(snippet(published / "policy" / "README.md"), names)
    assert isinstance(names["draft"], str)


def test_what_no_manifest_knows_stays_here_and_a_variant_that_came_to_nothing_is_no_half_made_run(whole, tmp_path):
    run = copy(whole, tmp_path / "run")
    (run / layout.REWARD_MODEL / "notes.jsonl").write_text('{"client": "my own words"}', "utf-8")
    variant = run / "ablations" / "min-gap-2" / "reward"
    variant.mkdir(parents=True)
    (variant / "started.json").write_text("{}", "utf-8")
    publish(run, tmp_path / "out", ["reward-model"], Permissions())
    assert not list((tmp_path / "out").rglob("notes.jsonl"))
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "out" / "reward-model")


def test_digests_are_of_every_file(published):
    for kind in ("reward-model", "policy", "dataset"):
        lines = (published / kind / "SHA256SUMS").read_text().splitlines()[1:]
        digests = {name: digest for digest, name in (line.split("  ") for line in lines)}
        there = {str(p.relative_to(published / kind)) for p in (published / kind).rglob("*") if p.is_file()}
        assert set(digests) == there - {"SHA256SUMS"}
        for name, digest in digests.items():
            assert hashlib.sha256((published / kind / name).read_bytes()).hexdigest() == digest


def test_programs_can_read_who_labelled(published):
    origin = json.loads((published / "policy" / "psychocounsel.json").read_text())
    assert origin["labellers"] == ["offline/microskills"]
    assert origin["simulated"] is True


def test_raw_client_text_stays_unless_somebody_says_that_it_may_go(tmp_path):
    write_speeches(tmp_path / "speeches.jsonl", 50)
    write_data(tmp_path / "run", source="file", path=tmp_path / "speeches.jsonl", deidentify=False)
    write_reward(tmp_path / "run")
    rights = Permissions(may_publish=True)
    with pytest.raises(ArtifactError, match="--raw-client-text-may-be-published") as refusal:
        publish(tmp_path / "run", tmp_path / "out", permissions=rights)
    assert "the dataset holds" in str(refusal.value)
    assert "the reward-model learned from" in str(refusal.value)
    assert not (tmp_path / "out").exists()
    done = publish(tmp_path / "run", tmp_path / "out", permissions=Permissions(may_publish=True, raw_text=True))
    for each in done:
        assert each.leaving.raw == each.leaving.speeches > 0
        assert "were neither invented nor de-identified" in (each.folder / "README.md").read_text("utf-8")


def test_a_source_of_unknown_terms_needs_the_right_or_goes_without_texts(own_file, tmp_path):
    with pytest.raises(ArtifactError, match="--i-may-publish"):
        publish(own_file, tmp_path / "out")
    (done,) = publish(own_file, tmp_path / "out", with_texts=False)
    rows = datasets.load_dataset(str(done.folder), cache_dir=str(tmp_path / "cache"))["train"].to_list()
    assert len(rows) > 0
    for row in rows:
        assert row["question"] is row["chosen"] is row["rejected"] is None
        assert 1 <= row["chosen_empathy_rating"] <= 5
    assert "left out" in (done.folder / "README.md").read_text("utf-8")
    (done,) = publish(own_file, tmp_path / "out", permissions=Permissions(may_publish=True))
    assert "Jane Miller" not in str(
        datasets.load_dataset(str(done.folder), cache_dir=str(tmp_path / "again"))["train"][:]
    )
    assert done.leaving.deidentified == done.leaving.speeches


def test_held_speeches_never_leave_not_even_as_earlier_turns(whole, tmp_path):
    run = copy(whole, tmp_path / "run")
    pairs = read_records(run / layout.PAIRS, PreferencePair)
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    dialogue = next(p for p in pairs if len(p.conversation) > 1)
    held = ClientSpeech.make(dialogue.conversation[0].text, screened="imminent")

    def collect(folder: Path) -> dict:
        write_records(folder / "speeches.parquet", ClientSpeech, speeches)
        write_records(folder / "held.parquet", ClientSpeech, [held])
        return {"source": {"name": "example", "title": "t", "licence": "Apache-2.0"}, "held": 1}

    def pair(folder: Path) -> None:
        write_records(folder / "pairs.parquet", PreferencePair, pairs)
        shutil.copytree(whole / "pair" / "released", folder / "released")

    step(run, "collect", (), collect)
    step(run, "generate", ("collect",), lambda folder: None)
    step(run, "rate", ("collect", "generate"), lambda folder: None)
    step(run, "pair", ("collect", "generate", "rate"), pair)
    (done,) = publish(run, tmp_path / "out", ["dataset"])
    assert done.leaving.held >= 1
    assert done.leaving.rows == len(pairs) - done.leaving.held
    rows = [r for f in done.folder.rglob("*.parquet") for r in pq.read_table(f).to_pylist()]
    assert len(rows) == done.leaving.rows
    assert not any(held.text in row["question"] for row in rows)
    assert "were left out" in (done.folder / "README.md").read_text("utf-8")


def test_counts_of_the_check_list_are_those_of_the_run(whole, published):
    pairs = read_records(whole / layout.PAIRS, PreferencePair)
    dataset = json.loads((published / "dataset" / "psychocounsel.json").read_text())
    assert dataset["steps"]["pair"]["version"] == "0.1.0"
    grave = {p.speech_id for p in pairs if p.risk == "elevated"}
    text = (published / "dataset" / "README.md").read_text("utf-8")
    assert f"A program screened {len(grave)} as at elevated" in text
    assert f"{len(pairs)} rows with {len({p.speech_id for p in pairs})} client speeches" in text


def test_a_run_that_ended_with_the_reward_model_has_no_policy(own_file, tmp_path):
    run = copy(own_file, tmp_path / "run")
    write_reward(run)
    done = publish(run, tmp_path / "out", permissions=Permissions(may_publish=True))
    assert [each.kind for each in done] == ["reward-model", "dataset"]
    with pytest.raises(ArtifactError, match="has no policy; it has reward-model, dataset"):
        publish(run, tmp_path / "out", ["policy"])


def test_half_made_damaged_and_mixed_runs_are_refused_with_what_to_do(whole, tmp_path):
    with pytest.raises(ArtifactError, match="there is no run"):
        publish(tmp_path / "nothing", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="has nothing to publish"):
        publish(tmp_path / "empty", tmp_path / "out")

    run = copy(whole, tmp_path / "half")
    (run / "evaluate" / "manifest.json").unlink()
    (run / "evaluate" / "started.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"half made: evaluate .* Run its recipe again"):
        publish(run, tmp_path / "out")

    run = copy(whole, tmp_path / "unchosen")
    shutil.rmtree(run / "align" / "chosen")
    with pytest.raises(ArtifactError, match="no chosen policy"):
        publish(run, tmp_path / "out")

    run = copy(whole, tmp_path / "changed")
    with (run / layout.REWARD_MODEL / "config.json").open("a") as config:
        config.write(" ")
    with pytest.raises(ArtifactError, match=r"damaged: model/config.json .* Run its recipe again"):
        publish(run, tmp_path / "out")

    run = copy(whole, tmp_path / "gone")
    shutil.rmtree(run / "generate")
    with pytest.raises(ArtifactError, match="has no finished generate"):
        publish(run, tmp_path / "out", ["dataset"])

    run = copy(whole, tmp_path / "mixed")
    step(run, "base", ("collect", "generate"), lambda folder: (folder / "new").write_text("x") and None)
    with pytest.raises(ArtifactError, match="made from another base than lies there now"):
        publish(run, tmp_path / "out", ["reward-model"])
    assert not (tmp_path / "out").exists()


def test_figures_of_another_policy_are_refused(whole, tmp_path):
    run = copy(whole, tmp_path / "run")
    step(
        run,
        layout.round_step(1),
        ("collect", "base", "reward", "align/dpo"),
        lambda f: (f / "x").write_text("x") and None,
    )

    def write(folder: Path) -> None:
        shutil.copytree(whole / layout.CHOSEN_MODEL, folder / "model")
        (folder / "curves.json").write_text("{}")

    step(run, "align/chosen", ("align/dpo", layout.round_step(1)), write)
    with pytest.raises(ArtifactError, match=r"evaluate was made from another align/chosen"):
        publish(run, tmp_path / "out", ["policy"])


def test_it_replaces_what_it_wrote_and_nothing_else(own_file, tmp_path):
    out, rights = tmp_path / "out", Permissions(may_publish=True)
    publish(own_file, out, permissions=rights)
    before = (out / "dataset" / "SHA256SUMS").read_text()
    publish(own_file, out, permissions=rights)
    assert (out / "dataset" / "SHA256SUMS").read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]

    card = out / "dataset" / "README.md"
    card.write_text(card.read_text("utf-8") + "\nA line that somebody wrote.\n", "utf-8")
    with pytest.raises(ArtifactError, match=r"dataset/README.md was changed"):
        publish(own_file, out, permissions=rights)
    assert card.read_text("utf-8").endswith("A line that somebody wrote.\n")

    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "dataset").mkdir()
    (tmp_path / "thesis" / "dataset" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="dataset is not from here"):
        publish(own_file, tmp_path / "thesis", permissions=rights)
    with pytest.raises(ArtifactError, match="holds something else"):
        publish(own_file, own_file, permissions=rights)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="is a file"):
        publish(own_file, tmp_path / "file", permissions=rights)


def test_what_a_killed_call_left_is_cleared(own_file, tmp_path):
    left = tmp_path / ".out.publishing" / "dataset"
    left.mkdir(parents=True)
    (left / "half").write_text("x")
    publish(own_file, tmp_path / "out", permissions=Permissions(may_publish=True))
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert not (tmp_path / "out" / "dataset" / "half").exists()


def test_only_the_rounds_up_to_the_chosen_one_are_its_training(whole, published):
    text = (published / "policy" / "README.md").read_text("utf-8")
    assert "| align/round-1 | beta 0.1 |" in text


def test_weights_that_transformers_alone_would_read_wrongly_get_no_snippet(own_file, tmp_path):
    run = copy(own_file, tmp_path / "run")
    write_reward(run)
    config = json.loads((run / layout.REWARD_MODEL / "config.json").read_text())
    parents = ("collect", "generate", "rate", "pair", "base")
    section = {"base.max_prompt": 60}

    def reward(folder: Path) -> None:
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text(json.dumps(config | {"principle_weights": [1.0]}))

    step(run, "reward", parents, reward, **section)
    (done,) = publish(run, tmp_path / "out", ["reward-model"])
    text = (done.folder / "README.md").read_text("utf-8")
    assert "```python" not in text
    assert "psychocounsel reward score" in text
    assert "It was not measured on test pairs." in text


def test_the_policy_of_a_run_is_its_chosen_one(own_file, tmp_path):
    run = copy(own_file, tmp_path / "run")
    write_reward(run)
    write_policy(run)
    (done,) = publish(run, tmp_path / "out", ["policy"])
    weights = "model.safetensors"
    assert (done.folder / weights).read_bytes() == (run / layout.CHOSEN_MODEL / weights).read_bytes()
