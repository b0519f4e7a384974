"""Scales of files: levels that nobody gave, a study's figures from its long export, and files of simulated raters."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rated_study import KEYS, VERDICTS, an_item, answer_all, make, save
from rich.console import Console
from sklearn.metrics import cohen_kappa_score

from psychocounsel.annotate.exchange.out import export_study
from psychocounsel.annotate.results import results_of, results_of_file, write_appendix
from psychocounsel.annotate.results.agreement import AC1, FLEISS, ICC, ORDINAL
from psychocounsel.annotate.study import Answer
from psychocounsel.cli import annotate_results
from psychocounsel.errors import InputError

RATERS = ("R01", "R02", "R03")


def write(path, labels, **more):
    """One row for every rater's label of every item."""
    rows = [
        {"item": f"i{n}", "rater": rater, "label": label} | more
        for n, row in enumerate(labels)
        for rater, label in zip(RATERS, row, strict=False)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def people(results, task="overall"):
    """Every figure's value; intervals have another seed and other clusters in a file than in a study."""
    found = next(each for each in results.people if each.task == task)
    return {line.measure: line.figure and line.figure.value for line in found.lines} | {
        "levels": found.levels, "items": found.items, "raters": found.raters, "ratings": found.ratings,
    }  # fmt: skip


def compared(results, who, reference, task="overall"):
    found = next(a for a in results.against if (a.task, a.who, a.reference) == (task, who, reference))
    return {line.measure: line.figure and line.figure.value for line in found.lines}


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        ("responses", (1, 2, 3, 4, 5)),
        ("responses", (1, 5)),
        ("responses", (2, 4)),
        ("pairs", VERDICTS),
        ("pairs", "ab"),
    ],
)
def test_a_studys_export_has_the_studys_own_figures(tmp_path, kind, levels):
    items = [an_item(n, kind) for n in range(24)]
    store = make(tmp_path, items, RATERS, kind=kind, repeats=3)
    answer_all(store, seed=2, cannot=0.05, levels=levels)
    export_study(store, tmp_path / "out", "long")
    judge = tmp_path / "judge.jsonl"
    rows = [
        {"task": task, "item": item.id, "label": levels[n % len(levels)]}
        for n, item in enumerate(items)
        for task in ("overall", KEYS[1])
    ]
    judge.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    study, file = results_of(store, judge), results_of_file(tmp_path / "out/long.jsonl", judge)
    for task in ("overall", KEYS[1]):
        assert people(file, task) == people(study, task)
        assert people(file, task)[AC1] is not None
        for who, reference in (("judge", "majority"), ("judge", "others"), ("a rater", "others")):
            assert compared(file, who, reference, task) == compared(study, who, reference, task)
    assert "what labels the study's raters could give" in file.notes[0]


def test_the_export_has_the_principles_of_pairs_that_a_rater_cannot_judge_as_a_whole(tmp_path):
    items = [an_item(n) for n in range(8)]
    store = make(tmp_path, items, RATERS)
    answer_all(store, seed=4)
    for item in items[:5]:
        partly = {KEYS[0]: "b", KEYS[1]: "cannot"}
        save(store, "R02", item, Answer(verdict="cannot", verdicts=partly, done=True))
    export_study(store, tmp_path / "out", "long")
    study, file = results_of(store), results_of_file(tmp_path / "out/long.jsonl")
    for task, ratings in (("overall", 19), (KEYS[0], 24), (KEYS[1], 19), (KEYS[2], 19)):
        assert people(file, task) == people(study, task)
        assert people(file, task)["ratings"] == ratings


def test_whole_numbers_that_nobody_gave_are_levels_between_those_given(tmp_path):
    labels = [(1, 5, 5), (1, 1, 5), (5, 5, 5), (1, 1, 1), (1, 5, 1)]
    path, judge = write(tmp_path / "raters.jsonl", labels), tmp_path / "judge.jsonl"
    judge.write_text(
        "".join(json.dumps({"item": f"i{n}", "label": label}) + "\n" for n, label in enumerate((3, 2, 5, 1, 2))),
        "utf-8",
    )
    results = results_of_file(path, judge)
    assert results.people[0].levels == ("1", "2", "3", "4", "5")
    rounded = np.floor(np.mean(labels, axis=1) + 0.5).astype(int)
    found = compared(results, "judge", "majority")
    expected = cohen_kappa_score([3, 2, 5, 1, 2], rounded, weights="quadratic", labels=[1, 2, 3, 4, 5])
    assert found["weighted kappa"] == pytest.approx(expected)
    assert found["mean difference"] == pytest.approx(np.mean(np.array([3, 2, 5, 1, 2]) - np.mean(labels, axis=1)))


def test_an_item_with_a_label_between_changes_no_figure_of_the_others(tmp_path):
    """An item of one rater alone is in no figure of agreement, and its label makes no new level."""
    labels = [(1, 5, 5), (1, 1, 5), (5, 5, 5), (1, 1, 1)]
    before = people(results_of_file(write(tmp_path / "a.jsonl", labels)))
    after = people(results_of_file(write(tmp_path / "b.jsonl", [*labels, (3,)])))
    for measure in (AC1, FLEISS, ORDINAL):
        assert after[measure] == before[measure] is not None
    assert after["levels"] == before["levels"]


@pytest.mark.parametrize(
    ("labels", "levels"),
    [
        ([("-1", "2"), ("2", "2")], ("-1", "0", "1", "2")),
        ([("1.0", "3.0"), ("3.0", "1.0")], ("1.0", "2", "3.0")),
        ([("0", "100"), ("50", "0")], ("0", "50", "100")),
        ([("0", "20"), ("20", "0")], ("0", "20")),
        ([("1", "20"), ("20", "1")], tuple(map(str, range(1, 21)))),
        ([("1", "2.5"), ("4", "1")], ("1", "2.5", "4")),
        ([("1", "no"), ("3", "1")], ("1", "3", "no")),
    ],
)
def test_levels_are_filled_of_whole_numbers_that_lie_near(tmp_path, labels, levels):
    assert results_of_file(write(tmp_path / "raters.jsonl", labels)).people[0].levels == levels


def test_an_order_of_numbers_names_a_scale_whose_ends_nobody_gave(tmp_path):
    path = write(tmp_path / "raters.jsonl", [(2, 4, 4), (2, 2, 3), (4, 4, 4), (2, 3, 2)])
    named = people(results_of_file(path, order=list("12345")))
    assert named["levels"] == tuple("12345")
    seen = people(results_of_file(path))
    assert seen["levels"] == tuple("234")
    assert named[ICC] == pytest.approx(seen[ICC])
    assert named[AC1] > seen[AC1]  # more labels that could be given: less agreement by chance
    with pytest.raises(InputError, match="--order lacks"):
        results_of_file(path, order=list("123"))


def shown(results):
    console = Console(width=80, record=True)
    annotate_results.show(console, results)
    return console.export_text()


@pytest.mark.parametrize("simulated", [True, False])
def test_the_export_of_a_simulated_study_is_simulated(tmp_path, simulated):
    store = make(tmp_path, [an_item(n) for n in range(6)], RATERS, simulated=simulated)
    answer_all(store)
    export_study(store, tmp_path / "out", "long", blind=True)
    results = results_of_file(tmp_path / "out/long.jsonl")
    assert results.simulated is simulated
    assert results.as_dict()["simulated"] is simulated
    assert ("SIMULATED" in shown(results)) is simulated
    write_appendix(tmp_path / "page.html", results)
    assert ("<strong>Simulated.</strong>" in (tmp_path / "page.html").read_text("utf-8")) is simulated
    assert any("says that it is simulated" in note for note in results.notes) is simulated


@pytest.mark.parametrize(
    "told",
    [
        "{", "[" * 100_000, "[]", '{"simulated": true}', '{"study": "x", "kind": "pairs", "simulated": true}',
        '{"digest": "0", "kind": "pairs", "simulated": "yes", "principles": {}}', "\udcff",
    ],
)  # fmt: skip
def test_a_study_json_that_is_not_ours_says_nothing(tmp_path, told):
    (tmp_path / "study.json").write_text(told, "utf-8", errors="surrogateescape")
    results = results_of_file(write(tmp_path / "raters.jsonl", [(1, 2), (2, 2)]))
    assert not results.simulated
    assert results.people[0].levels == ("1", "2")


def test_a_file_of_another_scale_beside_a_study_json_keeps_its_own(tmp_path):
    told = {"digest": "0", "kind": "responses", "simulated": True, "principles": {"listening": "Listening"}}
    (tmp_path / "study.json").write_text(json.dumps(told), "utf-8")
    for name, labels, task, levels in (
        ("a", [(2, 3), (3, 3)], "listening", tuple("12345")),
        ("b", [(2, 3), (3, 3)], "another", tuple("23")),
        ("c", [(2, 7), (7, 7)], "listening", tuple("234567")),
    ):
        results = results_of_file(write(tmp_path / f"{name}.jsonl", labels, task=task))
        assert results.people[0].levels == levels
        assert results.simulated


@pytest.mark.parametrize(("value", "simulated"), [(True, True), ("True", True), (1, True), (False, False), ("", False)])
def test_rows_may_say_that_they_are_simulated(tmp_path, value, simulated):
    results = results_of_file(write(tmp_path / "raters.jsonl", [(1, 2), (2, 2)], simulated=value))
    assert results.simulated is simulated
    assert ("SIMULATED" in shown(results)) is simulated


def test_a_row_that_is_neither_simulated_nor_not_is_refused(tmp_path):
    path = write(tmp_path / "raters.jsonl", [(1, 2), (2, 2)], simulated="perhaps")
    with pytest.raises(InputError, match=r"row 1 has a `simulated`"):
        results_of_file(path)
