"""Qualtrics: a survey for each rater in its Advanced Format, and the CSV of answers that comes back.

A question is called `CODE_NNN_WHAT`: the rater's code, the place in their order from 001, and `overall`, a principle's
key, `risk`, `skip`, `comment` or `time`. `CODE_consent_DIGEST` says which study it is, and that the rater agreed.
Layout: Qualtrics' help pages on importing surveys and on the downloaded data set, and surveys in public repositories.
"""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from psychocounsel.annotate.exchange.given import Given
from psychocounsel.annotate.exchange.json_files import dict_of
from psychocounsel.annotate.exchange.sides import CANNOT, RISK, SKIP, VERDICTS, plain, shown_texts, study_digest
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Assignment, Item, StudyPlan
from psychocounsel.artifacts import write_text
from psychocounsel.errors import InputError
from psychocounsel.principles import HIGHEST, LOWEST, Principle

_AGREE = {"1": "I have read this and agree to take part", "2": "I do not agree"}
_RISK, _SKIP = {"1": RISK}, {"1": SKIP}
_CANNOT = str(HIGHEST + 1)
"""Recoded value of "I cannot judge" of a single response, after its ratings."""
_PAIR = {str(n): words for n, words in enumerate(VERDICTS.values(), 1)}
_PAIR_MEANS = {str(n): name for n, name in enumerate(VERDICTS, 1)}
_TIME = "_Page Submit"
"""What Qualtrics adds to the name of a timing question for the seconds that a page was open."""
_MARKUP = {ord("["): "&#91;", ord("]"): "&#93;", ord("$"): "&#36;", ord("{"): "&#123;"} | {
    ord(end): "<br>" for end in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
}
"""What the format or Qualtrics' piped text would read as a command."""


def write(store: Store, out: Path) -> tuple[Path, ...]:
    """Write `CODE.txt` for each rater that has not withdrawn. It tells nothing of models and labels, blind or not.

    Raises InputError where two codes would be one as Qualtrics writes them.
    """
    _plain_codes(store)
    digest, withdrawn, paths = study_digest(store), store.withdrawn(), []
    for code in store.numbers:
        if code not in withdrawn:
            paths.append(out / f"{plain(code)}.txt")
            write_text(paths[-1], _survey(store, code, digest))
    return tuple(paths)


def _plain_codes(store: Store) -> dict[str, str]:
    codes = {plain(code): code for code in store.numbers}
    if len(codes) < len(store.numbers):
        raise InputError("two raters' codes differ only in marks that Qualtrics writes as _. Give them other codes.")
    return codes


def _survey(store: Store, code: str, digest: str) -> str:
    plan = store.plan
    lines = ["[[AdvancedFormat]]", "", "[[Block:Consent]]", ""]
    lines += [
        "[[Question:DB]]",
        f"[[ID:{plain(code)}_about]]",
        f"{_text(plan.consent)}<br><br>{_text(_help(plan))}",
        "",
    ]
    lines += _choice(_consent(code, digest), "Do you agree to take part?", _AGREE)
    lines += [
        "[[Block:Instructions]]",
        "",
        "[[Question:DB]]",
        f"[[ID:{plain(code)}_how]]",
        _text(plan.instructions),
        "",
    ]
    for number in store.numbers[code]:
        each = store.assignments[number]
        lines += _item(plan, store.items[each.item], each, len(store.numbers[code]))
    return "\n".join(lines)


def _help(plan: StudyPlan) -> str:
    return "\n".join(f"{line.name}: {line.how}{f' ({line.where})' if line.where else ''}" for line in plan.help_lines)


def _text(text: str) -> str:
    return html.escape(text.replace("\r\n", "\n"), quote=False).translate(_MARKUP)


def _consent(code: str, digest: str) -> str:
    return f"{plain(code)}_consent_{digest[:8]}"


def _tag(each: Assignment, what: str) -> str:
    return f"{plain(each.rater)}_{each.position + 1:03d}_{what}"


def _choice(tag: str, text: str, choices: Mapping[str, str]) -> list[str]:
    lines = ["[[Question:MC:SingleAnswer:Vertical]]", f"[[ID:{tag}]]", text, "[[AdvancedChoices]]"]
    for value, words in choices.items():
        lines += [f"[[Choice:{value}]]", _text(words)]
    return [*lines, ""]


def _item(plan: StudyPlan, item: Item, each: Assignment, total: int) -> list[str]:
    shown = [f"<strong>Item {each.position + 1} of {total}</strong>"]
    for turn in item.conversation:
        shown.append(f"<strong>{turn.role.capitalize()}:</strong> {_text(turn.text)}")
    titles = ("First response", "Second response") if plan.kind == "pairs" else ("Response",)
    for title, response in zip(titles, shown_texts(item, each), strict=True):
        shown.append(f"<strong>{title}</strong><br>{_text(response)}")
    lines = [f"[[Block:Item {each.position + 1}]]", "", "[[Question:Timing]]", f"[[ID:{_tag(each, 'time')}]]", ""]
    lines += ["[[Question:DB]]", f"[[ID:{_tag(each, 'text')}]]", "<br><br>".join(shown), ""]
    for principle in plan.rubric.principles:
        lines += _choice(_tag(each, principle.key), _asked(plan, principle), _choices(plan, principle))
    lines += _choice(_tag(each, "overall"), "<strong>Overall</strong>", _choices(plan, None))
    lines += _choice(_tag(each, "risk"), "A danger?", _RISK)
    lines += _choice(_tag(each, "skip"), "Is it too distressing? Then leave the rest out.", _SKIP)
    return [*lines, "[[Question:TE:Essay]]", f"[[ID:{_tag(each, 'comment')}]]", "Comment (optional)", ""]


def _asked(plan: StudyPlan, principle: Principle) -> str:
    text = f"<strong>{_text(principle.name)}</strong><br>{_text(principle.definition)}"
    if plan.kind == "pairs":
        text += "".join(f"<br>{level}: {_text(anchor)}" for level, anchor in sorted(principle.anchors.items()))
    return text


def _choices(plan: StudyPlan, principle: Principle | None) -> dict[str, str]:
    """Return recoded value to words. `principle` is None for the whole."""
    if plan.kind == "pairs":
        return _PAIR
    if principle is None:
        return {str(n): str(n) for n in range(LOWEST, HIGHEST + 1)} | {_CANNOT: CANNOT}
    return {str(level): f"{level} - {anchor}" for level, anchor in sorted(principle.anchors.items())}


def read(store: Store, path: Path, raters: Mapping[str, str]) -> Iterator[Given]:
    """Read the CSV or TSV of one or several raters' surveys, with numbers or with the words of the choices.

    Raises InputError where it lacks Qualtrics' three header rows, or any column of this study.
    """
    names, rows = _table(path)
    digest, codes = study_digest(store), _plain_codes(store)
    here = {code: _consent(code, digest) for code in codes.values()}
    if not set(here.values()) & set(names):
        raise InputError(
            f"{path.name} has no column CODE_consent_{digest[:8]}: its survey was not made from this study as it is."
        )
    done: dict[str, int] = {}
    for number, cells in enumerate(rows, 1):
        if len(cells) != len(names):
            yield Given(number, fault=f"{len(cells)} cells where the header has {len(names)}")
            continue
        row = dict(zip(names, map(str.strip, cells), strict=True))
        said = [code for code, tag in here.items() if row.get(tag)]
        try:
            fault = _whose(row, said, here, done)
        except InputError as error:
            fault = str(error)
        if fault:
            yield Given(number, fault=fault)
            continue
        done[said[0]] = number
        store.agreed_elsewhere(said[0], f"qualtrics-{digest[:8]}", {"qualtrics": True})
        yield from _answers(store, said[0], number, row)


def _whose(row: Mapping[str, str], said: list[str], here: Mapping[str, str], done: Mapping[str, int]) -> str:
    """Return why a row is nobody's answers; empty where it is one rater's."""
    strange = [n for n, cell in row.items() if cell and re.fullmatch(r"\w+_consent_[0-9a-f]{8}", n)]
    if row.get("Status", "").lower() in ("1", "survey preview"):
        return "it is a preview, and no answer"
    if len(said) != 1:
        others = len(set(strange) - set(here.values()))
        return f"it answers the consent of {len(said)} raters of this study and {others} others, and not of one"
    if _value(row[here[said[0]]], _AGREE) != "1":
        return f"{said[0]} did not agree to take part"
    return f"{said[0]} has answered in row {done[said[0]]} already; leave one of the rows" if said[0] in done else ""


def _answers(store: Store, code: str, number: int, row: Mapping[str, str]) -> Iterator[Given]:
    for assignment in store.numbers[code]:
        each = store.assignments[assignment]
        cells = {what: row.get(_tag(each, what), "") for what in ("overall", "risk", "skip", *store.plan.rubric.keys)}
        comment = row.get(_tag(each, "comment"), "")
        if not any(cells.values()) and not comment:
            continue
        try:
            answer = _answer(store.plan, cells) | {"comment": comment, "done": True}
            answer["seconds"] = _seconds(row.get(_tag(each, "time") + _TIME, ""))
            yield Given(number, code, each.position, answer=answer, shown=True)
        except InputError as error:
            yield Given(number, fault=f"item {each.position + 1}: {error}")


def _answer(plan: StudyPlan, cells: Mapping[str, str]) -> dict[str, Any]:
    answer: dict[str, Any] = {"risk": bool(cells["risk"]), "skipped": bool(cells["skip"])}
    if answer["skipped"]:
        return answer
    overall = _value(cells["overall"], _choices(plan, None))
    given = {p.key: _value(cells[p.key], _choices(plan, p)) for p in plan.rubric.principles if cells[p.key]}
    if plan.kind == "pairs":
        answer["verdicts"] = {key: _PAIR_MEANS[value] for key, value in given.items()}
        return answer | ({"verdict": _PAIR_MEANS[overall]} if overall else {})
    answer["scores"] = {key: int(value) for key, value in given.items()}
    if overall == _CANNOT:
        return answer | {"cannot": True}
    return answer | ({"overall": int(overall)} if overall else {})


def _value(cell: str, choices: Mapping[str, str]) -> str:
    """Return the recoded value of a cell that holds it, or the choice's words. Raises InputError for anything else."""
    if not cell or cell in choices:
        return cell
    words = _folded(html.unescape(cell))
    found = next((value for value, text in choices.items() if _folded(text) == words), None)
    if found is None:
        raise InputError("it holds a choice that the survey does not have")
    return found


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _seconds(cell: str) -> float:
    try:
        return min(max(float(cell), 0.0), 86_400.0)
    except ValueError:
        return 0.0


def is_one(path: Path) -> bool:
    """Whether a file has Qualtrics' three header rows."""
    try:
        return bool(_table(path))
    except InputError:
        return False


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    for encoding in ("utf-8-sig", "utf-16"):
        try:
            with path.open(encoding=encoding, newline="") as handle:
                rows = [row for row in csv.reader(handle, delimiter=delimiter, strict=True) if row]
            break
        except UnicodeError:
            continue
        except csv.Error:
            raise InputError(f"{path.name} is no CSV: a quote is not closed, or a cell is too long.") from None
    else:
        raise InputError(f"{path.name} is neither UTF-8 nor UTF-16. Export it again, as CSV.")
    if len(rows) < 3 or not any(_import_id(cell) for cell in rows[2]):
        raise InputError(f"{path.name} lacks Qualtrics' three header rows: names, questions and ImportIds.")
    return [name.strip() for name in rows[0]], rows[3:]


def _import_id(cell: str) -> bool:
    try:
        return "ImportId" in dict_of(json.loads(cell))
    except ValueError:
        return False
