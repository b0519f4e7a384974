"""People's pairs among those that ratings make."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from psychocounsel import layout, pipeline
from psychocounsel.artifacts import complete_manifest
from psychocounsel.errors import InputError
from psychocounsel.pair.people import with_people
from psychocounsel.recipe import recipe_of
from psychocounsel.records import ClientSpeech, PreferencePair
from psychocounsel.tables import read_records, write_records


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people") / "run"
    made = recipe_of([f"output={folder}", "collect.limit=60", "pair.min_gap=0.5"], "people")
    for stage in ("collect", "generate", "rate", "pair"):
        pipeline.run(made, only=stage)
    return folder


def turned(pair):
    """The same two responses, the other one preferred, as people's pairs stand in the file: without ratings."""
    return replace(
        pair, id=pair.id[::-1], chosen_id=pair.rejected_id, rejected_id=pair.chosen_id, chosen=pair.rejected,
        rejected=pair.chosen, chosen_scores={}, rejected_scores={}, gap=0.0, split="train",
    )  # fmt: skip


def told(folder, simulated=False, withheld=()):
    """What `annotate labels` writes beside the pairs."""
    (folder / "labels.json").write_text(json.dumps({"simulated": simulated, "withheld": list(withheld)}))


def test_people_are_believed_and_held_out_speeches_stay_held_out(run, tmp_path):
    pairs = read_records(run / layout.PAIRS, PreferencePair)
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    test = next(p for p in pairs if p.split == "test")
    train = next(p for p in pairs if p.split == "train")
    unknown = replace(train, speech_id="0" * 16, chosen_id="x")
    new = replace(train, chosen_id="n" * 16, chosen="A new one.", gap=0.0)
    path = tmp_path / "pairs.parquet"
    write_records(path, PreferencePair, [turned(test), train, unknown, new])
    with pytest.raises(InputError, match=r"labels\.json is absent"):
        with_people(pairs, speeches, tmp_path)
    told(tmp_path)
    found = with_people(pairs, speeches, tmp_path)
    assert found.counts == {"added": 1, "confirmed": 1, "contradicted": 1, "speech not of this run": 1}
    assert len(found.pairs) == len(pairs) + 1
    (mine,) = [p for p in found.pairs if {p.chosen_id, p.rejected_id} == {test.chosen_id, test.rejected_id}]
    assert mine.chosen_id == test.rejected_id
    assert mine.split == "test"
    assert not found.simulated
    told(tmp_path, simulated=True)
    assert with_people(pairs, speeches, tmp_path).simulated


def test_what_people_found_harmful_or_equal_is_no_pair_whatever_the_ratings_say(run, tmp_path):
    pairs = read_records(run / layout.PAIRS, PreferencePair)
    path = tmp_path / "pairs.parquet"
    write_records(path, PreferencePair, [])
    out = pairs[3]
    told(tmp_path, withheld=[[out.speech_id, out.rejected_id, out.chosen_id], ["x", "y", "z"]])
    found = with_people(pairs, read_records(run / layout.SPEECHES, ClientSpeech), tmp_path)
    assert found.pairs == [p for p in pairs if p != out]
    assert found.counts == {"removed": 1}


def test_a_recipe_takes_them_and_runs_again_only_what_depends_on_them(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    pairs = read_records(run / layout.PAIRS, PreferencePair)
    labels = tmp_path / "labels"
    labels.mkdir()
    write_records(labels / "pairs.parquet", PreferencePair, [turned(p) for p in pairs if p.split == "train"])
    told(labels)
    made = recipe_of([f"output={folder}", "collect.limit=60", "pair.min_gap=0.5", f"pair.people={labels}"], "people")
    before = complete_manifest(folder / "rate").created
    pipeline.run(made, only="pair")
    assert complete_manifest(folder / "rate").created == before
    counts = complete_manifest(folder / "pair").counts
    assert counts["people"] == {"contradicted": sum(p.split == "train" for p in pairs)}
    assert counts["pairs"] == complete_manifest(run / "pair").counts["pairs"]
    chosen = {p.chosen_id for p in pairs if p.split == "train"}
    assert {p.rejected_id for p in read_records(folder / layout.PAIRS, PreferencePair) if p.split == "train"} == chosen
    gone = next(p for p in pairs if p.split == "train")
    told(labels, withheld=[[gone.speech_id, gone.chosen_id, gone.rejected_id]])  # counts as much as the pairs
    pipeline.run(made, only="pair")
    assert complete_manifest(folder / "pair").counts["people"]["removed"] == 1


def test_another_file_is_refused(tmp_path):
    write_records(tmp_path / "pairs.parquet", PreferencePair, [])
    for path in (tmp_path / "pairs.parquet", tmp_path / "none"):
        with pytest.raises(InputError, match="annotate labels"):
            with_people([], [], path)
