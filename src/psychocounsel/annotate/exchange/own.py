"""Our own forms of a study: Annotation Parquet, CSV, and the long format that `annotate agree` reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from io import StringIO
from pathlib import Path
from typing import Any

from psychocounsel.annotate.exchange.cells import defused, restored
from psychocounsel.annotate.exchange.given import Given
from psychocounsel.annotate.exchange.items import StudyItem, study_items
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import speech_of
from psychocounsel.artifacts import write_text
from psychocounsel.errors import InputError
from psychocounsel.files import NO, YES, read_rows
from psychocounsel.records import Annotation, content_id
from psychocounsel.tables import read_records, write_records

OVERALL = "overall"
"""The long format's task that is the judgement as a whole; the others are called as their principles."""
_MAPS = ("principle_verdicts", "scores")


def _said(store: Store, blind: bool) -> list[Annotation]:
    """Return what was said; without ids of speech and responses where it is blind, as they tell the model."""
    found = store.annotations()
    return [replace(a, speech_id="", response_a="", response_b="") for a in found] if blind else found


def write_parquet(store: Store, out: Path, blind: bool) -> tuple[Path, ...]:
    """Write `annotations.parquet`, and `items.parquet` beside it."""
    answers, items = out / "annotations.parquet", out / "items.parquet"
    write_records(answers, Annotation, _said(store, blind))
    write_records(items, StudyItem, study_items(store, blind))
    return answers, items


def write_csv(store: Store, out: Path, blind: bool) -> tuple[Path, ...]:
    """Write `annotations.csv` and `items.csv`: UTF-8, a row an answer or item, no cell that a spreadsheet runs."""
    told = {item.id: item for item in study_items(store, blind)}
    keys = store.plan.rubric.keys
    rows = []
    for each in _said(store, blind):
        row = {name: value for name, value in asdict(each).items() if name not in _MAPS}
        row["spans"] = "; ".join(each.spans)
        for prefix, given in (("verdict", each.principle_verdicts), ("score", each.scores)):
            if prefix == ("verdict" if store.plan.kind == "pairs" else "score"):
                row |= {f"{prefix}_{key}": given.get(key) for key in keys}
        row["simulated"] = store.plan.simulated
        if not blind:
            item = told[each.item]
            row |= {"model_a": item.model_a, "model_b": item.model_b, "label": item.label, "gap": item.gap}
        rows.append(row)
    answers, items = out / "annotations.csv", out / "items.csv"
    columns = list(rows[0]) if rows else [f.name for f in fields(Annotation) if f.name not in _MAPS]
    write_text(answers, _table(columns, rows))
    write_text(items, _table([f.name for f in fields(StudyItem)], [_flat(item) for item in told.values()]))
    return answers, items


def _flat(item: StudyItem) -> dict[str, Any]:
    row = asdict(item)
    return row | {
        name: json.dumps(row[name], ensure_ascii=False) for name in row if isinstance(row[name], dict | tuple)
    }


def _table(columns: list[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = StringIO()
    # Everything in quotes: Python's writer leaves a carriage return within a cell bare, and readers end the row there.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows([defused(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def write_long(store: Store, out: Path) -> tuple[Path, ...]:
    """Write `long.jsonl`: `task`, `item`, `rater`, `label`, of main items seen the first time.

    "I cannot judge" and skipped items are gaps, as no label is: they have no line.
    """
    lines = []
    for each in store.annotations():
        if each.role != "main" or each.repeat or each.skipped:
            continue
        if store.plan.kind == "responses" and each.verdict == "cannot":  # of a response that is said of all of it
            continue
        whole = each.verdict if store.plan.kind == "pairs" else each.overall
        given: dict[str, Any] = {OVERALL: whole, **each.principle_verdicts, **each.scores}
        for task, label in given.items():
            if label in (None, "", "cannot"):
                continue
            label = int(label) if isinstance(label, float) else label
            row = {"task": task, "item": each.item, "rater": each.rater, "label": label}
            row["cluster"] = content_id("cluster", speech_of(store.items[each.item]))  # a speech's id may tell a model
            lines.append(json.dumps(row | ({"simulated": True} if store.plan.simulated else {})))
    path = out / "long.jsonl"
    write_text(path, "".join(f"{line}\n" for line in lines))
    return (path,)


def read_parquet(store: Store, path: Path, raters: Mapping[str, str]) -> Iterator[Given]:
    """Read an `annotations.parquet`. Raises ArtifactError where it is none."""
    for number, each in enumerate(read_records(path, Annotation), 1):
        yield _given(store, number, asdict(each))


def read_csv(store: Store, path: Path, raters: Mapping[str, str]) -> Iterator[Given]:
    """Read an `annotations.csv`. Raises InputError where it lacks the columns that say whose answer it is."""
    for row in read_rows(path):
        if row.values is None:
            yield Given(row.number, fault=row.fault)
            continue
        cells = {name: restored(cell) for name, cell in row.values.items()}
        if lacking := [name for name in ("study", "rater", "item", "position") if name not in cells]:
            raise InputError(f"{path.name} is no annotations.csv of ours: it has no column {', '.join(lacking)}.")
        values: dict[str, Any] = {name: cells.get(name, "") for name in ("verdict", "overall", "comment", "seconds")}
        values |= {"study": cells["study"], "rater": cells["rater"], "item": cells["item"]}
        values["position"] = _number(cells["position"])
        values["at"] = cells.get("at", "")
        strange = [name for name in ("risk", "skipped") if cells.get(name, "").strip().lower() not in YES | NO]
        if strange:  # a danger that was flagged in other words must not be lost
            yield Given(row.number, fault=f"{' and '.join(strange)} say neither 1 nor 0")
            continue
        values |= {name: cells.get(name, "").strip().lower() in YES for name in ("risk", "skipped")}
        values["spans"] = [span for span in cells.get("spans", "").split("; ") if span]
        for name, prefix in (("principle_verdicts", "verdict_"), ("scores", "score_")):
            values[name] = {k.removeprefix(prefix): v for k, v in cells.items() if k.startswith(prefix) and v != ""}
        yield _given(store, row.number, values)


def _given(store: Store, number: int, row: Mapping[str, Any]) -> Given:
    if row["study"] != store.plan.name:
        return Given(number, fault="it is an answer of another study")
    position = row["position"]
    if not isinstance(position, int) or isinstance(position, bool):
        return Given(number, fault="its position is no whole number")
    try:
        answer = _answer(store, row)
    except InputError as error:
        return Given(number, fault=str(error))
    return Given(number, row["rater"], position, row["item"], answer=answer, at=str(row.get("at") or ""))


def _answer(store: Store, row: Mapping[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "comment": row["comment"], "risk": row["risk"], "skipped": row["skipped"], "seconds": row["seconds"] or 0,
        "done": True, "spans": [_span(text) for text in row["spans"]],
    }  # fmt: skip
    if store.plan.kind == "responses" and row["verdict"] == "cannot":
        answer["cannot"] = True
    elif row["verdict"]:
        answer["verdict"] = row["verdict"]
    if row["overall"] not in (None, ""):
        answer["overall"] = _number(row["overall"])
    answer["verdicts"] = dict(row["principle_verdicts"])
    answer["scores"] = {key: _number(score) for key, score in row["scores"].items()}
    return answer


def _span(text: str) -> dict[str, Any]:
    parts = text.split(" ")
    if len(parts) != 4:
        raise InputError("a span is not `side start end kind`")
    return dict(zip(("side", "start", "end", "kind"), parts, strict=True))


def _number(value: Any) -> Any:
    """Return a whole number where it is one, however it is written; the value itself where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    return int(number) if number.is_integer() else value


def read_long(store: Store, path: Path, raters: Mapping[str, str]) -> Iterator[Given]:
    """Read the long format. The lines of one rater and item make one answer, told by the first of its rows."""
    found: dict[tuple[str, str], Given] = {}
    tasks = {OVERALL, *store.plan.rubric.keys}
    for row in read_rows(path):
        values = row.values or {}
        rater, item, task, label = (values.get(name) for name in ("rater", "item", "task", "label"))
        if row.fault or rater is None or item is None or label is None or str(task) not in tasks:
            reason = row.fault or "it lacks item, rater or label, or its task is neither overall nor a principle"
            yield Given(row.number, fault=reason)
            continue
        given = found.setdefault((str(rater), str(item)), Given(row.number, str(rater), None, str(item)))
        if not _put(store, given.answer, str(task), label):
            yield Given(row.number, fault="the same rater has judged the same item on the same task already")
    for given in found.values():
        given.answer["done"] = True
        yield given


def _put(store: Store, answer: dict[str, Any], task: str, label: Any) -> bool:
    pairs = store.plan.kind == "pairs"
    if task == OVERALL:
        place, name = answer, "verdict" if pairs else "overall"
    else:
        place, name = answer.setdefault("verdicts" if pairs else "scores", {}), task
    if name in place:
        return False
    place[name] = label
    return True
