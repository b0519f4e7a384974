"""Losses and heads against scikit-learn, SciPy and formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from psychocounsel.models.head import picked_logprobs
from psychocounsel.models.losses import bradley_terry, dpo_loss, expected_level, level_loss, level_shares


def test_whole_ratings_give_the_cross_entropy_of_scikit_learn():
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(40, 3, 5)), dtype=torch.float32)
    ratings = rng.integers(1, 6, (40, 3))
    ours = level_loss(logits, torch.tensor(ratings, dtype=torch.float32)).mean()
    shares = logits.softmax(-1).numpy().astype(float)
    shares /= shares.sum(-1, keepdims=True)
    theirs = np.mean([log_loss(ratings[:, k], shares[:, k], labels=[1, 2, 3, 4, 5]) for k in range(3)])
    assert float(ours) == pytest.approx(theirs, rel=1e-5)


def test_a_rating_between_two_levels_is_shared_out_and_an_absent_one_weighs_nothing():
    logits = torch.randn(1, 2, 5, generator=torch.Generator().manual_seed(0))
    logs = logits.log_softmax(-1)[0, 0]
    found = level_loss(logits, torch.tensor([[3.25, float("nan")]]))
    assert float(found) == pytest.approx(float(-(0.75 * logs[2] + 0.25 * logs[3])), rel=1e-6)
    assert float(level_loss(logits, torch.full((1, 2), float("nan")))) == 0.0


def test_the_expected_level_is_within_the_scale():
    sure = torch.full((1, 5), -50.0)
    sure[0, 3] = 50
    assert float(expected_level(sure)) == pytest.approx(4)
    assert float(expected_level(torch.zeros(5))) == pytest.approx(3)


def test_bradley_terry_by_its_formula():
    chosen, rejected = torch.tensor([1.0, -0.5]), torch.tensor([0.2, 0.3])
    found = bradley_terry(chosen, rejected, torch.tensor([0.5, 0.0]), centring=0.1)
    for f, c, r, m in zip(found.tolist(), (1.0, -0.5), (0.2, 0.3), (0.5, 0.0), strict=True):
        assert f == pytest.approx(np.log1p(np.exp(-(c - r - m))) + 0.1 * (c + r) ** 2, rel=1e-6)


def test_losses_that_need_lengths_or_are_unknown_say_so():
    one = torch.zeros(1)
    with pytest.raises(ValueError, match="lengths"):
        dpo_loss(one, one, beta=0.1, kind="ipo")
    with pytest.raises(ValueError, match="no loss"):
        dpo_loss(one, one, beta=0.1, kind="other")


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "computed again"])
def test_the_head_equals_cross_entropy_in_value_and_gradient(monkeypatch, kept):
    import psychocounsel.models.head as module

    if not kept:
        monkeypatch.setattr(module, "KEEP_BYTES", 0)
    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(16, 301, bias=False)
    hidden = torch.randn(700, 16, generator=generator, requires_grad=True)
    targets = torch.randint(0, 301, (700,), generator=generator)
    weights = torch.randn(700, generator=generator)
    results = []
    for logprobs in (
        lambda: picked_logprobs(hidden, head, targets),
        lambda: -torch.nn.functional.cross_entropy(head(hidden), targets, reduction="none"),
    ):
        hidden.grad = head.weight.grad = None
        found = logprobs()
        (found * weights).sum().backward()
        results.append((found.detach(), hidden.grad.clone(), head.weight.grad.clone()))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6)


def test_shares_of_levels_count_what_was_given_and_leave_out_what_was_not():
    nan = float("nan")
    shares = level_shares([[1.0, nan], [1.0, 2.5], [5.0, nan]])
    torch.testing.assert_close(shares[0] * 8, torch.tensor([3.0, 1.0, 1.0, 1.0, 2.0]))
    torch.testing.assert_close(shares[1] * 6, torch.tensor([1.0, 1.5, 1.5, 1.0, 1.0]))


def test_smoothing_that_a_loss_would_ignore_is_refused():
    from pydantic import ValidationError

    from psychocounsel.hyperparameters import Dpo

    assert Dpo(loss="robust", label_smoothing=0.1).label_smoothing == 0.1
    with pytest.raises(ValidationError, match="is for loss: robust"):
        Dpo(label_smoothing=0.1)
