"""The stage as a whole: every row is somewhere, nothing is lost, and what a recipe asks for is done."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace

import pytest

from psychocounsel import layout, pipeline
from psychocounsel.collect.cores import AT_ONCE, over_cores
from psychocounsel.collect.prepare import deidentifies
from psychocounsel.collect.sources import SourceResponse, SourceRow, read_source
from psychocounsel.collect.stage import collect, counts_of
from psychocounsel.principles import default_rubric
from psychocounsel.recipe import Collect, recipe_of
from psychocounsel.records import ClientSpeech, PreferencePair, Rating, Response
from psychocounsel.tables import read_records

FILE = Collect(source="file", path="any.jsonl")
SAID = "My brother Tomasz will not answer since I left Gdansk, and I cannot stop thinking about it."
DANGER = "I have the pills in my hand and I am going to take them all tonight."


def rows(*texts):
    return [SourceRow(f"any.jsonl row {i}", text) for i, text in enumerate(texts, 1)]


def varied(count):
    rng = random.Random(3)
    words = "i feel so tired of work and my mother never calls me back about the house we lost in the flood".split()
    return [" ".join(rng.choices(words, k=20)) for _ in range(count)]


def test_every_row_is_a_speech_is_held_or_has_its_line_in_the_ledger():
    given = rows(*varied(40), SAID, SAID + "!", "[deleted]", "", DANGER, "Je suis si triste et je ne dors plus du tout")
    result = collect(given, FILE.model_copy(update={"hold": "imminent", "limit": 30}), 7)
    assert result.asked == len(given) == len(result.speeches) + len(result.held) + len(result.dropped)
    counts = counts_of(result, FILE)
    assert counts["dropped"] == dict(Counter(d.reason for d in result.dropped))
    assert {"no client text", "empty text", "other language", "exact duplicate", "over the limit"} <= set(
        counts["dropped"]
    )
    assert sum(counts["splits"].values()) == len(result.speeches)
    assert sum(counts["risk"].values()) == len(result.speeches) + len(result.held)
    assert not any(word in repr(result.dropped) for word in ("Tomasz", "pills", "triste"))


def test_held_speeches_reach_nothing():
    result = collect(rows(*varied(20), DANGER), FILE.model_copy(update={"hold": "imminent"}), 7)
    assert [s.screened for s in result.held] == ["imminent"]
    assert "pills" not in repr(result.speeches)
    assert any("pills" in s.text for s in collect(rows(*varied(20), DANGER), FILE, 7).speeches)


def test_identifiers_go_from_speech_turns_and_responses_alike():
    assert deidentifies(FILE)
    assert not deidentifies(Collect())
    row = rows(SAID)[0]
    row = replace(row, responses=(SourceResponse("therapist", "It hurts that Tomasz does not answer."),))
    result = collect([row, *rows(*varied(10))], FILE, 7)
    speech = next(s for s in result.speeches if "brother" in s.text)
    assert speech.deidentified
    assert "Tomasz" not in speech.text + result.responses[0].text
    assert "[PERSON_1]" in speech.text
    assert "[PERSON_1]" in result.responses[0].text
    assert result.removed["PERSON"] >= 2
    assert result.responses[0].speech_id == speech.id
    kept = collect([row], FILE.model_copy(update={"deidentify": False}), 7).speeches[0]
    assert kept.text == SAID
    assert not kept.deidentified


def test_risk_is_told_before_dates_and_names_are_gone():
    result = collect(rows("Goodbye. On the 14th of May I will jump, it is all planned."), FILE, 7)
    assert result.speeches[0].screened == "imminent"


def test_the_example_corpus_keeps_its_own_topics_and_words():
    result = collect(read_source(Collect()), Collect(), 7)
    assert len(result.speeches) == 840
    assert not result.mended
    assert {(s.coarse_topic, s.fine_topic, s.topic_confidence) for s in result.speeches} == {
        (s.topic, s.subtopic, 1.0) for s in result.speeches
    }
    assert len({s.fine_topic for s in result.speeches}) == 42


def test_stratified_sampling_levels_the_topics():
    section = Collect(limit=84, sample="topics")
    times = Counter(s.fine_topic for s in collect(read_source(section), section, 7).speeches)
    assert set(times.values()) == {2}


def doubled(part):
    return [2 * n for n in part]


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 5_000, 13_001])
def test_work_over_cores_keeps_every_row_in_order(count):
    assert list(over_cores(iter(range(count)), doubled)) == [2 * n for n in range(count)]


def test_responses_and_ratings_of_a_user_become_pairs(tmp_path):
    keys = default_rubric().keys
    lines = []
    for i, text in enumerate(varied(60)):
        for model, score in (("ward-a", 4), ("ward-b", 1 + i % 3), ("ward-c", 0)):
            row = {"text": text, "response": f"{model} hears {i} of you.", "model": model}
            lines.append(row if not score else row | {"ratings": dict.fromkeys(keys, score)})
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    recipe = recipe_of(
        [
            f"output={tmp_path / 'run'}", "collect.source=file", f"collect.path={path}", "generate.pool=[source]",
            "rate.judge=source", "collect.near_duplicate=1.0",
        ]
    )  # fmt: skip
    for stage in ("collect", "generate", "rate", "pair"):
        manifests = pipeline.run(recipe, only=stage)
    run = recipe.output
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    responses = read_records(run / layout.RESPONSES, Response)
    ratings = read_records(run / layout.RATINGS, Rating)
    assert len(responses) == len(ratings) == 3 * len(speeches) == 180
    assert Counter(r.error for r in ratings) == {"": 120, "the source does not rate it": 60}
    pairs = read_records(run / layout.PAIRS, PreferencePair)
    assert {p.chosen_model for p in pairs} == {"ward-a"}
    assert {p.rejected_model for p in pairs} == {"ward-b"}
    assert not any(m.simulated for m in manifests.values())
