"""Leaks between artifacts, and near duplicates against a plain count."""

from __future__ import annotations

import json
import random

import pytest

from psychocounsel import layout
from psychocounsel.collect.deduplicate import bands_for, drop_duplicates, jaccard, shingle_set, twins
from psychocounsel.collect.leak import check_leak
from psychocounsel.errors import InputError
from psychocounsel.records import ClientSpeech, Turn
from psychocounsel.tables import write_records

WORDS = [f"w{i}" for i in range(400)]


def texts(count, seed):
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(5, 60))) for _ in range(count)]


def changed(text, rng, words):
    parts = text.split()
    for _ in range(words):
        parts[rng.randrange(len(parts))] = rng.choice(WORDS)
    return " ".join(parts)


def test_twins_are_those_of_a_plain_comparison_of_all():
    rng = random.Random(1)
    mine = texts(150, 2)
    mine += [changed(rng.choice(mine), rng, rng.randint(0, 6)) for _ in range(150)]
    rng.shuffle(mine)
    sets = [{tuple(t.split()[i : i + 3]) for i in range(len(t.split()) - 2)} for t in mine]
    expected, kept = {}, []
    for i, one in enumerate(sets):
        twin = next((j for j in kept if len(one & sets[j]) / len(one | sets[j]) >= 0.7), None)
        if twin is None:
            kept.append(i)
        else:
            expected[i] = twin
    assert expected
    found = list(twins(mine, mine.__getitem__, 0.7))
    assert {a: b for a, b, _ in found} == expected
    assert {a for a, b, exact in found if exact} == {a for a, b, _ in found if mine[a] == mine[b]}
    for i in range(0, 300, 7):
        assert jaccard(shingle_set(mine[i]), shingle_set(mine[0])) == pytest.approx(
            len(sets[i] & sets[0]) / len(sets[i] | sets[0])
        )


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_bands_find_what_is_at_the_threshold(threshold):
    bands, rows = bands_for(threshold)
    assert bands * rows <= 96
    assert 1 - (1 - threshold**rows) ** bands >= 0.9999 or rows == 1


def test_the_turns_of_a_dialogue_are_no_twins_of_one_another():
    history = [Turn("client" if i % 2 == 0 else "counsellor", t) for i, t in enumerate(texts(9, 3))]
    dialogue = [ClientSpeech.make(history[i].text, tuple(history[:i]), group="one") for i in range(0, len(history), 2)]
    assert drop_duplicates(dialogue, 0.7) == (dialogue, [])
    again = [ClientSpeech.make(s.text + " yes", s.earlier, group="two") for s in dialogue]
    assert [d.position for d in drop_duplicates(dialogue + again, 0.7)[1]][-3:] == [7, 8, 9]


def jsonl(path, rows):
    path.write_text("\n".join(json.dumps(r) for r in rows), "utf-8")
    return path


def test_a_leak_is_found_between_any_two_artifacts(tmp_path):
    mine, other = texts(40, 4), texts(30, 5)
    rng = random.Random(6)
    other[3] = mine[7].upper() + "!"
    other[11] = f"{mine[20]} {rng.choice(WORDS)}"
    a, b = tmp_path / "run", jsonl(tmp_path / "b.jsonl", [{"question": t} for t in other])
    (a / "collect").mkdir(parents=True)
    speeches = [ClientSpeech.make(t, split="train" if i < 20 else "test") for i, t in enumerate(mine)]
    write_records(a / layout.SPEECHES, ClientSpeech, speeches)
    found = check_leak(a, b)
    assert (found.a, found.b) == (40, 30)
    assert [(s.a, s.b) for s in found.shared] == [
        ("speeches.parquet row 8", "b.jsonl row 4"), ("speeches.parquet row 21", "b.jsonl row 12"),
    ]  # fmt: skip
    assert found.shared[0].similarity == 1.0 > found.shared[1].similarity > 0.7
    assert len(check_leak(a, b, split_a="train").shared) == 1
    assert not check_leak(a, b, split_a="test", threshold=1.0).shared


def test_twins_within_one_side_are_no_leak(tmp_path):
    same = texts(1, 8) * 3
    a = jsonl(tmp_path / "a.jsonl", [{"text": t} for t in same])
    b = jsonl(tmp_path / "b.jsonl", [{"text": t} for t in texts(3, 9)])
    assert not check_leak(a, b).shared


def test_a_file_without_client_text_is_refused(tmp_path):
    a = jsonl(tmp_path / "a.jsonl", [{"text": "I am tired of it all"}])
    b = jsonl(tmp_path / "b.jsonl", [{"colour": "red"}])
    with pytest.raises(InputError, match="holds no client text"):
        check_leak(a, b)
