"""Trials on a terminal of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from psychocounsel.evaluate.trials.hearings import KNOWN
from psychocounsel.evaluate.trials.measures import RANKING, Line, Trial
from psychocounsel.statistics.intervals import Figure

HALVES = (
    ("accuracy", "Cohen's kappa", "weighted kappa", "ICC(2,1)"),
    ("alpha, nominal", "alpha, ordinal", "Fleiss' kappa", "Gwet's AC1"),
)
"""Statistics of agreement in the two tables that 80 columns ask for."""


def show(console: Console, trials: Sequence[Trial]) -> None:
    """Print every trial: the set's source, order, agreement, what is beaten, and what a reader must know."""
    for name, on in groupby(trials, key=lambda trial: trial.on):
        _show_set(console, name, list(on))


def _show_set(console: Console, name: str, trials: list[Trial]) -> None:
    about = KNOWN[name]
    console.print(f"\n[bold]{about.title}[/]")
    console.print(f"cite: {trials[0].citation}\nlicence: {trials[0].licence}")
    rules = [trial.judge for trial in trials if trial.simulated]
    if rules:
        console.print(f"[yellow]{' and '.join(rules)}: rules of this package, and no people.[/]")
    for trial in trials:
        console.print(
            f"{trial.judge}: {trial.rated:,} of {trial.asked:,} judged, of {trial.clusters:,} {about.cluster}."
        )
        for reason, times in sorted(trial.lost.items(), key=lambda item: -item[1]):
            console.print(f"  {times:,} lost: {reason}", markup=False)
    console.print(
        "A baseline is beaten where the judge's whole interval lies above the baseline's; a share of .5 is chance."
    )
    if trials[0].labels("accuracy"):
        console.print("Weighted kappa has quadratic weights; alpha is Krippendorff's.")
    for group in _alike(trials):
        for label in group[0].labels(RANKING):
            _show_ranking(console, group, label)
        for label in group[0].labels("accuracy"):
            _show_agreement(console, group, label)
        _show_others(console, group)
    console.print()
    for note in dict.fromkeys(note for trial in trials for note in trial.notes):
        console.print(f"- {note}", markup=False)


def _alike(trials: list[Trial]) -> Iterator[list[Trial]]:
    """Yield trials that share their baselines, having rated everything, together; any other by itself."""
    whole = [trial for trial in trials if not trial.lost]
    if whole:
        yield whole
    yield from ([trial] for trial in trials if trial.lost)


def _rows(group: list[Trial], measures: Sequence[str], label: str) -> dict[str, dict[str, Line]]:
    """Return name to measure to line: the judges', then people's, then the baselines' of the first trial."""
    lines = [line for trial in group for measure in measures for line in trial.of(measure, label)]
    rows: dict[str, dict[str, Line]] = {}
    for who in ("judge", "people", "baseline"):
        for line in lines:
            if line.who == who:
                name = f"{line.name} (n {line.figure.n:,})" if who == "people" else line.name
                rows.setdefault(name, {}).setdefault(line.measure, line)
    return rows


def _show_ranking(console: Console, group: list[Trial], label: str) -> None:
    rows = {name: row[RANKING] for name, row in _rows(group, [RANKING], label).items()}
    n = next(iter(rows.values())).figure.n
    console.print(f"\n[bold]Order by {_words(label)}[/]: share of pairs put in the same order, of n {n:,}")
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", overflow="fold")
    for column in ("share", "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("beats baselines")
    beats = {name: found for trial in group for name, found in trial.beats(RANKING, label).items()}
    for name, line in rows.items():
        remark = _beaten(beats[name]) if line.who == "judge" else ""
        table.add_row(name, *_three(line.figure), remark, style="dim" if line.who != "judge" else "")
    console.print(table)


def _show_agreement(console: Console, group: list[Trial], label: str) -> None:
    known = {line.measure for trial in group for line in trial.lines if line.label == label}
    own = next((line.figure.n for trial in group for line in trial.of("accuracy", label) if line.who == "judge"), None)
    whose = f"n {own:,}" if own else "of people alone"
    console.print(f"\n[bold]Agreement on {_words(label)}[/], {whose}: value, low and high end of 95 %")
    for half in HALVES:
        measures = [measure for measure in half if measure in known]
        table = Table(box=None, padding=(0, 1, 0, 0))
        table.add_column("", overflow="fold", min_width=19)
        for measure in measures:
            table.add_column(measure, no_wrap=True)
        for name, row in _rows(group, measures, label).items():
            style = "dim" if all(line.who != "judge" for line in row.values()) else ""
            table.add_row(name, *(_cell(row[m].figure) if m in row else "-" for m in measures), style=style)
        console.print(table)
    deciding = "weighted kappa" if "weighted kappa" in known else "Cohen's kappa"
    for trial in group:
        for name, found in trial.beats(deciding, label).items():
            console.print(f"By {deciding} {name} beats {_beaten(found)}.")


def _show_others(console: Console, group: list[Trial]) -> None:
    """Print the lines that are neither order nor agreement with labels, such as ties and flips."""
    shown = {label for trial in group for label in trial.labels("accuracy")}
    lines = [line for trial in group for line in trial.lines if line.measure != RANKING and line.label not in shown]
    if not lines:
        return
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "of", "who"):
        table.add_column(column, overflow="fold")
    for column in ("value", "95 %", "n"):
        table.add_column(column, justify="right", no_wrap=True)
    for line in dict.fromkeys(lines):
        table.add_row(line.measure, _words(line.label), line.name, *_three(line.figure), f"{line.figure.n:,}")
    console.print(table)


def _three(figure: Figure) -> tuple[str, str]:
    return _number(figure.value, 3), f"{_number(figure.low, 3)} {_number(figure.high, 3)}"


def _words(label: str) -> str:
    return label.replace("_", " ")


def _beaten(found: dict[str, bool]) -> str:
    """Say which baselines are beaten, in the fewest words."""
    lost = [name for name, beaten in found.items() if not beaten]
    return f"{len(found) - len(lost)} of {len(found)}; not: {', '.join(lost)}" if lost else f"all {len(found)}"


def _number(value: float, places: int) -> str:
    """Write a number as such figures are written: no zero before the point."""
    if not math.isfinite(value):
        return "-"
    written = f"{value:.{places}f}"
    return written.replace("-", "" if float(written) == 0 else "-").replace("0.", ".", abs(float(written)) < 1)


def _cell(figure: Figure) -> str:
    return " ".join(_number(value, 2) for value in (figure.value, figure.low, figure.high))
