"""Packed rows that share prompts give what separate rows give, in values and gradients, and what TRL gives."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.errors import BackendError
from psychocounsel.models.attention import by_segments
from psychocounsel.models.branches import (
    Group,
    branch_logprobs,
    check_architecture,
    dense_mask,
    hidden_states,
    pack,
    rows_of,
)
from psychocounsel.models.rewards import new_reward_model, rewarded

tokens = st.integers(2, 96)
groups_of = st.lists(
    st.tuples(
        st.lists(tokens, min_size=1, max_size=12),
        st.lists(st.lists(tokens, min_size=1, max_size=9), min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=40,
)


def tiny(kind: str, **more):
    """A random decoder of a family, peaked enough that a wrong mask shows."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind, vocab_size=97, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=80, tie_word_embeddings=False, bos_token_id=None, eos_token_id=1, pad_token_id=0,
        initializer_range=0.3, sliding_window=None, **more,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="module")
def families():
    return {kind: tiny(kind) for kind in ("llama", "qwen2", "qwen3", "mistral")}


def alone(model, prompt, branch):
    logits = model(torch.tensor([[*prompt, *branch]])).logits[0].log_softmax(-1)
    return sum(logits[len(prompt) - 1 + i, token] for i, token in enumerate(branch))


@settings(max_examples=60, deadline=None)
@given(groups_of, st.sampled_from(["llama", "qwen2", "qwen3", "mistral"]))
def test_packed_rows_give_the_log_probs_of_separate_rows(families, groups, kind):
    plain, packed = families[kind], by_segments(deepcopy(families[kind]))
    row = pack([Group(*g) for g in groups])
    with torch.inference_mode():
        ours = branch_logprobs(packed, row)
        theirs = torch.stack([alone(plain, p, b) for p, branches in groups for b in branches])
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def random_groups(seed, count, branches=(1, 2, 3, 8), longest=60):
    rng = np.random.default_rng(seed)
    return [
        Group(
            rng.integers(2, 97, rng.integers(1, longest)).tolist(),
            [rng.integers(2, 97, rng.integers(1, longest)).tolist() for _ in range(rng.choice(branches))],
        )
        for _ in range(count)
    ]


def gradients(model, logprobs, weights):
    model.zero_grad()
    (logprobs() * weights).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral"])
@pytest.mark.parametrize("how", ["segments", "sdpa", "eager"])
def test_gradients_equal_those_of_separate_rows(families, kind, how):
    groups = random_groups(0, 5)
    row = pack(groups)
    weights = torch.randn(row.branches, generator=torch.Generator().manual_seed(0))
    plain, packed = families[kind], deepcopy(families[kind])
    by_segments(packed) if how == "segments" else packed.set_attn_implementation(how)
    theirs = gradients(
        plain, lambda: torch.stack([alone(plain, g.prompt, b) for g in groups for b in g.branches]), weights
    )
    ours = gradients(packed, lambda: branch_logprobs(packed, row), weights)
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5


def test_the_blocks_for_a_gpu_give_the_same(families):
    """FlexAttention has no backward on a CPU; its forward, uncompiled, shows that the block mask is right."""
    groups = random_groups(1, 4)
    flex = deepcopy(families["llama"])
    flex.set_attn_implementation("flex_attention")
    with torch.no_grad():
        ours = branch_logprobs(flex, pack(groups))
        theirs = torch.stack([alone(families["llama"], g.prompt, b) for g in groups for b in g.branches])
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_an_encoder_reads_each_text_by_itself():
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    bert = BertModel(
        BertConfig(vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=80,
                   initializer_range=0.3, hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    ).eval()  # fmt: skip
    groups = random_groups(2, 6)
    packed = by_segments(deepcopy(bert))
    row = pack(groups, causal=False)
    with torch.inference_mode():
        ours = hidden_states(packed, row)
        texts = [(g.prompt, b) for g in groups for b in g.branches]
        for segment, (prompt, branch) in zip(row.segments, texts, strict=True):
            types = torch.tensor([[0] * len(prompt) + [1] * len(branch)])
            theirs = bert(torch.tensor([[*prompt, *branch]]), token_type_ids=types).last_hidden_state[0]
            torch.testing.assert_close(ours[segment.start : segment.end], theirs, rtol=1e-4, atol=1e-5)


def test_without_the_mask_the_figures_would_be_wrong(families):
    """The trap: position ids alone do not part the branches, and nothing complains."""
    row = pack([Group([5, 6, 7], [[8, 9, 1], [10, 11, 1]])])
    model = deepcopy(families["llama"])
    model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        right = branch_logprobs(model, row)
        hidden = model.model(input_ids=row.ids, position_ids=row.positions, use_cache=False).last_hidden_state[0]
        logprobs = model.lm_head(hidden[row.predictors]).log_softmax(-1).gather(-1, row.targets[:, None])[:, 0]
    assert (right[1] - logprobs[3:6].sum()).abs() > 1e-3


def test_a_row_sees_what_it_should():
    row = pack([Group([5, 6], [[7], [8, 9]])])
    sees = dense_mask(row)[0, 0, :5, :5].int().tolist()
    assert sees == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 0, 1, 1]]
    assert row.positions[0, :5].tolist() == [0, 1, 2, 2, 3]
    assert row.predictors[: row.wanted].tolist() == [1, 1, 3]
    assert row.lasts.tolist() == [2, 4]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=40))
def test_rows_hold_every_group_once_and_no_more_than_they_may(sizes):
    rows = list(rows_of(sizes, 100))
    assert sorted(i for row in rows for i in row) == list(range(len(sizes)))
    assert all(sum(sizes[i] for i in row) <= 100 for row in rows)
    assert list(rows_of([300, 5], 100)) == [[0], [1]]


def dpo_rows(seed, count):
    rng = np.random.default_rng(seed)
    return [
        {
            "prompt_ids": rng.integers(2, 97, rng.integers(1, 20)).tolist(),
            "chosen_ids": [*rng.integers(2, 97, rng.integers(0, 12)).tolist(), 1],
            "rejected_ids": [*rng.integers(2, 97, rng.integers(0, 12)).tolist(), 1],
        }
        for _ in range(count)
    ]


def apart(ours, theirs):
    """Relative distance of two models' gradients."""
    other = {n: p.grad for n, p in theirs.named_parameters() if p.grad is not None}
    mine = {n: p.grad for n, p in ours.named_parameters() if n in other}
    distance = sum(float((mine[n] - other[n]).square().sum()) for n in other)
    return (distance / sum(float(g.square().sum()) for g in other.values())) ** 0.5


def on_tokens(base):
    class OnTokens(base):
        def _prepare_dataset(self, dataset, *_, **__):
            return dataset

    return OnTokens


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral"])
@pytest.mark.parametrize(
    ("loss", "sft", "smoothing"),
    [("sigmoid", 0.0, 0.0), ("sigmoid", 0.7, 0.0), ("ipo", 0.0, 0.0), ("hinge", 0.0, 0.0), ("robust", 0.0, 0.2),
     ("sigmoid_norm", 0.0, 0.0)],
)  # fmt: skip
def test_losses_and_gradients_equal_trls(families, tokenizer, tmp_path, kind, loss, sft, smoothing):
    """One batch through TRL's own DPOTrainer against ours, in float32, policy and reference being different models."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from psychocounsel.hyperparameters import Dpo
    from psychocounsel.models.branches import token_logprobs
    from psychocounsel.models.preference import Example, Packer, SharedDpoTrainer

    model = families[kind]
    policy = deepcopy(model)
    with torch.no_grad():
        for p in policy.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(3)) * 0.05)
    rows = dpo_rows(2, 1 if sft else 12)  # TRL's sft term is a mean over the batch's tokens, ours over a response's
    args = DPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=len(rows), use_cpu=True, bf16=False, report_to="none",
        loss_type=[loss, "sft"], loss_weights=[1.0, sft], max_length=None, beta=0.3, label_smoothing=smoothing,
        remove_unused_columns=False, gradient_checkpointing=False,
    )  # fmt: skip
    theirs = deepcopy(policy)
    trainer = on_tokens(DPOTrainer)(
        theirs, deepcopy(model), args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )
    batch = next(iter(trainer.get_train_dataloader()))
    expected = trainer.compute_loss(theirs, batch)
    expected.backward()

    groups = [Group(r["prompt_ids"], [r["chosen_ids"], r["rejected_ids"]]) for r in rows]
    fixed, ours = by_segments(deepcopy(model)), by_segments(policy)
    with torch.inference_mode():
        reference = branch_logprobs(fixed, pack(groups)).view(-1, 2).tolist()
    examples = [Example(g, {"reference": two}) for g, two in zip(groups, reference, strict=True)]
    section = Dpo(beta=0.3, sft=sft, loss=loss, label_smoothing=smoothing)
    parts = Packer(120, 0, causal=True, by_tokens=False)(examples)["parts"]
    assert len(parts) > 1 or sft
    stand_in = object.__new__(SharedDpoTrainer)
    stand_in.section, stand_in._noted = section, {"rewards/margins": [], "rewards/accuracies": []}
    found = sum(stand_in.loss_of(part, token_logprobs(ours, part.row)) * part.share for part in parts)
    found.backward()
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert apart(ours, theirs) < 1e-5


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral"])
def test_reward_losses_and_gradients_equal_trls(families, tokenizer, tmp_path, kind):
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    from psychocounsel.hyperparameters import Reward
    from psychocounsel.models.preference import Example, Packer, SharedRewardTrainer

    families[kind].save_pretrained(tmp_path / "start")
    ours = new_reward_model(str(tmp_path / "start"), 0)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "start", num_labels=1)
    theirs.load_state_dict(ours.state_dict())
    theirs.config.pad_token_id = 0
    rows = dpo_rows(4, 10)
    gaps = np.random.default_rng(0).uniform(1, 4, len(rows)).tolist()
    data = [
        {
            "chosen_ids": r["prompt_ids"] + r["chosen_ids"],
            "rejected_ids": r["prompt_ids"] + r["rejected_ids"],
            "margin": g,
        }
        for r, g in zip(rows, gaps, strict=True)
    ]
    args = RewardConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=len(rows), use_cpu=True, bf16=False, report_to="none",
        max_length=None, center_rewards_coefficient=0.02, remove_unused_columns=False, gradient_checkpointing=False,
    )  # fmt: skip
    trainer = on_tokens(RewardTrainer)(theirs, args, train_dataset=Dataset.from_list(data), processing_class=tokenizer)
    expected = trainer.compute_loss(theirs, next(iter(trainer.get_train_dataloader())))
    expected.backward()
    examples = [
        Example(Group(r["prompt_ids"], [r["chosen_ids"], r["rejected_ids"]]), {"gap": g})
        for r, g in zip(rows, gaps, strict=True)
    ]
    stand_in = object.__new__(SharedRewardTrainer)
    stand_in.section = Reward(margin=1.0, centring=0.02)
    stand_in._noted = {"accuracy": [], "margin": []}
    parts = Packer(120, 0, causal=True, by_tokens=False)(examples)["parts"]
    found = sum(stand_in.loss_of(part, rewarded(ours, part.row)) * part.share for part in parts)
    found.backward()
    assert len(parts) > 1
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert apart(ours, theirs) < 1e-5


def test_what_cannot_be_packed_is_refused():
    for group in (Group([], [[1]]), Group([1], [[]]), Group([1], [])):
        with pytest.raises(ValueError, match="not empty"):
            pack([group])


def test_architectures_that_could_leak_are_refused(families):
    from transformers import GPTNeoConfig, MambaConfig, MistralConfig, Qwen2Config

    for model in families.values():
        check_architecture(model.config)
    sliding = Qwen2Config(use_sliding_window=True, sliding_window=64)
    for config in (MambaConfig(), GPTNeoConfig(), MistralConfig(sliding_window=4096), sliding):
        with pytest.raises(BackendError, match="let one response see another"):
            check_architecture(config)


def test_a_model_that_was_not_set_up_for_rows_is_refused(families):
    model = by_segments(deepcopy(families["llama"]))
    with pytest.raises(ValueError, match="segments"):
        model(torch.tensor([[5, 6, 7]]))


def test_a_row_is_its_own_copy_on_another_device(families):
    row = pack(random_groups(3, 2))
    moved = row.to(torch.device("cpu"))
    assert replace(moved, segments=row.segments).ids.equal(row.ids)
