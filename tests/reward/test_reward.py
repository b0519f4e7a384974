from __future__ import annotations

import numpy as np
import pytest
import torch

from psychocounsel.backends.reward_model import RewardModel
from psychocounsel.errors import BackendError, TooLittleDataError
from psychocounsel.records import Turn
from psychocounsel.reward.measure import ScoredPair, measure


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import LlamaForSequenceClassification

    from psychocounsel.base.made import make_model, make_tokenizer
    from psychocounsel.hyperparameters import MadeModel

    shape = MadeModel(vocabulary=400, hidden=32, layers=2, heads=2, intermediate=48)
    tokenizer = make_tokenizer(["I feel so tired of work and my sister. What would you like?"] * 3, shape)
    base = make_model(tokenizer, shape, seed=1)
    torch.manual_seed(0)
    model = LlamaForSequenceClassification(base.config)
    model.config.num_labels = 1
    model = LlamaForSequenceClassification(model.config)
    path = tmp_path_factory.mktemp("reward")
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_a_reward_does_not_depend_on_what_else_is_in_the_batch(folder):
    scorer = RewardModel(folder)
    conversations = [(Turn("client", "tired " * n),) for n in (1, 30, 3, 70, 12)]
    responses = ["What would you like?", "I feel " * 20, "work", "sister " * 9, "so"]
    together = scorer.score(conversations, responses)
    alone = [scorer.score([c], [r])[0] for c, r in zip(conversations, responses, strict=True)]
    assert together == pytest.approx(alone, abs=0.02)  # bf16 autocast; the token that is read is the same
    assert len({round(r, 3) for r in together}) > 1


def test_the_last_token_is_the_one_that_is_read(folder):
    """transformers takes the last token that is not padding; pad = end would make it the one before."""
    scorer = RewardModel(folder)
    conversation = (Turn("client", "tired"),)
    row = scorer.tokenizer("x", add_special_tokens=False)["input_ids"]
    from psychocounsel.models.encoding import encode_prompt, encode_response

    ids = encode_prompt(scorer.tokenizer, conversation, 99)[0] + encode_response(scorer.tokenizer, "x")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        hidden = scorer.model.model(torch.tensor([ids])).last_hidden_state[0, -1]
        expected = float(scorer.model.score(hidden))
    assert len(ids) > len(row)
    assert scorer.score([conversation], ["x"])[0] == pytest.approx(expected, abs=0.01)


def test_what_is_no_reward_model_is_refused(tmp_path):
    with pytest.raises(BackendError, match="no tokenizer"):
        RewardModel(tmp_path)


def scored(margin, gap=1.5, i=0, topic="t", gaps=None, words=(10, 20)):
    gaps = gaps or {"empathy": 1, "safety": 0}
    return ScoredPair(str(i), f"s{i}", topic, ("none", "elevated")[i % 2], gap, margin, 0.0, *words, gaps)


def test_measures_are_sliced_with_their_n():
    rng = np.random.default_rng(0)
    pairs = [
        scored(float(rng.normal(1)), gap=float(rng.choice([0.3, 0.8, 1.5, 3])), i=i, topic="ab"[i % 2])
        for i in range(80)
    ]
    measured = measure(pairs, resamples=100, seed=0)
    right = np.array([p.margin > 0 for p in pairs])
    assert measured.overall["accuracy"].value == pytest.approx(right.mean())
    assert measured.by_topic["a"].value == pytest.approx(right[::2].mean())
    assert sum(f.n for f in measured.by_gap.values()) == 80
    assert list(measured.by_principle) == ["empathy"]  # no pair differs on safety, so there is no figure for it
    assert measured.length["longer_is_chosen"] == 0.0
    for figure in measured.overall.values():
        assert figure.low <= figure.value <= figure.high or figure.value == pytest.approx(figure.low, abs=0.05)


def test_no_test_pair_refuses():
    with pytest.raises(TooLittleDataError):
        measure([], resamples=100, seed=0)
