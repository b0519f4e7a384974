from __future__ import annotations

import csv
import json
from collections import Counter
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.collect import assign_splits, collect, drop_duplicates, read_source
from psychocounsel.collect.deduplicate import jaccard, shingle_set
from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.recipe import Collect, Split
from psychocounsel.records import RISK_LEVELS, STAGES_OF_CHANGE, ClientSpeech

COUNSEL_CHAT = Path(__file__).parents[3] / "shared" / "data" / "counsel_chat.csv"


def from_file(path, **rest):
    section = Collect(source="file", path=path, **rest)
    return collect(read_source(section), section, seed=7)


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def texts(count):
    return [
        {"text": f"my sister number {i} never calls me since the {i * 7} move and i miss her"} for i in range(count)
    ]


def test_the_corpus_in_the_box_is_as_promised():
    section = Collect()
    result = collect(read_source(section), section, seed=7)
    speeches = result.speeches
    assert len(speeches) >= 420
    assert len({s.topic for s in speeches}) == 8
    fine = Counter((s.topic, s.subtopic) for s in speeches)
    assert len(fine) == 42
    assert min(fine.values()) >= 10
    assert {s.stage for s in speeches} == set(STAGES_OF_CHANGE)
    assert {s.risk for s in speeches} == set(RISK_LEVELS)
    assert sum(1 for s in speeches if s.earlier) >= 40
    words = sorted(len(s.text.split()) for s in speeches)
    assert words[len(words) // 10] < 30
    assert words[-len(words) // 10] > 100
    assert not result.dropped


def test_the_corpus_names_nobody_reachable():
    folder = resources.files("psychocounsel.collect").joinpath("corpus")
    whole = "".join(f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(".jsonl"))
    assert "@" not in whole
    assert "http" not in whole


@pytest.mark.skipif(not COUNSEL_CHAT.exists(), reason="../shared/data is absent: counsel-chat is not tested")
def test_counsel_chat_gives_one_speech_a_question_link():
    section = Collect(source="counsel-chat", path=COUNSEL_CHAT)
    result = collect(read_source(section), section, seed=7)
    with COUNSEL_CHAT.open(encoding="utf-8", newline="") as handle:
        links = {row["questionLink"] for row in csv.DictReader(handle)}
    assert result.asked == len(links) == 684
    assert len(result.speeches) + len(result.dropped) == 684
    assert len({s.source_id for s in result.speeches}) == len(result.speeches)
    assert all(d.reason in {"exact duplicate", "near duplicate", "too short"} for d in result.dropped)


def test_formats_agree_and_columns_are_mapped(tmp_path):
    rows = [{"q": f'speech number {i} about a brother, with a "quote"\nand a line', "t": "family"} for i in range(12)]
    jsonl(tmp_path / "a.jsonl", rows)
    with (tmp_path / "a.csv").open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.DictWriter(handle, ["q", "t"])
        writer.writeheader()
        writer.writerows(rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    columns = {"text": "q", "topic": "t"}
    found = [
        from_file(tmp_path / f"a.{end}", columns=columns, near_duplicate=1.0).speeches
        for end in ("jsonl", "csv", "parquet")
    ]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 12
    assert found[0][0].topic == "family"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", "caf\xe9 text\n".encode("latin-1"), "is not UTF-8"),
        ("a.csv", b"question,topic\nhello,x\n", "no column 'text'"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"PK\x03\x04 zip", "compressed archive"),
        ("a.txt", b"hello", "must end in"),
        ("a.parquet", b"not parquet at all", "cannot be read as Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        from_file(tmp_path / name)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        from_file(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="is a folder"):
        from_file(tmp_path)


def test_bad_rows_go_to_the_ledger_with_row_and_reason_and_good_rows_are_kept(tmp_path):
    bad = [
        {"text": ""},
        {"text": "a\x00b is damaged text"},
        {"text": "word " * 250_000},
        {"text": 5},
        {"text": "😀😀😀"},
        {"text": "hm"},
        {"text": "a speech with bad turns", "earlier": [{"role": "robot", "text": "x"}]},
        {"text": "a speech with a bad stage", "stage": "ready"},
        {"id": "1", "text": "the first text of an id"},
        {"id": "1", "text": "another text, the same id"},
    ]
    path = jsonl(tmp_path / "a.jsonl", bad + texts(20))
    with path.open("a") as handle:
        handle.write("{broken\n[1]\n")
    result = from_file(path, near_duplicate=1.0)
    assert len(result.speeches) == 21
    assert result.asked == 32
    found = {d.where.split(" row ")[1]: d.reason for d in result.dropped}
    expected = ["empty text", "NUL byte", "too long", "unreadable row", "no words", "too short", "unreadable row"]
    assert [found[str(i)] for i in range(1, 8)] == expected
    assert (found["8"], found["10"], found["31"], found["32"]) == (
        "unknown stage", "duplicate id", "unreadable row", "unreadable row",
    )  # fmt: skip
    assert not any("damaged" in d.detail for d in result.dropped if d.reason != "NUL byte")


def test_ragged_csv_rows_are_told_by_number(tmp_path):
    rows = "".join(f"speech {i} of a person who is worried,x\n" for i in range(9))
    (tmp_path / "a.csv").write_text(f"text,topic\n{rows}one,two,three\n")
    result = from_file(tmp_path / "a.csv", near_duplicate=1.0)
    assert [(d.where, d.detail) for d in result.dropped] == [("a.csv row 10", "3 cells where the header has 2")]


def test_nothing_left_is_an_error_that_counts_why(tmp_path):
    with pytest.raises(TooLittleDataError, match="2 empty text"):
        from_file(jsonl(tmp_path / "a.jsonl", [{"text": ""}, {"text": " "}]))


def test_exact_and_near_duplicates_are_found_and_others_are_not():
    one = "I have been fighting with my sister about our mother's house for months and I am tired of it all"
    near = one.replace("months", "months now")
    speeches = [
        ClientSpeech.make(t) for t in (one, one.upper() + "!", near, "My sister is my best friend in the world")
    ]
    kept, left_out = drop_duplicates(speeches, 0.7)
    assert [s.text for s in kept] == [one, speeches[3].text]
    assert [(d.position, d.exact) for d in left_out] == [(1, True), (2, False)]


words = st.lists(
    st.sampled_from("i you my sister mother lost the job house and cried today".split()), min_size=1, max_size=15
)


@settings(max_examples=60, deadline=None)
@given(st.lists(words, max_size=12), st.sampled_from([0.3, 0.7, 1.0]))
def test_no_two_kept_are_as_similar_as_the_threshold(rows, threshold):
    speeches = [ClientSpeech.make(" ".join(row)) for row in rows]
    kept, left_out = drop_duplicates(speeches, threshold)
    assert len(kept) + len(left_out) == len(speeches)
    sets = [shingle_set(s.text) for s in kept]
    for i, one in enumerate(sets):
        for other in sets[:i]:
            assert jaccard(one, other) < threshold


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 300), st.integers(0, 5))
def test_splits_keep_groups_whole_and_shares_right(count, seed):
    speeches = [ClientSpeech.make(f"speech {i}", group=f"g{i // 2}", topic=f"t{i % 3}") for i in range(count)]
    split = assign_splits(speeches, Split(), seed)
    by_group = {}
    for speech in split:
        assert by_group.setdefault(speech.group, speech.split) == speech.split
    sizes = Counter(by_group.values())
    assert abs(sizes["test"] - 0.2 * len(by_group)) <= 1
    assert abs(sizes["dev"] - 0.1 * len(by_group)) <= 1
    assert assign_splits(speeches, Split(), seed) == split


def test_the_order_of_rows_does_not_move_a_speech_to_another_split(tmp_path):
    rows = [
        {"text": f"{w} {v} my brother since spring"}
        for w in "I we they you".split()
        for v in "miss fear love hate need".split()
    ]
    one = from_file(jsonl(tmp_path / "a.jsonl", rows), near_duplicate=1.0).speeches
    two = from_file(jsonl(tmp_path / "b.jsonl", rows[::-1]), near_duplicate=1.0).speeches
    assert {s.id: s.split for s in one} == {s.id: s.split for s in two}
