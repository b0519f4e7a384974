from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.errors import BackendError
from psychocounsel.models.branches import Group, branch_logprobs, check_architecture, lay_out, reference_logprobs
from psychocounsel.models.preference import GroupCollator, SharedDpoTrainer, group_dataset

tokens = st.integers(2, 96)
groups_of = st.lists(
    st.tuples(
        st.lists(tokens, min_size=1, max_size=12),
        st.lists(st.lists(tokens, min_size=1, max_size=9), min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=6,
)


def alone(model, prompt, branch):
    logits = model(torch.tensor([[*prompt, *branch]])).logits[0].log_softmax(-1)
    return sum(logits[len(prompt) - 1 + i, token] for i, token in enumerate(branch))


@settings(max_examples=40, deadline=None)
@given(groups_of)
def test_shared_rows_give_the_log_probs_of_separate_rows(llama, groups):
    laid = lay_out([Group(*g) for g in groups], pad=0)
    with torch.inference_mode():
        ours = branch_logprobs(llama, laid)
        theirs = torch.stack([alone(llama, p, b) for p, branches in groups for b in branches])
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_gradients_equal_those_of_separate_rows(llama):
    rng = np.random.default_rng(0)
    groups = [
        Group(rng.integers(2, 97, 7).tolist(), [rng.integers(2, 97, n).tolist() for n in (1, 5, 3)]) for _ in range(3)
    ]
    weights = torch.randn(9, generator=torch.Generator().manual_seed(0))
    gradients = []
    for logprobs in (
        lambda: branch_logprobs(llama, lay_out(groups, pad=0)),
        lambda: torch.stack([alone(llama, g.prompt, b) for g in groups for b in g.branches]),
    ):
        llama.zero_grad()
        (logprobs() * weights).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in llama.parameters() if p.grad is not None]))
    llama.zero_grad()
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=2e-4)


def test_without_the_mask_the_figures_would_be_wrong(llama):
    """The trap: position ids alone do not part the branches, and nothing complains."""
    from dataclasses import replace

    laid = lay_out([Group([5, 6, 7], [[8, 9, 1], [10, 11, 1]])], pad=0)
    causal = torch.ones_like(laid.mask).tril()
    with torch.inference_mode():
        right, wrong = branch_logprobs(llama, laid), branch_logprobs(llama, replace(laid, mask=causal))
    assert (right[1] - wrong[1]).abs() > 1e-3


def test_reference_figures_come_back_in_order(llama):
    rng = np.random.default_rng(1)
    groups = [Group(rng.integers(2, 97, rng.integers(1, 20)).tolist(), [[3, 1], [4, 5, 1]]) for _ in range(20)]
    together = reference_logprobs(llama, groups, pad=0, rows=6)
    for group, found in zip(groups, together, strict=True):
        assert found == pytest.approx(reference_logprobs(llama, [group], pad=0)[0], rel=0.03, abs=0.1)


@pytest.mark.parametrize("sft", [0.0, 0.7])
def test_the_loss_and_its_margins_equal_trls(llama, tokenizer, tmp_path, sft):
    """One batch through TRL's own DPOTrainer against ours, in float32, policy and reference being different models."""
    from copy import deepcopy

    from datasets import Dataset
    from transformers import TrainingArguments
    from trl import DPOConfig, DPOTrainer

    class OnTokens(DPOTrainer):
        def _prepare_dataset(self, dataset, *_, **__):
            return dataset

    rng = np.random.default_rng(2)
    policy = deepcopy(llama)
    with torch.no_grad():
        for p in policy.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(3)) * 0.05)
    rows = [
        {
            "prompt_ids": rng.integers(2, 97, rng.integers(1, 20)).tolist(),
            "chosen_ids": [*rng.integers(2, 97, rng.integers(0, 12)).tolist(), 1],
            "rejected_ids": [*rng.integers(2, 97, rng.integers(0, 12)).tolist(), 1],
        }
        for _ in range(12)
    ]
    args = DPOConfig(
        output_dir=str(tmp_path), per_device_eval_batch_size=1, use_cpu=True, bf16=False, report_to="none",
        loss_type=["sigmoid", "sft"], loss_weights=[1.0, sft], max_length=None, beta=0.3, disable_tqdm=True,
        remove_unused_columns=False,
    )  # fmt: skip
    dataset = Dataset.from_list(rows)
    trainer = OnTokens(policy, llama, args, train_dataset=dataset, eval_dataset=dataset, processing_class=tokenizer)
    theirs = trainer.evaluate()
    groups = [Group(r["prompt_ids"], [r["chosen_ids"], r["rejected_ids"]]) for r in rows]
    with torch.inference_mode():
        fixed = branch_logprobs(llama, lay_out(groups, pad=0)).view(-1, 2).tolist()
    dataset = group_dataset(groups, fixed)
    ours = SharedDpoTrainer(
        beta=0.3, sft=sft, model=policy, train_dataset=dataset,
        args=TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none"),
    )  # fmt: skip
    with torch.inference_mode():
        loss = ours.loss_of(policy, GroupCollator(0)(list(dataset)))
    # TRL's is the mean over the tokens of a batch, ours over those of a response: the same with one pair a batch.
    assert float(loss) == pytest.approx(theirs["eval_loss"], rel=1e-5)
    assert ours._noted["rewards/margins"] == [pytest.approx(theirs["eval_rewards/margins"], rel=1e-4)]
    assert ours._noted["rewards/accuracies"] == [pytest.approx(theirs["eval_rewards/accuracies"])]


def test_what_cannot_be_laid_out_is_refused():
    for group in (Group([], [[1]]), Group([1], [[]])):
        with pytest.raises(ValueError, match="not empty"):
            lay_out([group], pad=0)


def test_architectures_that_could_leak_are_refused(llama):
    from transformers import GPTNeoConfig, MambaConfig

    check_architecture(llama.config)
    for config in (MambaConfig(), GPTNeoConfig()):
        with pytest.raises(BackendError, match="let one response see another"):
            check_architecture(config)
