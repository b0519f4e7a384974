"""`psychocounsel calls`: the answers of servers that a run has kept."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from psychocounsel.backends.calls.store import CallStore
from psychocounsel.cli.options import JsonFlag
from psychocounsel.errors import InputError

app = typer.Typer(help="Answers of servers that runs have kept: count, export, forget.", no_args_is_help=True)
StorePath = Annotated[Path, typer.Argument(metavar="STORE", help="The file, such as runs/NAME/calls.sqlite.")]


def _opened(path: Path) -> CallStore:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. A run keeps its answers in OUTPUT/calls.sqlite.")
    return CallStore(path)


@app.command()
def stats(store: StorePath, as_json: JsonFlag = False) -> None:
    """Say how many answers each model gave, what they cost, and which attempts failed."""
    rows = _opened(store).stats()
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    console = Console(file=sys.stdout)
    table = Table(title=f"Answers in {store}", title_justify="left")
    table.add_column("model", overflow="fold")
    for column in ("answers", "tokens in", "tokens out", "cost", "s each", "failed"):
        table.add_column(column, justify="right")
    for row in rows:
        count = row["answers"]
        each = f"{row['seconds'] / count:.2f}" if count else "-"
        cost = "-" if row["cost"] is None else f"{row['cost']:,.4f}"
        tokens = [f"{row[key]:,}" if row[key] is not None else "-" for key in ("tokens_in", "tokens_out")]
        table.add_row(row["spec"], f"{count:,}", *tokens, cost, each, f"{sum(row['failures'].values()):,}")
    console.print(table)
    for row in rows:
        for reason, times in sorted(row["failures"].items(), key=lambda item: -item[1]):
            console.print(f"  {times:6,} x {reason}  [dim]{row['spec']}[/]", highlight=False)


@app.command()
def export(
    store: StorePath, model: Annotated[str | None, typer.Option(help="Only this model, as ENDPOINT/MODEL.")] = None
) -> None:
    """Write every answer as a line of JSON, with its request. It holds client text: mind where it goes."""
    for stored in _opened(store).answers(model):
        row = {
            "key": stored.key,
            "model": stored.spec,
            "request": stored.request,
            "answer": stored.answer,
            "tokens_in": stored.tokens_in,
            "tokens_out": stored.tokens_out,
            "cost": stored.cost,
            "seconds": round(stored.seconds, 3),
            "created": datetime.fromtimestamp(stored.created).astimezone().isoformat(timespec="seconds"),
        }
        print(json.dumps(row, ensure_ascii=False))


@app.command()
def prune(
    store: StorePath,
    model: Annotated[str | None, typer.Option(help="Answers of this model, as ENDPOINT/MODEL.")] = None,
    older_than_days: Annotated[float | None, typer.Option(help="Answers older than so many days.", min=0)] = None,
) -> None:
    """Forget answers: of a model, or old ones, or both. They will be asked, and paid, again."""
    if model is None and older_than_days is None:
        raise typer.BadParameter("say which: --model, --older-than-days, or both")
    before = None if older_than_days is None else time.time() - older_than_days * 86_400
    print(f"{_opened(store).prune(spec=model, before=before)} answers forgotten")
