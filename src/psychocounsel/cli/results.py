"""The paper-shaped tables on a terminal, read from the run's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from psychocounsel import layout
from psychocounsel.artifacts import Manifest
from psychocounsel.report.paper import REWARD

POLICIES = {"base": "base", "dpo": "+DPO", "dpo-iter": "+DPO-Iter"}


def headline(run: Path, manifests: dict[str, Manifest]) -> dict[str, Any]:
    """Return the figures of the tables as plain data."""
    return {
        "simulated": manifests["report"].simulated,
        "reward": json.loads((run / layout.REWARD_METRICS).read_text("utf-8"))["overall"],
        "win_rates": json.loads((run / layout.WIN_RATES).read_text("utf-8")),
        "wall_seconds": {name: m.wall_seconds for name, m in manifests.items()},
        "peak_rss_bytes": max(m.peak_rss_bytes for m in manifests.values()),
    }


def print_results(console: Console, run: Path, manifests: dict[str, Manifest]) -> None:
    """Print the tables, what they rest on, and where the report is."""
    figures = headline(run, manifests)
    console.print()
    if figures["simulated"]:
        console.print("[bold]SIMULATED[/]: responses, ratings and verdicts are by rule-based stand-ins, not by")
        console.print("people or language models. The figures show that the pipeline works, no more.\n")
    console.print(_reward_table(figures["reward"]))
    console.print(_win_table(figures["win_rates"]))
    rates = figures["win_rates"]
    console.print(f"judge {rates['judge']} (the data was labelled by {rates['labeller']}),", highlight=False)
    console.print(
        f"reference {rates['reference']}, at most {rates['max_words']} words when constrained.", highlight=False
    )
    seconds = sum(figures["wall_seconds"].values())
    peak = figures["peak_rss_bytes"] / 2**30
    console.print(f"\n{seconds:.0f} s in all steps, {peak:.2f} GiB resident at most.", highlight=False)
    console.print(f"Report: {run / layout.REPORT}", highlight=False, soft_wrap=True)


def _reward_table(overall: dict[str, Any]) -> Table:
    n = overall["accuracy"]["n"]
    table = Table(title=f"Reward model on {n} test pairs", title_justify="left")
    table.add_column("")
    for name in ("accuracy", "AUC", "ECE", "Brier"):
        table.add_column(name, justify="right")
    cells = [overall[key] for key in ("accuracy", "auc", "ece", "brier")]
    table.add_row("this run", *(f"{c['value']:.3f}" for c in cells))
    table.add_row("  95 % interval", *(f"[dim]{c['low']:.3f}-{c['high']:.3f}[/]" for c in cells))
    table.add_row(
        "paper 3B, other data", *(f"{REWARD['paper, 3B'][k]:.3f}" for k in ("accuracy", "auc", "ece", "brier"))
    )
    return table


def _win_table(win_rates: dict[str, Any]) -> Table:
    rows = {(r["setting"], r["model"]): r for r in win_rates["rates"]}
    n = max(r["win_rate"]["n"] for r in rows.values())
    table = Table(title=f"Win rate against the reference, %, on {n} held-out speeches", title_justify="left")
    table.add_column("length")
    for shown in POLICIES.values():
        table.add_column(shown, justify="right")
    for setting in ("free", "length-constrained"):
        figures = [rows[setting, model]["win_rate"] for model in POLICIES]
        table.add_row(
            setting,
            *(f"{100 * f['value']:.1f} [dim]({100 * f['low']:.1f}-{100 * f['high']:.1f})[/]" for f in figures),
        )
    return table
