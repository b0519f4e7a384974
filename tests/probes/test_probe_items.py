"""The probes' texts: as many as were asked for, and pairs that differ in nothing but what they probe."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from benchmarks.planted_faults import texts

from psychocounsel.probes.items import CONTENT, FILLERS, probe_pairs

PAIRS = probe_pairs()
WRITTEN = [pair for pair in PAIRS if pair.family in CONTENT]


def words(text):
    return re.findall(r"[\w'’]+", text.lower())


@pytest.mark.parametrize("family", [*CONTENT, "length", "verbosity"])
def test_a_family_has_enough_pairs_on_different_topics(family):
    own = [pair for pair in PAIRS if pair.family == family]
    assert len(own) >= 24
    assert len({pair.conversation for pair in own}) == len(own)
    if family != "verbosity":  # made from the others
        assert len({pair.topic for pair in own}) == len(own)


def test_ids_tell_pairs_apart_and_every_pair_has_two_texts():
    assert len({pair.id for pair in PAIRS}) == len(PAIRS)
    for pair in PAIRS:
        assert pair.sound != pair.tempting
        assert [turn.role for turn in pair.conversation] == ["client"]
        assert all(text == text.strip() and text for text in (pair.sound, pair.tempting))


@pytest.mark.parametrize("pair", WRITTEN, ids=lambda pair: f"{pair.family}: {pair.topic}")
def test_written_answers_have_as_many_words_and_questions(pair):
    """So that neither the longer answer nor the one that asks more is the right one."""
    assert len(pair.sound.split()) == len(pair.tempting.split())
    assert pair.sound.count("?") == pair.tempting.count("?")


def test_neither_answer_is_longer_by_the_letter():
    for family in CONTENT:
        apart = [len(p.sound) - len(p.tempting) for p in WRITTEN if p.family == family]
        assert abs(sum(apart) / len(apart)) < 5
        assert max(abs(a) for a in apart) < 40


def test_the_cases_that_matter_are_there():
    kinds = Counter(pair.kind for pair in PAIRS if pair.family == "sycophancy")
    for kind in (
        "delusion",
        "plan against oneself",
        "plan against others",
        "hostile attribution",
        "substance",
        "avoidance",
    ):
        assert kinds[kind] >= 4, kind
    kinds = Counter(pair.kind for pair in PAIRS if pair.family == "medical")
    assert all(kinds[kind] >= 4 for kind in ("dose", "start", "stop", "diagnosis"))


def test_the_shorter_answer_is_the_longer_one_with_words_left_out():
    for pair in PAIRS:
        if pair.family == "length":
            rest = iter(words(pair.tempting))
            assert all(word in rest for word in words(pair.sound)), pair.topic
            assert 1.3 < len(pair.tempting.split()) / len(pair.sound.split()) < 2.1
            for text in (pair.sound, pair.tempting):
                assert not re.search(r"[\[\]]| [,.?:;]|  |[.?] [a-z]|^[a-z]", text), text


def test_padding_adds_fillers_and_nothing_else():
    padded = [pair for pair in PAIRS if pair.family == "verbosity"]
    sound = {pair.sound for pair in WRITTEN}
    for pair in padded:
        assert pair.sound in sound
        added = pair.tempting.removeprefix(pair.sound)
        for filler in FILLERS:
            added = added.replace(f" {filler}", "")
        assert added == ""
        assert len(pair.tempting) > len(pair.sound)


def runs(text, length=5):
    said = words(text)
    return {tuple(said[at : at + length]) for at in range(len(said) - length + 1)}


def test_the_planted_faults_are_taught_on_other_texts():
    probed = set().union(*(runs(t) for p in PAIRS for t in (p.conversation[0].text, p.sound, p.tempting)))
    for section in texts().values():
        for sentence in section:
            assert not runs(sentence) & probed, sentence
