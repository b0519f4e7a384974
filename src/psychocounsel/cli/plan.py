"""`psychocounsel plan`: validate a recipe and say what would run."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.table import Table

from psychocounsel import pipeline
from psychocounsel.cli.options import JsonFlag, Overrides, RecipePath
from psychocounsel.recipe import load_recipe


def plan(recipe: RecipePath, overrides: Overrides = None, as_json: JsonFlag = False) -> None:
    """Check a recipe; show what would run and what is already done. Writes nothing."""
    loaded = load_recipe(recipe, overrides)
    planned = pipeline.plan(loaded)
    if as_json:
        steps = [{"name": p.spec.name, "done": p.done, "why": p.why} for p in planned]
        print(json.dumps({"output": str(loaded.output), "steps": steps}))
        return
    table = Table(title=f"{loaded.name}, into {loaded.output}", title_justify="left")
    for column in ("step", "state", "why", "reads"):
        table.add_column(column, overflow="fold")
    for p in planned:
        state = "[green]done[/]" if p.done else "will run"
        table.add_row(p.spec.name, state, "" if p.done else p.why, ", ".join(p.spec.parents))
    Console(file=sys.stdout).print(table)
