"""Agreement of files and of studies, beside independent implementations and plain loops."""

from __future__ import annotations

import csv
import json
import re
from itertools import combinations
from pathlib import Path
from statistics import mean, median

import krippendorff
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rated_study import (
    CLIENT_WORDS,
    KEYS,
    VERDICTS,
    an_item,
    answer_all,
    checks,
    compared,
    make,
    most,
    rated,
    save,
)
from rich.console import Console
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from psychocounsel.annotate.results import results_of, results_of_file, write_appendix, write_errors
from psychocounsel.annotate.results.agreement import AC1, FLEISS, ICC, NOMINAL, ORDINAL, SHARE
from psychocounsel.annotate.study import Answer
from psychocounsel.cli import annotate_results
from psychocounsel.errors import InputError, TooLittleDataError

ANNOMI = Path(__file__).resolve().parents[3] / "shared/data/annomi_raters.jsonl"
REPEATED = 8


def long_rows(seed, items=40, raters=4, levels=("low", "middle", "high"), missing=0.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(levels), items)
    rows, table = [], np.full((items, raters), np.nan)
    for item in range(items):
        for rater in range(raters):
            place = truth[item] if rng.random() < 0.6 else rng.integers(0, len(levels))
            if rng.random() >= missing:
                rows.append({"task": "t", "item": f"i{item}", "rater": rater, "label": levels[place]})
                table[item, rater] = place
    return rows, table


def write(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def values(agreement):
    return {line.measure: line.figure and line.figure.value for line in agreement.lines}


def ac1(table, levels):
    """Gwet 2008, item by item, over items with two labels."""
    observed, shares = [], []
    for row in table:
        given = [int(v) for v in row if not np.isnan(v)]
        if len(given) < 2:
            continue
        pairs = list(combinations(given, 2))
        observed.append(mean(a == b for a, b in pairs))
        shares.append([given.count(level) / len(given) for level in range(levels)])
    by_level = [mean(share[level] for share in shares) for level in range(levels)]
    chance = sum(p * (1 - p) for p in by_level) / (levels - 1)
    return (mean(observed) - chance) / (1 - chance), mean(observed)


@pytest.mark.skipif(not ANNOMI.is_file(), reason="shared/data/annomi_raters.jsonl is not here")
def test_annomis_raters_agree_as_published():
    behaviour, talk = results_of_file(ANNOMI).people
    assert (behaviour.items, behaviour.raters, behaviour.ratings) == (216, 10, 2160)
    assert (talk.items, talk.raters, talk.ratings) == (212, 10, 2120)
    assert values(behaviour)[FLEISS] == pytest.approx(0.7365, abs=5e-5)
    assert values(talk)[FLEISS] == pytest.approx(0.4669, abs=5e-5)
    assert values(behaviour)[NOMINAL] == pytest.approx(0.7367, abs=5e-5)
    assert values(talk)[NOMINAL] == pytest.approx(0.4671, abs=5e-5)
    for line in behaviour.lines:
        assert line.figure.low < line.figure.value < line.figure.high


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_files_figures_equal_other_implementations(tmp_path, seed, missing):
    rows, table = long_rows(seed, missing=missing)
    found = results_of_file(write(tmp_path / "raters.jsonl", rows), order=["low", "middle", "high"]).people[0]
    given = values(found)
    expected, share = ac1(table, 3)
    assert given[AC1] == pytest.approx(expected)
    assert given[SHARE] == pytest.approx(share)
    for name, metric in ((NOMINAL, "nominal"), (ORDINAL, "ordinal")):
        reference = krippendorff.alpha(table.T, value_domain=[0, 1, 2], level_of_measurement=metric)
        assert given[name] == pytest.approx(reference)
    if missing:
        assert given[FLEISS] is None
        assert "as many" in next(line.why for line in found.lines if line.measure == FLEISS)
    else:
        assert given[FLEISS] == pytest.approx(statsmodels_fleiss(aggregate_raters(table.astype(int))[0]))
    assert found.ratings == int((~np.isnan(table)).sum())


def test_the_same_rows_in_any_format_and_order_give_the_same_figures(tmp_path):
    rows, _ = long_rows(1)
    found = [
        results_of_file(write(tmp_path / f"raters.{ending}", mine)).people[0].lines
        for ending, mine in (("jsonl", rows), ("csv", rows), ("parquet", rows[::-1]))
    ]
    assert found[0] == found[1] == found[2]


def test_labels_without_an_order_have_no_ordinal_figure_and_numbers_have(tmp_path):
    rows, _ = long_rows(2)
    words = results_of_file(write(tmp_path / "a.jsonl", rows)).people[0]
    assert {ORDINAL, ICC}.isdisjoint(values(words))
    rows, table = long_rows(2, levels=("1", "10", "2"))
    numbers = results_of_file(write(tmp_path / "b.csv", rows)).people[0]
    assert numbers.levels == tuple(map(str, range(1, 11)))  # whole numbers are a scale
    placed = np.array([0.0, 2.0, 1.0])[table.astype(int)]
    reference = krippendorff.alpha(placed.T, value_domain=[0, 1, 2], level_of_measurement="ordinal")
    assert values(numbers)[ORDINAL] == pytest.approx(reference)
    assert values(numbers)[ICC] == pytest.approx(icc(np.array([1.0, 10.0, 2.0])[table.astype(int)]))


def icc(x):
    """ICC(2,1) from sums of squares (Shrout and Fleiss 1979)."""
    n, k = x.shape
    rows = k * ((x.mean(1) - x.mean()) ** 2).sum() / (n - 1)
    columns = n * ((x.mean(0) - x.mean()) ** 2).sum() / (k - 1)
    rest = ((x - x.mean(1, keepdims=True) - x.mean(0) + x.mean()) ** 2).sum() / ((n - 1) * (k - 1))
    return (rows - rest) / (rows + (k - 1) * rest + k * (columns - rest) / n)


def test_a_cluster_column_is_what_is_resampled(tmp_path):
    rows, _ = long_rows(3)
    alone = results_of_file(write(tmp_path / "a.jsonl", rows))
    rows = [row | {"cluster": f"c{int(row['item'][1:]) // 8}"} for row in rows]
    together = results_of_file(write(tmp_path / "b.jsonl", rows))
    assert together.people[0].figure(FLEISS).clusters == 5
    assert together.people[0].figure(FLEISS).value == alone.people[0].figure(FLEISS).value
    assert alone.notes
    assert not together.notes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: [*rows, rows[4]], r"row 161 has the task, item and rater of row 5"),
        (lambda rows: [rows[0], rows[1] | {"label": ""}, *rows[2:]], r"row 2 has no label"),
        (lambda rows: [*rows, rows[3] | {"rater": None}, rows[3] | {"item": " "}], r"row 161 has no rater .*row 162"),
        (lambda rows: [row | {"note": CLIENT_WORDS} for row in rows], r"row 1: no column is called 'note'"),
        (lambda rows: [{k: v for k, v in row.items() if k != "rater"} for row in rows], r"no column rater"),
        (lambda rows: [*rows, rows[0] | {"item": "i99", "label": CLIENT_WORDS}], r"the first is row 161, .*--order"),
        (lambda rows: [row | {"label": f"{CLIENT_WORDS} {n}"} for n, row in enumerate(rows)], r"160 different labels"),
        (lambda rows: [*rows[:-1], rows[-1] | {"cluster": "other"}], r"row 160 has another cluster"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_refused_with_the_rows_and_none_of_its_text(tmp_path, change, words):
    rows, _ = long_rows(0)
    path = write(tmp_path / "raters.jsonl", change(rows))
    with pytest.raises(InputError, match=words) as refused:
        results_of_file(path, order=["low", "middle", "high"])
    assert CLIENT_WORDS not in str(refused.value)


def test_an_empty_or_absent_file_is_refused(tmp_path):
    (tmp_path / "head.csv").write_text("task,item,rater,label\n", "utf-8")
    with pytest.raises(TooLittleDataError, match="over nothing"):
        results_of_file(tmp_path / "head.csv")
    with pytest.raises(InputError, match="no such file"):
        results_of_file(tmp_path / "none.csv")


def test_one_rater_alone_has_no_agreement_and_says_so(tmp_path):
    rows, _ = long_rows(0, raters=1)
    found = results_of_file(write(tmp_path / "raters.jsonl", rows)).people[0]
    assert all(line.figure is None and "two raters" in line.why for line in found.lines)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Thirty pairs, five raters of whom each sees all but a fifth, two repeats of each; some answers are missing."""
    folder = tmp_path_factory.mktemp("pairs")
    items = [an_item(n) for n in range(30)] + checks()
    store = make(folder, items, [f"R0{n}" for n in range(1, 6)], repeats=REPEATED, skip=1)
    said = answer_all(store, seed=3, cannot=0.1, skipped=0.05)
    yield store, said, results_of(store)
    store.close()


def votes(said, task, item, raters, repeat=0):
    return [said.get((rater, item, repeat, task)) for rater in raters]


RATERS = [f"R0{n}" for n in range(1, 6)]


@pytest.mark.parametrize("task", ["overall", KEYS[0], KEYS[-1]])
def test_a_studys_people_agree_as_its_answers_say(study, task):
    store, said, results = study
    ids = [i.id for i in store.items.values() if i.role == "main"]
    table = [[np.nan if v is None else VERDICTS.index(v) for v in votes(said, task, i, RATERS)] for i in ids]
    table = np.array(table, dtype=float)
    found = next(each for each in results.people if each.task == task)
    reference = krippendorff.alpha(table.T, value_domain=[0, 1, 2], level_of_measurement="nominal")
    assert values(found)[NOMINAL] == pytest.approx(reference)
    expected, share = ac1(table, 3)
    assert values(found)[AC1] == pytest.approx(expected)
    assert values(found)[SHARE] == pytest.approx(share)
    assert found.ratings == int((~np.isnan(table)).sum())
    asked = sum(a.repeat == 0 and store.items[a.item].role == "main" for a in store.assignments.values())
    assert found.ratings + sum(found.missing.values()) == asked
    assert set(found.missing) == {"skipped", "cannot judge"}


def against(results, task, who, reference):
    return next(a for a in results.against if (a.task, a.who, a.reference) == (task, who, reference))


def line(found, measure):
    return next(each.figure for each in found.lines if each.measure == measure)


@pytest.mark.parametrize("task", ["overall", KEYS[2]])
def test_label_and_reward_model_stand_beside_the_majority_as_scikit_learn_has_it(study, task):
    store, said, results = study
    decided, tied = [], 0
    for item in store.items.values():
        if item.role == "main":
            majority = most(votes(said, task, item.id, RATERS))
            decided += [(item, majority)] if majority else []
            tied += majority is None
    label, people = [i.label for i, _ in decided], [m for _, m in decided]
    found = against(results, task, "label", "majority")
    assert line(found, "accuracy").value == pytest.approx(accuracy_score(people, label))
    assert line(found, "accuracy").n == len(decided)
    assert line(found, "Cohen's kappa").value == pytest.approx(cohen_kappa_score(people, label, labels=VERDICTS))
    apart = [(m, w) for m, w in zip(people, label, strict=True) if m != "tie"]
    assert line(found, "accuracy, ties apart").value == pytest.approx(mean(m == w for m, w in apart))
    assert found.left_out == {"tied votes": tied}
    if task == "overall":
        reward = ["b" if i.rewards["b"] > i.rewards["a"] else "a" for i, _ in decided]
        found = against(results, task, "reward model", "majority")
        assert line(found, "accuracy").value == pytest.approx(accuracy_score(people, reward))
        assert found.left_out == {"tied votes": tied}


def test_the_ceiling_is_one_rater_by_the_others_and_the_label_is_put_to_the_same(study):
    store, said, results = study
    mine, others, labels = [], [], []
    for (rater, item, repeat, task), vote in said.items():
        if repeat == 0 and task == "overall" and vote is not None:
            rest = most(votes(said, task, item, [r for r in RATERS if r != rater]))
            if rest is not None:
                mine.append(vote)
                others.append(rest)
                labels.append(store.items[item].label)
    ceiling = against(results, "overall", "a rater", "others")
    assert line(ceiling, "accuracy").value == pytest.approx(accuracy_score(others, mine))
    assert line(ceiling, "Cohen's kappa").value == pytest.approx(cohen_kappa_score(others, mine, labels=VERDICTS))
    assert line(ceiling, "accuracy").n == len(mine)
    assert line(ceiling, "accuracy").clusters <= 30
    label = against(results, "overall", "label", "others")
    assert line(label, "accuracy").value == pytest.approx(accuracy_score(others, labels))


def test_self_consistency_is_the_second_answer_beside_the_first(study):
    _, said, results = study
    for each in results.consistency:
        both = [
            (said[rater, item, 0, task], again)
            for (rater, item, repeat, task), again in said.items()
            if repeat == 1 and task == each.task and again is not None and said[rater, item, 0, task] is not None
        ]
        first, second = zip(*both, strict=True)
        same, kappa = each.lines
        assert same.figure.value == pytest.approx(mean(a == b for a, b in both))
        assert same.figure.n == len(both)
        assert kappa.figure.value == pytest.approx(cohen_kappa_score(first, second, labels=VERDICTS))
    for rater in results.raters:
        both = [
            (said[k], said[(k[0], k[1], 0, k[3])]) for k in said if k[0] == rater.rater and k[2] and k[3] == "overall"
        ]
        both = [pair for pair in both if None not in pair]
        assert rater.same.figure.value == pytest.approx(mean(a == b for a, b in both))
        assert rater.same.figure.n == len(both)


def test_each_rater_is_counted(study):
    store, _, results = study
    for each in results.raters:
        mine = [a for a in store.annotations() if (a.rater, a.role, a.repeat) == (each.rater, "main", 0)]
        assert each.asked == len(mine)
        assert each.skipped == sum(a.skipped for a in mine)
        assert each.cannot == sum(a.verdict == "cannot" for a in mine)
        assert each.answered == len(mine) - each.skipped
        assert each.seconds == median(a.seconds for a in mine if not a.skipped and a.seconds > 0)


def test_agreement_that_was_built_in_is_found(tmp_path):
    """Two raters who say the truth with a chance of .8, else anything, have a kappa of .8 squared on every question."""
    store = make(tmp_path, [an_item(n) for n in range(100)], ["R01", "R02"])
    answer_all(store, accuracy=0.8, seed=1)
    found = [each.figure(NOMINAL) for each in results_of(store).people]
    assert mean(each.value for each in found) == pytest.approx(0.64, abs=0.06)  # 3 standard errors of 800 answers
    assert sum(each.low < 0.64 < each.high for each in found) >= 6


def test_a_judges_file_is_joined_by_item_or_by_the_two_responses_in_either_order(study, tmp_path):
    store, said, _ = study
    main = [i for i in store.items.values() if i.role == "main"]
    verdicts = {i.id: "ab"[n % 2] for n, i in enumerate(main)}
    by_item = [{"item": i.id, "label": verdicts[i.id]} for i in main]
    turned = {"a": "b", "b": "a"}
    by_ids = [
        {"response_a": i.response_ids[1], "response_b": i.response_ids[0], "label": turned[verdicts[i.id]]}
        for i in main
    ]  # fmt: skip
    ids = [i.id for i in main if most(votes(said, "overall", i.id, RATERS))]
    people = [most(votes(said, "overall", i, RATERS)) for i in ids]
    expected = accuracy_score(people, [verdicts[i] for i in ids])
    for name, rows in (("items", by_item), ("ids", by_ids)):
        path = write(tmp_path / f"{name}.jsonl", [*rows, {"item": "unknown", "label": "a"}])
        results = results_of(store, path)
        found = against(results, "overall", "judge", "majority")
        assert found.name == name
        assert line(found, "accuracy").value == pytest.approx(expected)
        assert results.notes == ("1 rows of the judge's file left out: no such item.",)
    with pytest.raises(InputError, match="row 1 has a label"):
        results_of(store, write(tmp_path / "bad.jsonl", [{"item": main[0].id, "label": "yes"}]))
    with pytest.raises(InputError, match="row 2 has a task, item and judge"):
        results_of(store, write(tmp_path / "twice.jsonl", [by_item[0], by_item[0]]))
    with pytest.raises(TooLittleDataError, match="no label of an item"):
        results_of(store, write(tmp_path / "none.jsonl", [{"item": "unknown", "label": "a"}]))


def test_attention_is_counted_and_who_fails_is_left_out_on_request_only(tmp_path):
    items = [an_item(n) for n in range(4)] + checks()
    store = make(tmp_path, items, ["R01", "R02", "R03"])
    for rater in ("R01", "R02", "R03"):
        for item in items[:4]:
            save(store, rater, item, compared("b" if rater == "R03" else "a"))
        save(store, rater, items[5], compared("b"))
    save(store, "R01", items[4], compared("a"))
    save(store, "R02", items[4], Answer(skipped=True, done=True))
    save(store, "R03", items[4], compared("cannot"))
    results = results_of(store)
    assert [(r.attention.passed, r.attention.failed) for r in results.raters] == [(1, 0), (0, 0), (0, 1)]
    assert [(r.calibration.passed, r.calibration.failed) for r in results.raters] == [(0, 1)] * 3
    assert results.excluded == ()
    assert results.people[0].figure(SHARE).value == pytest.approx(1 / 3)
    without = results_of(store, without_failed_attention=True)
    assert without.excluded == ("R03",)
    assert without.people[0].figure(SHARE).value == 1
    assert [r.rater for r in without.raters] == ["R01", "R02"]
    store.events.append("R02", "withdrawn", "w", {}, None)
    left = results_of(store)
    assert left.withdrawn == ("R02",)
    assert left.people[0].ratings == 8


def test_labels_that_people_contradict_are_listed_strongest_and_surest_first(tmp_path):
    items = [an_item(n) for n in range(0, 16, 2)]  # all labelled a, the gap growing
    store = make(tmp_path, items, ["R01", "R02", "R03", "R04"])
    said = {
        0: "bbbb", 1: "bbba", 2: "bbaa", 3: "bb..", 4: "b...", 5: "tttb", 6: "bbbb", 7: "aaaa",
    }  # fmt: skip
    words = {"a": "a", "b": "b", "t": "tie"}
    for n, marks in said.items():
        for rater, mark in zip(("R01", "R02", "R03", "R04"), marks, strict=True):
            principles = dict.fromkeys(KEYS, "a")  # nobody contradicts a label on a principle
            answer = Answer(skipped=True, done=True) if mark == "." else compared(words[mark], principles)
            save(store, rater, items[n], answer)
    store.adjudicate(items[6].id, "Dr Coordinator", compared("a"))
    store.adjudicate(items[7].id, "Dr Coordinator", compared("b"))
    errors = results_of(store).errors
    place = {item.id: n for n, item in enumerate(items)}
    assert [place[e.item] for e in errors if e.task == "overall"] == [7, 3, 0, 5, 1]
    assert [e.people for e in errors[:5]] == ["b", "b", "b", "tie", "b"]
    assert errors[0].adjudicated
    assert errors[4].strength == 0.75
    assert errors[4].votes == {"a": 1, "b": 3, "tie": 0}
    # The decisions on 6 and 7 were for principles too: a and b, where the label is a.
    assert {(place[e.item], e.people) for e in errors[5:]} == {(7, "b")}
    assert {e.task for e in errors[5:]} == set(KEYS)
    write_errors(tmp_path / "errors.csv", errors)
    rows = list(csv.DictReader((tmp_path / "errors.csv").open(encoding="utf-8")))
    assert [row["item"] for row in rows] == [e.item for e in errors]
    assert rows[4]["votes"] == "a:1 b:3"
    assert CLIENT_WORDS not in (tmp_path / "errors.csv").read_text("utf-8")
    assert "Coordinator" not in (tmp_path / "errors.csv").read_text("utf-8")


def test_rated_responses_are_compared_with_the_labellers_ratings(tmp_path):
    items = [
        an_item(n, "responses", label_scores={"a": dict.fromkeys(KEYS, 1.0 + n % 5)}, rewards={"a": 7.0 * n % 23})
        for n in range(25)
    ]
    raters = ["R01", "R02", "R03"]
    store = make(tmp_path, items, raters, kind="responses", repeats=5)
    said = answer_all(store, seed=5, levels=(1, 2, 3, 4, 5))
    results = results_of(store)
    table = np.array([[said[r, i.id, 0, "overall"] for r in raters] for i in items], dtype=float)
    given = values(results.people[0])
    assert given[ORDINAL] == pytest.approx(
        krippendorff.alpha(table.T, value_domain=[1, 2, 3, 4, 5], level_of_measurement="ordinal")
    )
    assert given[ICC] == pytest.approx(icc(table))
    assert given[FLEISS] == pytest.approx(statsmodels_fleiss(aggregate_raters(table.astype(int) - 1, 5)[0]))
    people = table.mean(1)
    labels = np.array([1.0 + n % 5 for n in range(25)])
    found = against(results, "overall", "label", "majority")
    rounded = np.floor(people + 0.5)
    assert line(found, "weighted kappa").value == pytest.approx(
        cohen_kappa_score(labels, rounded, weights="quadratic", labels=[1, 2, 3, 4, 5])
    )
    assert line(found, "mean difference").value == pytest.approx((labels - people).mean())
    reward = against(results, "overall", "reward model", "majority")
    expected = spearmanr(people, [i.rewards["a"] for i in items]).statistic
    assert line(reward, "rank correlation").value == pytest.approx(expected)
    others = [(table[n, r], np.delete(table[n], r).mean()) for r in range(3) for n in range(25)]
    ceiling = against(results, "overall", "a rater", "others")
    assert line(ceiling, "weighted kappa").value == pytest.approx(
        cohen_kappa_score(
            [a for a, _ in others], [np.floor(b + 0.5) for _, b in others], weights="quadratic", labels=[1, 2, 3, 4, 5]
        )
    )


def test_a_rating_is_contradicted_by_two_thirds_two_points_off_on_one_side(tmp_path):
    items = [an_item(n, "responses") for n in range(4)]  # labelled 4 throughout
    store = make(tmp_path, items, ["R01", "R02", "R03"], kind="responses")
    for n, scores in enumerate(((1, 2, 4), (2, 4, 4), (3, 3, 3), (2, 2, 5))):
        for rater, score in zip(("R01", "R02", "R03"), scores, strict=True):
            save(store, rater, items[n], rated(score, dict.fromkeys(KEYS, 4)))
    errors = results_of(store).errors
    assert [(e.task, e.item, e.label, e.people) for e in errors] == [
        ("overall", items[n].id, "4", "2") for n in sorted((0, 3), key=lambda n: -items[n].gap)
    ]


def test_a_study_without_labels_rewards_or_repeats_still_has_its_other_results(tmp_path):
    bare = {"label": "", "label_scores": {}, "labeller": "", "rewards": {}, "gap": None}
    store = make(tmp_path, [an_item(n, **bare) for n in range(6)], ["R01", "R02", "R03"])
    with pytest.raises(TooLittleDataError, match="no main item"):
        results_of(store)
    answer_all(store)
    results = results_of(store)
    assert {each.who for each in results.against} == {"a rater"}
    assert results.labelled == 0
    assert results.consistency[0].lines[0].why == "no item was answered a second time."
    assert results.people[0].figure(SHARE) is not None
    annotate_results.show(Console(width=80), results)


def test_the_command_prints_tables_of_80_columns_and_json_and_no_clients_words(study, tmp_path, capsys):
    store, _, results = study
    where = str(store.events._db.engine.url.database)
    annotate_results.agree(where, appendix=tmp_path / "page.html", errors=tmp_path / "errors.csv")
    out = capsys.readouterr().out
    tables = out.split("Wrote ")[0].splitlines()
    assert max(map(len, tables)) <= 80
    figure = results.people[0].figure(NOMINAL)
    assert f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]".replace("0.", ".") in out
    assert CLIENT_WORDS not in out
    assert (tmp_path / "errors.csv").is_file()
    annotate_results.agree(where, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["event"] == "agreement"
    assert told["people"][0]["task"] == "overall"
    assert CLIENT_WORDS not in json.dumps(told)


def test_the_appendix_is_one_page_that_runs_nothing(study, tmp_path):
    store, _, results = study
    write_appendix(tmp_path / "page.html", results, store)
    page = (tmp_path / "page.html").read_text("utf-8")
    figure = results.people[0].figure(NOMINAL)
    shown = [f"{value:.3f}".replace("0.", ".") for value in (figure.value, figure.low, figure.high)]
    assert f"{shown[0]} <small>[{shown[1]}, {shown[2]}]</small>" in page
    assert "default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;" in page
    assert not re.findall(r"<script|<img|<link|\bhref=|\bsrc=|url\(", page)
    assert "Simulated." not in page
    assert CLIENT_WORDS not in page
    for name in ("Krippendorff", "Fleiss", "Gwet", "Cohen, J. (1968)"):
        assert name in page
    for tag in ("div", "table", "tr", "td", "th", "dl", "dd", "blockquote"):
        assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>"), tag


def test_the_appendix_escapes_and_says_that_a_study_is_simulated(tmp_path):
    items = [an_item(n, topic="<script>alert(1)</script>") for n in range(4)]
    store = make(tmp_path, items, ["R01", "R02"], simulated=True, instructions="Read <b>well</b>.")
    answer_all(store)
    results = results_of(store)
    write_appendix(tmp_path / "page.html", results, store)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<strong>Simulated.</strong>" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Read &lt;b&gt;well&lt;/b&gt;." in page
    console = Console(width=80, record=True)
    annotate_results.show(console, results)
    assert "SIMULATED" in console.export_text()


def test_a_files_appendix_has_the_table_and_no_design(tmp_path, capsys):
    rows, _ = long_rows(0)
    path = write(tmp_path / "raters.jsonl", rows)
    annotate_results.agree(str(path), appendix=tmp_path / "page.html", order="low, middle,high")
    assert "alpha, ordinal" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "Agreement between raters" in page
    assert "Consent" not in page
