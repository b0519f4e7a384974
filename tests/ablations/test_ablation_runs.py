"""Studies that run for real: what is made, what is kept, and what a kill costs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from studies import Told, step_at, study

from psychocounsel import layout, pipeline
from psychocounsel.ablations import Made, ablate, tabulate, write_table
from psychocounsel.ablations.figures import reward_of
from psychocounsel.ablations.runs import HELD_OUT, compared
from psychocounsel.ablations.sharing import place
from psychocounsel.artifacts import MANIFEST, Manifest, Step, complete_manifest, read_manifest
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, PreferencePair
from psychocounsel.reward.measure import ScoredPair
from psychocounsel.tables import read_records, write_records

ROOT = Path(__file__).parents[2]


def test_what_a_variant_shares_is_kept_and_only_what_changed_is_made(finished):
    folder, made, told = finished
    assert [name for name, _, _ in told.runs] == ["tiny", "without-empathy", "gap-of-four", "other-labeller"]
    assert told.runs[0][1:] == ([], ["collect", "generate", "rate", "pair"])
    assert told.runs[1][1:] == (["collect", "generate", "rate"], ["pair"])
    assert told.runs[3][1:] == (["collect", "generate"], ["rate", "pair"])
    inodes = {(folder / where / layout.RATINGS).stat().st_ino for where in ("run", "run/ablations/without-empathy")}
    assert len(inodes) == 1
    for run in made:
        for name, manifest in run.manifests.items():
            assert complete_manifest(run.output / name) == manifest


def test_a_shared_study_has_the_contents_that_a_run_by_itself_has(finished, tmp_path):
    _, made, _ = finished
    alone = made[1].recipe.model_copy(update={"output": tmp_path / "alone"})
    assert {n: m.digest for n, m in pipeline.run(alone).items()} == {n: m.digest for n, m in made[1].manifests.items()}


def test_weights_reach_the_pairs_and_are_written_beside_them(finished):
    _, made, _ = finished
    weights = {
        p["key"]: p["weight"] for p in json.loads((made[1].output / "pair/rubric.json").read_text())["principles"]
    }
    assert weights == {**dict.fromkeys(weights, 1.0), "empathy": 0.0}
    for p in read_records(made[1].output / layout.PAIRS, PreferencePair):
        rest = [p.chosen_scores[k] - p.rejected_scores[k] for k in weights if k != "empathy"]
        assert p.gap == pytest.approx(sum(rest) / 6)


def test_a_variant_with_too_little_data_keeps_its_row_and_the_others_go_on(finished):
    folder, made, _ = finished
    assert [bool(run.failed) for run in made] == [False, False, True, False]
    assert "no pair in" in made[2].failed
    table = tabulate(made)
    assert [row["name"] for row in table["rows"]] == ["tiny", "without-empathy", "gap-of-four", "other-labeller"]
    assert table["rows"][2]["failed"] == made[2].failed
    assert table["rows"][2]["train_pairs"] is None
    assert table["rows"][1]["train_pairs"] == made[1].manifests["pair"].counts["pairs"]["train"] > 0
    assert table["simulated"] is True
    write_table(folder / "run", table)
    assert json.loads((folder / "run/ablations/table.json").read_text()) == table


def test_only_runs_what_is_named_and_keeps_the_rows_of_what_is_done(finished):
    folder, _, _ = finished
    main, variants = study(folder)
    told = Told()
    made = ablate(main, variants, told, only={"without-empathy"})
    assert [name for name, _, _ in told.runs] == ["tiny", "without-empathy"]
    assert all(done == [] for _, _, done in told.runs)
    assert [run.name for run in made] == ["tiny", "without-empathy", "other-labeller"]  # gap-of-four is not done


def test_a_study_killed_at_random_moments_ends_with_the_same_contents(finished, tmp_path):
    _, made, _ = finished
    study(tmp_path)
    command = [sys.executable, "-m", "psychocounsel", "ablate", str(tmp_path / "tiny.yaml"), "--json"]
    rng = random.Random(2)
    for wanted in (1, rng.randint(5, 9)):  # complete steps of the study when the kill lands: it is amidst the work
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        given_up = time.monotonic() + 300
        while len(list((tmp_path / "run").rglob(MANIFEST))) < wanted and process.poll() is None:
            assert time.monotonic() < given_up
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.5))
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "finished"
    for run in made:
        again = tmp_path / "run" / run.output.relative_to(made[0].output)
        for name, manifest in run.manifests.items():
            assert complete_manifest(again / name).digest == manifest.digest


def reward_model(folder, seed):
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    from psychocounsel.base.made import make_tokenizer
    from psychocounsel.hyperparameters import MadeModel

    torch.manual_seed(seed)
    tokenizer = make_tokenizer(["I feel tired of work.", "What would help?"] * 5, MadeModel(vocabulary=300))
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=32,
        num_labels=1, pad_token_id=tokenizer.pad_token_id, initializer_range=0.5,
    )  # fmt: skip
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def learnt(folder, name, seed, collect):
    """A run whose collect and pair steps are copied from `collect`'s, with a reward model of its own."""
    recipe = Recipe(name=name, output=folder, bootstrap=100)
    manifests = {}
    for stage in ("collect", "pair"):
        place(step_at_manifest(folder, collect[stage]), [collect["at"]])
        manifests[stage] = read_manifest(folder / stage)
    with step_at(folder, "reward", {"seed": seed}).making():
        reward_model(folder / layout.REWARD_MODEL, seed)
    manifests["reward"] = read_manifest(folder / "reward")
    return Made(name, (), recipe, manifests)


def step_at_manifest(run, manifest):
    class Same(Step):
        fingerprint = manifest.fingerprint

    return Same(run / manifest.stage, manifest.stage, {}, 7, {})


@pytest.fixture(scope="module")
def two_rewards(finished, tmp_path_factory):
    folder, made, _ = finished
    source = {"at": folder / "run", **{s: made[0].manifests[s] for s in ("collect", "pair")}}
    at = tmp_path_factory.mktemp("rewards")
    main, variant = (learnt(at / name, name, seed, source) for seed, name in enumerate(("main", "variant")))
    main.scored = main.output / layout.REWARD_TEST  # not read where another model scores
    return main, variant


def test_the_variants_reward_model_scores_the_main_runs_test_pairs_once(two_rewards):
    from psychocounsel.backends.reward_model import RewardModel

    main, variant = two_rewards
    told = Told()
    compared(variant, main, told("variant"))
    compared(variant, main, told("again"))
    assert [done for _, _, done in told.runs] == [["compared"], []]
    pairs = [p for p in read_records(main.output / layout.PAIRS, PreferencePair) if p.split == "test"]
    found = read_records(variant.scored, ScoredPair)
    assert [f.pair_id for f in found] == [p.id for p in pairs]
    scorer = RewardModel(variant.output / layout.REWARD_MODEL)
    for p, f in zip(pairs, found, strict=True):
        assert scorer.score([p.conversation] * 2, [p.chosen, p.rejected]) == pytest.approx(
            [f.reward_chosen, f.reward_rejected], abs=0.02
        )
    reward = reward_of(variant, 100)
    right = [(f.margin > 0) + 0.5 * (f.margin == 0) for f in found]
    assert reward["main"]["value"] == pytest.approx(np.mean(right))
    assert (reward["main"]["n"], reward["own"]) == (len(pairs), None)


def test_the_same_reward_model_is_not_asked_again(two_rewards):
    main, _ = two_rewards
    twin = Made("twin", (), main.recipe, main.manifests)
    told = Told()
    assert compared(twin, main, told("twin")).scored == main.scored
    assert told.runs[0][2] == []


def test_a_variant_that_may_have_learned_from_the_main_runs_test_speeches_does_not_score_them(two_rewards, tmp_path):
    main, variant = two_rewards
    speeches = read_records(main.output / layout.SPEECHES, ClientSpeech)
    other = Made("other", (), Recipe(name="other", output=tmp_path), dict(variant.manifests))
    other.manifests["collect"] = Manifest("collect", "", {}, 7, True)
    write_records(tmp_path / layout.SPEECHES, ClientSpeech, [replace(s, split="train") for s in speeches])
    assert compared(other, main, Told()("other")).scored is None
    assert other.notes == [HELD_OUT]
    assert reward_of(other, 100)["main"] is None
