"""What an import leaves alone: newer answers, finished ones, raters who declined; and dangers that it keeps."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta

import pytest
import typer
from exchange_study import made
from small_study import KEYS
from typer.testing import CliRunner

from psychocounsel.annotate.exchange import export_study, import_answers
from psychocounsel.annotate.exchange.offline import FORMAT
from psychocounsel.annotate.exchange.sides import study_digest
from psychocounsel.annotate.study import Answer
from psychocounsel.cli import annotate_exchange
from psychocounsel.errors import InputError

NOW = datetime.now(UTC)


def judged(verdict, **more):
    return Answer(verdict=verdict, verdicts=dict.fromkeys(KEYS, verdict), done=True, **more)


def form(store, path, *answers):
    content = {"format": FORMAT, "study": study_digest(store), "rater": "R01", "consent": "2026-01-01T00:00:00Z"}
    path.write_text(json.dumps(content | {"answers": answers}))
    return path


def on_form(verdict, at, **more):
    """An answer to the first item, whose sides are as they are shown."""
    verdicts = {"verdict": verdict, "verdicts": dict.fromkeys(KEYS, verdict)}
    return {"position": 0, "done": True, "at": at.isoformat()} | verdicts | more


def first(store):
    return store.events.answers()[store.numbers["R01"][0]].answer


@pytest.fixture
def study(tmp_path):
    with made(tmp_path) as store:
        assert not store.assignments[store.numbers["R01"][0]].flipped
        yield store


def test_what_was_said_on_the_page_since_stands(study, tmp_path):
    number = study.numbers["R01"][0]
    study.save(number, judged("b"), "page")
    older = form(study, tmp_path / "older.json", on_form("first", NOW - timedelta(days=1)))
    done = import_answers(study, older)
    assert (done.saved, done.already, done.replaced) == (0, 1, 0)
    assert first(study).verdict == "b"
    newer = form(study, tmp_path / "newer.json", on_form("first", datetime.now(UTC) + timedelta(hours=1)))
    done = import_answers(study, newer)
    assert (done.saved, done.already, done.replaced) == (1, 0, 1)
    assert first(study).verdict == "a"


def test_an_answer_that_was_begun_replaces_none_that_is_finished(study, tmp_path):
    study.save(study.numbers["R01"][0], judged("b"), "page")
    begun = on_form("first", datetime.now(UTC) + timedelta(hours=1), done=False)
    assert import_answers(study, form(study, tmp_path / "a.json", begun)).already == 1
    assert [a.verdict for a in study.annotations()] == ["b"]


def test_files_of_one_form_are_taken_in_the_order_in_which_they_come_and_old_rows_do_not_return(study, tmp_path):
    days = [NOW - timedelta(days=n) for n in (3, 2, 1)]
    for n, (verdict, at) in enumerate(zip(("first", "second", "first"), days, strict=True)):
        done = import_answers(study, form(study, tmp_path / f"{n}.json", on_form(verdict, at)))
        assert done.saved == 1  # each was said before the one before was read
        assert first(study).verdict == {"first": "a", "second": "b"}[verdict]
    again = form(study, tmp_path / "again.json", on_form("second", days[1]))
    assert import_answers(study, again).already == 1
    assert first(study).verdict == "a"


def test_an_export_that_comes_back_after_a_change_does_not_undo_it(study, tmp_path):
    number = study.numbers["R01"][0]
    study.save(number, judged("a"), "one")
    export_study(study, tmp_path / "out", "csv")
    study.save(number, judged("b"), "two")
    assert import_answers(study, tmp_path / "out" / "annotations.csv").saved == 0
    assert first(study).verdict == "b"


@pytest.mark.parametrize("kind", ["csv", "long", "parquet"])
def test_nothing_is_taken_of_who_declined_on_the_page(study, tmp_path, kind):
    study.save(study.numbers["R01"][0], judged("a"), "one")
    export_study(study, tmp_path / "out", kind)
    (tmp_path / "other").mkdir()
    with made(tmp_path / "other") as copy:
        copy.events.append("R01", "declined", "d", {}, None)
        file = tmp_path / "out" / ("long.jsonl" if kind == "long" else f"annotations.{kind}")
        done = import_answers(copy, file)
        assert done.saved == 0
        assert "declined" in done.refused[0].reason


def rewritten(path, change):
    """The rows of a CSV file, changed as a person in a spreadsheet would."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        change(row)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_danger_is_kept_though_the_answer_lacks_something(study, tmp_path):
    study.save(study.numbers["R01"][0], judged("a", risk=True, comment="He speaks of a plan."), "one")
    export_study(study, tmp_path / "out", "csv")
    file = tmp_path / "out" / "annotations.csv"
    rewritten(file, lambda row: row.update(verdict="", risk="TRUE", at=""))
    (tmp_path / "other").mkdir()
    with made(tmp_path / "other") as copy:
        done = import_answers(copy, file)
        assert (done.saved, done.incomplete, done.refused) == (1, 1, ())
        assert first(copy).risk
        assert not first(copy).done
        assert copy.annotations() == []
        rewritten(file, lambda row: row.update(risk="WAHR"))
        assert "risk say" in import_answers(copy, file).refused[0].reason


def test_odd_ends_of_lines_in_a_comment_come_back(study, tmp_path):
    odd = 'one\rtwo\r\n"three"\n=four'
    study.save(study.numbers["R01"][0], judged("a", comment=odd), "one")
    export_study(study, tmp_path / "out", "csv")
    (tmp_path / "other").mkdir()
    with made(tmp_path / "other") as copy:
        done = import_answers(copy, tmp_path / "out" / "annotations.csv")
        assert (done.saved, done.refused) == (1, ())
        assert first(copy).comment == odd


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.jsonl", '{"task": ["x"], "item": "i", "rater": "R01", "label": "a"}\n'), ("b.csv", "task,item,rater,label\n")],
)
def test_a_file_of_which_nothing_is_taken_is_an_error_and_no_traceback(tmp_path, monkeypatch, name, text):
    with made(tmp_path, full=True):
        pass
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text + ("" if name == "a.jsonl" else "overall,x,R09,a\n"))
    app = typer.Typer()
    app.command("import")(annotate_exchange.import_)
    app.command("other")(annotate_exchange.export)
    done = CliRunner().invoke(app, ["import", "study.sqlite", name, "--format", "long"])
    assert isinstance(done.exception, InputError)
    assert "nothing was taken" in str(done.exception)
    done = CliRunner().invoke(app, ["import", "study.sqlite", name, "--format", "csv"])
    assert isinstance(done.exception, InputError)
