"""A reward model from ratings alone, as a clinic would make it: a small encoder, and labels of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from psychocounsel.recipe import load_recipe

ROOT = Path(__file__).parents[2]
KIND, UNKIND = ["I hear you", "that sounds hard", "I am with you"], ["get over it", "stop it", "be quiet"]
RUBRIC = """
name: own
principles:
  - {key: warmth, name: Warmth, definition: Warm., anchors: {1: a, 2: b, 3: c, 4: d, 5: e}}
  - {key: asking, name: Asking, definition: Asks., anchors: {1: a, 2: b, 3: c, 4: d, 5: e}}
"""


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """An encoder, a rubric of two principles, and ninety labelled responses."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("clinic")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(90):
        warm, asks = rng.integers(0, 2), rng.integers(0, 2)
        said = f"client number {number} speaks about {rng.choice(['work', 'home', 'sleep', 'school'])} today"
        answer = f"{rng.choice(KIND if warm else UNKIND)} {'what happened then ?' if asks else 'well .'}"
        ratings = {"warmth": 5 if warm else 1, "asking": 5 if asks else 1}
        rows.append({"text": said, "responses": [{"model": "clinic", "text": answer, "ratings": ratings}]})
    words = sorted({w for r in rows for w in (r["text"] + " " + r["responses"][0]["text"]).split()})
    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    made = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=64, max_position_embeddings=128)  # fmt: skip
    BertModel(config).save_pretrained(folder / "encoder")
    tokenizer.save_pretrained(folder / "encoder")
    (folder / "rubric.yaml").write_text(RUBRIC)
    return folder, rows


def write(clinic, rows):
    """The rows as a file whose columns name the ratings."""
    flat = [
        {"text": r["text"], "answer": a["text"], "by": a["model"]} | {f"r_{k}": v for k, v in a["ratings"].items()}
        for r in rows
        for a in r["responses"]
    ]
    file = clinic / "labels.jsonl"
    file.write_text("\n".join(json.dumps(r) for r in flat))
    return file


def command(folder, file, output, *more):
    columns = ["collect.columns.response=answer", "collect.columns.model=by", "collect.columns.rating.warmth=r_warmth",
               "collect.columns.rating.asking=r_asking"]  # fmt: skip
    return [
        sys.executable, "-m", "psychocounsel", "run", "recipes/epitome-encoder.yaml", f"output={output}", "--json",
        "collect.source=file", f"collect.path={file}", *columns, f"rate.rubric={folder / 'rubric.yaml'}",
        f"reward.model={folder / 'encoder'}", "reward.folds=3", "reward.epochs=20", "reward.learning_rate=0.003",
        "bootstrap=100", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def finished(clinic, tmp_path_factory):
    folder, rows = clinic
    output = tmp_path_factory.mktemp("run") / "out"
    done = subprocess.run(command(folder, write(folder, rows), output), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return output, json.loads(done.stdout.splitlines()[-1])


def test_labels_of_ones_own_train_an_encoder_and_are_cross_validated(finished):
    output, result = finished
    figures = result["folds"]["figures"]
    assert list(figures) == ["ranking", "ranking_apart", "macro_f1/warmth", "macro_f1/asking"]
    assert all(f["n"] == 90 for f in figures.values())
    assert figures["macro_f1/asking"]["low"] > 0.8
    assert figures["ranking"]["low"] > 0.8
    assert not (output / "base").exists()
    assert not (output / "pair").exists()
    assert not (output / "report").exists()


def test_the_model_scores_for_scripts_with_its_principles(clinic, finished):
    output, _ = finished
    rows = clinic[1]
    lines = [{"id": n, "prompt": r["text"], "response": r["responses"][0]["text"]} for n, r in enumerate(rows)]
    done = subprocess.run(
        [sys.executable, "-m", "psychocounsel", "reward", "score", str(output / "reward" / "model"), "-"],
        input="\n".join(map(json.dumps, lines)), capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    scored = [json.loads(line) for line in done.stdout.splitlines()]
    labels = [r["responses"][0]["ratings"] for r in rows]
    for key in ("warmth", "asking"):
        assert [list(s["principles"]) for s in scored] == [["warmth", "asking"]] * len(rows)
        high, low = ([s["principles"][key] for s, r in zip(scored, labels, strict=True) if r[key] == v] for v in (5, 1))
        assert np.mean(high) > 4 > 2 > np.mean(low)
    assert np.corrcoef([s["reward"] for s in scored], [sum(r.values()) for r in labels])[0, 1] > 0.9


def test_a_run_killed_after_a_fold_keeps_it_and_ends_with_the_same_figures(clinic, finished, tmp_path):
    import os
    import signal
    import time

    folder, rows = clinic
    output = tmp_path / "out"
    process = subprocess.Popen(
        command(folder, write(folder, rows), output), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (output / "reward" / "checkpoints" / "fold-0.npy").is_file():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(command(folder, write(folder, rows), output), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["folds"] == finished[1]["folds"]


def test_the_shipped_recipe_needs_no_pairs_and_no_base():
    from psychocounsel.pipeline import steps_of

    recipe = load_recipe(ROOT / "recipes/epitome-encoder.yaml")
    assert [spec.name for spec in steps_of(recipe)] == ["collect", "generate", "rate", "reward"]
