from __future__ import annotations

import csv
import itertools
import json
from collections import Counter, defaultdict
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_helpers import SEVEN, SHARED, good, jsonl, real, rows_of, spaced, write_csv

from psychocounsel.collect.existing import existing
from psychocounsel.collect.sources import SourceResponse, catalogue
from psychocounsel.collect.sources.dialogues import speeches, turns_of
from psychocounsel.errors import InputError
from psychocounsel.recipe import Collect
from psychocounsel.records import ClientSpeech, Turn

# The table of sources


def test_every_source_has_a_card_and_every_card_a_source():
    names = get_args(Collect.model_fields["source"].annotation)
    assert set(catalogue()) == set(names)
    for name, card in catalogue().items():
        assert card.name == name
        assert card.title
        assert card.licence
        assert card.layout
        assert card.home or name in ("file", "hub", "chat")
        assert "http" not in card.licence + card.citation + card.home + card.layout


def test_licences_are_those_of_the_data_readme_or_not_stated():
    assert catalogue()["counsel-chat"].licence.startswith("MIT")
    assert "non-commercial research" in catalogue()["epitome"].licence
    for name in ("psych8k", "mentalchat16k", "counselbench-eval", "counselbench-adv"):
        assert catalogue()[name].licence.startswith("not stated")


# counsel-chat


@real
def test_counsel_chat_puts_every_answer_beside_its_own_question_and_no_other():
    path = SHARED / "counsel_chat.csv"
    rows = rows_of("counsel-chat", path)
    assert len(rows) == 684
    assert not any(row.fault for row in rows)
    questions, answers = {}, defaultdict(set)
    with path.open(encoding="utf-8", newline="") as handle:
        names = set()
        for row in csv.DictReader(handle):
            link = row["questionLink"].rstrip("/").rsplit("/", 1)[-1]
            questions.setdefault(link, (spaced(row["questionTitle"]), spaced(row["questionText"])))
            answers[link].add(spaced(row["answerText"]))
            names.add(row["therapistInfo"])
    assert {row.source_id for row in rows} == set(questions)
    for row in rows:
        title, body = questions[row.source_id]
        assert row.text in (f"{title}\n\n{body}", title, body)
        assert Counter(r.text for r in row.responses) == Counter(answers[row.source_id])
    assert sum(len(row.responses) for row in rows) == sum(map(len, answers.values())) == 1683
    assert {r.model for row in rows for r in row.responses} == {"therapist"}
    assert not names & {r.rater for row in rows for r in row.responses}
    assert all(r.ratings is None for row in rows for r in row.responses)


def test_one_question_id_for_two_questions_does_not_merge_them(tmp_path):
    base = {
        "questionID": "7",
        "topic": "t",
        "therapistInfo": "Ann Other",
        "upvotes": "3",
        "views": "9",
        "questionTitle": "",
    }
    rows = [
        base | {"questionLink": "x/q/one", "questionText": "first question here", "answerText": "a1"},
        base | {"questionLink": "x/q/two", "questionText": "second question here", "answerText": "b1"},
        base | {"questionLink": "x/q/one", "questionText": "first question here", "answerText": "a2", "topic": "u"},
        base | {"questionLink": "x/q/one", "questionText": "first question here", "answerText": "a2"},
        base | {"questionLink": "", "questionText": "keyless", "answerText": "c"},
    ]
    found = rows_of("counsel-chat", write_csv(tmp_path / "c.csv", rows))
    assert [(r.text, [a.text for a in r.responses]) for r in good(found)] == [
        ("first question here", ["a1", "a2"]),
        ("second question here", ["b1"]),
    ]
    assert [r.where for r in found if r.fault] == ["c.csv row 5"]
    assert "Ann Other" not in repr(found)


# The other published sources


def preference(n, question, chosen=("a", "good", 4), rejected=("b", "bad", 2), pair=0):
    row = {"ID": n, "prefID": pair, "question": question}
    for side, (model, text, score) in (("chosen", chosen), ("rejected", rejected)):
        row |= {side: text, f"{side}_model": model} | {f"{side}_{key}_rating": score for key in SEVEN}
    return row


def test_preference_data_bring_both_sides_with_seven_ratings_once_each(tmp_path):
    rows = [
        preference("1", "why am I sad", pair=0),
        preference("1", "why am I sad", rejected=("c", "worse", 1), pair=1),
        preference("1", "another under the same id"),
        preference("2", "nobody calls me", chosen=("a", "late", 9), rejected=("b", "out", None)),
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    found = rows_of("psychocounsel-preference", tmp_path / "train.parquet")
    assert [(r.source_id, r.text, [a.model for a in r.responses]) for r in found] == [
        ("1", "why am I sad", ["a", "b", "c"]),
        ("1", "another under the same id", ["a", "b"]),
        ("2", "nobody calls me", ["a", "b"]),
    ]
    assert found[0].responses[0].ratings == dict.fromkeys(SEVEN, 4.0)
    speech = [ClientSpeech.make(r.text, source="psychocounsel-preference") for r in found]
    responses, ratings = existing(zip(found, speech, strict=True))
    assert len(responses) == 7
    assert len({r.id for r in responses}) == 7
    assert [r.overall for r in ratings if not r.error] == [4.0, 2.0, 1.0, 4.0, 2.0]
    assert {r.judge for r in ratings} == {"psychocounsel-preference/released"}
    assert [r.error.split(":")[0] for r in ratings if r.error] == ["not a whole number from 1 to 5"]
    texts = {r.id: (r.speech_id, r.text) for r in responses}
    for rating in ratings:
        assert texts[rating.response_id][0] == rating.speech_id


def test_a_folder_of_parquet_files_is_read_as_one(tmp_path):
    for n in ("1", "2"):
        pq.write_table(pa.Table.from_pylist([preference(n, f"question {n}")]), tmp_path / f"{n}.parquet")
    found = rows_of("psychocounsel-preference", tmp_path)
    assert [r.where for r in found] == ["1.parquet row 1", "2.parquet row 1"]


@real
def test_epitome_has_2351_seekers_and_no_response_is_lost():
    found = rows_of("epitome", SHARED / "epitome.jsonl")
    lines = [json.loads(line) for line in (SHARED / "epitome.jsonl").open(encoding="utf-8")]
    assert len(found) == len({row["seeker_id"] for row in lines}) == 2351
    said = {(row["seeker_id"], row["seeker_post"].strip(), row["response_post"].strip()) for row in lines}
    assert {(r.source_id, r.text, a.text) for r in found for a in r.responses} == said
    assert {a.model for r in found for a in r.responses} == {"peer"}


def test_epitomes_labels_become_ratings_by_mechanism_and_by_principle(tmp_path):
    row = {"id": "a", "seeker_id": "s", "seeker_post": "I feel so low.", "response_post": "Why is that?",
           "emotional_reactions": 0, "interpretations": 2, "explorations": 1}  # fmt: skip
    file = tmp_path / "epitome.jsonl"
    unlabelled = {k: v for k, v in row.items() if k != "explorations"} | {"response_post": "Other.", "seeker_id": "t"}
    file.write_text("\n".join(json.dumps(r) for r in (row, unlabelled)), encoding="utf-8")
    first, second = (r.responses[0] for r in rows_of("epitome", file))
    assert first.ratings == {
        "emotional_reactions": 1, "interpretations": 5, "explorations": 3, "empathy": 3, "exploration": 3,
    }  # fmt: skip
    assert second.ratings is None


def test_epitomes_own_csvs_give_the_same_pairs_from_one_or_three_and_hide_reddit_ids(tmp_path):
    rows = [
        {
            "sp_id": f"s{i // 2}",
            "rp_id": f"r{i}",
            "seeker_post": f"post {i // 2}",
            "response_post": f"answer {i}",
            "level": 1,
        }
        for i in range(4)
    ]
    for name in ("emotional-reactions", "explorations", "interpretations"):
        write_csv(tmp_path / f"{name}-reddit.csv", rows)
    whole, one = rows_of("epitome", tmp_path), rows_of("epitome", tmp_path / "explorations-reddit.csv")
    assert [[a.text for a in r.responses] for r in whole] == [["answer 0", "answer 1"], ["answer 2", "answer 3"]]
    assert [r.text for r in one] == [r.text for r in whole]
    assert not {r.source_id for r in whole} & {"s0", "s1"}


@real
def test_counselling_bench_leaves_general_questions_out_with_a_reason():
    path = SHARED / "counselling_bench.jsonl"
    found = rows_of("counselling-bench", path)
    assert Counter(r.reason for r in found) == {"": 177, "not counselling": 67, "other language": 63}
    assert {len(r.responses) for r in good(found)} == {4}
    lines = [json.loads(line) for line in path.open(encoding="utf-8")]
    said = {(r["question_id"], r["question"].strip(), r["model"], spaced(r["response"])) for r in lines}
    assert all((r.source_id, r.text, a.model, a.text) in said for r in good(found) for a in r.responses)
    for languages in (["en", "zh"], []):
        assert len(good(rows_of("counselling-bench", path, languages=languages))) == 177 + 63


ALPACA = [
    {"instruction": "You are a counsellor.", "input": "I cannot sleep since May", "output": "What keeps you up?"},
    {"instruction": "You are a counsellor.", "input": "I cannot sleep since May", "output": "Since May?"},
    {"instruction": "my dog died and I cry", "input": "", "output": "I am sorry."},
    {"instruction": "x", "input": 5, "output": "y"},
]


@pytest.mark.parametrize("source", ["psych8k", "mentalchat16k"])
def test_alpaca_style_files_give_the_input_as_speech_and_the_output_as_response(tmp_path, source):
    (tmp_path / "a.json").write_text(json.dumps(ALPACA, indent=1))
    found = rows_of(source, tmp_path / "a.json")
    assert [(r.text, [a.text for a in r.responses]) for r in good(found)] == [
        ("I cannot sleep since May", ["What keeps you up?", "Since May?"]),
        ("my dog died and I cry", ["I am sorry."]),
    ]
    assert [(r.where, r.fault) for r in found if r.fault] == [("a.json row 4", "input is int, not a string")]


def test_counselbench_eval_has_one_response_with_the_ratings_of_each_expert(tmp_path):
    base = {
        "questionID": "q1",
        "questionTitle": "Sad",
        "questionText": "I am<br>sad",
        "topic": "mood",
        "response": "Oh",
    }
    scores = {"overall_score": "4", "empathy_score": "5", "specificity_score": "3", "toxicity_score": "1"}
    rows = [
        base | scores | {"responder": "gpt4", "survey_id": "1", "factual_consistency_score": "4"},
        base | scores | {"responder": "gpt4", "survey_id": "2", "factual_consistency_score": "I am not sure"},
    ]
    (row,) = rows_of("counselbench-eval", write_csv(tmp_path / "e.csv", rows))
    assert row.text == "Sad\n\nI am\nsad"
    assert [(r.model, r.rater, (r.ratings or {}).get("factual_consistency")) for r in row.responses] == [
        ("gpt4", "expert-1", 4.0),
        ("gpt4", "expert-2", None),
    ]
    responses, ratings = existing([(row, ClientSpeech.make(row.text, source="counselbench-eval"))])
    assert len(responses) == 1
    assert [r.judge for r in ratings] == ["counselbench-eval/expert-1", "counselbench-eval/expert-2"]
    assert all(r.error.startswith("the rubric has no principle") for r in ratings)


def test_counselbench_adv_gives_a_speech_a_cell(tmp_path):
    modes = ("apathetic", "assumptions", "symptoms", "judgmental", "medication", "therapy")
    rows = [{m: f"{m} {i}" if (i, m) != (1, "therapy") else "" for m in modes} for i in range(2)]
    found = rows_of("counselbench-adv", write_csv(tmp_path / "a.csv", rows))
    assert len(found) == 11
    assert len({r.source_id for r in found}) == 11
    assert not any(r.responses for r in found)


def test_another_file_than_the_source_is_refused_with_the_columns_it_lacks(tmp_path):
    path = jsonl(
        tmp_path / "a.jsonl", [{"text": "hello", "a client's words that stand where a name of a column should": 1}]
    )
    for source in ("counsel-chat", "epitome", "psych8k", "esconv", "annomi", "chat", "counselbench-eval"):
        with pytest.raises(InputError, match="not laid out as") as told:
            rows_of(source, path)
        assert "client's words" not in str(told.value)


# Dialogues


def test_esconv_turns_become_speeches_with_history_in_one_group(tmp_path):
    dialog = [
        {"speaker": "seeker", "annotation": {}, "content": "Hello\n"},
        {"speaker": "seeker", "annotation": {}, "content": "I lost my job"},
        {"speaker": "supporter", "annotation": {"strategy": "Question"}, "content": "When was that?\n"},
        {"speaker": "seeker", "annotation": {}, "content": "In May"},
    ]
    data = [
        {"emotion_type": "sadness", "problem_type": "job crisis", "situation": "s", "dialog": dialog},
        {"problem_type": "x", "dialog": [{"speaker": "robot", "content": "y"}]},
        {"problem_type": "x", "dialog": "none"},
    ]
    (tmp_path / "ESConv.json").write_text(json.dumps(data))
    found = rows_of("esconv", tmp_path / "ESConv.json")
    one, two = good(found)
    assert one.text == "Hello\nI lost my job"
    assert one.responses == (SourceResponse("supporter", "When was that?"),)
    assert two.earlier == (Turn("client", "Hello\nI lost my job"), Turn("counsellor", "When was that?"))
    assert two.responses == ()
    assert one.group == two.group != ""
    assert one.source_id != two.source_id
    assert one.labels["topic"] == "job crisis"
    assert [r.where for r in found if r.fault] == ["ESConv.json row 2", "ESConv.json row 3"]


def test_chat_roles_parts_and_empty_turns(tmp_path):
    rows = [
        {
            "id": "c1",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": [{"type": "text", "text": "I am"}, {"type": "image_url", "image_url": {}}]},
                {"role": "user", "content": [{"type": "text", "text": "worried"}]},
                {"role": "assistant", "content": ""},
                {"role": "user", "content": "very"},
                {"role": "assistant", "content": "What about?"},
                {"role": "user", "content": "my exams"},
            ],
        },
        {"messages": [{"role": "tool", "content": "a secret of the client"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": "no list"},
    ]
    found = rows_of("chat", jsonl(tmp_path / "c.jsonl", rows))
    assert [(r.text, len(r.earlier), r.group) for r in good(found)] == [
        ("I am\nworried\nvery", 0, "c1"),
        ("my exams", 2, "c1"),
    ]
    assert good(found)[0].responses[0].text == "What about?"
    assert [r.where for r in found if r.fault] == [f"c.jsonl row {i}" for i in range(2, 6)]
    assert "secret" not in repr(found)


ROLES = st.sampled_from(["client", "counsellor"])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(ROLES, st.text(max_size=6)), max_size=12))
def test_turns_keep_every_word_in_order_and_roles_alternate(said):
    turns = turns_of(said)
    assert all(a.role != b.role for a, b in itertools.pairwise(turns))
    for role in ("client", "counsellor"):
        given_words = [w for r, text in said if r == role for w in text.split()]
        assert [w for t in turns if t.role == role for w in t.text.split()] == given_words
    rows = list(speeches("w", turns, {}, "m"))
    assert len(rows) == sum(1 for t in turns if t.role == "client")
    for row in rows:
        assert (*row.earlier, Turn("client", row.text)) == turns[: len(row.earlier) + 1]


@real
def test_annomi_jsonl_gives_each_transcript_as_one_group():
    found = rows_of("annomi", SHARED / "annomi.jsonl")
    lines = [json.loads(line) for line in (SHARED / "annomi.jsonl").open(encoding="utf-8")]
    assert not any(r.fault for r in found)
    assert len({r.group for r in found}) == 114
    assert len({r.source_id for r in found}) == len(found)
    said = defaultdict(str)
    for line in lines:
        said[f"annomi-{line['transcript_id']}"] += "\n" + " ".join(line["therapist_text"].split())
    for row in found:
        for answer in row.responses:
            assert answer.text in said[row.group]
    assert {a.model for r in found for a in r.responses} == {"therapist (high quality)", "therapist (low quality)"}
    spoken = {(line["transcript_id"], line["utterance_id"]) for line in lines}
    once = [n for line in lines if line["client_text"] and (n := line["utterance_id"] - 1) >= 0]
    running = sum(1 for t, n in spoken if (t, n - 1) in spoken)
    assert len(found) == len(once) - running == 3941


def test_annomi_simple_full_and_derived_files_agree(tmp_path):
    said = [
        ("therapist", "Hello"),
        ("client", "Hi"),
        ("therapist", "Mm"),
        ("therapist", "Go on"),
        ("client", "It hurts"),
    ]
    simple = [
        {
            "mi_quality": "low",
            "transcript_id": 3,
            "topic": "t",
            "utterance_id": i,
            "interlocutor": who,
            "utterance_text": text,
        }
        for i, (who, text) in enumerate([*said, ("therapist", "I see")])
    ]
    full = [row | {"annotator_id": n} for row in reversed(simple) for n in (1, 2)]
    derived = [
        {"transcript_id": "3", "utterance_id": i, "quality": "low", "topic": "t", "client_text": c, "therapist_text": t}
        for i, c, t in ((0, None, "Hello"), (2, "Hi", "Mm"), (3, "Hi", "Go on"), (5, "It hurts", "I see"))
    ]
    one = rows_of("annomi", write_csv(tmp_path / "AnnoMI-simple.csv", simple))
    two = rows_of("annomi", write_csv(tmp_path / "AnnoMI-full.csv", full))
    three = rows_of("annomi", jsonl(tmp_path / "annomi.jsonl", derived))
    shape = [[(r.text, r.earlier, r.responses, r.group, r.labels) for r in rows] for rows in (one, two, three)]
    assert shape[0] == shape[1] == shape[2]
    assert [r.text for r in one] == ["Hi", "It hurts"]
    assert one[0].responses[0] == SourceResponse("therapist (low quality)", "Mm\nGo on")
