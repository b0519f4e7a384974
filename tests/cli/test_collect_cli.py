"""`psychocounsel collect` and the filters below it, as a script meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COUNSEL_CHAT = ROOT.parent / "shared" / "data" / "counsel_chat.csv"


def cli(*arguments, given=None):
    return subprocess.run(
        [sys.executable, "-m", "psychocounsel", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, check=False, input=given, env={"PATH": "", "COLUMNS": "80"},
    )  # fmt: skip


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_redact_reads_standard_input_and_writes_one_line_for_each():
    texts = ["hi im sarah and i live in Leeds", "Nothing here at all.", "mail me: anna.k@example.com"]
    given = "\n".join(json.dumps({"id": f"x{i}", "text": t}) for i, t in enumerate(texts))
    done = cli("collect", "redact", "-", given=given)
    assert done.returncode == 0, done.stderr
    found = lines(done)
    assert [row["id"] for row in found] == ["x0", "x1", "x2"]
    assert found[1] == {"id": "x1", "text": texts[1], "spans": []}
    assert {s["type"] for s in found[0]["spans"]} == {"PERSON", "PLACE"}
    for row, text in zip(found, texts, strict=True):
        rebuilt, at = "", 0
        for span in row["spans"]:
            rebuilt += text[at : span["start"]] + span["surrogate"]
            at = span["end"]
        assert rebuilt + text[at:] == row["text"]
        for name in ("sarah", "Leeds", "anna"):
            assert name not in row["text"]


def test_screen_gives_level_reasons_and_spans(tmp_path):
    text = "I have the pills here and tonight I will take them all."
    path = tmp_path / "in.jsonl"
    path.write_text(
        json.dumps({"id": 1, "text": text}) + "\n" + json.dumps({"id": 2, "text": "This job is killing me."})
    )
    one, other = lines(cli("collect", "screen", path))
    assert (one["id"], one["level"], other["id"], other["level"]) == (1, "imminent", 2, "none")
    assert one["reasons"]
    assert other["reasons"] == []
    span = one["spans"][0]
    assert text[span["start"] : span["end"]].strip()
    assert set(span) == {"start", "end", "level", "kind", "reason"}


@pytest.mark.parametrize("command", ["redact", "screen"])
def test_a_bad_line_is_told_by_number_and_the_good_ones_are_done(command):
    done = cli("collect", command, "-", given='{"id": "a", "text": "I am Maria"}\nnot json\n{"id": "c"}\n')
    assert done.returncode == 3
    assert "2 lines could not be read" in done.stderr
    assert "Maria" not in done.stderr
    good, broken, empty = lines(done)
    assert "error" not in good
    assert broken == {"line": 2, "error": "line 2 is not JSON"}
    assert empty == {"id": "c", "error": "line 3: no object with a text"}
    missing = cli("collect", command, "no-such.jsonl")
    assert missing.returncode == 3
    assert "no such file" in missing.stderr


def test_check_leak_leaves_with_1_where_there_is_one(tmp_path):
    mine = [{"text": f"I am tired of the {w} and of my mother who never calls"} for w in ("house", "work")]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, mine)))
    (tmp_path / "b.jsonl").write_text(json.dumps({"question": mine[1]["text"].upper()}))
    (tmp_path / "c.jsonl").write_text(json.dumps({"question": "My flat was flooded and nobody helps."}))
    done = cli("collect", "check-leak", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    assert done.returncode == 1, done.stderr
    assert "b.jsonl row 1 is in A as a.jsonl row 2" in done.stdout
    assert "mother" not in done.stdout
    clean = cli("collect", "check-leak", tmp_path / "a.jsonl", tmp_path / "c.jsonl", "--json")
    assert clean.returncode == 0
    assert json.loads(clean.stdout)["shared"] == []


def test_collect_needs_a_recipe_or_a_source():
    done = cli("collect", "seed=3")
    assert done.returncode == 2
    assert "--source NAME --path FILE" in done.stderr
    wrong = cli("collect", "--source", "counsel-chatt", "--path", "x.csv")
    assert wrong.returncode == 2
    assert "collect.source" in wrong.stderr


@pytest.mark.skipif(not COUNSEL_CHAT.is_file(), reason="the shared counsel_chat.csv is not beside the checkout")
def test_counsel_chat_prints_what_was_kept_and_why_the_rest_was_not(tmp_path):
    done = cli("collect", "--source", "counsel-chat", "--path", COUNSEL_CHAT, "--output", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    for said in (
        "684 rows read",
        "kept as client speeches",
        "licence: MIT",
        "Coverage of the topics",
        "Risk, as screened",
    ):
        assert said in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if str(tmp_path) not in line) <= 80
