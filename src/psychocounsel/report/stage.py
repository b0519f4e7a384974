"""The stage: a run's files to `report.html`, its figures as `tables.json`, and each table as CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json, write_text
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.report.cases import build_cases
from psychocounsel.report.export import csv_text, latex_text
from psychocounsel.report.page import render
from psychocounsel.report.reading import read_run
from psychocounsel.report.sheets import all_tables
from psychocounsel.report.summary import summarise

TABLES = "tables.json"
FOLDER = "tables"


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `report.html`, `tables.json`, and `tables/NAME.csv` and `.tex`."""
    files = read_run(run, recipe.align.iterate.rounds)
    summary = summarise(files, recipe)
    cases = build_cases(files, recipe.report.cases)
    tick(1, 2)
    tables = all_tables(files, summary)
    page = render(files, summary, tables, cases, recipe)
    write_text(run / layout.REPORT, page)
    write_json(step.folder / TABLES, summary)
    for name, table in tables.items():
        write_text(step.folder / FOLDER / f"{name}.csv", csv_text(table, files.simulated))
        write_text(step.folder / FOLDER / f"{name}.tex", latex_text(table, files.simulated))
    step.simulated = files.simulated
    shown = [*cases.worst, *cases.best, *cases.drawn]
    step.counts = {
        "cases": len(shown),
        "cases_at_risk": sum(case.grave for case in shown),
        "bytes": len(page.encode("utf-8")),
        "tables": len(tables),
        "headlines": sum(claim["grave"] and claim["kind"] == "first" for claim in summary["claims"]),
        "targets_met": sum(t["met"] for t in summary["targets"]),
        "targets": len(summary["targets"]),
    }
    tick(2, 2)
