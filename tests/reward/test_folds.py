"""Cross-validation figures against scikit-learn and SciPy; folds that part nobody."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.metrics import f1_score

from psychocounsel.errors import TooLittleDataError
from psychocounsel.reward.folds import Predicted, Ranking, assign, figures, macro_f1


def test_groups_are_never_parted_and_folds_are_of_like_size():
    rng = np.random.default_rng(0)
    groups = [f"g{rng.integers(0, 60)}" for _ in range(200)]
    folds = assign(groups, 5, 3)
    for group in set(groups):
        assert len({f for f, g in zip(folds, groups, strict=True) if g == group}) == 1
    sizes = np.bincount(folds)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= max(groups.count(g) for g in groups)
    assert (folds == assign(groups, 5, 3)).all()
    with pytest.raises(TooLittleDataError, match="5 folds need"):
        assign(["a", "b"], 5, 0)


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_equals_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    truth, said = rng.integers(1, 4, 80).astype(float), rng.integers(1, 6, 80).astype(float)
    weights = rng.integers(0, 3, 80).astype(float)
    levels = np.union1d(truth, said)
    expected = f1_score(truth, said, labels=levels, average="macro", sample_weight=weights, zero_division=0)
    assert macro_f1(truth, said, weights) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_ranking_equals_what_kendalls_tau_says(seed):
    """With no ties in scores, concordant and discordant pairs make Goodman and Kruskal's gamma."""
    rng = np.random.default_rng(seed)
    totals, scores = rng.integers(0, 7, 60).astype(float), rng.normal(size=60)
    found = Ranking(totals, scores, np.zeros(60, dtype=int), 1e-6)(np.ones(60))
    ties = sum((totals == t).sum() * ((totals == t).sum() - 1) / 2 for t in np.unique(totals))
    pairs = 60 * 59 / 2
    gamma = kendalltau(totals, scores).statistic * np.sqrt(pairs * (pairs - ties)) / (pairs - ties)
    assert found == pytest.approx((gamma + 1) / 2)


def test_only_pairs_of_one_fold_and_far_enough_apart_count():
    totals, scores = np.array([0.0, 1.0, 5.0, 9.0]), np.array([3.0, 1.0, 2.0, 0.0])
    assert Ranking(totals, scores, np.array([0, 0, 0, 1]), 4.0)(np.ones(4)) == 0.5  # 5>0 wrong, 5>1 right
    assert np.isnan(Ranking(totals[:2], scores[:2], np.array([0, 0]), 4.0)(np.ones(2)))


def test_intervals_are_by_group_and_hold_the_figure():
    rng = np.random.default_rng(0)
    ratings = rng.choice([1.0, 3.0, 5.0], (150, 2))
    expected = ratings + rng.normal(scale=1.5, size=ratings.shape)
    levels = np.clip(np.round((expected - 1) / 2) * 2 + 1, 1, 5)
    groups = np.array([f"g{i // 3}" for i in range(150)])
    predicted = Predicted(groups, assign(groups.tolist(), 3, 0), ratings, levels, expected)
    found = figures(predicted, ["a", "b"], np.array([1.0, 1.0]), 200, 0)
    assert list(found) == ["ranking", "ranking_apart", "macro_f1/a", "macro_f1/b"]
    for figure in found.values():
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert (figure["n"], figure["clusters"]) == (150, 50)
    assert found["ranking_apart"]["value"] > found["ranking"]["value"] > 0.5
