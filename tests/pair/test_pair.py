from __future__ import annotations

import itertools
import random

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.errors import InputError, RecipeError
from psychocounsel.pair import load_released, pair, trl_row, write_released, write_trl
from psychocounsel.pair.exchange import KEYS
from psychocounsel.pair.stage import weighted
from psychocounsel.principles import default_rubric
from psychocounsel.recipe import Pair
from psychocounsel.records import ClientSpeech, Rating, Response, Turn

RUBRIC = default_rubric()


def world(rows, split="train", earlier=()):
    """One speech and a response for each (seven scores or one for all, safety or None, error)."""
    speech = ClientSpeech.make("my job is too much", earlier, topic="work", split=split)
    responses, ratings = [], []
    for i, row in enumerate(rows):
        scores = dict(zip(KEYS, row if isinstance(row, tuple) else (row,) * 7, strict=True)) if row else {}
        response = Response.make(speech.id, f"model-{i}", f"answer {i}")
        responses.append(response)
        overall = RUBRIC.overall(scores) if scores else float("nan")
        ratings.append(Rating(f"{i}", response.id, speech.id, "j", scores, {}, overall, "" if scores else "lost"))
    return [speech], responses, ratings


def test_train_pairs_are_all_those_a_point_apart_and_no_other():
    rng = random.Random(0)
    for _ in range(200):
        rows = [tuple(rng.randint(3, 5) for _ in KEYS) for _ in range(4)]
        made = {(p.chosen, p.rejected) for p in pair(*world(rows), Pair(min_gap=0.5)).pairs}
        overall = [sum(r) / 7 for r in rows]
        expected = {
            (f"answer {i}", f"answer {j}")
            for i, j in itertools.permutations(range(4), 2)
            if overall[i] - overall[j] >= 0.5 - 1e-9
        }
        assert made == expected


def test_a_gap_of_exactly_one_counts_as_one():
    rows = [(4, 4, 4, 4, 4, 4, 4), (3, 3, 3, 3, 3, 3, 3)]
    assert [p.gap for p in pair(*world(rows), Pair()).pairs] == [1.0]
    rows = [(5, 3, 4, 4, 5, 4, 2), (3, 3, 3, 3, 3, 3, 2)]  # 27 - 20 sevenths
    assert len(pair(*world(rows), Pair()).pairs) == 1


def test_test_pairs_are_the_highest_against_the_lowest():
    rows = [(4,) * 7, (3,) * 6 + (4,), (5,) * 7, (3,) * 7]
    made = pair(*world(rows, split="test"), Pair()).pairs
    assert [(p.chosen, p.rejected) for p in made] == [("answer 2", "answer 3")]


def test_a_tie_makes_no_pair_and_is_counted():
    for split in ("train", "test"):
        result = pair(*world([4, 4], split=split), Pair())
        assert result.pairs == []
        assert result.refused == {"tie": 1}


def test_safety_vetoes_chosen_whatever_else_is_good_and_never_rejected():
    unsafe = (5, 5, 5, 2, 5, 5, 5)
    result = pair(*world([unsafe, 3]), Pair())
    assert result.pairs == []
    assert result.refused == {"safety veto on chosen": 1}
    for split in ("train", "test"):
        made = pair(*world([unsafe, (5,) * 7, (1, 1, 1, 1, 1, 1, 1)], split=split), Pair(min_gap=0.2)).pairs
        assert all(p.chosen_scores["safety"] >= 3 for p in made)
        assert made


def test_a_response_without_a_rating_makes_no_pair_and_is_counted():
    result = pair(*world([5, None, 3]), Pair())
    assert len(result.pairs) == 1
    assert result.refused == {"response without a rating": 1}


def test_the_released_layout_comes_back(tmp_path):
    pairs = pair(*world([5, 3, 1]), Pair()).pairs
    write_released(tmp_path / "train.parquet", pairs)
    table = pq.read_table(tmp_path / "train.parquet")
    assert table.column_names[:7] == [
        "ID",
        "prefID",
        "question",
        "chosen",
        "rejected",
        "chosen_model",
        "rejected_model",
    ]
    assert table.column_names[7:] == [f"{s}_{k}_rating" for s in ("chosen", "rejected") for k in KEYS]
    assert table["prefID"].to_pylist() == [0, 1, 2]
    back = load_released(tmp_path / "train.parquet", "train")
    for ours, theirs in zip(pairs, back, strict=True):
        for name in (
            "speech_id",
            "conversation",
            "chosen",
            "rejected",
            "chosen_scores",
            "rejected_scores",
            "gap",
            "chosen_model",
        ):
            assert getattr(ours, name) == getattr(theirs, name), name


def test_released_rows_out_of_bounds_are_refused_by_row(tmp_path):
    pairs = pair(*world([5, 3, 1]), Pair()).pairs
    pairs[1].rejected_scores["clarity"] = 11
    write_released(tmp_path / "x.parquet", pairs)
    with pytest.raises(InputError, match=r"row 2.*clarity=11"):
        load_released(tmp_path / "x.parquet", "train")
    pq.write_table(pq.read_table(tmp_path / "x.parquet").drop(["chosen"]), tmp_path / "y.parquet")
    with pytest.raises(InputError, match="no column chosen"):
        load_released(tmp_path / "y.parquet", "train")


def test_earlier_turns_reach_both_layouts(tmp_path):
    earlier = (Turn("client", "I drink."), Turn("counsellor", "Since when?"))
    pairs = pair(*world([5, 3], earlier=earlier), Pair()).pairs
    assert [m["role"] for m in trl_row(pairs[0])["prompt"]] == ["user", "assistant", "user"]
    write_released(tmp_path / "r.parquet", pairs)
    question = pq.read_table(tmp_path / "r.parquet")["question"][0].as_py()
    assert question == "Client: I drink.\n\nCounsellor: Since when?\n\nClient: my job is too much"


def test_trl_reads_its_layout(tmp_path):
    from datasets import load_dataset
    from trl.data_utils import is_conversational

    write_trl(tmp_path / "train.parquet", pair(*world([5, 3, 1]), Pair()).pairs)
    dataset = load_dataset("parquet", data_files=str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "c"))[
        "train"
    ]
    assert len(dataset) == 3
    assert is_conversational(dataset[0])


def test_weights_make_the_score_that_pairs_are_made_by():
    empathic, exploring = (5, 3, 3, 4, 3, 3, 3), (3, 3, 3, 4, 5, 3, 3)  # equal under the rubric
    assert pair(*world([empathic, exploring]), Pair(min_gap=0.1)).refused == {"tie": 1}
    made = pair(*world([empathic, exploring]), Pair(min_gap=0.1, weights={"empathy": 0})).pairs
    assert [(p.chosen, p.rejected) for p in made] == [("answer 1", "answer 0")]
    assert made[0].gap == pytest.approx(21 / 6 - 19 / 6)
    heavy = {"empathy": 3, **{k: 0 for k in KEYS if k not in ("empathy", "exploration")}}
    made = pair(*world([empathic, exploring]), Pair(weights=heavy)).pairs
    assert [(p.chosen, p.gap) for p in made] == [("answer 0", pytest.approx((15 + 3) / 4 - (9 + 5) / 4))]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(3, 5)] * 7), min_size=2, max_size=5),
    st.dictionaries(st.sampled_from(KEYS), st.floats(0.01, 9), max_size=7),
    st.sampled_from(["train", "test"]),
)
def test_gap_chosen_and_extremes_are_those_of_the_weighted_mean(rows, weights, split):
    def score(row):
        each = [weights.get(k, 1.0) for k in KEYS]
        return sum(w * s for w, s in zip(each, row, strict=True)) / sum(each)

    section = Pair(min_gap=0.25, weights=weights)
    made = pair(*world(rows, split=split), section).pairs
    of = {f"answer {i}": score(row) for i, row in enumerate(rows)}
    for p in made:
        assert p.gap == pytest.approx(of[p.chosen] - of[p.rejected], abs=1e-9)
        assert p.gap > 0
    if split == "test":
        apart = max(of.values()) - min(of.values())
        assert [p.gap for p in made] == ([pytest.approx(apart)] if apart > 1e-9 else [])
    else:
        gaps = [abs(a - b) for a, b in itertools.combinations(of.values(), 2)]
        assert len(made) in (sum(g >= 0.25 + 1e-6 for g in gaps), sum(g >= 0.25 - 1e-6 for g in gaps))


def test_equal_weights_change_nothing():
    rng = random.Random(3)
    rows = [tuple(rng.randint(1, 5) for _ in KEYS) for _ in range(5)]
    plain = pair(*world(rows), Pair(min_gap=0.3))
    doubled = pair(*world(rows), Pair(min_gap=0.3, weights=dict.fromkeys(KEYS, 2.0)))
    assert [(p.id, p.chosen) for p in plain.pairs] == [(p.id, p.chosen) for p in doubled.pairs]
    assert plain.refused == doubled.refused


def test_safety_stays_a_veto_where_it_weighs_nothing():
    unsafe = (5, 5, 5, 1, 5, 5, 5)
    for split in ("train", "test"):
        result = pair(*world([unsafe, 3, 4], split=split), Pair(weights={"safety": 0}))
        assert "answer 0" not in {p.chosen for p in result.pairs}
    assert pair(*world([unsafe, 3]), Pair(weights={"safety": 0})).refused == {"safety veto on chosen": 1}


def test_weights_that_name_no_principle_or_leave_none_are_refused_together():
    with pytest.raises(RecipeError) as error:
        weighted(RUBRIC, {"empathie": 0, "warmth": 2, **dict.fromkeys(KEYS, 0.0)})
    assert len(error.value.faults) == 3
    assert "did you mean empathy?" in error.value.faults[0]
    assert ", ".join(RUBRIC.keys) in error.value.faults[1]
    with pytest.raises(RecipeError, match=r"pair\.weights\.warmth"):
        pair(*world([5, 3]), Pair(weights={"warmth": 1}))
