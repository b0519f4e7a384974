from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from psychocounsel.records import ClientSpeech, Rating, Response, Turn, content_id, content_seed
from psychocounsel.tables import read_records, write_records


def test_ids_are_the_same_in_another_process_with_another_hash_seed():
    code = "from psychocounsel.records import content_id; print(content_id('speech', 'I miss her', [['client', 'x']]))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("0", "1", "42")
    }
    assert seen == {content_id("speech", "I miss her", [["client", "x"]])}


@given(st.text(), st.text())
def test_ids_tell_different_texts_apart(a: str, b: str):
    assert (content_id("speech", a) == content_id("speech", b)) == (a == b)
    assert 0 <= content_seed(a, b) < 2**63


def test_the_same_words_after_another_turn_are_another_speech():
    alone = ClientSpeech.make("yes")
    after = ClientSpeech.make("yes", (Turn("client", "I drink."), Turn("counsellor", "Would you like to stop?")))
    assert alone.id != after.id
    assert [t.text for t in after.conversation] == ["I drink.", "Would you like to stop?", "yes"]


def test_records_come_back_from_parquet_as_they_were(tmp_path):
    speeches = [ClientSpeech.make('a "b"\n', (Turn("client", "x"),), topic="t"), ClientSpeech.make("Привет 😀")]
    ratings = [
        Rating("1", "r", "s", "j", {"empathy": 4}, {"empathy": "because"}, 4.0),
        Rating("2", "r", "s", "j", {}, {}, 1.0, "lost"),
    ]
    for record, rows in ((ClientSpeech, speeches), (Rating, ratings), (Response, [])):
        path = tmp_path / f"{record.__name__}.parquet"
        assert write_records(path, record, rows) == len(rows)
        assert read_records(path, record) == rows
    assert not list(tmp_path.glob(".*tmp"))
