"""The table of what training takes, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from psychocounsel.compute import GIB
from psychocounsel.forecast import AS_IS, Forecast, Taken

_TELLERS = {
    "run": "of the run",
    "source": "of the source",
    "expected": "as the recipe's `expected` says",
    "at most": "at most, every two responses of a speech",
    "unknown": "unknown; say how many in `expected`",
}


def print_forecast(console: Console, forecast: Forecast) -> None:
    """Print tokens, FLOPs, memory and hours of each step, their sum, what they were counted with, and the notes."""
    title = (
        f"Training on {forecast.gpus} x {forecast.name} ({forecast.gpu.gib:.0f} GiB), "
        f"at {forecast.mfu:.0%} of its rate".replace("%", " %")
    )
    if not forecast.steps:
        return
    peta = max(taken.flops or 0 for taken in forecast.steps) >= 1e14
    table = Table(title=title, title_justify="left")
    table.add_column("step")
    table.add_column("model", overflow="fold")
    for column in ("tokens", "PFLOPs" if peta else "TFLOPs", "GiB", "hours"):
        table.add_column(column, justify="right")
    unit = 1e15 if peta else 1e12
    for taken in forecast.steps:
        table.add_row(taken.step, taken.model, *_figures(taken, unit))
    table.add_section()
    table.add_row(*_sum(forecast.steps, unit))
    console.print(table)
    for line in [_counted(forecast), *forecast.notes]:
        console.print(line, highlight=False, markup=False)


def _figures(taken: Taken, unit: float) -> list[str]:
    memory = "" if taken.memory is None else f"{taken.memory / GIB:.1f}"
    if taken.tokens is None or taken.flops is None or taken.seconds is None:
        return [taken.remark, "", memory, ""]
    return [_count(taken.tokens), _amount(taken.flops / unit), memory, _amount(taken.seconds / 3600)]


def _sum(steps: list[Taken], unit: float) -> list[str]:
    """Return the last row; a step whose figures are unknown is not in it, and the row says so."""
    unknown = any(taken.remark not in ("", AS_IS) for taken in steps)
    rounds = max(taken.times for taken in steps)
    name = "in all" if rounds == 1 else f"with {rounds} rounds"
    tokens = sum((taken.tokens or 0) * taken.times for taken in steps)
    flops = sum((taken.flops or 0) * taken.times for taken in steps)
    seconds = sum((taken.seconds or 0) * taken.times for taken in steps)
    most = max(taken.memory or 0 for taken in steps)
    known = "what is known of it" if unknown else ""
    return [name, known, _count(tokens), _amount(flops / unit), f"{most / GIB:.1f}", _amount(seconds / 3600)]


def _count(tokens: float) -> str:
    for unit, word in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if tokens >= unit:
            return f"{tokens / unit:.1f}{word}"
    return f"{tokens:.0f}"


def _amount(value: float) -> str:
    if 0 < value < 0.005:
        return "<.01"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _counted(forecast: Forecast) -> str:
    """Say what the figures were counted with, and who says so."""
    work = forecast.workload
    what = {
        "speeches": "speeches" if work.speeches is None else f"{work.speeches:,.0f} speeches",
        "pairs": "train pairs" if work.pairs is None else f"{work.pairs:,.0f} train pairs",
        "prompt": f"{work.prompt:.0f} tokens a prompt",
        "response": f"{work.response:.0f} tokens a response",
    }
    by: dict[str, list[str]] = {}
    for name, teller in work.told_by.items():
        by.setdefault(teller, []).append(what[name])
    parts = [f"{', '.join(said)} ({_TELLERS[teller]})" for teller, said in by.items()]
    rounds = " The figures of a round are of one." if any(taken.times > 1 for taken in forecast.steps) else ""
    return f"Counted with {'; '.join(parts)}.{rounds}"
