"""`psychocounsel plan`: validate a recipe and say what would run."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from psychocounsel import pipeline
from psychocounsel.cli.forecast import print_forecast
from psychocounsel.cli.options import JsonFlag, Overrides, RecipePath
from psychocounsel.costs import Cost, check_offline, costs, used_specs
from psychocounsel.errors import InputError
from psychocounsel.forecast import forecast
from psychocounsel.recipe import Recipe, load_recipe


def plan(recipe: RecipePath, overrides: Overrides = None, as_json: JsonFlag = False) -> None:
    """Check a recipe; show what would run, what is done, and what it will take. Writes nothing."""
    loaded = load_recipe(recipe, overrides)
    check_offline(loaded)
    planned = pipeline.plan(loaded)
    asked, left_out = _asked(loaded)
    training = forecast(loaded)
    if as_json:
        steps = [{"name": p.spec.name, "done": p.done, "why": p.why} for p in planned]
        calls = [asdict(cost) for cost in asked]
        told = {"output": str(loaded.output), "steps": steps, "calls": calls, "calls_left_out": left_out}
        print(json.dumps(told | {"training": training.as_dict()}))
        return
    table = Table(title=f"{loaded.name}, into {loaded.output}", title_justify="left")
    for column in ("step", "state", "why", "reads"):
        table.add_column(column, overflow="fold")
    for p in planned:
        state = "[green]done[/]" if p.done else "will run"
        table.add_row(p.spec.name, state, "" if p.done else p.why, _reads(p.spec.parents))
    console = Console(file=sys.stdout)
    console.print(table)
    print_forecast(console, training)
    if asked:
        print_costs(console, asked)
    if left_out:
        console.print(f"Calls to servers are left out: {left_out}", highlight=False, markup=False)


def _reads(parents: tuple[str, ...]) -> str:
    """Name the steps that one reads; of many rounds the first and the last."""
    rounds = [name for name in parents if name.startswith("align/round-")]
    if len(rounds) < 3:
        return ", ".join(parents)
    between = set(rounds[1:])
    shown = [f"{name} to {rounds[-1].rpartition('-')[2]}" if name == rounds[0] else name for name in parents]
    return ", ".join(name for name in shown if name not in between)


def _asked(recipe: Recipe) -> tuple[list[Cost], str | None]:
    """Return what servers will be asked, and why that is not known where the source cannot be read yet."""
    if not used_specs(recipe):
        return [], None
    try:
        return costs(recipe), None
    except InputError as error:
        return [], str(error)


def print_costs(console: Console, asked: list[Cost]) -> None:
    """Print what will be asked of servers, and the sum."""
    table = Table(title="Calls to servers, at most", title_justify="left")
    table.add_column("stage")
    table.add_column("model", overflow="fold")
    for column in ("calls", "tokens in", "tokens out", "price", "time"):
        table.add_column(column, justify="right")
    for cost in asked:
        table.add_row(
            cost.stage, cost.spec, *_amounts(cost.calls, cost.tokens_in, cost.tokens_out, cost.price, cost.seconds)
        )
    prices = [cost.price for cost in asked]
    times = [cost.seconds for cost in asked]
    total = _amounts(
        sum(cost.calls for cost in asked),
        sum(cost.tokens_in for cost in asked),
        sum(cost.tokens_out for cost in asked),
        None if None in prices else sum(p for p in prices if p is not None),
        None if None in times else sum(t for t in times if t is not None),
    )
    table.add_section()
    table.add_row("in all", "", *total)
    console.print(table)
    if None in prices:
        console.print("No price for some models: add endpoints.NAME.prices to know it.", highlight=False)
    if None in times:
        console.print("No time where the recipe states no rate (requests_per_second).", highlight=False)


def _amounts(calls: int, tokens_in: int, tokens_out: int, price: float | None, seconds: float | None) -> list[str]:
    time = "?" if seconds is None else f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
    return [f"{calls:,}", f"{tokens_in:,}", f"{tokens_out:,}", "?" if price is None else f"{price:,.2f}", time]
