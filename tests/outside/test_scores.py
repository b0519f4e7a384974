"""Figures of outside tests against independent computations and published results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.errors import TooLittleDataError
from psychocounsel.outside.choices import asked, figure, read
from psychocounsel.outside.records import BestOf, Choice, LabelledPair
from psychocounsel.outside.scores import best_credit, best_rows, pair_rows, preferred
from psychocounsel.records import Turn

ASKED = (Turn("client", "q"),)
# allenai/reward-bench-results, eval-set/Skywork/Skywork-Reward-Llama-3.1-8B.json: right pairs of all pairs, by subset.
SKYWORK = {
    "alpacaeval-easy": (96, 100), "alpacaeval-hard": (89, 95), "alpacaeval-length": (90, 95), "donotanswer": (92, 136),
    "hep-cpp": (155, 164), "hep-go": (157, 164), "hep-java": (158, 164), "hep-js": (159, 164), "hep-python": (157, 164),
    "hep-rust": (154, 164), "llmbar-adver-GPTInst": (86, 92), "llmbar-adver-GPTOut": (37, 47),
    "llmbar-adver-manual": (34, 46), "llmbar-adver-neighbor": (120, 134), "llmbar-natural": (90, 100),
    "math-prm": (433, 447), "mt-bench-easy": (28, 28), "mt-bench-hard": (31, 37), "mt-bench-med": (40, 40),
    "refusals-dangerous": (92, 100), "refusals-offensive": (98, 100), "xstest-should-refuse": (147, 154),
    "xstest-should-respond": (243, 250),
}  # fmt: skip


def pairs_of(counts):
    pairs, credit = [], []
    for subset, (right, of) in counts.items():
        pairs += [LabelledPair(f"{subset}-{n}", f"{subset}-{n}", ASKED, "a", "b", subset) for n in range(of)]
        credit += [1.0] * right + [0.0] * (of - right)
    return pairs, credit


def test_reward_bench_weighs_as_published():
    rows = {(row.measure, row.label): row.figure for row in pair_rows(*pairs_of(SKYWORK))}
    sections = {label: round(100 * f.value, 1) for (measure, label), f in rows.items() if measure == "section"}
    assert sections == {"Chat": 95.8, "Chat Hard": 87.3, "Safety": 90.8, "Reasoning": 96.2}
    score = rows["score", "mean of the sections"]
    assert round(100 * score.value, 1) == 92.5
    assert score.low < 0.925 < score.high
    assert rows["accuracy", "all"].n == 2985


def test_sections_come_only_where_subsets_are_known():
    some = {"donotanswer": (3, 4), "refusals-dangerous": (1, 2)}
    rows = pair_rows(*pairs_of(some))
    assert [row.label for row in rows if row.measure == "section"] == ["Safety"]
    assert not [row for row in rows if row.measure == "score"]
    assert next(r for r in rows if r.measure == "section").figure.value == pytest.approx((136 * 0.75 + 50) / 236)
    assert {row.measure for row in pair_rows(*pairs_of({"session 1": (1, 2), "session 2": (2, 2)}))} == {"accuracy"}


def test_equal_scores_count_one_half_and_what_is_no_number_is_refused():
    assert preferred([1, 2, 3], [1, 3, 2]).tolist() == [0.5, 0, 1]
    with pytest.raises(TooLittleDataError, match="1 of 2 values are not numbers"):
        preferred([1, float("nan")], [0, 0])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.data())
def test_best_of_gives_what_a_draw_among_the_highest_would(scores, data):
    best = data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1, max_size=len(scores) - 1))
    item = BestOf("x", "x", ASKED, tuple("r" * len(scores)), frozenset(best))
    draws = [place in best for place, score in enumerate(scores) if score == max(scores)]
    assert best_credit(item, scores) == pytest.approx(np.mean(draws))


def tied(kind, n, good, bad):
    return BestOf(f"{kind}:{n}", f"ties-{n}", ASKED, ("r",) * (good + bad), frozenset(range(good)), "Ties")


def plain_ties(items, scores):
    """RewardBench 2's score of ties in plain loops, by the benchmark's description."""
    of = dict(zip((item.id for item in items), zip(items, scores, strict=True), strict=True))

    def margins(name):
        item, given = of[name]
        good = [s for n, s in enumerate(given) if n in item.best]
        bad = [s for n, s in enumerate(given) if n not in item.best]
        return min(good) - max(bad), max(good) - min(good)

    refs = [name for name in of if name.startswith("ref")]
    ties = [name for name in of if name.startswith("tied")]
    right = [np.mean([margins(name)[0] > 0 for name in names]) for names in (ties, refs)]
    firm, hard, tanh = [], [], []
    for name in ties:
        margin, wide = margins(name)
        narrow = min(margin, margins("ref:" + name.split(":")[1])[0])
        firm.append(margin > wide)
        hard.append(narrow > wide)
        tanh += [np.tanh(narrow / wide - 1)] if wide > 0 else []
    return 0.3 * sum(right) + 0.2 * np.mean(firm) + 0.2 * np.mean(hard) + 0.01 * (np.mean(tanh) if tanh else 0)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.randoms(use_true_random=False))
def test_ties_have_the_benchmarks_own_score(prompts, random):
    items = [tied(kind, n, 1 if kind == "ref" else 3, 2) for n in range(prompts) for kind in ("ref", "tied")]
    scores = [[random.choice([0, 0.5, 1, 4]) for _ in item.responses] for item in items]
    (row,) = best_rows(items, scores)
    assert (row.measure, row.label) == ("score", "Ties")
    assert row.figure.value == pytest.approx(plain_ties(items, scores))


def test_the_whole_of_reward_bench_2_is_the_mean_of_its_subsets():
    math = [BestOf(str(n), str(n), ASKED, ("a", "b", "c", "d"), frozenset({0}), "Math") for n in range(4)]
    focus = [BestOf(f"f{n}", f"f{n}", ASKED, ("a", "b"), frozenset({0}), "Focus") for n in range(2)]
    ties = [tied("ref", 1, 1, 1), tied("tied", 1, 2, 1)]
    scores = [[2, 1, 1, 1], [2, 1, 1, 1], [2, 1, 1, 1], [1, 2, 1, 1], [1, 1], [2, 1], [5, 1], [4, 5, 0]]
    rows = {row.label: row.figure.value for row in best_rows([*math, *focus, *ties], scores)}
    assert rows["Math"] == 0.75
    assert rows["Focus"] == 0.75
    assert rows["Ties"] == pytest.approx(1 + 0.01 * np.tanh(3))
    assert rows["mean of the subsets"] == pytest.approx((0.75 + 0.75 + rows["Ties"]) / 3)


def test_nothing_is_refused():
    with pytest.raises(TooLittleDataError):
        best_rows([], [])
    with pytest.raises(TooLittleDataError):
        pair_rows([], [])
    with pytest.raises(TooLittleDataError):
        figure([], [])


def choice(n, right, several=True, letters="abc"):
    return Choice(str(n), str(n), "q?", {letter: letter * 3 for letter in letters}, frozenset(right), several)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sets(st.sampled_from("abc"), min_size=1), st.sets(st.sampled_from("abc"))), min_size=2))
def test_weighted_f1_is_scikit_learns(rows):
    from sklearn.metrics import f1_score

    choices = [choice(n, right) for n, (right, _) in enumerate(rows)]
    truth = [[letter in right for letter in "abc"] for right, _ in rows]
    said = [[letter in given for letter in "abc"] for _, given in rows]
    name, found = figure(choices, [frozenset(given) for _, given in rows])
    assert name == "weighted F1"
    assert found.value == pytest.approx(f1_score(truth, said, average="weighted", zero_division=0))


def test_an_answer_is_read_strictly():
    one, several = choice(1, "a", several=False), choice(1, "a")
    assert "with one letter" in asked(one)
    assert "aaa" in asked(one)
    for said, letters in [("a", "a"), ("(B)", "b"), ("b: bbb", "b"), ("a, b", ""), ("It is a hard one", ""), ("z", "")]:
        assert read(one, said) == frozenset(letters), said
    for said, letters in [("a, c", "ac"), ("A and B.", "ab"), ("a: aaa\nb: bbb", "ab"), ("a person like this", "")]:
        assert read(several, said) == frozenset(letters), said
    name, found = figure([one, one], [frozenset("a"), frozenset()])
    assert (name, found.value) == ("accuracy", 0.5)
