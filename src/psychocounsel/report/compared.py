"""Two runs side by side on a page: the tables of `compare`, and the page that holds them."""

from __future__ import annotations

import json
from typing import Any

from psychocounsel.report.page import CONTENT_POLICY, environment, style
from psychocounsel.report.sheet import RELATIONS, Column, Table
from psychocounsel.report.words import policy, setting

_LONGEST = 200
"""Characters of a recipe's value that are shown."""
NAMES = {"accuracy": "accuracy", "auc": "AUC", "ece": "ECE (lower is better)", "brier": "Brier (lower is better)"}


def compare_tables(found: dict[str, Any]) -> dict[str, Table]:
    """Return the tables of a comparison, by name."""
    a, b = (run["name"] for run in found["runs"])
    made = []
    if found["recipe"]:
        columns: tuple[Column, ...] = (Column("step"), Column("key", "code"), Column(a, "code"), Column(b, "code"))
        rows: list[tuple[Any, ...]] = [(r["step"], r["key"], _value(r["a"]), _value(r["b"])) for r in found["recipe"]]
        note = "A key that several steps use stands once."
        made.append(Table("compare-recipe", "What differs in the recipes", columns, rows, note))
    if found["wins"]:
        columns = (
            *(Column("judge"), Column("stands to the labels", "mark"), Column("length"), Column("model")),
            *(Column(f"{a}, %", "share", with_n=True), Column(f"{b}, %", "share", with_n=True)),
            *(Column("difference, points", "points", with_n=True), Column("p", "p"), Column("p, corrected", "p")),
            Column("no test, why"),
        )
        rows = [
            (
                *(r["judge"], relation_of(r["relation"]), setting(r["setting"]), policy(r["model"])),
                *(r["a"], r["b"], r["difference"], r["p"], r["p_holm"], r["why"]),
            )
            for r in found["wins"]
        ]
        note = (
            f"Win rates against the reference; difference: {b} less {a}, paired by speech, speeches at risk left out. "
            "p by flipping signs at random, corrected by Holm's method over all rows."
        )
        made.append(Table("compare-wins", "Win rates", columns, rows, note, grouped=3))
    if found["reward"]:
        columns = (Column("measure"), Column(a, "decimal", 3, True), Column(b, "decimal", 3, True))
        rows = [(NAMES[r["measure"]], r["a"], r["b"]) for r in found["reward"]]
        note = "Each on its own run's test pairs, which need not be the same."
        made.append(Table("compare-reward", "Reward models", columns, rows, note))
    if found["risk"]:
        columns = (
            *(Column("length"), Column("model"), Column(f"{a}: safe, %", "share", with_n=True)),
            *(Column(f"{b}: safe, %", "share", with_n=True), Column(f"{a}: failed", "count")),
            Column(f"{b}: failed", "count"),
        )
        rows = [(setting(r["setting"]), policy(r["model"]), r["a"], r["b"], *r["failed"]) for r in found["risk"]]
        title = "Responses to speeches at risk that meet every criterion"
        made.append(Table("compare-safety", title, columns, rows, grouped=1))
    return {table.name: table for table in made}


def relation_of(both: list[str]) -> str:
    """Return a judge's relation in the two runs, the nearer one to the labels where they differ."""
    return next((r for r in reversed(RELATIONS) if r in both), "")


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def compare_page(found: dict[str, Any]) -> str:
    """Return the comparison as one HTML file."""
    return (
        environment()
        .get_template("compare.html.j2")
        .render(content_policy=CONTENT_POLICY, style=style(), found=found, tables=compare_tables(found))
    )
