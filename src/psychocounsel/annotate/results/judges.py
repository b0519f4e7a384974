"""Labels of judges from a file, joined to a study's items or to those of a file of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psychocounsel.annotate.results.answers import VERDICTS
from psychocounsel.annotate.results.codes import OVERALL, Codes
from psychocounsel.annotate.results.given import Given
from psychocounsel.annotate.results.longform import checked, refuse, text
from psychocounsel.annotate.study import Item
from psychocounsel.errors import TooLittleDataError

COLUMNS = ("task", "item", "rater", "label", "cluster", "speech_id", "response_a", "response_b")
_TURNED = {VERDICTS.index("a"): VERDICTS.index("b"), VERDICTS.index("b"): VERDICTS.index("a")}


@dataclass(frozen=True, slots=True)
class Judged:
    """What judges said."""

    given: dict[str, list[Given]] = field(default_factory=dict)
    """Task to the judges' labels."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Rows that belong to no item, or no task, that people rated, by reason."""


def read_judge(path: Path, tasks: Mapping[str, Codes], items: Mapping[str, Item] | None = None) -> Judged:
    """Read `label` and `item`, or `response_a` (and `response_b`) in place of the item's id or beside it.

    `rater` is the judge, by default the file's name; `task` is `overall` by default, or the only task there is. With
    the two responses of an item the other way round, the verdict is turned. Raises InputError with the rows at fault:
    one whose responses are not the item's is a fault too, as nobody could tell what its verdict is of.
    """
    places: dict[str, dict[str, dict[str, float]]] = {}
    by_responses = _by_responses(items or {})
    lost: Counter[str] = Counter()
    faults: list[str] = []
    alone = next(iter(tasks)) if len(tasks) == 1 else OVERALL
    known = set(items) if items is not None else {item for codes in tasks.values() for item in codes.items}
    for number, values in checked(path, COLUMNS, ("label",)):
        task, judge = text(values.get("task")) or alone, text(values.get("rater")) or path.stem
        try:
            item, turned = _item(values, by_responses, items or {})
        except ValueError as error:
            faults.append(f"row {number} {error}")
            continue
        if item not in known or task not in tasks:
            lost["no such task" if item in known else "no such item"] += 1
            continue
        place = tasks[task].place(text(values["label"]))
        if place is None:
            faults.append(f"row {number} has a label that the raters could not give")
            continue
        mine = places.setdefault(task, {}).setdefault(judge, {})
        if item in mine:
            faults.append(f"row {number} has a task, item and judge that an earlier row has")
        mine[item] = float(_TURNED.get(int(place), place)) if turned and place.is_integer() else place
    refuse(path, faults)
    if not places:
        raise TooLittleDataError(f"{path.name} has no label of an item that people were to rate.")
    given = {
        task: [Given("judge", judge, labels) for judge, labels in judges.items()] for task, judges in places.items()
    }
    return Judged(given, dict(lost))


def _by_responses(items: Mapping[str, Item]) -> dict[tuple[str, ...], tuple[str, bool]]:
    """Return an item's response ids, in either order, to its id and whether they are the other way round."""
    found: dict[tuple[str, ...], tuple[str, bool]] = {}
    for item in items.values():
        if item.role == "main" and item.response_ids:
            found[item.response_ids] = (item.id, False)
            if len(item.response_ids) == 2:
                found.setdefault(item.response_ids[::-1], (item.id, True))
    return found


def _item(
    values: Mapping[str, Any], known: Mapping[tuple[str, ...], tuple[str, bool]], items: Mapping[str, Item]
) -> tuple[str, bool]:
    """Return the item that a row is about, and whether its responses are the other way round there.

    Raises ValueError where the row names none, or responses that are not the item's.
    """
    a, b = text(values.get("response_a")), text(values.get("response_b"))
    ids = tuple(one for one in (a, b) if one)
    name = text(values.get("item"))
    if not name and not ids:
        raise ValueError("has neither item nor response_a")
    if not name:
        return known.get(ids, ("", False))
    if not ids or name not in items:
        return name, False  # of a file of labels no response is known
    for turned, sides in enumerate(_both_ways(items[name].response_ids)):
        if all(not one or one == side for one, side in zip((a, b), sides, strict=True)):
            return name, bool(turned)
    raise ValueError("has responses that are not those of its item")


def _both_ways(ids: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the ids of responses a and b as the item has them, and the other way round where there are two."""
    a, b = (*ids, "", "")[:2]
    return ((a, b), (b, a)) if b else ((a, b),)
