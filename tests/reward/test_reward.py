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


def test_transformers_own_classifier_says_the_same(folder):
    """The folder is a sequence classifier for anybody; ours reads the same token in packed rows (float32, 1e-5)."""
    from transformers import AutoModelForSequenceClassification

    from psychocounsel.models.encoding import encode_prompt, encode_response
    from psychocounsel.models.scoring import score_groups

    scorer = RewardModel(folder)
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    texts = [
        ("tired", ["x", "What would you like?"]),
        ("sister " * 20, ["work"]),
        ("I feel", ["so " * n for n in range(1, 9)]),
    ]
    groups = [
        (
            encode_prompt(scorer.tokenizer, (Turn("client", p),), 99)[0],
            [encode_response(scorer.tokenizer, r) for r in rs],
        )
        for p, rs in texts
    ]
    for row_tokens in (1, 60, 4096):
        found = score_groups(scorer.model, groups, scorer.tokenizer.pad_token_id, row_tokens, precise=True)
        for (prompt, branches), rewards in zip(groups, found, strict=True):
            for branch, (reward, principles) in zip(branches, rewards, strict=True):
                with torch.inference_mode():
                    expected = float(plain(torch.tensor([[*prompt, *branch]])).logits)
                assert reward == pytest.approx(expected, rel=1e-5, abs=1e-5)
                assert principles == []


def test_principle_heads_come_back_from_the_folder(folder, tmp_path):
    from psychocounsel.models.rewards import load_reward_model, new_reward_model

    made = new_reward_model(str(folder), 0, ["empathy", "safety"], [3.0, 1.0]).eval()
    made.save_pretrained(tmp_path)
    RewardModel(folder).tokenizer.save_pretrained(tmp_path)
    assert torch.equal(load_reward_model(tmp_path).levels.weight, made.levels.weight)
    scorer = RewardModel(tmp_path)
    scored = scorer.score_all([(Turn("client", "tired"),)] * 2, ["x", "What would you like?"])
    for one in scored:
        assert list(one.principles) == ["empathy", "safety"]
        assert all(1 <= level <= 5 for level in one.principles.values())
        mean = 0.75 * one.principles["empathy"] + 0.25 * one.principles["safety"]
        assert one.reward == pytest.approx(3 * mean, abs=0.01)


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


def test_heads_learn_at_a_rate_of_their_own(folder, tmp_path):
    from transformers import AutoTokenizer, TrainingArguments

    from psychocounsel.hyperparameters import Reward
    from psychocounsel.models.branches import Group
    from psychocounsel.models.preference import Example, SharedRewardTrainer
    from psychocounsel.models.rewards import new_reward_model
    from psychocounsel.models.training import arguments

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = new_reward_model(str(folder), tokenizer.pad_token_id, ["warmth"])
    section = Reward(head_rate=10.0, learning_rate=1e-4)
    trainer = SharedRewardTrainer(
        section=section, model=model, args=TrainingArguments(**arguments(section, tmp_path, 0, 8)),
        examples=[Example(Group([5], [[6], [7]]), {"gap": 1.0})], pad=0, row_tokens=64,
    )  # fmt: skip
    rates = {id(p): group["lr"] for group in trainer.create_optimizer().param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        heads = name in ("score.weight", "levels.weight", "levels.bias")
        assert rates.pop(id(parameter)) == pytest.approx(1e-3 if heads else 1e-4), name
    assert not rates


@pytest.mark.parametrize("lora", [None, {"rank": 4}])
def test_what_was_trained_is_what_is_loaded(folder, tmp_path, lora):
    """With an adapter the weights stay in bf16, and the heads are trained whole, in float32."""
    from transformers import AutoTokenizer

    from psychocounsel.hyperparameters import Lora, Reward
    from psychocounsel.models.branches import Group
    from psychocounsel.models.preference import Example, SharedRewardTrainer
    from psychocounsel.models.rewards import load_reward_model, new_reward_model
    from psychocounsel.models.scoring import score_groups
    from psychocounsel.models.training import Job, fit
    from psychocounsel.progress import silent

    tokenizer = AutoTokenizer.from_pretrained(folder)
    section = Reward(learning_rate=0.01, epochs=4, batch=4, principles=1.0, lora=Lora(**lora) if lora else None)
    torch.manual_seed(1)
    model = new_reward_model(str(folder), tokenizer.pad_token_id, ["warmth"], lora=section.lora)
    assert model.get_input_embeddings().weight.dtype == (torch.bfloat16 if lora else torch.float32)
    heads = {name: getattr(model, name).weight.detach().clone() for name in ("score", "levels")}
    assert all(weight.dtype == torch.float32 for weight in heads.values())
    groups = [Group([5, 6, n], [[7, n], [8, n]]) for n in range(9, 29)]
    examples = [Example(g, {"gap": 1.0, "ratings": [5.0, 1.0]}) for g in groups]
    fitted = fit(Job(SharedRewardTrainer, model, tokenizer, section, examples, tmp_path / "work", 3), silent)
    asked = [(g.prompt, g.branches) for g in groups]
    now = score_groups(fitted.model.eval(), asked, tokenizer.pad_token_id, 64)
    assert np.mean([good[0] > bad[0] for good, bad in now]) > 0.9
    fitted.save(tmp_path / "model")
    assert (tmp_path / "model" / "adapter").is_dir() == bool(lora)
    loaded = load_reward_model(tmp_path / "model")
    for name, weight in heads.items():
        assert float((getattr(loaded, name).weight.detach() - weight).abs().max()) > 0.01, name
    for mine, theirs in zip(score_groups(loaded, asked, tokenizer.pad_token_id, 64), now, strict=True):
        for (reward, levels), (r, (warmth,)) in zip(mine, theirs, strict=True):
            assert reward == pytest.approx(r, abs=0.15)
            assert levels[0] == pytest.approx(warmth, abs=0.15)


def test_what_has_no_dev_pairs_cannot_choose_by_them():
    from pydantic import ValidationError

    from psychocounsel.hyperparameters import Base, Iterate, Reward, WarmStart

    for kind, more in ((Base, {}), (WarmStart, {}), (Iterate, {}), (Reward, {"learn": "ratings"})):
        with pytest.raises(ValidationError, match="best_by_dev chooses a checkpoint by the dev pairs"):
            kind(best_by_dev=True, **more)
    assert Reward(best_by_dev=True).best_by_dev
