"""The stage: a run's files to `report.html`, and its tables as `tables.json`."""

from __future__ import annotations

from pathlib import Path

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json, write_text
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.report.cases import build_cases
from psychocounsel.report.page import render
from psychocounsel.report.reading import read_run
from psychocounsel.report.summary import summarise

TABLES = "tables.json"


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `report.html` and `tables.json`."""
    files = read_run(run, recipe.align.iterate.rounds)
    summary = summarise(files, recipe)
    cases = build_cases(files, recipe.report.cases)
    tick(1, 2)
    page = render(files, summary, cases, recipe)
    write_text(run / layout.REPORT, page)
    write_json(step.folder / TABLES, summary)
    step.simulated = files.simulated
    step.counts = {
        "cases": len(cases),
        "cases_at_risk": sum(case.grave for case in cases),
        "bytes": len(page.encode("utf-8")),
        "targets_met": sum(t["met"] for t in summary["targets"]),
        "targets": len(summary["targets"]),
    }
    tick(2, 2)
