from __future__ import annotations

import json
import math
import tracemalloc
from collections import defaultdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_helpers import SEVEN, good, jsonl, rows_of, write_csv

from psychocounsel.collect.existing import existing
from psychocounsel.collect.sources import SourceResponse, SourceRow, read_source
from psychocounsel.errors import InputError, RecipeError
from psychocounsel.recipe import Collect, load_recipe
from psychocounsel.records import ClientSpeech

# The user's own tables


def test_a_file_with_responses_gives_one_row_a_speech_and_ratings_three_ways(tmp_path):
    whole = dict.fromkeys(SEVEN, 3)
    rows = [
        {"q": "I feel lost today", "a": "one", "m": "x", "r": whole},
        {"q": "I feel lost today", "a": "two", "m": "y", "r": json.dumps(whole)},
        {"q": "another speech here", "a": "three", "m": "x", "r": None},
        {"q": "broken ratings here", "a": "four", "m": "x", "r": "{not json"},
        {"q": "listed ratings here", "a": "four", "m": "x", "r": [1]},
    ]
    columns = {"text": "q", "response": "a", "model": "m", "ratings": "r"}
    found = rows_of("file", jsonl(tmp_path / "a.jsonl", rows), columns=columns)
    assert [(r.text, [(a.model, a.text) for a in r.responses]) for r in good(found)] == [
        ("I feel lost today", [("x", "one"), ("y", "two")]),
        ("another speech here", [("x", "three")]),
    ]
    assert good(found)[0].responses[0].ratings == good(found)[0].responses[1].ratings == whole
    assert [r.where for r in found if r.fault] == ["a.jsonl row 4", "a.jsonl row 5"]
    flat = [{"text": "I feel lost", "response": "hm", "emp": "2", "clar": "high"}]
    columns = {"rating.empathy": "emp", "rating.clarity": "clar"}
    (row,) = rows_of("file", write_csv(tmp_path / "b.csv", flat), columns=columns)
    ratings = row.responses[0].ratings or {}
    assert ratings["empathy"] == 2
    assert math.isnan(ratings["clarity"])


def test_a_rating_column_can_be_given_on_the_command_line(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("name: x\noutput: out\n")
    words = ["collect.source=file", "collect.path=a.csv", "collect.columns.text=q"]
    recipe = load_recipe(path, [*words, "collect.columns.rating.empathy=emp"])
    assert recipe.collect.columns == {"text": "q", "rating.empathy": "emp"}
    with pytest.raises(RecipeError, match="is for file and hub"):
        load_recipe(path, ["collect.source=chat", "collect.path=a.jsonl", "collect.columns.text=q"])


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_table_without_responses_is_not_held(tmp_path, ending):
    path = tmp_path / f"big.{ending}"
    line = json.dumps({"text": "I am worried about {}"}) if ending == "jsonl" else '"I am worried, about {}"'
    count = 60_000
    with path.open("w") as handle:
        if ending == "csv":
            handle.write("text\n")
        handle.writelines(line.replace("{}", str(i)) + "\n" for i in range(count))
    tracemalloc.start()
    assert sum(1 for row in read_source(Collect(source="file", path=path)) if not row.fault) == count
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3_000_000


# The hub


def hub_rows():
    return [{"q": f"question number {i}", "a": f"answer {i}", "who": "m"} for i in range(3)]


HUB = {"text": "q", "response": "a", "model": "who"}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    return tmp_path


def check_hub(rows):
    assert [(r.text, [(a.model, a.text) for a in r.responses]) for r in rows] == [
        (f"question number {i}", [("m", f"answer {i}")]) for i in range(3)
    ]


def test_hub_reads_a_parquet_folder_without_leaving_a_copy(offline):
    folder = offline / "data"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(hub_rows()), folder / "train.parquet")
    check_hub(rows_of("hub", folder, columns=HUB))
    pq.write_table(pa.Table.from_pylist(hub_rows()[:1]), folder / "test.parquet")
    with pytest.raises(InputError, match=r"has the splits .*split="):
        rows_of("hub", folder, columns=HUB)
    assert len(rows_of("hub", f"{folder}?split=test", columns=HUB)) == 1
    with pytest.raises(InputError, match="has the splits"):
        rows_of("hub", f"{folder}?split=none", columns=HUB)
    assert not (offline / "cache").exists() or not any((offline / "cache").rglob("*.arrow"))


def test_hub_reads_what_save_to_disk_wrote(offline):
    import datasets

    data = datasets.Dataset.from_list(hub_rows())
    data.save_to_disk(str(offline / "one"))
    datasets.DatasetDict({"train": data, "test": data.select([0])}).save_to_disk(str(offline / "two"))
    check_hub(rows_of("hub", offline / "one", columns=HUB))
    check_hub(rows_of("hub", f"{offline / 'two'}?split=train", columns=HUB))
    with pytest.raises(InputError, match="has no splits"):
        rows_of("hub", f"{offline / 'one'}?split=train", columns=HUB)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_hub_reads_single_files(offline, ending):
    path = offline / f"a.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(hub_rows()), path)
    else:
        (jsonl if ending == "jsonl" else write_csv)(path, hub_rows())
    check_hub(rows_of("hub", path, columns=HUB))


def test_what_the_hub_cannot_load_is_an_input_error(offline):
    with pytest.raises(InputError, match=r"Check collect\.path"):
        rows_of("hub", "no-such-owner/no-such-data", columns=HUB)
    with pytest.raises(InputError, match="no such file or folder"):
        rows_of("hub", offline / "absent", columns=HUB)
    with pytest.raises(InputError, match=r"split=\.\.\., config="):
        rows_of("hub", "owner/name?spilt=train", columns=HUB)


# Records


def test_existing_joins_responses_to_their_speech_and_names_what_is_wrong():
    whole = dict.fromkeys(SEVEN, 4.0)
    row = SourceRow(
        "f row 1",
        "a speech",
        responses=(
            SourceResponse("m", "one", whole, "r1"),
            SourceResponse("m", "one", whole, "r1"),
            SourceResponse("m", "one", whole | {"safety": 1.0}, "r1"),
            SourceResponse("m", "two", whole | {"safety": 2.5}),
            SourceResponse("m", "three", whole | {"charm": 3.0}),
            SourceResponse("m", "four", {"safety": 3.0}),
            SourceResponse("m", "five", whole | {"safety": math.nan}),
            SourceResponse("m", "six", whole | {"safety": 6.0}),
            SourceResponse("m", "\u200b", whole),
            SourceResponse("o", "cut \ud83d", whole),
            SourceResponse("n", "seven"),
        ),
    )
    speech = ClientSpeech.make("a speech", source="mine")
    responses, ratings = existing([(row, speech)])
    assert {r.speech_id for r in (*responses, *ratings)} == {speech.id}
    assert [(r.text, r.draw, bool(r.error)) for r in responses] == [
        *((t, i, False) for i, t in enumerate(("one", "two", "three", "four", "five", "six"))),
        ("", 6, True),
        ("", 0, True),
        ("seven", 0, False),
    ]
    by_text = defaultdict(list)
    text_of = {r.id: r.text for r in responses}
    for rating in ratings:
        by_text[text_of[rating.response_id]].append((rating.judge, rating.error))
    assert by_text.pop("one") == [("mine/r1", ""), ("mine/r1#2", "")]
    assert by_text == {
        "two": [("mine", "not a whole number from 1 to 5: safety=2.5")],
        "three": [("mine", "the rubric has no principle charm")],
        "four": [("mine", "no rating on empathy, relevance, clarity, exploration, autonomy, staging")],
        "five": [("mine", "not a whole number from 1 to 5: safety=nan")],
        "six": [("mine", "not a whole number from 1 to 5: safety=6")],
    }
    assert all(math.isnan(r.overall) == bool(r.error) and bool(r.scores) != bool(r.error) for r in ratings)
    assert len({r.id for r in ratings}) == len(ratings)
    assert {r.overall for r in ratings if not r.error} == {4.0, (6 * 4 + 1) / 7}
