"""Candidates out of a file of the coordinator's, and calibration and attention items out of another.

One row is one item. Pairs: `prompt` (or `question`), `response_a` and `response_b` with `label` (a, b or tie) where
there is one; or `chosen` and `rejected`, as in the released dataset. Single responses: `prompt` and `response`. What
else may stand in a row is in docs/annotate/design.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psychocounsel.annotate.design.candidates import Candidates, Draft, labelled_item, make_item
from psychocounsel.annotate.study import Expected, Item, Kind, Role
from psychocounsel.errors import InputError
from psychocounsel.families import RULES, family_of
from psychocounsel.files import read_rows
from psychocounsel.principles import HIGHEST, LOWEST
from psychocounsel.records import RISK_LEVELS, ClientSpeech, Conversation, Response, Turn

_SHOWN = 20
"""Faults that are told one by one."""
_LABELS = ("a", "b", "tie")
_SIDES = ("chosen", "rejected")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    values: Row
    """Without the cells that are empty."""
    fault: str


def read_file(path: Path, kind: Kind, split: str | None = None) -> Candidates:
    """Return the items of a JSONL, JSON, CSV or Parquet file, of one split where it is named.

    Raises InputError with every row that is no item, by its number and without its text.
    """
    lines = list(_read(path))
    kept = [line for line in lines if split in (None, "all", line.values.get("split")) or line.fault]
    if not kept:
        raise InputError(f"{path.name} has no row{f' of the split {split!r}' if lines else ''} to make an item of.")
    items = _items(path, kept, lambda row: _item("main", row, kind))
    by_rules = any(family_of(name) == RULES for item in items for name in (*item.models, item.labeller))
    left_out = {"of another split": len(lines) - len(kept)} if len(kept) < len(lines) else {}
    return Candidates(tuple(items), f"the file {path.name}", by_rules, None, left_out)


def read_own(path: Path, kind: Kind) -> tuple[Item, ...]:
    """Return calibration and attention items: rows as for `read_file` with `role`, `expected` and perhaps `why`.

    `expected` is a, b or tie for a pair; for a response an object of principle key to 1..5. Raises InputError as
    `read_file` does.
    """
    return tuple(_items(path, list(_read(path)), lambda row: _own(row, kind)))


def _read(path: Path) -> Iterator[_Line]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    for row in read_rows(path):
        values = {k: v for k, v in (row.values or {}).items() if v is not None and v != "" and v == v}
        yield _Line(row.number, values, row.fault)


def _items(path: Path, lines: list[_Line], make: Callable[[Row], Item]) -> list[Item]:
    items, faults = [], []
    for line in lines:
        try:
            if line.fault:
                raise ValueError(line.fault)
            items.append(make(line.values))
        except ValueError as error:
            faults.append(f"row {line.number}: {error}")
    if faults:
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        told = "".join(f"\n  - {fault}" for fault in [*faults[:_SHOWN], *more])
        raise InputError(f"{path.name}: {len(faults)} of {len(lines)} rows are no items; mend or remove them.{told}")
    return items


def _own(row: Row, kind: Kind) -> Item:
    role = _word(row, "role").lower()
    if role not in ("calibration", "attention"):
        raise ValueError("`role` must be calibration or attention")
    why = _word(row, "why")
    if kind == "pairs":
        verdict = _word(row, "expected").lower()
        if verdict not in _LABELS:
            raise ValueError("`expected` must be a, b or tie")
        expected = Expected(verdict, why=why)  # type: ignore[arg-type]
    else:
        scores = _numbers(row.get("expected"), "expected")
        if not scores or any(score not in range(LOWEST, HIGHEST + 1) for score in scores.values()):
            raise ValueError("`expected` must be an object of principle key to a whole number from 1 to 5")
        expected = Expected(None, {key: int(score) for key, score in scores.items()}, why)
    if kind == "pairs" and "response_a" not in row:
        raise ValueError("needs `response_a` and `response_b`: `expected` names one of them")
    return _item(role, row, kind, expected)  # type: ignore[arg-type]


def _item(role: Role, row: Row, kind: Kind, expected: Expected | None = None) -> Item:
    conversation = _conversation(row)
    risk = _word(row, "risk").lower()
    if risk not in ("", *RISK_LEVELS):
        raise ValueError(f"`risk` must be one of {', '.join(RISK_LEVELS)}")
    speech = _word(row, "speech_id") or _word(row, "question_id") or _speech_id(conversation)
    known: dict[str, Any] = {
        "speech_id": speech,
        "topic": _word(row, "topic"),
        "risk": risk,
        "labeller": _word(row, "labeller"),
        "split": _word(row, "split"),
        "expected": expected,
    }
    if kind == "responses":
        return make_item(role, conversation, [_draft(row, speech, "response", "model", "scores", "reward")], **known)
    if "response_a" in row or "response_b" in row:
        drafts = [_draft(row, speech, f"response_{s}", f"model_{s}", f"scores_{s}", f"reward_{s}") for s in "ab"]
        label = _word(row, "label").lower()
        if label not in ("", *_LABELS):
            raise ValueError("`label` must be a, b or tie, or be left empty")
        preferred = {"a": drafts, "b": drafts[::-1]}.get(label, [])
        return make_item(role, conversation, drafts, label=label, gap=_gap(row, preferred), **known)
    if "chosen" not in row or "rejected" not in row:
        raise ValueError("a pair needs `response_a` and `response_b`, or `chosen` and `rejected`")
    chosen, rejected = (_draft(row, speech, s, f"{s}_model", f"{s}_scores", f"{s}_reward") for s in _SIDES)
    return labelled_item(role, conversation, chosen, rejected, gap=_gap(row, [chosen, rejected]), **known)


def _draft(row: Row, speech: str, text: str, model: str, scores: str, reward: str) -> Draft:
    said, who = _text(row, text), _word(row, model)
    by_column = {
        key.removeprefix(f"{text}_").removesuffix("_rating"): _number(value, key)
        for key, value in row.items()
        if key.startswith(f"{text}_") and key.endswith("_rating")
    }
    rated = by_column | (_numbers(row[scores], scores) if scores in row else {})
    identity = _word(row, f"{text}_id") or (f"{_word(row, 'id')} {text}" if "id" in row else "")
    given = _number(row[reward], reward) if reward in row else None
    return Draft(said, identity or Response.make(speech, who, said).id, who, rated, given)


def _gap(row: Row, drafts: list[Draft]) -> float | None:
    """Return the gap as given, or from both responses' scores; None where the row has neither, or no preference."""
    if "gap" in row:
        gap = _number(row["gap"], "gap")
        if gap < 0:
            raise ValueError("`gap` is what the preferred response has more, and cannot be below 0")
        return gap
    shared = set(drafts[0].scores) & set(drafts[1].scores) if drafts else set()
    if not shared:
        return None
    gap = math.fsum(drafts[0].scores[key] - drafts[1].scores[key] for key in sorted(shared)) / len(shared)
    return gap if gap >= 0 else None


def _conversation(row: Row) -> Conversation:
    earlier = _loaded(row.get("earlier", []), "earlier")
    turns = []
    for turn in earlier if isinstance(earlier, list) else [None]:
        if not isinstance(turn, dict) or turn.get("role") not in ("client", "counsellor"):
            raise ValueError("`earlier` must be a list of {role, text}, each role client or counsellor")
        turns.append(Turn(turn["role"], _text(turn, "text", "a text of `earlier`")))
    speech = _text(row, "prompt" if "prompt" in row else "question", "`prompt` (or `question`)")
    return (*turns, Turn("client", speech))


def _speech_id(conversation: Conversation) -> str:
    return ClientSpeech.make(conversation[-1].text, conversation[:-1]).id


def _text(row: Row, field: str, name: str = "") -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name or f'`{field}`'} holds no text")
    return _word(row, field)


def _word(row: Row, field: str) -> str:
    """Return a cell as text; empty where there is none. A database keeps neither half of a surrogate pair nor NUL."""
    value = str(row.get(field, "")).strip()
    if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in value):
        raise ValueError(f"`{field}` holds NUL, or half of a surrogate pair, which is no text")
    return value


def _number(value: Any, field: str) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"`{field[:40]}` must be a number")
    return found


def _numbers(value: Any, field: str) -> dict[str, float]:
    loaded = _loaded(value, field)
    if isinstance(loaded, list) and all(isinstance(each, tuple) for each in loaded):  # a map out of Parquet
        loaded = dict(loaded)
    if not isinstance(loaded, dict):
        raise ValueError(f"`{field}` must be an object of principle key to a number")
    return {str(key): _number(score, field) for key, score in loaded.items() if score is not None}


def _loaded(value: Any, field: str) -> Any:
    """Return a value, out of JSON where a cell holds it as text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError(f"`{field}` is not JSON") from None
