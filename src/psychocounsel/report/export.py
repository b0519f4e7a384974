"""Tables as CSV and LaTeX. No cell of a CSV file is a formula, and no cell of a LaTeX file is a command."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from typing import Any

from psychocounsel.report import words
from psychocounsel.report.sheet import FIGURES, Column, Table, shown

_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")
"""A text cell that begins so is read as a formula by spreadsheets."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": r"\textasciigrave{}", "\N{MINUS SIGN}": "$-$", "–": "--",
    "—": "---", "…": r"\dots{}", "κ": r"$\kappa$", "α": r"$\alpha$", "\N{NO-BREAK SPACE}": "~", "’": "'", "‘": "`",
    "“": "``", "”": "''",
}  # fmt: skip
_LAST_LATIN = 0x17F
"""Letters up to here are known to LaTeX as it comes; others are written by their number, so that the file compiles."""


def csv_text(table: Table, simulated: bool = False) -> str:
    """Return the table as CSV, a figure as five columns (value, low, high, n, clusters) in the unit of its heading."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = [_inert(head) for column in table.columns for head in _heads(column)]
    writer.writerow(heads + ["simulated"] * simulated)
    for row in table.rows:
        cells = [cell for column, value in zip(table.columns, row, strict=True) for cell in _cells(column, value)]
        writer.writerow(cells + ["yes"] * simulated)
    return out.getvalue()


def _heads(column: Column) -> list[str]:
    if column.kind not in FIGURES:
        return [column.head]
    return [column.head, *(f"{column.head}: {part}" for part in ("low", "high", "n", "clusters"))]


def _cells(column: Column, value: Any) -> list[str]:
    if column.kind in FIGURES:
        scale = 100 if column.kind in ("share", "points") else 1
        figure = value or {}
        ends = [_number(figure.get(key), scale) for key in ("value", "low", "high")]
        return [*ends, _number(figure.get("n")), _number(figure.get("clusters"))]
    if column.kind in ("count", "number", "p"):
        return [_number(value)]
    if column.kind == "percent":
        return [_number(value, 100)]
    text = shown(column, value)[0]
    return ["" if text == words.ABSENT else _inert(text)]


def _number(value: Any, scale: float = 1) -> str:
    if not words.is_number(value):
        return ""
    return str(value) if isinstance(value, int) and scale == 1 else repr(round(float(scale * value), 10))


def _inert(text: str) -> str:
    """Return a text cell that no spreadsheet takes for a formula, by an apostrophe before it (OWASP's advice)."""
    # Python's own writer leaves a lone carriage return unquoted, and readers take it for the end of the row.
    clean = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))
    return f"'{clean}" if clean.lstrip(" ").startswith(_FORMULA) else clean


def latex_text(table: Table, simulated: bool = False) -> str:
    """Return the table as a LaTeX float; it needs the package booktabs and nothing else."""
    align = "".join("l" if column.left else "r" for column in table.columns)
    head = " & ".join(escaped(column.head) for column in table.columns)
    mark = "Simulated run: these figures say nothing about real counselling. " if simulated else ""
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        rf"\caption{{{escaped(mark + table.title)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        *(" & ".join(map(_latex_cell, table.columns, row)) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        *([rf"\par\footnotesize {escaped(table.note)}"] if table.note else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_cell(column: Column, value: Any) -> str:
    text, small = shown(column, value)
    # A bracket at a row's start would be read as the optional argument of the line break before it.
    cell = escaped(text) + (f" ({escaped(small)})" if small else "")
    return "{}" + cell if cell.startswith(("[", "*")) else cell


def escaped(text: str) -> str:
    """Return text that LaTeX prints and does not obey."""
    return "".join(_letter(letter) for letter in " ".join(_CONTROL.sub(" ", text).split(" ")))


def _letter(letter: str) -> str:
    if letter in _LATEX:
        return _LATEX[letter]
    if letter.isspace():
        return " "
    if ord(letter) <= _LAST_LATIN and unicodedata.category(letter)[0] != "C":
        return letter
    return f"[U+{ord(letter):04X}]"
