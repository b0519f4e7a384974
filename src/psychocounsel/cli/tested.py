"""What an outside test of a reward model, or of one that writes, looks like on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from psychocounsel.evaluate.examined import Examined
from psychocounsel.reward.outside import Line, Tested
from psychocounsel.statistics.intervals import Figure


def print_tested(console: Console, found: Tested) -> None:
    """Print every figure with n and interval, what it must beat, what others got, and what to know of the set."""
    console.print(f"\n{found.model} on {found.on}, {found.items:,} items", style="bold", markup=False, soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    table.add_column("", overflow="fold")
    for column in ("model", "95 %", "n"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("beside it")
    for line in (line for line in found.lines if line.who == "model"):
        figure = line.figure
        row = (f"{line.measure}, {line.label}", f"{figure.value:.3f}", _interval(figure), f"{figure.n:,}")
        table.add_row(*map(escape, row), "\n".join(_beside(found, line)))
    console.print(table)
    if found.cut:
        console.print(
            f"{found.cut} responses were scored without the oldest part of their prompt, which did not fit.",
            highlight=False,
        )
    for reason, n in found.left_out.items():
        console.print(f"{n} rows left out: {reason}.", highlight=False, markup=False)
    _print_source(console, found)


def print_examined(console: Console, found: Examined) -> None:
    """Print the figure of a model on questions with options, with n, interval and what it must beat."""
    title = f"\n{found.model} on {found.on}, {found.figure.n:,} questions"
    console.print(title, style="bold", markup=False, soft_wrap=True)
    if found.simulated:
        console.print("Templates of this package, and no language model: the figure says nothing.", style="yellow")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    table.add_column("", overflow="fold")
    for column in (found.measure, "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, figure in {found.model: found.figure, **found.baselines}.items():
        table.add_row(escape(name), f"{figure.value:.3f}", _interval(figure))
    console.print(table)
    for reason, n in found.lost.items():
        console.print(f"{n} counted as wrong: {reason}.", highlight=False, markup=False)
    _print_source(console, found)


def _print_source(console: Console, found: Tested | Examined) -> None:
    for note in (*found.notes, f"Licence: {found.licence}", f"Cite: {found.citation}"):
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    console.print()


def _beside(found: Tested, line: Line) -> list[str]:
    same = [b for b in found.lines if b.who == "baseline" and (b.measure, b.label) == (line.measure, line.label)]
    return [f"{each.name} {each.figure.value:.3f}" for each in same]


def _interval(figure: Figure) -> str:
    if figure.low != figure.low:
        return "one prompt"
    return "" if figure.low == figure.high else f"{figure.low:.3f} {figure.high:.3f}"
