"""What was kept and why the rest was not, on a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from psychocounsel import layout
from psychocounsel.artifacts import Manifest

_BAR = 16
"""Characters of the longest bar."""


def print_collected(console: Console, run: Path, manifest: Manifest) -> None:
    """Print the source's card, the ledger by reason, risk, and coverage of the topics."""
    counts = manifest.counts
    card = counts["source"]
    if card.get("title"):
        console.print(f"\n{card['title']}\nlicence: {card['licence']}", highlight=False)
        if card["citation"]:
            console.print(f"cite: {card['citation']}", highlight=False)
    console.print()
    console.print(_ledger(counts))
    for title, rows in (("Mended in the texts", counts["mended"]), ("Identifiers replaced", counts["identifiers"])):
        if rows:
            console.print(_counted(title, rows))
    if counts["deidentified"]:
        console.print(
            f"De-identification misses some. {counts['for_review']} speeches hold details that together may\n"
            f"point to a person; look at {run / layout.REVIEW} first.",
            highlight=False,
            soft_wrap=True,
        )
    console.print(_counted("Risk, as screened (no clinical assessment)", counts["risk"]))
    console.print(_coverage(json.loads((run / layout.TOPICS).read_text("utf-8"))["coverage"], counts["without_topic"]))
    console.print(f"{run / layout.SPEECHES}", highlight=False, soft_wrap=True)


def _ledger(counts: dict[str, Any]) -> Table:
    table = Table(title=f"{counts['rows']:,} rows read", title_justify="left")
    table.add_column("")
    table.add_column("rows", justify="right")
    table.add_row("[bold]kept as client speeches[/]", f"[bold]{counts['speeches']:,}[/]")
    for split, n in counts["splits"].items():
        table.add_row(f"  {split}", f"[dim]{n:,}[/]")
    if counts["held"]:
        table.add_row("held apart for their risk", f"{counts['held']:,}")
    for reason, n in sorted(counts["dropped"].items(), key=lambda item: -item[1]):
        table.add_row(f"left out: {reason}", f"{n:,}")
    if counts["responses"]:
        table.add_row("responses that the source carries", f"{counts['responses']:,}")
    if counts["ratings"]:
        table.add_row("ratings that the source carries", f"{counts['ratings']:,}")
    return table


def _counted(title: str, rows: dict[str, int]) -> Table:
    table = Table(title=title, title_justify="left", min_width=len(title) + 2)
    table.add_column("")
    table.add_column("n", justify="right")
    for name, n in rows.items():
        table.add_row(name, f"{n:,}")
    return table


def _coverage(topics: list[dict[str, Any]], without: int) -> Table:
    table = Table(title="Coverage of the topics", title_justify="left")
    for name in ("coarse", "fine", "n", ""):
        table.add_column(name, justify="right" if name == "n" else "left")
    most = max((row["n"] for row in topics), default=0) or 1
    before = ""
    for row in topics:
        table.add_row(
            row["coarse"] if row["coarse"] != before else "",
            row["fine"],
            f"{row['n']:,}",
            "█" * round(_BAR * row["n"] / most) or ("▏" if row["n"] else ""),
        )
        before = row["coarse"]
    table.add_row("", "none that fits", f"{without:,}", "")
    return table
