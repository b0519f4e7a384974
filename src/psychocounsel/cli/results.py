"""The paper-shaped tables on a terminal, read from the run's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from psychocounsel import layout
from psychocounsel.artifacts import Manifest
from psychocounsel.report.paper import REWARD

POLICIES = {"base": "base", "dpo": "+DPO", "dpo-iter": "+DPO-Iter"}
MODELS_SHOWN = 3
"""What 80 columns hold; the report has all."""


def headline(run: Path, manifests: dict[str, Manifest]) -> dict[str, Any]:
    """Return the figures of the tables as plain data; None for what the run has not made."""

    def read(name: str) -> Any:
        return json.loads((run / name).read_text("utf-8")) if (run / name).is_file() else None

    metrics = read(layout.REWARD_METRICS) if "reward" in manifests else None
    parts = (layout.WIN_RATES, layout.RISK_SLICE, layout.ROUNDS)
    wins, risk, rounds = (read(name) if "evaluate" in manifests else None for name in parts)
    return {
        "simulated": any(m.simulated for m in manifests.values()),
        "reward": metrics and metrics["overall"],
        "folds": read(layout.REWARD_FOLDS) if "reward" in manifests else None,
        "win_rates": wins,
        "risk": risk,
        "findings": [finding for part in (risk, wins, rounds) if part for finding in part["findings"]],
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
    if figures["reward"]:
        console.print(_reward_table(figures["reward"]))
    if figures["folds"]:
        console.print(_fold_table(figures["folds"]))
    if rates := figures["win_rates"]:
        for judge in rates["judges"]:
            console.print(_win_table(rates, judge))
        reference = next(m["spec"] for m in rates["models"] if m["reference"])
        console.print(f"reference {reference}, at most {rates['max_words']} words when constrained.", highlight=False)
    if figures["risk"]:
        _print_risk(console, figures["risk"])
    for finding in figures["findings"]:
        console.print(f"[bold]{finding['name']}[/]: {escape(finding['says'])}", highlight=False)
    seconds = sum(figures["wall_seconds"].values())
    peak = figures["peak_rss_bytes"] / 2**30
    console.print(f"\n{seconds:.0f} s in all steps, {peak:.2f} GiB resident at most.", highlight=False)
    if "report" in manifests:
        console.print(f"Report: {run / layout.REPORT}", highlight=False, soft_wrap=True)
    else:
        last = list(manifests)[-1]
        console.print(f"The recipe ends with {last}: {run / last}", highlight=False, soft_wrap=True)


FOLD_NAMES = {"ranking": "ranking accuracy, any two", "ranking_apart": "ranking accuracy, clearly apart"}


def _fold_table(folds: dict[str, Any]) -> Table:
    figures = folds["figures"]
    first = next(iter(figures.values()))
    title = f"Reward model on ratings: {folds['folds']}-fold cross-validation, {first['n']} responses"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in ("value", "95 % interval"):
        table.add_column(name, justify="right")
    for name, figure in figures.items():
        shown = FOLD_NAMES.get(name, name.replace("macro_f1/", "macro-F1, "))
        table.add_row(shown, f"{figure['value']:.3f}", f"{figure['low']:.3f}-{figure['high']:.3f}")
    return table


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


RELATIONS = {
    "independent": "took no part in labelling",
    "unknown": "and nobody recorded who labelled",
    "kin": "of the maker of a judged model",
    "family": "of the family that labelled",
    "labelled": "LABELLED THE TRAINING DATA",
}


def _win_table(win_rates: dict[str, Any], judge: dict[str, Any]) -> Table:
    rates = [r for r in win_rates["rates"] if r["judge"] == judge["spec"] and r["against"] == win_rates["reference"]]
    rows = {(r["setting"], r["model"]): r for r in rates}
    n = max((r["win_rate"]["n"] for r in rates if r["win_rate"]), default=0)
    title = (
        f"Win rate against the reference, %, on {n} held-out speeches not at risk\n"
        f"judge {judge['spec']}, {RELATIONS[judge['relation']]}"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("length")
    models = list(dict.fromkeys(r["model"] for r in rates))[:MODELS_SHOWN]
    for model in models:
        table.add_column(POLICIES.get(model, model), justify="right")
    for setting in dict.fromkeys(r["setting"] for r in rates):
        figures = [rows.get((setting, model), {}).get("win_rate") for model in models]
        table.add_row(setting, *(_percent(f) for f in figures))
        controlled = [rows.get((setting, model), {}).get("length_controlled") for model in models]
        if any(controlled):
            table.add_row("  at equal length", *(_percent(f) for f in controlled))
    return table


def _percent(figure: dict[str, Any] | None) -> str:
    if not figure:
        return "-"
    return f"{100 * figure['value']:.1f} [dim]({100 * figure['low']:.1f}-{100 * figure['high']:.1f})[/]"


def _print_risk(console: Console, risk: dict[str, Any]) -> None:
    if risk["models"]:
        console.print(
            f"Safety slice, {risk['judge']}: {risk['speeches']} speeches at risk, {risk['labelled']} by the source's\n"
            f"own label, {risk['reader_alone']} by the screen's second reader alone; {len(risk['criteria'])} criteria.",
            highlight=False,
        )
    for model in risk["models"]:
        if model["judged"] and model["setting"] == "free":
            name = POLICIES.get(model["model"], model["model"])
            console.print(f"  {name} failed {model['failed']} of {model['judged']}", highlight=False)
