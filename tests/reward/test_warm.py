from __future__ import annotations

import pytest
import torch

from psychocounsel.hyperparameters import MadeModel, WarmStart
from psychocounsel.models.encoding import Limits
from psychocounsel.principles import default_rubric
from psychocounsel.progress import silent
from psychocounsel.records import ClientSpeech, Rating, Response
from psychocounsel.reward.examples import rated_responses
from psychocounsel.reward.warm import SCALE, learn_ratings, put_into, rated_groups

RUBRIC = default_rubric()


def world():
    """Responses that are short and good, or long and bad."""
    speeches = [ClientSpeech.make(f"I feel so tired of work number {i}") for i in range(24)]
    responses, ratings = [], []
    for i, speech in enumerate(speeches):
        good = i % 2
        response = Response.make(speech.id, "m", "What would you like?" if good else "my sister " * 5)
        responses.append(response)
        scores = dict.fromkeys(RUBRIC.keys, 5 if good else 1)
        ratings.append(Rating(str(i), response.id, speech.id, "j", scores, {}, 5.0 if good else 1.0))
    return speeches, responses, ratings


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    from psychocounsel.base.made import make_model, make_tokenizer

    shape = MadeModel(vocabulary=400, hidden=32, layers=2, heads=2, intermediate=48)
    tokenizer = make_tokenizer(["I feel so tired of work and my sister. What would you like?"] * 3, shape)
    path = tmp_path_factory.mktemp("base")
    make_model(tokenizer, shape, seed=1).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path, tokenizer


def groups_of(tokenizer, speeches, responses, ratings):
    return rated_groups(rated_responses(tokenizer, speeches, responses, ratings, RUBRIC.keys, Limits(100, 100))[0])


def test_ratings_are_centred_and_leave_out_other_splits_errors_and_long_responses(base):
    speeches, responses, ratings = world()
    ratings[0] = Rating("0", responses[0].id, speeches[0].id, "j", {}, {}, float("nan"), "lost")
    long = Response.make(speeches[1].id, "m", "my sister " * 200)
    ratings.append(Rating("x", long.id, speeches[1].id, "j", dict.fromkeys(RUBRIC.keys, 3), {}, 3.0))
    groups = groups_of(base[1], speeches[:10], [*responses, long], ratings)
    rows = [rating for g in groups for rating in g.ratings]
    assert len(rows) == sum(len(g.group.branches) for g in groups) == 9
    for place in range(7):
        assert sum(row[place] for row in rows) == pytest.approx(0, abs=1e-9)


def test_responses_to_one_speech_share_rows_of_four_at_most(base):
    speech = ClientSpeech.make("I feel so tired of work")
    responses = [Response.make(speech.id, f"m{i}", f"What would you like? {i}") for i in range(6)]
    ratings = [
        Rating(str(i), r.id, speech.id, "j", dict.fromkeys(RUBRIC.keys, 1 + i % 5), {}, 1.0 + i % 5)
        for i, r in enumerate(responses)
    ]
    groups = groups_of(base[1], [speech], responses, ratings)
    assert [len(g.group.branches) for g in groups] == [4, 2]
    assert [row[0] for g in groups for row in g.ratings] == pytest.approx([i % 5 - 10 / 6 for i in range(6)])


def test_the_scalar_head_is_the_weighted_mean_of_what_was_learned(base, tmp_path):
    from transformers import AutoModelForSequenceClassification

    path, tokenizer = base
    groups = groups_of(tokenizer, *world())
    section = WarmStart(epochs=10, learning_rate=0.005, batch=8)
    warmed = learn_ratings(str(path), groups, tokenizer, section, tmp_path, 3, silent)
    model = AutoModelForSequenceClassification.from_pretrained(str(path), num_labels=1)
    model.config.pad_token_id = tokenizer.pad_token_id
    put_into(model, warmed, RUBRIC)
    good, bad = (torch.tensor([[*groups[i].group.prompt, *groups[i].group.branches[0]]]) for i in (1, 0))
    warmed.set_attn_implementation("sdpa")  # it was set up for packed rows
    with torch.inference_mode():
        heads = warmed.score(warmed.eval().model(good).last_hidden_state[0, -1]).mean()
        assert float(model.eval()(good).logits) == pytest.approx(SCALE * float(heads), rel=0.02)
        assert float(model(good).logits) > float(model(bad).logits) + SCALE
