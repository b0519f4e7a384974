"""Outside tests by name: cards, every layout with invented rows, and what a wrong file says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.outside import Choice, LabelledPair, catalogue, load, named
from psychocounsel.outside.catalogue import LOADERS
from psychocounsel.outside.pairs import experts

DATA = Path(__file__).resolve().parents[2].parent / "shared/data"


def written(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


def table(path, rows):
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def shared(name):
    if not (DATA / name).is_file():
        pytest.skip(f"../shared/data/{name} is not beside the checkout")
    return DATA / name


def test_every_card_has_a_loader_and_says_whose_and_how():
    assert catalogue().keys() == LOADERS.keys()
    for card in catalogue().values():
        assert card.licence
        assert card.citation
        assert card.home
        assert card.metric
        assert card.layout
        assert card.kind in ("responses", "pairs", "best-of", "candidates", "choices")
        assert all(each.source and each.metric and each.who for each in card.published)
        assert card.notes, card.name


def test_the_table_in_the_docs_has_every_set():
    table = (Path(__file__).resolve().parents[2] / "docs" / "outside.md").read_text("utf-8")
    for card in catalogue().values():
        assert f"`{card.name}`" in table, card.name
        for each in card.published if card.name.startswith("reward-bench") else ():
            assert each.metric != "score" or f"{each.figure:.3f}".lstrip("0") in table, (card.name, each.who)


def test_a_name_is_checked_before_a_file(tmp_path):
    there = written(tmp_path / "x.jsonl", [{}])
    assert named(f"helpsteer2={there}") == ("helpsteer2", there)
    for on, why in [
        ("helpsteer2", "write NAME=PATH"),
        (f"helpsteer={there}", "did you mean helpsteer2"),
        (f"helpsteer2={tmp_path / 'y'}", "is not there"),
        (f"helpsteer2={tmp_path}", "is a folder"),
    ]:
        with pytest.raises(InputError, match=why):
            named(on)


def test_reward_bench_rows_and_whole_conversations(tmp_path):
    rows = [
        {"prompt": "How are you?", "chosen": "Well.", "rejected": "Bad.", "subset": "alpacaeval-easy", "id": 7},
        {
            "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "good"}],
            "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bad"}],
        },
        {"question": "Same?", "chosen": "x", "rejected": "x"},
    ]
    found = load("reward-bench", written(tmp_path / "pairs.jsonl", rows))
    first, second = found.items
    assert isinstance(first, LabelledPair)
    assert isinstance(second, LabelledPair)
    assert (first.id, first.subset, first.chosen, first.rejected) == ("7", "alpacaeval-easy", "Well.", "Bad.")
    assert (second.conversation[0].text, second.chosen, second.rejected) == ("a", "good", "bad")
    assert found.left_out == {"both responses are the same": 1}
    assert any("0.925" in note for note in found.notes)


def test_parquet_is_read_as_it_is_published(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "test.parquet"
    pq.write_table(
        pa.table({"question": ["q"], "chosen": ["a"], "rejected": ["b"], "chosen_empathy_rating": [4]}), path
    )
    (pair,) = load("psychocounsel-preference", path).items
    assert (pair.conversation[0].text, pair.chosen, pair.rejected) == ("q", "a", "b")


def test_prmb_in_rmbs_names_with_a_system_message(tmp_path):
    turns = [
        {"role": "system", "content": "Third session."},
        {"role": "user", "content": "I did the homework."},
        {"role": "assistant", "content": "How was it?"},
        {"role": "user", "content": "Hard."},
    ]
    pair = {"pair_uid": "p1", "conversation_input": turns, "chosen": {"answer": "g"}, "reject": {"answer": "b"}}
    (found,) = load("prmb", written(tmp_path / "a.jsonl", [pair | {"category_path": "session 3", "case_id": 9}])).items
    assert [(t.role, t.text) for t in found.conversation] == [
        ("client", "Third session.\n\nI did the homework."),
        ("counsellor", "How was it?"),
        ("client", "Hard."),
    ]
    assert (found.chosen, found.rejected, found.subset, found.cluster) == ("g", "b", "session 3", "9")
    several = {"bon_uid": "b1", "conversation_input": turns, "bon_best": {"answer": "g"}}
    path = written(tmp_path / "b.jsonl", [several | {"loser_list": [{"answer": "x"}, {"answer": "y"}]}])
    (best,) = load("prmb-best-of", path).items
    assert (best.responses, best.best) == (("g", "x", "y"), frozenset({0}))


def test_reward_bench_2_keeps_a_tied_prompt_with_its_reference(tmp_path):
    rows = [
        {"id": "ref:4", "prompt": "A colour?", "chosen": ["red"], "rejected": ["dog"], "subset": "Ties"},
        {"id": "tied:4", "prompt": "Any colour?", "chosen": ["red", "blue"], "rejected": ["dog"], "subset": "Ties"},
        {"id": "5", "prompt": "Sum?", "chosen": ["2"], "rejected": ["3", "4", "5"], "subset": "Math"},
    ]
    items = load("reward-bench-2", written(tmp_path / "rb2.jsonl", rows)).items
    assert items[0].cluster == items[1].cluster != items[2].cluster
    assert items[1].best == frozenset({0, 1})
    assert len(items[2].responses) == 4


def test_helpsteer2_preferences_and_ratings_agree(tmp_path):
    prompt = "Hi\n<extra_id_1>Assistant\nHello.\n<extra_id_1>User\nHelp me"
    preferred = [
        {"prompt": prompt, "response_1": "one", "response_2": "two", "preference_strength": 2},
        {"prompt": "q", "response_1": "one", "response_2": "two", "preference_strength": -1},
        {"prompt": "q", "response_1": "one", "response_2": "two", "preference_strength": 0},
    ]
    found = load("helpsteer2", written(tmp_path / "preference.jsonl", preferred))
    assert [(p.chosen, p.rejected) for p in found.items] == [("two", "one"), ("one", "two")]
    assert [t.role for t in found.items[0].conversation] == ["client", "counsellor", "client"]
    assert found.items[0].conversation[1].text == "Hello."
    assert found.left_out == {"people prefer neither": 1}
    rated = [
        {"prompt": p, "response": r, "helpfulness": h}
        for p, r, h in [
            ("a", "one", 1),
            ("a", "two", 4),
            ("a", "three", 3),
            ("a", "four", 2),
            ("b", "x", 1),
            ("b", "y", 1),
        ]
    ]
    found = load("helpsteer2", written(tmp_path / "validation.jsonl", rated))
    assert [(p.chosen, p.rejected) for p in found.items] == [("two", "one"), ("three", "four")]
    assert found.left_out == {"people prefer neither": 1}


EVALUATED = [
    {"questionTitle": "t", "questionText": q, "response": r, "responder": who, "overall_score": s}
    for q, r, who, s in [
        ("sad", "I hear you.", "model", 5), ("sad", "I hear you.", "model", 4),
        ("sad", "Cheer up.", "human", 2), ("sad", "Cheer up.", "human", 1),
        ("sad", "Hm.", "other", 2), ("sad", "Hm.", "other", ""),
    ]
]  # fmt: skip


def test_counselbench_pairs_what_experts_rate_a_point_apart(tmp_path):
    path = table(tmp_path / "eval.csv", EVALUATED)
    found = load("counselbench-eval", path)
    assert {(p.chosen, p.rejected) for p in found.items} == {("I hear you.", "Cheer up."), ("I hear you.", "Hm.")}
    assert len({p.cluster for p in found.items}) == 1
    assert found.left_out == {"evaluations without an overall rating": 1, "pairs of answers less than 1 apart": 1}
    ratings, questions = experts(path)
    assert ratings[0] == [4, 3]
    assert ratings[2][0] == 1
    assert len(set(questions)) == 1


def test_counselbench_adv_has_questions_alone(tmp_path):
    row = dict.fromkeys(("apathetic", "assumptions", "symptoms", "judgmental", "medication", "therapy"), "")
    found = load("counselbench-adv", table(tmp_path / "adv.csv", [row | {"medication": "Which pills?"}]))
    (only,) = found.items
    assert (only.subset, only.response, only.conversation[0].text) == ("medication", "", "Which pills?")
    assert found.left_out == {"empty cells": 5}


def test_counsel_chat_makes_the_same_pairs_of_the_published_csv(tmp_path):
    answers = [("long known", 5, 100), ("fresh", 1, 60), ("unseen", 0, 10), ("long known", 5, 100), ("even", 5, 100)]
    rows = [
        {"questionLink": "https://x/questions/why", "questionTitle": "Why?", "questionText": "I ask.",
         "answerText": text, "upvotes": votes, "views": views}
        for text, votes, views in answers
    ]  # fmt: skip
    found = load("counsel-chat", table(tmp_path / "counsel_chat.csv", rows))
    # 5 votes in 100 views beat 1 in 60; against none in 10 views it was seen too often.
    assert {(p.chosen, p.rejected) for p in found.items} == {("long known", "fresh"), ("even", "fresh")}
    assert found.items[0].conversation[0].text == "Why?\n\nI ask."
    assert found.items[0].views == (100, 60)
    assert "100.0% of these 2 pairs" in found.notes[0]
    assert "100.0% of the 4" in found.notes[0]


def test_the_votes_of_the_real_file_follow_views():
    pairs = load("counsel-chat", shared("counsel_chat_pairs.jsonl"))
    assert "68.3% of these 60 pairs" in pairs.notes[0]
    assert "94.6% of the 351" in pairs.notes[0]
    whole = load("counsel-chat", shared("counsel_chat.csv"))
    assert {(p.cluster, p.chosen, p.rejected) for p in pairs.items} == {
        (p.cluster, p.chosen, p.rejected) for p in whole.items
    }


def test_the_counselling_bench_is_candidates_only():
    found = load("counselling-bench", shared("counselling_bench.jsonl"))
    assert len(found.items) == 895
    assert sum(found.left_out.values()) == 1141 - 895
    assert {item.model for item in found.items}.isdisjoint({"vicuna-7b-v1.3"})
    assert "Candidates only" in found.notes[0]


def test_cbt_bench_questions_and_labels(tmp_path):
    asked = [{"question": "What does the B of ABC stand for?", "a": "Belief", "b": "Bias", "answer": "a"}]
    (choice,) = load("cbt-bench", written(tmp_path / "qa.json", asked)).items
    assert isinstance(choice, Choice)
    assert choice.right == {"a"}
    assert not choice.several
    told = [{"id": "1", "situation": "s", "thoughts": "t", "core_belief_major": ["unlovable", "helpless"]}]
    (choice,) = load("cbt-bench", written(tmp_path / "core.jsonl", told)).items
    assert choice.right == {"a", "b"}
    assert choice.several
    assert len(choice.options) == 3
    with pytest.raises(InputError, match="1 labels that the benchmark's code does not know"):
        load("cbt-bench", written(tmp_path / "odd.jsonl", [told[0] | {"core_belief_major": ["odd"]}]))
    with pytest.raises(InputError, match="CBT-DP's files are not read"):
        load("cbt-bench", written(tmp_path / "dp.jsonl", [{"situation": "s", "Input.exe": 1}]))


@pytest.mark.parametrize(
    ("name", "row", "why"),
    [
        ("reward-bench", {"prompt": "secret", "chosen": "a"}, "row 1 has no rejected|reject"),
        ("reward-bench", {"chosen": "secret", "rejected": "b"}, "prompt must be a text"),
        ("reward-bench", {"prompt": "secret", "chosen": 3, "rejected": "b"}, "chosen must be a text"),
        (
            "prmb",
            {"prompt": [{"role": "judge", "content": "secret"}], "chosen": "a", "reject": "b"},
            "the role 'judge'",
        ),
        ("prmb", {"prompt": [{"role": "assistant", "content": "secret"}], "chosen": "a", "reject": "b"}, "ends with"),
        ("prmb-best-of", {"prompt": "secret", "chosen": ["a"], "rejected": []}, "at least one response each"),
        ("helpsteer2", {"prompt": "secret", "response": "b"}, "row 1 has no"),
        ("counselbench-adv", {"apathetic": "secret"}, "row 1 has no assumptions"),
    ],
)
def test_a_wrong_file_says_what_is_wanted_and_none_of_its_text(tmp_path, name, row, why):
    with pytest.raises((InputError, TooLittleDataError)) as caught:
        load(name, written(tmp_path / "x.jsonl", [row, row]))
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


def test_nothing_to_measure_is_refused(tmp_path):
    same = {"prompt": "q", "chosen": "a", "rejected": "a"}
    with pytest.raises(TooLittleDataError, match="both responses are the same"):
        load("prmb", written(tmp_path / "x.jsonl", [same]))


def test_texts_are_rewritten_everywhere(tmp_path):
    row = {"prompt": [{"role": "user", "content": "Anna"}], "chosen": "Anna", "rejected": "Anna Anna"}
    (pair,) = load("prmb", written(tmp_path / "x.jsonl", [row])).items
    (best,) = load("prmb-best-of", tmp_path / "x.jsonl").items
    for item in (pair, best):
        assert "Anna" not in repr(item.rewritten(lambda text: text.replace("Anna", "Beth")))
