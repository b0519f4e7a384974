"""The whole path on the smoke recipe: resumption after kill -9, and what the evaluation may not have seen."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from psychocounsel import layout, pipeline
from psychocounsel.artifacts import complete_manifest
from psychocounsel.recipe import load_recipe
from psychocounsel.records import ClientSpeech, PreferencePair
from psychocounsel.tables import read_records

ROOT = Path(__file__).parents[1]
SMALL = [
    "collect.limit=60", "base.epochs=1", "bootstrap=100", "align.dev_speeches=6", "align.iterate.speeches=8",
    "align.iterate.candidates=3", "align.iterate.rounds=1", "base.save_every=2", "reward.save_every=1",
    "align.dpo.save_every=1", "reward.batch=16", "align.dpo.batch=16",
]  # fmt: skip


def command(output):
    return [sys.executable, "-m", "psychocounsel", "run", "recipes/smoke.yaml", f"output={output}", "--json", *SMALL]


def digests(run):
    recipe = load_recipe(ROOT / "recipes/smoke.yaml", [f"output={run}", *SMALL])
    return {
        spec.name: complete_manifest(run / spec.name).digest
        for spec in pipeline.steps_of(recipe)
        if spec.name != "report"
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("left-alone")
    done = subprocess.run(command(run), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return run


def test_every_artifact_is_whole_and_says_it_is_simulated(finished):
    recipe = load_recipe(ROOT / "recipes/smoke.yaml", [f"output={finished}", *SMALL])
    for spec in pipeline.steps_of(recipe):
        assert complete_manifest(finished / spec.name).simulated is (spec.name != "collect")


def test_a_run_killed_at_random_moments_ends_with_the_same_weights_and_tables(finished, tmp_path):
    rng = random.Random(1)
    run = tmp_path / "killed"
    for _ in range(4):
        process = subprocess.Popen(command(run), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(5, 12))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    done = subprocess.run(command(run), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert digests(run) == digests(finished)


def test_training_cut_off_between_checkpoints_goes_on_from_the_last_one(finished, tmp_path):
    """Stops the base training after a checkpoint was written, and checks that it is used and changes nothing."""
    run = tmp_path / "cut"
    process = subprocess.Popen(command(run), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((run / "base" / "checkpoints").glob("checkpoint-*/trainer_state.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (run / "base" / "manifest.json").exists()
    done = subprocess.run(command(run), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept = [json.loads(line)["step"] for line in done.stdout.splitlines() if json.loads(line)["event"] == "kept"]
    assert kept == ["collect", "generate", "rate", "pair"]
    assert digests(run)["base"] == digests(finished)["base"]


def test_ctrl_c_says_what_is_kept(tmp_path):
    process = subprocess.Popen(command(tmp_path), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if json.loads(line) == {"event": "begin", "step": "base", "why": "not made yet"}:
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again" in errors
    assert "Traceback" not in errors


def test_no_speech_of_the_test_split_reached_training(finished):
    speeches = {s.id: s for s in read_records(finished / layout.SPEECHES, ClientSpeech)}
    tests = {s.id for s in speeches.values() if s.split == "test"}
    import pyarrow.parquet as pq

    drawn = pq.read_table(finished / "align/round-1/candidates.parquet")["speech_id"].to_pylist()
    assert tests
    assert not tests & set(drawn)
    pairs = read_records(finished / layout.PAIRS, PreferencePair)
    assert all(speeches[p.speech_id].split == p.split for p in pairs)
    answered = pq.read_table(finished / layout.ANSWERS)["speech_id"].to_pylist()
    assert set(answered) == tests


def test_models_load_in_transformers_by_themselves(finished):
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    for folder in (layout.BASE_MODEL, layout.DPO_MODEL, layout.CHOSEN_MODEL):
        tokenizer = AutoTokenizer.from_pretrained(finished / folder)
        model = AutoModelForCausalLM.from_pretrained(finished / folder)
        messages = [{"role": "user", "content": "I cannot sleep."}]
        prompt = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        out = model.generate(**prompt, max_new_tokens=5, do_sample=False)
        assert out.shape[1] > prompt["input_ids"].shape[1]
    reward = AutoModelForSequenceClassification.from_pretrained(finished / layout.REWARD_MODEL)
    assert reward.config.num_labels == 1
    assert reward.config.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id
    assert torch.isfinite(reward(**tokenizer("I cannot sleep.", return_tensors="pt")).logits).all()


def test_the_package_writes_no_client_text_to_its_logs(finished, tmp_path):
    done = subprocess.run(command(finished), cwd=ROOT, capture_output=True, text=True, check=True)
    speeches = read_records(finished / layout.SPEECHES, ClientSpeech)
    for speech in speeches:
        assert speech.text[:40] not in done.stdout + done.stderr


@pytest.mark.parametrize("stage", ["reward", "align"])
def test_the_first_batch_is_shown_as_the_model_reads_it_and_nothing_is_trained(finished, stage):
    before = digests(finished)
    given = [sys.executable, "-m", "psychocounsel", stage, "recipes/smoke.yaml", f"output={finished}", *SMALL]
    done = subprocess.run([*given, "--show-batch"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{stage}: 16 pairs a step of ")
    assert "dropped_too_long" in lines[0]
    prompts = [line for line in lines if line.startswith("prompt (")]
    assert len(prompts) == 4
    for line in prompts:
        assert line.endswith("<|counsellor|>")
    responses = [line for line in lines if line.startswith(("chosen (", "rejected ("))]
    assert len(responses) == 8
    for line in responses:
        assert line.endswith("<|end|>")
        assert line.count("<|end|>") == 1
    assert digests(finished) == before


def test_a_run_ends_where_the_recipe_says(tmp_path):
    done = subprocess.run(
        [*command(tmp_path / "short"), "until=pair"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["reward"], result["win_rates"]) == (None, None)
    assert sorted(p.name for p in (tmp_path / "short").iterdir() if p.is_dir()) == [
        "collect",
        "generate",
        "pair",
        "rate",
    ]
