"""Pairs: who prefers what comes first, who judges principles alone, and judges that name sides."""

from __future__ import annotations

import json
import random
from statistics import mean

import pytest
from rated_study import KEYS, an_item, checks, compared, make, rated, save
from rich.console import Console

from psychocounsel.annotate.results import results_of, results_of_file, write_appendix
from psychocounsel.annotate.results.agreement import SHARE
from psychocounsel.annotate.study import Answer
from psychocounsel.cli import annotate_results
from psychocounsel.errors import InputError

RATERS = ("R01", "R02", "R03")


def order_study(folder, first, seed=0):
    """Sixty pairs of thirty speeches; a rater takes the one shown first with a chance of `first`.

    Some say a tie, cannot judge or skip. Repeats and checks are answered the other way, and must not count.
    """
    items = [an_item(n, speech_id=f"speech-{n // 2}") for n in range(60)] + checks()
    store = make(folder, items, RATERS, repeats=10)
    dice, counted = random.Random(seed), []
    for number, each in store.assignments.items():
        sides = "ba" if each.flipped else "ab"
        if each.repeat or store.items[each.item].role != "main":
            answer = compared(sides[first > 0.5])
        elif (lot := dice.random()) < 0.15:
            answer = (compared("tie"), compared("cannot"), Answer(skipped=True, done=True))[int(lot / 0.05)]
        else:
            is_first = dice.random() < first
            counted.append(is_first)
            answer = compared(sides[0] if is_first else sides[1])
        store.save(number, answer, f"k{number}")
    return store, counted


@pytest.mark.parametrize("first", [0.75, 0.5])
def test_raters_who_prefer_what_is_shown_first_are_seen(tmp_path, first):
    store, counted = order_study(tmp_path, first)
    results = results_of(store)
    figure = results.shown_first.figure
    assert figure.value == pytest.approx(mean(counted))
    assert (figure.n, figure.clusters) == (len(counted), 30)
    assert (figure.low > 0.5) is (first > 0.5)
    assert figure.low < first < figure.high


def test_the_share_is_printed_told_and_on_the_page(tmp_path, capsys):
    store, counted = order_study(tmp_path, 0.75)
    results = results_of(store)
    figure = results.shown_first.figure
    value, low, high = (f"{x:.3f}".removeprefix("0") for x in (figure.value, figure.low, figure.high))
    console = Console(width=80, record=True)
    annotate_results.show(console, results)
    line = f"Overall, preferred what was shown first: {value} [{low}, {high}], {len(counted)} decided\n"
    assert line in console.export_text()
    capsys.readouterr()
    annotate_results.agree(str(tmp_path / "study.sqlite"), as_json=True)
    told = json.loads(capsys.readouterr().out)["shown_first"]
    assert told["measure"] == "preferred what was shown first"
    assert told["figure"]["value"] == pytest.approx(mean(counted))
    write_appendix(tmp_path / "page.html", results, store)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert (
        f"<p>Overall, preferred what was shown first: {value} <small>[{low}, {high}]</small>, {len(counted)} decided"
        in page
    )


def test_without_a_verdict_for_one_response_the_share_says_why(tmp_path):
    store = make(tmp_path, [an_item(n) for n in range(3)], RATERS)
    for number in store.assignments:
        store.save(number, compared("tie"), f"k{number}")
    results = results_of(store)
    assert results.shown_first.figure is None
    assert results.shown_first.why == "no overall verdict prefers one response."
    console = Console(width=80, record=True)
    annotate_results.show(console, results)
    assert "Overall, preferred what was shown first: no overall verdict" in console.export_text()
    write_appendix(tmp_path / "page.html", results, store)
    assert "no overall verdict prefers one response." in (tmp_path / "page.html").read_text("utf-8")


def test_single_responses_and_files_have_no_order(tmp_path):
    store = make(tmp_path, [an_item(n, "responses") for n in range(3)], RATERS, kind="responses")
    for number in store.assignments:
        store.save(number, rated(3), f"k{number}")
    assert results_of(store).shown_first is None
    path = tmp_path / "raters.jsonl"
    path.write_text('{"item": "i", "rater": 1, "label": "a"}\n{"item": "i", "rater": 2, "label": "b"}\n', "utf-8")
    assert results_of_file(path).shown_first is None


def test_a_principles_verdict_counts_where_the_rater_cannot_judge_the_whole(tmp_path):
    items = [an_item(n) for n in range(4)]
    store = make(tmp_path, items, RATERS)
    for item in items:
        for rater in RATERS[:2]:
            save(store, rater, item, compared("a"))
        partly = {KEYS[0]: "b", KEYS[1]: "cannot"}
        save(store, RATERS[2], item, Answer(verdict="cannot", verdicts=partly, done=True))
    found = {each.task: each for each in results_of(store).people}
    assert found["overall"].ratings == 8
    assert found["overall"].missing == {"cannot judge": 4}
    assert found[KEYS[0]].ratings == 12
    assert found[KEYS[0]].missing == {}
    assert found[KEYS[0]].figure(SHARE).value == pytest.approx(1 / 3)
    for key in KEYS[1:]:  # said so, or not asked any more
        assert found[key].ratings == 8
        assert found[key].missing == {"cannot judge": 4}


def test_i_cannot_judge_is_of_a_whole_response(tmp_path):
    items = [an_item(n, "responses") for n in range(4)]
    store = make(tmp_path, items, RATERS, kind="responses")
    for item in items:
        for rater in RATERS[:2]:
            save(store, rater, item, rated(4))
        save(store, RATERS[2], item, Answer(cannot=True, overall=2, scores=dict.fromkeys(KEYS, 2), done=True))
    for each in results_of(store).people:
        assert each.ratings == 8
        assert each.missing == {"cannot judge": 4}


@pytest.fixture(scope="module")
def agreed(tmp_path_factory):
    """Everybody prefers a of four pairs; a judge's accuracy is its share of a's."""
    items = [an_item(n) for n in range(4)]
    store = make(tmp_path_factory.mktemp("agreed"), items, RATERS)
    for number in store.assignments:
        store.save(number, compared("a"), f"k{number}")
    yield store, items
    store.close()


def judged(store, folder, rows):
    path = folder / "judge.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    against = next(a for a in results_of(store, path).against if (a.who, a.task) == ("judge", "overall"))
    return against.lines[0].figure.value


@pytest.mark.parametrize(
    ("sides", "accuracy"),
    [
        (lambda n: {"response_a": f"r{n}a", "response_b": f"r{n}b"}, 0.75),
        (lambda n: {"response_a": f"r{n}b", "response_b": f"r{n}a"}, 0.25),
        (lambda n: {"response_a": f"r{n}a"}, 0.75),
        (lambda n: {"response_a": f"r{n}b"}, 0.25),
        (lambda n: {"response_b": f"r{n}a"}, 0.25),
        (lambda n: {"response_a": "", "response_b": None}, 0.75),
    ],
)
def test_a_judges_row_with_item_and_responses_is_turned_where_they_are_the_other_way_round(
    agreed, tmp_path, sides, accuracy
):
    store, items = agreed
    rows = [{"item": item.id, "label": "aaab"[n]} | sides(n) for n, item in enumerate(items)]
    assert judged(store, tmp_path, rows) == accuracy


@pytest.mark.parametrize(
    "sides",
    [
        {"response_a": "r1a", "response_b": "r1b"}, {"response_a": "r0a", "response_b": "r1b"},
        {"response_a": "r0a", "response_b": "r0a"}, {"response_b": "other"},
    ],
)  # fmt: skip
def test_a_judges_row_with_responses_of_another_item_is_refused(agreed, tmp_path, sides):
    store, items = agreed
    with pytest.raises(InputError, match="row 1 has responses that are not those of its item"):
        judged(store, tmp_path, [{"item": items[0].id, "label": "a"} | sides])


def test_a_judges_row_without_item_or_response_is_refused(agreed, tmp_path):
    store, _ = agreed
    with pytest.raises(InputError, match="row 1 has neither item nor response_a"):
        judged(store, tmp_path, [{"item": "", "label": "a"}])


def test_a_judges_row_of_a_rated_response_names_that_one(tmp_path):
    items = [an_item(n, "responses") for n in range(4)]
    store = make(tmp_path, items, RATERS, kind="responses")
    for number in store.assignments:
        store.save(number, rated(1 + number % 5), f"k{number}")
    rows = [{"item": item.id, "label": 1 + n, "response_a": f"r{n}a"} for n, item in enumerate(items)]
    assert judged(store, tmp_path, rows) is not None
    with pytest.raises(InputError, match="row 1 has responses"):
        judged(store, tmp_path, [rows[0] | {"response_b": "r0b"}])
