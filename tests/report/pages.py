"""How tests read a report: its files, its first screen, its tables under their headings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from written_run import Page


def read(run: Path, name: str) -> Any:
    return json.loads((run / name).read_text("utf-8"))


def first_screen(page: Page) -> str:
    """The first screen's words, with plain spaces."""
    inside = Page(page.html.split('<div id="claims">')[1].split("<nav")[0])
    return inside.words


NAMES = {"base": "base", "dpo": "+DPO", "dpo-iter": "+DPO-Iter"}
MARKS = {"labelled": "labelled the training data", "family": "same family as a labeller", "independent": "independent"}


def share(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return "–"
    return f"{100 * figure['value']:.1f} {100 * figure['low']:.1f}–{100 * figure['high']:.1f}"


def grouped(table: list[list[str]]) -> list[tuple[str, list[str]]]:
    """Rows of a table with the heading above each."""
    found, head = [], ""
    for row in table[1:]:
        if len(row) == 1:
            head = row[0]
        else:
            found.append((head, row))
    return found
