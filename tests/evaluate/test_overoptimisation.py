from __future__ import annotations

import itertools

import numpy as np
import pytest

from psychocounsel import layout
from psychocounsel.backends import PrincipleScore
from psychocounsel.evaluate.overoptimisation import best_of, by_checkpoint
from psychocounsel.principles import default_rubric
from psychocounsel.progress import silent
from psychocounsel.records import ClientSpeech, DevelopmentAnswer, Response
from psychocounsel.tables import write_records

RUBRIC = default_rubric()
SPEECHES = [ClientSpeech.make(f"speech {i}") for i in range(20)]


class ByDigit:
    """Rates a response by the digit that it ends with, from 1 to 5."""

    spec, simulated = "test/digit", True

    def rate(self, conversation, response):
        return {key: PrincipleScore(float(response[-1]), "its last digit") for key in RUBRIC.keys}


class ByLetter:
    """Scores a response by its first letter."""

    spec = "test/letter"

    def score(self, conversations, responses):
        return [float(ord(r[0])) for r in responses]


def write_checkpoints(run, **digits):
    """Answers of dpo and one round: rewards rise from checkpoint to checkpoint, and ratings are the digits given."""
    for number, (step, digit) in enumerate(digits.items()):
        answers = [
            DevelopmentAnswer(step.replace("_", "-"), s.id, f"answer {digit(i)}", number + i / 100)
            for i, s in enumerate(SPEECHES)
        ]
        folder = "align/dpo" if step == "dpo" else f"align/{step.replace('_', '-')}"
        write_records(run / folder / layout.DEVELOPMENT_ANSWERS, DevelopmentAnswer, answers)


def measured(run):
    return by_checkpoint(run, 1, "round-1", SPEECHES, ByDigit(), RUBRIC, resamples=200, seed=1, tick=silent)


def test_a_policy_whose_reward_rises_while_the_held_out_judge_falls_is_named(tmp_path):
    write_checkpoints(tmp_path, dpo=lambda i: 4 + i % 2, round_1=lambda i: 2 + i % 2)
    rows, (finding,) = measured(tmp_path)
    assert [row["step"] for row in rows] == ["dpo", "round-1"]
    assert rows[0]["judge"]["value"] == 4.5
    assert rows[1]["reward"]["value"] == pytest.approx(1.095)
    assert (finding.name, finding.who) == ("over-optimisation", "round-1")
    assert finding.figure.value == -2.0


def test_where_the_judge_follows_or_cannot_tell_nothing_is_named(tmp_path):
    write_checkpoints(tmp_path, dpo=lambda i: 2, round_1=lambda i: 4)
    assert measured(tmp_path)[1] == []
    write_checkpoints(tmp_path, dpo=lambda i: 3 + i % 2, round_1=lambda i: 3 + (i + 1) % 2)
    assert measured(tmp_path)[1] == []


def test_the_best_of_n_is_the_mean_over_all_sets_of_n():
    rng = np.random.default_rng(0)
    texts = {s.id: [f"{letter}{rng.integers(1, 6)}" for letter in "dbca"] for s in SPEECHES}
    responses = [Response.make(s, "m", text, draw) for s, own in texts.items() for draw, text in enumerate(own)]
    rows = best_of(responses, SPEECHES, ByLetter(), ByDigit(), RUBRIC, resamples=100, seed=1, tick=silent)
    assert [row["n"] for row in rows] == [1, 2, 3, 4]
    for row in rows:
        sets = [list(itertools.combinations(own, row["n"])) for own in texts.values()]
        picked = np.mean([[int(max(some)[-1]) for some in own] for own in sets])
        best = np.mean([[max(int(t[-1]) for t in some) for some in own] for own in sets])
        assert row["mean"]["value"] == pytest.approx(picked)
        assert row["best"]["value"] == pytest.approx(best)
    assert rows[0]["mean"]["value"] == pytest.approx(rows[3]["random"]["value"])


def test_a_reward_model_that_knows_nothing_is_no_better_than_chance():
    class Indifferent(ByLetter):
        def score(self, conversations, responses):
            return [0.0] * len(responses)

    responses = [Response.make(s.id, "m", f"a{digit}", digit) for s in SPEECHES for digit in (5, 4, 2, 1)]
    rows = best_of(responses, SPEECHES, Indifferent(), ByDigit(), RUBRIC, resamples=100, seed=1, tick=silent)
    assert [row["mean"]["value"] for row in rows] == pytest.approx([3.0] * 4)


def test_a_checkpoint_after_the_chosen_one_is_no_way_that_it_went(tmp_path):
    write_checkpoints(tmp_path, dpo=lambda i: 2 + i % 2, round_1=lambda i: 4 + i % 2)
    _, findings = by_checkpoint(tmp_path, 1, "dpo", SPEECHES, ByDigit(), RUBRIC, resamples=200, seed=1, tick=silent)
    assert findings == []
