"""Cells of a CSV file that no spreadsheet runs: text that would begin a formula gets an apostrophe before it."""

from __future__ import annotations

import re
from typing import Any

_RISKY = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""What spreadsheets read as a formula or drop at the beginning of a cell (OWASP, CSV Injection)."""


def defused(value: Any) -> Any:
    """Return a value as a cell: text that a spreadsheet might run after an apostrophe, None empty, the rest as it is.

    A text that has apostrophes before such a beginning gets one more, so that `restored` always finds the way back.
    """
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and _RISKY.match(value):
        return f"'{value}"
    return "" if value is None else value


def restored(cell: Any) -> str:
    """Return the text that `defused` made a cell of; of what is no text, as of JSON, how it is written."""
    text = "" if cell is None else str(cell)
    return text[1:] if text.startswith("'") and _RISKY.match(text) else text
