"""`psychocounsel ablate`: a recipe, its variants, and one table."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from psychocounsel.cli.listeners import Bars, JsonLines, Silent, listener_for
from psychocounsel.cli.options import JsonFlag, Overrides, QuietFlag, RecipePath
from psychocounsel.costs import check_offline, check_servers
from psychocounsel.errors import RecipeError, TooLittleDataError
from psychocounsel.recipe import load_recipe

if TYPE_CHECKING:
    from psychocounsel.report.sheet import Table as Block

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Run this variant alone; may be given several times, or as A,B."),
]


def ablate(
    recipe: RecipePath,
    overrides: Overrides = None,
    only: Only = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a recipe and each variant that its `ablations` name, and print one table.

    Variants lie in OUTPUT/ablations/NAME; what one shares with another run is not made again. After an interruption,
    the same command goes on where it stopped. The table is in OUTPUT/ablations/table.json, .csv and .tex.
    """
    from psychocounsel import ablations

    main = load_recipe(recipe, overrides)
    variants = ablations.variants_of(recipe, overrides or [], main)
    names = [name for given in only or [] for name in given.split(",")]
    if unknown := [name for name in names if name not in main.ablations]:
        known = ", ".join(main.ablations)
        raise RecipeError("--only", [f"{name}: no such variant; known: {known}" for name in unknown])
    for each in (main, *(v.recipe for v in variants if not names or v.name in names)):
        check_offline(each)
        check_servers(each)
    listener = listener_for(quiet, as_json)

    def listen(name: str) -> Bars | JsonLines | Silent:
        listener.close()
        if as_json:
            print(json.dumps({"event": "run", "name": name}), flush=True)
        elif isinstance(listener, Bars):
            listener.console.print(name, style="bold", highlight=False)
        return listener

    try:
        made = ablations.ablate(main, variants, listen, names)
        table = ablations.tabulate(made)
        ablations.write_table(main.output, table)
        ablations.tell_report(main, Silent())
    finally:
        listener.close()
    if as_json:
        print(json.dumps({"event": "finished", **table}))
    elif quiet:
        print(main.output / ablations.TABLE)
    else:
        print_table(Console(file=sys.stdout, soft_wrap=False), table)
        print(f"\nTable: {main.output / ablations.TABLE}")
    failed = [f"{run.name}: {run.failed}" for run in made if run.failed]
    if failed:
        raise TooLittleDataError(
            f"{len(failed)} of {len(variants)} variants had too little data.\n" + "\n".join(failed)
        )


def print_table(console: Console, table: dict[str, Any]) -> None:
    """Print the table in blocks, and below them what a reader has to know of single runs."""
    from psychocounsel.ablations import narrow_tables

    console.print()
    if table["simulated"]:
        console.print("[bold]SIMULATED[/]: rule-based stand-ins wrote, rated or judged. The figures show that")
        console.print("the pipeline works, no more.\n")
    for block in narrow_tables(table):
        console.print(_drawn(block))
        console.print()
    for row in table["rows"]:
        for note in row["notes"]:
            console.print(f"{escape(row['name'])}: {escape(note)}", highlight=False)


def _drawn(block: Block) -> Table:
    """Draw a block, intervals below their figures: beside them, seven columns do not go into 80 characters."""
    from psychocounsel.report.sheet import shown

    drawn = Table(title=escape(block.title), title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column in block.columns:
        drawn.add_column(escape(column.head), justify="left" if column.left else "right", overflow="fold")
    for row in block.rows:
        cells = [shown(column, value) for column, value in zip(block.columns, row, strict=True)]
        drawn.add_row(*(escape(text) + (f"\n[dim]{escape(small)}[/]" if small else "") for text, small in cells))
    return drawn
