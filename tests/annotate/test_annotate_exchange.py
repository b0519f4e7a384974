"""Answers out and back in: nothing is lost, nothing doubled, nothing told that should not be."""

from __future__ import annotations

import csv
import html
import json
import re
from itertools import product

import pytest
import typer
from exchange_study import KEYS, NAME, NASTY, SECRETS, answer_of, made, without_time
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from psychocounsel.annotate.exchange import FORMATS, export_study, import_answers
from psychocounsel.annotate.exchange.argilla import user_id
from psychocounsel.annotate.exchange.cells import defused, restored
from psychocounsel.annotate.exchange.items import StudyItem
from psychocounsel.annotate.exchange.offline import FORMAT
from psychocounsel.annotate.exchange.sides import study_digest
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer
from psychocounsel.cli import annotate_exchange
from psychocounsel.errors import InputError
from psychocounsel.records import Annotation
from psychocounsel.tables import read_records

USERS = {"1": "R01", "second@example.org": "R02"}
BACK = {
    "csv": "annotations.csv", "parquet": "annotations.parquet", "label-studio": "tasks.json", "argilla": ".",
}  # fmt: skip
"""What is imported of each export that holds every answer."""


@pytest.fixture(params=["pairs", "responses"])
def full(request, tmp_path):
    with made(tmp_path, request.param, full=True) as store:
        yield store


def another(store, tmp_path, name="copy.sqlite"):
    return made(tmp_path, store.plan.kind, name)


@pytest.mark.parametrize("kind", BACK)
def test_what_is_exported_comes_back_as_it_was_and_only_once(full, tmp_path, kind):
    users = USERS if kind == "label-studio" else {}
    export_study(full, tmp_path / "out", kind, blind=True, raters=users)
    file = tmp_path / "out" / BACK[kind]
    with another(full, tmp_path) as copy:
        first = import_answers(copy, file, raters=users)
        assert (first.format, first.read, first.saved, first.already) == (kind, 12, 12, 0), first.refused
        said = without_time(copy.annotations())
        whole = without_time(full.annotations())
        assert said == whole
        assert {a["skipped"] for a in whole} == {True, False}
        assert sum(bool(a["spans"]) for a in whole) == 2
        assert [event.kind for event in copy.events.all()].count("imported") == 2

        number = copy.numbers["R01"][0]
        copy.save(number, answer_of(full, number).model_copy(update={"comment": "later"}), key="later")
        before = len(copy.events.all())
        again = import_answers(copy, file, raters=users)
        assert (again.saved, again.already, again.refused) == (0, 12, ())
        assert len(copy.events.all()) == before
        assert copy.events.answers()[number].answer.comment == "later"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_blind_export_tells_no_model_and_no_label_and_none_tells_a_name(full, tmp_path, kind):
    for blind in (True, False):
        out = tmp_path / f"{kind}{blind}"
        export_study(full, out, kind, blind=blind)
        written = "".join(_readable(path) for path in out.rglob("*") if path.is_file())
        assert NAME not in written
        found = {secret for secret in SECRETS if secret in written}
        if blind:
            # Topics stay in our own tables, for whoever analyses; who rates elsewhere sees none.
            assert found <= ({"Work topic"} if kind in ("csv", "parquet") else set())
            assert '"attention"' not in written or kind in ("csv", "parquet")
        elif kind in ("csv", "parquet", "label-studio", "argilla"):
            assert "secret-model" in found


def _readable(path):
    if path.suffix != ".parquet":
        return path.read_text("utf-8")
    return json.dumps([str(r) for r in read_records(path, Annotation if "annot" in path.name else StudyItem)])


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers(full, tmp_path):
    export_study(full, tmp_path / "out", "csv")
    cells = []
    for name in ("annotations.csv", "items.csv"):
        with (tmp_path / "out" / name).open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        cells += [cell for row in rows for cell in row.values()]
        assert {float(row["gap"]) for row in rows} == {1.5}
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert '\'=HYPERLINK("x")' in cells
    assert "''=1" in cells


@given(st.text(alphabet=st.one_of(st.sampled_from("'=+-@\t\r\n＝ a"), st.characters(codec="utf-8")), max_size=8))
def test_defused_text_is_restored(text):
    cell = defused(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert restored(cell) == text


def test_defused_leaves_numbers_alone():
    assert [defused(value) for value in (-1.5, 3, None, True)] == [-1.5, 3, "", 1]


def test_the_long_format_has_a_line_for_each_label_of_a_main_item(full, tmp_path):
    export_study(full, tmp_path / "out", "long")
    lines = [json.loads(line) for line in (tmp_path / "out" / "long.jsonl").read_text().splitlines()]
    expected = []
    for number, each in full.assignments.items():
        answer = answer_of(full, number)
        if full.items[each.item].role != "main" or each.repeat or answer.skipped or "cannot" in (answer.verdict, ""):
            continue
        if answer.cannot:
            continue
        whole = {"overall": answer.verdict or answer.overall}
        for task, label in {**whole, **answer.verdicts, **answer.scores}.items():
            if label != "cannot":
                expected.append({"task": task, "item": each.item, "rater": each.rater, "label": label})
    clusters = {line["item"]: line.pop("cluster") for line in lines}
    speeches = {item: full.items[item].speech_id for item in clusters}
    assert len(set(clusters.values())) == len(set(speeches.values()))
    key = json.dumps
    assert sorted(lines, key=key) == sorted(expected, key=key)
    assert {tuple(line) for line in lines} == {("task", "item", "rater", "label")}

    with another(full, tmp_path) as copy:
        done = import_answers(copy, tmp_path / "out" / "long.jsonl")
        per_answer = {}
        for line in expected:
            per_answer.setdefault((line["rater"], line["item"]), []).append(line["task"])
        complete = [answer for answer, tasks in per_answer.items() if len(tasks) == 1 + len(KEYS)]
        assert (done.read, done.saved) == (len(per_answer), len(complete))
        assert all("is not answered" in each.reason for each in done.refused)
        assert {(a.rater, a.item) for a in copy.annotations()} == set(complete)


def test_rows_that_do_not_fit_are_told_by_number_and_stop_no_other(tmp_path):
    with made(tmp_path, "responses", full=True) as store:
        export_study(store, tmp_path / "out", "csv")
        path = tmp_path / "out" / "annotations.csv"
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        rows[0] |= {"rater": NAME}
        rows[1] |= {"study": "Some other study"}
        rows[3] |= {"score_empathy": "6", "comment": "what the client wrote"}
        rows[4] |= {"overall": "4.5"}
        rows[5] |= {"position": "99"}
        rows[6] |= {"item": rows[7]["item"]}
        rows[9] |= {"spans": "a 3 harmful", "score_clarity": ""}
        rows[10] |= {"score_clarity": ""}
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        with another(store, tmp_path) as copy:
            copy.access.raters()
            done = import_answers(copy, path)
        told = {each.row: each.reason for each in done.refused}
        assert (done.read, done.saved, sorted(told)) == (12, 4, [1, 2, 4, 5, 6, 7, 10, 11])
        assert "it has 2" in told[1]
        assert "another study" in told[2]
        assert "less than or equal to 5" in told[4]
        assert "Clarity and conciseness is not answered" in told[11]
        everything = " ".join(told.values())
        assert NAME not in everything
        assert "client wrote" not in everything


def test_a_withdrawn_rater_is_neither_exported_nor_taken_back(tmp_path):
    with made(tmp_path, full=True) as store:
        export_study(store, tmp_path / "before", "csv")
        store.events.append("R02", "withdrawn", "w", {}, None)
        for kind in FORMATS:
            export_study(store, tmp_path / kind, kind)
            written = "".join(_readable(p) for p in (tmp_path / kind).rglob("*") if p.is_file())
            assert "R02" not in written, kind
        done = import_answers(store, tmp_path / "before" / "annotations.csv")
        assert (done.already, len(done.refused)) == (6, 6)
        assert "withdrawn" in done.refused[0].reason


def test_adjudicated_items_say_what_was_decided_and_not_by_whom(tmp_path):
    with made(tmp_path) as store:
        item = next(iter(store.items))
        decided = Answer(verdict="b", verdicts=dict.fromkeys(KEYS, "tie"), done=True)
        store.adjudicate(item, NAME, decided)
        export_study(store, tmp_path / "out", "parquet", blind=True)
        rows = read_records(tmp_path / "out" / "items.parquet", StudyItem)
        assert [(row.adjudicated, row.adjudicated_verdicts) for row in rows if row.adjudicated] == [
            ("b", dict.fromkeys(KEYS, "tie"))
        ]
        assert rows[0].conversation == store.items[item].conversation
        assert NAME not in str(rows)


# Label Studio


def _edited(tmp_path, store, change):
    """Its export of our blind tasks, after `change` has annotated the first of R01's."""
    export_study(store, tmp_path / "ls", "label-studio", blind=True)
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text("utf-8"))
    change(tasks[0])
    path = tmp_path / "back.json"
    path.write_text(json.dumps(tasks), "utf-8")
    return path


def _by_hand(second, extra=()):
    """An annotation as Label Studio 1.23.2 itself wrote one: Pairwise names itself, offsets count code points."""

    def annotate(task):
        result = [
            {"value": {"start": second.index("Just"), "end": second.index("Just") + 4, "text": "Just",
                       "labels": ["harmful"]},
             "id": "R9QXXsftnv", "from_name": "marks_second", "to_name": "second", "type": "labels",
             "origin": "manual"},
            {"value": {"selected": "right"}, "id": "tPuXqMNC28", "from_name": "overall", "to_name": "overall",
             "type": "pairwise", "origin": "manual"},
            *({"value": {"choices": ["First"]}, "id": key, "from_name": key, "to_name": "first", "type": "choices",
               "origin": "manual"} for key in KEYS),
            *extra,
        ]  # fmt: skip
        task["annotations"] = [
            {"id": 9, "completed_by": 7, "lead_time": 31.5, "was_cancelled": False, "result": result}
        ]

    return annotate


def test_what_is_annotated_in_label_studio_is_turned_back(tmp_path):
    with made(tmp_path) as store:
        each = store.assignments[store.numbers["R01"][0]]
        second = store.items[each.item].texts[1]
        assert (each.flipped, second[:2]) == (False, "\U0001f642\U0001f642")
        path = _edited(tmp_path, store, _by_hand(second))
        done = import_answers(store, path, raters={"7": "R01"})
        assert (done.format, done.read, done.saved) == ("label-studio", 1, 1), done.refused
        (said,) = store.annotations()
        assert (said.verdict, said.seconds) == ("b", 31.5)
        assert said.principle_verdicts == dict.fromkeys(KEYS, "a")
        assert said.spans == ("b 3 7 harmful",)


def test_marks_that_count_utf_16_are_moved_and_those_that_fit_nothing_refused(tmp_path):
    with made(tmp_path) as store:
        second = store.items[store.assignments[store.numbers["R01"][0]].item].texts[1]

        def shifted(by):
            def change(task):
                _by_hand(second)(task)
                value = task["annotations"][0]["result"][0]["value"]
                value["start"], value["end"] = value["start"] + by, value["end"] + by

            return change

        done = import_answers(store, _edited(tmp_path, store, shifted(1)), raters={"7": "R01"})
        assert "not where its offsets say" in done.refused[0].reason
        assert import_answers(store, _edited(tmp_path, store, shifted(2)), raters={"7": "R01"}).saved == 1
        assert store.annotations()[0].spans == ("b 3 7 harmful",)


def test_label_studio_refuses_whom_it_does_not_know_and_what_contradicts_itself(tmp_path):
    neither = {"from_name": "neither", "to_name": "first", "type": "choices", "value": {"choices": ["Equally good"]}}
    with made(tmp_path) as store:
        second = store.items[store.assignments[store.numbers["R01"][0]].item].texts[1]
        path = _edited(tmp_path, store, _by_hand(second))
        reasons = [import_answers(store, path, raters=r).refused[0].reason for r in ({}, {"7": "R02"})]
        assert "--rater 7=CODE; the study has 2 raters" in reasons[0]
        assert "another rater's" in reasons[1]
        with pytest.raises(InputError, match="codes that the study's 2 raters do not have"):
            import_answers(store, path, raters={"7": "R77"})
        both = import_answers(store, _edited(tmp_path, store, _by_hand(second, [neither])), raters={"7": "R01"})
        assert "says that neither is better" in both.refused[0].reason
        skipped = _edited(tmp_path, store, lambda task: _by_hand(second)(task) or _cancel(task))
        assert import_answers(store, skipped, raters={"7": "R01"}).saved == 1
        assert store.annotations()[0].skipped


@pytest.mark.parametrize("odd", [["left"], {"left": 1}, 5, None, True])
def test_no_result_of_label_studio_breaks_the_import(tmp_path, odd):
    with made(tmp_path) as store:
        second = store.items[store.assignments[store.numbers["R01"][0]].item].texts[1]
        names = ("overall", "neither", "flags", "comment", "marks_second", KEYS[0])
        parts = ("selected", "rating", "choices", "labels", "start", "end")

        def annotate(task):
            made_of = []
            for name, part in product(names, parts):
                more = {"from_name": name, "to_name": "first", "type": "choices", "value": {part: odd}}
                _by_hand(second, [more])(task)
                made_of += task["annotations"]
            task["annotations"] = made_of

        done = import_answers(store, _edited(tmp_path, store, annotate), raters={"7": "R01"})
        assert done.read == len(names) * len(parts) == done.saved + done.already + len(done.refused)


def _cancel(task):
    task["annotations"][0]["was_cancelled"] = True


def test_tasks_of_another_study_are_refused(tmp_path):
    with made(tmp_path, full=True) as store:
        export_study(store, tmp_path / "ls", "label-studio", raters={"1": "R01"})
        export_study(store, tmp_path / "rg", "argilla")
        with made(tmp_path, name="o.sqlite", count=4) as other:
            for file in (tmp_path / "ls" / "tasks.json", tmp_path / "rg"):
                done = import_answers(other, file, raters={"1": "R01"})
                assert (done.saved, len(done.refused)) == (0, done.read)


# Qualtrics


def _survey(text):
    """An independent reading of the Advanced Format: tag to kind, words and choices."""
    assert text.startswith("[[AdvancedFormat]]")
    questions = {}
    for part in text.split("[[Question:")[1:]:
        kind, rest = part.split("]]", 1)
        tag = re.match(r"\n\[\[ID:(\w+)\]\]\n", rest)[1]
        assert tag not in questions
        choices = dict(re.findall(r"\[\[Choice:(\d+)\]\]\n(.+)\n", rest))
        questions[tag] = (kind, rest.split("]]\n", 1)[1].split("\n[[")[0], choices)
    return questions


def _came_back(path, questions, rows, words=False):
    """What Qualtrics writes: names, questions, ImportIds, then the rows; with numbers, or as TSV with words."""
    columns = ["StartDate", "Status", "ResponseId"]
    columns += [
        f"{tag}_Page Submit" if kind == "Timing" else tag for tag, (kind, _, _) in questions.items() if kind != "DB"
    ]
    with path.open("w", encoding="utf-16" if words else "utf-8-sig", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t" if words else ",")
        writer.writerow(columns)
        writer.writerow([f"Question of {column}" for column in columns])
        writer.writerow([json.dumps({"ImportId": f"QID{n}"}) for n, _ in enumerate(columns)])
        for row in rows:
            cells = {"StartDate": "2026-01-01 10:00:00", "Status": "IP Address", "ResponseId": "R_1"} | row
            if words:
                cells = {k: html.unescape(questions[k][2].get(v, v)) if k in questions else v for k, v in cells.items()}
            writer.writerow([cells.get(column, "") for column in columns])
    return path


def _filled(store, code, questions):
    """What a rater would choose of the survey's own choices, found by their words."""
    row = {next(t for t in questions if t.startswith(f"{code}_consent_")): "1"}
    side = {"first": "First", "second": "Second", "tie": "Equally good", "cannot": "I cannot judge"}

    def pick(tag, words):
        (row[tag],) = (
            value for value, text in questions[tag][2].items() if text == words or text.startswith(f"{words} -")
        )

    for number in store.numbers[code]:
        each, answer = store.assignments[number], answer_of(store, number)
        tag = f"{code}_{each.position + 1:03d}"
        row[f"{tag}_time_Page Submit"] = str(answer.seconds)
        row[f"{tag}_comment"] = answer.comment
        turned = {"a": "second", "b": "first"} if each.flipped else {"a": "first", "b": "second"}
        given = {**answer.verdicts, **answer.scores, "overall": answer.verdict or answer.overall}
        for what, value in given.items():
            if value is not None:
                pick(f"{tag}_{what}", side.get(turned.get(value, value), str(value)))
        if answer.cannot:
            pick(f"{tag}_overall", "I cannot judge this response")
        row |= ({f"{tag}_skip": "1"} if answer.skipped else {}) | ({f"{tag}_risk": "1"} if answer.risk else {})
    return row


@pytest.mark.parametrize("words", [False, True])
def test_a_study_run_in_qualtrics_comes_back(full, tmp_path, words):
    export_study(full, tmp_path / "q", "qualtrics")
    by_code = {code: _survey((tmp_path / "q" / f"{code}.txt").read_text("utf-8")) for code in ("R01", "R02")}
    with another(full, tmp_path) as copy:
        for code, questions in by_code.items():
            path = _came_back(
                tmp_path / f"{code}.{'tsv' if words else 'csv'}", questions, [_filled(full, code, questions)], words
            )
            done = import_answers(copy, path)
            assert (done.format, done.read, done.saved) == ("qualtrics", 6, 6), done.refused
            assert import_answers(copy, path).already == 6
            assert copy.consent_of(code) is not None
        said, whole = without_time(copy.annotations()), without_time(full.annotations())
        for each in whole:  # a survey has no marks
            each["spans"] = ()
        for each in (*said, *whole):  # Qualtrics' own cells lose white space at their ends
            each["comment"] = each["comment"].strip()
        assert said == whole


def test_no_text_is_a_command_in_a_survey(full, tmp_path):
    export_study(full, tmp_path / "q", "qualtrics")
    text = (tmp_path / "q" / "R01.txt").read_text("utf-8")
    assert "[[PageBreak]]" not in text
    assert "${" not in text
    assert "<script" not in text
    assert text.splitlines() == text.split("\n")[: len(text.splitlines())]
    shown = html.unescape(_survey(text)["R01_001_text"][1].replace("<br>", "\n"))
    assert NASTY.replace("\u2028", "\n") in shown


def test_qualtrics_refuses_previews_refusals_second_rows_and_other_surveys(tmp_path):
    with made(tmp_path) as store:
        export_study(store, tmp_path / "q", "qualtrics")
        questions = _survey((tmp_path / "q" / "R01.txt").read_text("utf-8"))
        good = _filled(store, "R01", questions)
        consent = next(tag for tag in good if "_consent_" in tag)
        odd = good | {"R01_001_empathy": "77"}
        rows = [good | {"Status": "Survey Preview"}, good | {consent: "2"}, {}, good | {consent: "9"}, odd, good]
        done = import_answers(store, _came_back(tmp_path / "a.csv", questions, rows))
        assert (done.saved, [each.row for each in done.refused]) == (5, [1, 2, 3, 4, 5, 6])
        reasons = [each.reason for each in done.refused]
        for reason, part in zip(
            reasons,
            ("a preview", "did not agree", "of 0 raters", "a choice", "item 1: ", "in row 5 already"),
            strict=True,
        ):
            assert part in reason
        path = tmp_path / "a.csv"
        path.write_text(path.read_text("utf-8").replace(consent, "R01_consent_00000000"), "utf-8")
        with pytest.raises(InputError, match="not made from this study"):
            import_answers(store, path)
        path.write_text("a,b\n1,2\n", "utf-8")
        with pytest.raises(InputError, match="three header rows"):
            import_answers(store, path, "qualtrics")


# Files and the command line


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", b"[{", "damaged"),
        ("a.json", b"\xff\xfe{", "not UTF-8"),
        ("a.json", b"{}", "cannot tell what made it"),
        ("a.json", b"[" * 100_000, "damaged"),
        ("a.csv", b"x,y\n1,2\n", "no column study"),
        ("a.txt", b"hello", "cannot tell what made it"),
        ("a.parquet", b"hello", "Parquet"),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with made(tmp_path) as store, pytest.raises(Exception, match=told) as raised:
        import_answers(store, tmp_path / name)
    assert type(raised.value).__name__ in ("InputError", "ArtifactError")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["first", "left"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
CONTROLS = st.sampled_from(["overall", "neither", "flags", "comment", "marks_first", "marks_x", KEYS[0]])
VALUE = st.dictionaries(st.sampled_from("selected rating choices text labels start end".split()), JSON, max_size=6)
RESULT = st.fixed_dictionaries({"from_name": CONTROLS | JSON}, optional={"value": VALUE | JSON})
FIELDS = "position verdict verdicts overall scores cannot comment seconds done flags marks_first".split()
SAID = st.dictionaries(
    st.sampled_from([*FIELDS, "completed_by", "lead_time", "was_cancelled", *KEYS]), JSON, max_size=6
)


@settings(deadline=None, max_examples=40)
@given(JSON, SAID, st.lists(RESULT, max_size=3), st.integers(-1, 7) | JSON)
def test_no_json_whatever_it_holds_breaks_the_import(anything, said, result, position):
    store, file = _SHARED["study"], _SHARED["file"]
    digest = study_digest(store)
    head = {"study": digest, "rater": "R01", "position": position}
    records = {name: [{"value": value, "user_id": user_id(digest, "R01")}] for name, value in said.items()}
    offline = {"format": FORMAT, "study": digest, "rater": "R01", "consent": "yes"}
    whole = {
        "label-studio": [{"data": head, "annotations": [{"completed_by": 1} | said | {"result": result}]}],
        "argilla": [{"metadata": head, "responses": records}],
        "offline": offline | {"answers": [{"position": position} | said, anything]},
    }
    for kind, content in whole.items():
        for each in (content, anything, [anything], {"answers": anything}):
            file.write_text(json.dumps(each), "utf-8")
            try:
                done = import_answers(store, file, kind, {"1": "R01"})
                assert done.read == done.saved + done.already + len(done.refused)
            except InputError:
                assert each is not content


_SHARED = {}


@pytest.fixture(scope="module", autouse=True)
def _one_study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    _SHARED["file"] = folder / "x.json"
    with made(folder) as store:
        _SHARED["study"] = store
        yield


def test_the_commands_export_import_and_write_a_form(tmp_path, monkeypatch):
    app = typer.Typer()
    app.command("export")(annotate_exchange.export)
    app.command("import")(annotate_exchange.import_)
    app.command("form")(annotate_exchange.form)
    monkeypatch.chdir(tmp_path)
    with made(tmp_path, full=True), made(tmp_path, name="copy.sqlite"):
        pass  # both lie there now

    def run(*arguments):
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert "answers of all raters: show it to none" in run("export", "study.sqlite", "out", "--format", "csv")
    assert "show it to no rater" in run("export", "study.sqlite", "ls", "--format", "label-studio")
    assert "show it" not in run("export", "study.sqlite", "ls", "--format", "label-studio", "--blind")
    said = run("import", "copy.sqlite", "out/annotations.csv")
    assert "12 answers read, 12 saved, 0 there already," in said
    assert "12 there already" in run("import", "copy.sqlite", "out/annotations.csv")
    said = run("form", "copy.sqlite", "R02")
    assert max(map(len, said.splitlines())) <= 80
    assert (tmp_path / "form-R02.html").is_file()
    with Store.open("copy.sqlite") as store:
        assert [line["what"] for line in store.audit()] == [
            "wrote an offline form", "import as csv: 0 answers", "import as csv: 12 answers",
        ]  # fmt: skip
    with pytest.raises(InputError, match="ID=CODE"):
        CliRunner().invoke(app, ["import", "copy.sqlite", "out", "--rater", "R01"], catch_exceptions=False)
