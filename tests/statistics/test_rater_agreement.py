from __future__ import annotations

import json
from pathlib import Path

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics import agreement
from psychocounsel.statistics.intervals import bootstrap

RATERS = Path(__file__).resolve().parents[3] / "shared/data/annomi_raters.jsonl"


def ratings(seed, items=40, raters=4, levels=5, missing=0.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, levels, (items, 1))
    table = np.where(rng.random((items, raters)) < 0.5, truth, rng.integers(0, levels, (items, raters))).astype(float)
    table[rng.random(table.shape) < missing] = np.nan
    return table


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weights", ["nominal", "linear", "quadratic"])
def test_cohens_kappa_equals_scikit_learns(seed, weights):
    a, b = ratings(seed, raters=2).T
    reference = cohen_kappa_score(a, b, weights=None if weights == "nominal" else weights, labels=range(5))
    assert agreement.cohen_kappa(a, b, 5, weights).value == pytest.approx(reference)


@pytest.mark.parametrize("seed", range(5))
def test_fleiss_kappa_equals_statsmodels(seed):
    table = ratings(seed)
    reference = statsmodels_fleiss(aggregate_raters(table.astype(int))[0])
    assert agreement.fleiss_kappa(table, 5).value == pytest.approx(reference)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_krippendorffs_alpha_equals_the_krippendorff_packages(seed, metric, missing):
    table = ratings(seed, missing=missing)
    reference = krippendorff.alpha(table.T, value_domain=list(range(5)), level_of_measurement=metric)
    assert agreement.krippendorff_alpha(table, 5, metric).value == pytest.approx(reference)


@pytest.mark.parametrize("seed", range(5))
def test_icc_equals_the_mean_squares_of_statsmodels_analysis_of_variance(seed):
    scores = np.random.default_rng(seed).normal(3, 1, (12, 1)) + np.random.default_rng(seed + 9).normal(0, 1, (12, 4))
    scores += [0, 0.5, 1, 0]
    n, k = scores.shape
    rows = {"y": scores.ravel(), "item": np.repeat(np.arange(n), k), "rater": np.tile(np.arange(k), n)}
    msr, msc, mse = anova_lm(ols("y ~ C(item) + C(rater)", rows).fit())["mean_sq"].to_numpy()
    assert agreement.icc(scores).value == pytest.approx((msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n))
    assert agreement.icc(scores, of_mean=True).value == pytest.approx((msr - mse) / (msr + (msc - mse) / n))


def test_icc_is_shrout_and_fleiss_example():
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert agreement.icc(scores).value == pytest.approx(0.29, abs=0.005)
    assert agreement.icc(scores, of_mean=True).value == pytest.approx(0.62, abs=0.005)


def test_ac1_is_gwets_own_example():
    """Gwet 2008: 125 subjects, 118 and 0 agreed, 5 and 2 not; kappa is below 0 and AC1 .94."""
    table = np.array([[0, 0]] * 118 + [[0, 1]] * 5 + [[1, 0]] * 2)
    assert agreement.gwet_ac1(table, 2).value == pytest.approx(0.9408, abs=1e-4)
    assert agreement.cohen_kappa(*table.T, 2).value == pytest.approx(-0.0234, abs=1e-4)


def plain_ac1(table, levels):
    items = [[int(x) for x in row if x == x] for row in table]
    several = [row for row in items if len(row) > 1]
    pa = np.mean([np.mean([x == y for i, x in enumerate(r) for j, y in enumerate(r) if i != j]) for r in several])
    share = np.mean([[row.count(level) / len(row) for level in range(levels)] for row in items if row], axis=0)
    pe = (share * (1 - share)).sum() / (levels - 1)
    return (pa - pe) / (1 - pe)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_ac1_equals_a_loop_written_from_the_definition(seed, missing):
    table = ratings(seed, missing=missing)
    assert agreement.gwet_ac1(table, 5).value == pytest.approx(plain_ac1(table, 5))


def test_an_interval_of_kappa_is_that_of_the_items_drawn():
    table = ratings(3, raters=2)
    clusters = [str(i // 2) for i in range(len(table))]
    fast = agreement.cohen_kappa(*table.T, 5).figure(clusters, resamples=300, seed=1)
    slow = bootstrap(
        np.arange(len(table)),
        clusters,
        lambda rows: float(cohen_kappa_score(*table[rows.astype(int)].T)),
        resamples=300,
        seed=1,
    )
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high))


@pytest.mark.parametrize(
    ("task", "fleiss", "alpha"), [("main_therapist_behaviour", 0.7365, 0.7367), ("client_talk_type", 0.4669, 0.4671)]
)
def test_ten_raters_of_annomi_agree_as_published(task, fleiss, alpha):
    if not RATERS.exists():
        pytest.skip("no shared/data/annomi_raters.jsonl beside the project")
    rows = [row for row in map(json.loads, RATERS.read_text("utf-8").splitlines()) if row["task"] == task]
    names, items = sorted({row["label"] for row in rows}), sorted({row["item"] for row in rows})
    table = np.full((len(items), 10), np.nan)
    for row in rows:
        table[items.index(row["item"]), row["rater"]] = names.index(row["label"])
    assert agreement.fleiss_kappa(table, len(names)).value == pytest.approx(fleiss, abs=5e-5)
    assert agreement.krippendorff_alpha(table, len(names)).value == pytest.approx(alpha, abs=5e-5)


@pytest.mark.parametrize("statistic", [agreement.fleiss_kappa, agreement.gwet_ac1, agreement.krippendorff_alpha])
def test_agreement_over_nothing_refuses(statistic):
    for table in ([], [[np.nan, np.nan]], [[1, np.nan], [np.nan, 0]]):
        with pytest.raises(TooLittleDataError):
            statistic(table, 2)
    with pytest.raises(ValueError, match="whole numbers"):
        statistic([[0, 7]], 2)


def test_fleiss_kappa_refuses_uneven_raters_and_icc_a_single_one():
    with pytest.raises(TooLittleDataError, match="1 to 2 ratings"):
        agreement.fleiss_kappa([[0, 1], [1, np.nan]], 2)
    with pytest.raises(TooLittleDataError):
        agreement.icc([[1.0], [2.0]])


def test_kappa_of_one_label_throughout_is_undefined_not_perfect():
    assert np.isnan(agreement.cohen_kappa([1, 1], [1, 1], 2).value)


@pytest.mark.parametrize("seed", range(5))
def test_icc_equals_pingouins(seed):
    pingouin = pytest.importorskip("pingouin")
    scores = ratings(seed, items=20, raters=3)
    rows = pd.DataFrame([(i, r, y) for i, row in enumerate(scores) for r, y in enumerate(row)], columns=["i", "r", "y"])
    found = pingouin.intraclass_corr(rows, targets="i", raters="r", ratings="y").set_index("Type")["ICC"]
    assert agreement.icc(scores).value == pytest.approx(found["ICC(A,1)"])
    assert agreement.icc(scores, of_mean=True).value == pytest.approx(found["ICC(A,k)"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "statistic",
    [
        lambda t: agreement.krippendorff_alpha(t, 5),
        lambda t: agreement.krippendorff_alpha(t, 5, "ordinal"),
        lambda t: agreement.gwet_ac1(t, 5),
    ],
)
def test_an_interval_is_that_of_the_items_drawn(seed, statistic):
    """Against the plain loop, in which the statistic is made anew of the rows of every resample."""
    table, clusters = ratings(seed, missing=0.2), [str(i // 2) for i in range(40)]
    fast = statistic(table).figure(clusters, resamples=100, seed=1)
    slow = bootstrap(
        np.arange(40), clusters, lambda rows: statistic(table[rows.astype(int)]).value, resamples=100, seed=1
    )
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high))


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_raters_who_agree_throughout_have_1_and_the_order_of_raters_does_not_matter(seed):
    table = ratings(seed, items=12, raters=3, levels=3)
    same = np.repeat(table[:, :1], 3, axis=1)
    turned = table[:, ::-1]
    for statistic in (
        lambda t: agreement.fleiss_kappa(t, 3),
        lambda t: agreement.krippendorff_alpha(t, 3, "ordinal"),
        lambda t: agreement.gwet_ac1(t, 3),
        agreement.icc,
    ):
        assert statistic(turned).value == pytest.approx(statistic(table).value, nan_ok=True)
        if len(set(same[:, 0])) > 1:
            assert statistic(same).value == pytest.approx(1)


def test_constant_scores_have_no_icc_and_no_interval():
    found = agreement.icc(np.full((6, 3), 3.3)).figure(list("abcdef"), resamples=20, seed=1)
    assert np.isnan([found.value, found.low, found.high]).all()


@pytest.mark.parametrize("statistic", [agreement.accuracy, lambda a, b: agreement.cohen_kappa(a, b, 2)])
def test_two_raters_refuse_nothing_nan_and_unequal_lengths(statistic):
    for a, b in (([], []), ([0, 1], [0, np.nan])):
        with pytest.raises(TooLittleDataError):
            statistic(a, b)
    with pytest.raises(ValueError, match="stand beside"):
        statistic([0, 1, 1], [1])


def test_nan_where_none_may_be_missing_and_infinite_ratings_refuse():
    with pytest.raises(TooLittleDataError, match="not numbers"):
        agreement.icc([[1, 2], [np.nan, 2]])
    with pytest.raises(TooLittleDataError, match="not numbers"):
        agreement.krippendorff_alpha([[1, np.inf], [1, 0]], 2)
