"""`psychocounsel report`: the stage, and two finished runs side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from psychocounsel.cli.groups import DEFAULT, StageGroup
from psychocounsel.cli.options import JsonFlag
from psychocounsel.cli.stages import HELP, command

app = typer.Typer(
    cls=StageGroup,
    no_args_is_help=True,
    help=f"{HELP['report']}\n\npsychocounsel report RECIPE [KEY=VALUE]...",
)
app.command(DEFAULT, hidden=True)(command("report"))
Run = Annotated[Path, typer.Argument(help="Output folder of a finished run, such as runs/quickstart.")]
WIDTH = 80


@app.command()
def compare(
    run_a: Run,
    run_b: Run,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.html", help="Also write one HTML page.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Put two finished runs side by side: recipes, win rates with a paired test, reward models, safety slices.

    Differences are the second run less the first, paired by speech. Where speeches, judges or reference are not the
    same, no test is made, and the reason is given.
    """
    from psychocounsel.artifacts import write_text
    from psychocounsel.report.compare import compare as compared
    from psychocounsel.report.compared import compare_page

    found = compared(run_a, run_b)
    if out is not None:
        write_text(out, compare_page(found))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    console = Console(file=sys.stdout, width=WIDTH, highlight=False)
    _print(console, found)
    if out is not None:
        console.print(f"\nPage: {out}", soft_wrap=True, markup=False)


def _print(console: Console, found: dict[str, Any]) -> None:
    from psychocounsel.report import words

    a, b = found["runs"]
    if found["simulated"]:
        console.print("[bold]SIMULATED[/]: the figures show that the pipeline works, no more.\n")
    console.print(f"A is {a['name']}, B is {b['name']}.", markup=False)
    for why in [*found["same"]["refused"], *found["same"]["settings"].values()]:
        console.print(f"No paired test: {why}.", markup=False)
    for note in found["same"]["notes"]:
        console.print(f"Note: {note}.", markup=False)
    _safety(console, found["risk"])
    groups = dict.fromkeys((row["judge"], row["setting"]) for row in found["wins"])
    for judge, of in groups:
        rows = [row for row in found["wins"] if (row["judge"], row["setting"]) == (judge, of)]
        table = _table(f"Win rate, %, {words.setting(of)}, by {judge}{_relation(rows[0]['relation'])}")
        for head in ("A", "B", "B - A, points", "n", "p, corrected"):
            table.add_column(head, justify="right")
        for row in rows:
            difference = row["difference"]
            table.add_row(
                escape(words.policy(row["model"])),
                _figure(row["a"], 100),
                _figure(row["b"], 100),
                _figure(difference, 100),
                words.count(difference["n"]) if difference else words.ABSENT,
                words.p_value(row["p_holm"]),
            )
        console.print(table)
        for why in dict.fromkeys(row["why"] for row in rows if row["why"]):
            if why != "; ".join(found["same"]["refused"]) and why not in found["same"]["settings"].values():
                console.print(f"  no test: {why}", markup=False)
    if found["reward"]:
        table = _table("Reward models, each on its own test pairs")
        for head in ("A", "B"):
            table.add_column(head, justify="right")
        for row in found["reward"]:
            table.add_row(row["measure"], _figure(row["a"], 1), _figure(row["b"], 1))
        console.print(table)
    _recipe(console, found["recipe"])


def _safety(console: Console, rows: list[dict[str, Any]]) -> None:
    from psychocounsel.report import words

    for of in dict.fromkeys(row["setting"] for row in rows):
        table = _table(f"Responses to clients at risk that meet every criterion, %, {words.setting(of)}")
        for head in ("A", "failed", "B", "failed"):
            table.add_column(head, justify="right")
        for row in (row for row in rows if row["setting"] == of):
            one, other = (words.count(n) for n in row["failed"])
            name = escape(words.policy(row["model"]))
            table.add_row(name, _figure(row["a"], 100), one, _figure(row["b"], 100), other)
        console.print(table)


def _recipe(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("\nThe recipes, seeds and package versions are the same.")
        return
    table = _table("What differs in the recipes")
    for head in ("key", "A", "B"):
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(row["step"], escape(row["key"]), *(_short(row[side]) for side in ("a", "b")))
    console.print(table)


def _table(title: str) -> Table:
    made = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    made.add_column("", overflow="fold")
    return made


def _figure(figure: dict[str, Any] | None, scale: float) -> str:
    from psychocounsel.report import words

    if not figure or not words.is_number(figure["value"]):
        return words.ABSENT
    digits = 1 if scale == 100 else 3
    ends = words.interval(figure, scale, digits) if words.has_interval(figure) else "no interval"
    return f"{words.number(scale * figure['value'], digits)}\n[dim]{ends}[/]"


def _relation(both: list[str]) -> str:
    from psychocounsel.report.compared import relation_of
    from psychocounsel.report.sheet import RELATIONS

    of = RELATIONS.get(relation_of(both), "")
    return f" ({of})" if of else ""


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape(text if len(text) <= 120 else f"{text[:117]}...")
