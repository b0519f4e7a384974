"""`psychocounsel annotate agree` and `labels`: what came out of a study, and what to train on."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from psychocounsel.cli.options import JsonFlag
from psychocounsel.errors import MissingExtraError

if TYPE_CHECKING:
    from psychocounsel.annotate.results import Labelled, Results
    from psychocounsel.annotate.results.against import Against
    from psychocounsel.annotate.results.agreement import Line

SHOWN = 15
"""Label errors on a terminal; --errors has all."""
SHORT = {"accuracy, ties apart": "without ties", "reward model": "reward", "share of pairs agreeing": "share agreeing"}
"""What 80 columns ask for."""
Failed = Annotated[
    bool, typer.Option("--without-failed-attention", help="Leave out raters who failed any attention check.")
]


def add_to(app: typer.Typer) -> None:
    """Give the commands to the group that they belong to."""
    app.command("agree")(agree)
    app.command("labels")(labels)


def agree(
    source: Annotated[
        str, typer.Argument(metavar="STUDY|FILE", help="A study, or a file with columns task, item, rater, label.")
    ],
    judge: Annotated[
        Path | None, typer.Option(help="A judge's labels: item (or response_a, response_b), label, task, rater.")
    ] = None,
    errors: Annotated[Path | None, typer.Option(help="Write labels that people contradict, as CSV.")] = None,
    appendix: Annotated[Path | None, typer.Option(help="Write one HTML page for a paper's appendix.")] = None,
    as_json: JsonFlag = False,
    order: Annotated[str, typer.Option(help="Of a file: the labels in order, such as low,medium,high.")] = "",
    without_failed_attention: Failed = False,
) -> None:
    """Print how far raters agree with each other and with themselves, and who else agrees with them."""
    _need_extra()
    from psychocounsel.annotate import results as found

    if found.is_file(source):
        if errors is not None or without_failed_attention:
            raise typer.BadParameter("--errors and --without-failed-attention are for studies.")
        levels = [label.strip() for label in order.split(",") if label.strip()]
        results = found.results_of_file(Path(source), judge, levels)
        if appendix is not None:
            found.write_appendix(appendix, results)
    else:
        if order:
            raise typer.BadParameter("--order is for files; a study knows its labels.")
        from psychocounsel.annotate.store import Store

        with Store.open(source) as store:
            results = found.results_of(store, judge, without_failed_attention)
            if appendix is not None:
                found.write_appendix(appendix, results, store)
        if errors is not None:
            found.write_errors(errors, results.errors)
    if as_json:
        print(json.dumps({"event": "agreement", **results.as_dict()}, ensure_ascii=False))
        return
    show(Console(width=None if sys.stdout.isatty() else 80, highlight=False), results)
    for path in (errors, appendix):
        if path is not None:
            print(f"Wrote {path}")


def labels(
    study: Annotated[str, typer.Argument(metavar="STUDY")],
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write; made where it is not there.")],
    without_failed_attention: Failed = False,
    least_votes: Annotated[
        int, typer.Option("--least-votes", min=1, help="Raters' judgements that a label needs.")
    ] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Write people's labels as what a recipe trains on: rated responses, or preference pairs."""
    _need_extra()
    from psychocounsel.annotate.results import write_labels
    from psychocounsel.annotate.store import Store

    with Store.open(study) as store:
        done = write_labels(store, out, without_failed_attention, least_votes)
    if as_json:
        told = asdict(done) | {"files": [str(path) for path in done.files]}
        print(json.dumps({"event": "labels", **told}, ensure_ascii=False))
        return
    _show_labels(done, out)


def _need_extra() -> None:
    try:
        import psychocounsel.annotate.store  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"`annotate` needs {error.name}, which is not installed: pip install 'psychocounsel[annotate]'"
        ) from None


def show(console: Console, results: Results) -> None:
    """Print every table of a study's results, or of a file's."""
    console.print(f"\n{results.name}", style="bold", markup=False, soft_wrap=True)
    if results.simulated:
        console.print("[bold]SIMULATED[/]: responses or ratings are by rules of this package, and by no people.")
    _show_people(console, results)
    _show_against(console, results)
    if results.kind != "file":
        _show_consistency(console, results)
        _show_raters(console, results)
        _show_errors(console, results)
    for note in results.notes:
        console.print(note, markup=False)
    console.print("In brackets: 95 % intervals, for other items judged by the same raters.")


def _title(results: Results, task: str) -> str:
    """Return a task's name; of principles the key, as the names are long and the page has them."""
    return escape(results.tasks.get(task, task) if results.kind == "file" else task)


def _table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(heads[0], overflow="fold")
    for head in heads[1:]:
        wraps = head in ("without a label", "labelled by")
        table.add_column(head, overflow="fold", no_wrap=not wraps, justify="right" if head in ("n", "of") else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _show_people(console: Console, results: Results) -> None:
    from psychocounsel.annotate.results.agreement import AC1, FLEISS, ICC, NOMINAL, ORDINAL, POOLED, SHARE
    from psychocounsel.annotate.results.words import listed

    console.print("\n[bold]People with each other[/]")
    if results.excluded or results.withdrawn:
        console.print(
            f"Left out: {len(results.withdrawn)} raters who withdrew, {len(results.excluded)} who failed an attention "
            "check."
        )
    counts = [
        (_title(results, each.task), str(each.items), str(each.raters), str(each.ratings), listed(each.missing))
        for each in results.people
    ]  # fmt: skip
    _table(console, ("", "items", "raters", "labels", "without a label"), counts)
    for half in ((SHARE, NOMINAL, AC1), (FLEISS, ORDINAL, ICC), (POOLED,)):
        known = [m for m in half if any(each.figure(m) for each in results.people)]
        if not known:
            continue
        rows = [
            (_title(results, each.task), *(_said([line for line in each.lines if line.measure == m]) for m in known))
            for each in results.people
        ]
        console.print()
        _table(console, ("", *(SHORT.get(m, m) for m in known)), rows)
    absent = {
        line.measure: line.why for each in reversed(results.people) for line in each.lines if line.figure is None
    }  # fmt: skip
    if results.shown_first is not None:
        line = results.shown_first
        said = f"{_said([line])}, {line.figure.n} decided" if line.figure else escape(line.why)
        console.print(f"Overall, {line.measure}: {said}")
    for measure, why in absent.items():
        console.print(f"Not there for all: {why if measure in why else f'{measure}, as {why}'}", markup=False)


def _said(lines: Sequence[Line]) -> str:
    from psychocounsel.annotate.results.words import whole

    return escape(whole(lines[0].figure)) if lines else "-"


def _show_against(console: Console, results: Results) -> None:
    heads = {
        "majority": "Beside all raters of an item",
        "others": "Beside all raters of an item but one, who is the ceiling",
    }
    for reference, head in heads.items():
        rows = [each for each in results.against if each.reference == reference]
        if not rows:
            continue
        console.print(f"\n[bold]{head}[/]")
        for names in dict.fromkeys(tuple(line.measure for line in each.lines) for each in rows):
            mine = [each for each in rows if tuple(line.measure for line in each.lines) == names]
            shown = [
                (_who(results, each), *(_said([line]) for line in each.lines), _n(each.lines)) for each in mine
            ]  # fmt: skip
            _table(console, ("", *(SHORT.get(name, name) for name in names), "n"), shown)
        lost = {(each.who, why): n for each in rows if each.task == rows[0].task for why, n in each.left_out.items()}
        for (who, why), n in lost.items():
            console.print(f"{_title(results, rows[0].task)}, {who}: {n} left out, {why}.", style="dim")
        if any("," in _n(each.lines) for each in rows):
            console.print("The second n is without ties: items on which people prefer one response.", style="dim")


def _who(results: Results, each: Against) -> str:
    who = f"judge {each.name}" if each.who == "judge" else SHORT.get(each.who, each.who)
    return f"{_title(results, each.task)}, {escape(who)}"


def _n(lines: Sequence[Line]) -> str:
    """Return how many were measured, and of measures that leave some out how many these are."""
    return ", ".join(dict.fromkeys(str(line.figure.n) for line in lines if line.figure)) or "0"


def _show_consistency(console: Console, results: Results) -> None:
    console.print("\n[bold]People with themselves[/], on items seen a second time")
    if not any(line.figure for each in results.consistency for line in each.lines):
        console.print(results.consistency[0].lines[0].why, markup=False)
        return
    rows = [
        (_title(results, each.task), *(_said([line]) for line in each.lines), _n(each.lines))
        for each in results.consistency
    ]
    _table(console, ("", *(line.measure for line in results.consistency[0].lines), "n"), rows)


def _show_raters(console: Console, results: Results) -> None:
    from psychocounsel.annotate.results.words import number

    console.print("\n[bold]Each rater[/]")
    heads = ("", "answered", "of", "cannot", "skipped", "seconds", "same", "attention", "calibration")
    rows = []
    for each in results.raters:
        same = f"{number(each.same.figure.value, 2)} of {each.same.figure.n}" if each.same.figure else "-"
        rows.append(
            (
                escape(each.rater), str(each.answered), str(each.asked), str(each.cannot), str(each.skipped),
                "-" if each.seconds is None else f"{each.seconds:.0f}", same,
                f"{each.attention.passed} of {each.attention.asked}",
                f"{each.calibration.passed} of {each.calibration.asked}",
            )
        )  # fmt: skip
    _table(console, heads, rows)
    if results.seconds is not None:
        console.print(f"{results.seconds:.0f} s is the median for an item. {results.flagged} answers flag a danger.")


def _show_errors(console: Console, results: Results) -> None:
    overall = [each for each in results.errors if each.task == "overall"]
    rest = len(results.errors) - len(overall)
    console.print(
        f"\n[bold]Labels that people contradict[/]: {len(overall)} of {results.labelled} overall, and {rest} on single "
        "principles"
    )
    heads = ("item", "label", "people", "votes", "strength", "gap", "labelled by")
    rows = [
        (
            escape(each.item), each.label, f"{each.people}, adjudicated" if each.adjudicated else each.people,
            " ".join(f"{name}:{n}" for name, n in each.votes.items() if n), f"{each.strength:.2f}",
            "-" if each.gap is None else f"{each.gap:.2f}", escape(each.labeller),
        )
        for each in overall[:SHOWN]
    ]  # fmt: skip
    if rows:
        _table(console, heads, rows)
    if len(overall) > SHOWN or rest:
        console.print(f"All {len(results.errors)} with --errors FILE.")


def _show_labels(done: Labelled, out: Path) -> None:
    if done.simulated:
        print("SIMULATED: these labels are by rules of this package, and by no people.")
    print(f"{done.labels} of {done.items} items have a label, {done.adjudicated} by a coordinator's decision.")
    for why, n in done.left_out.items():
        print(f"  {n} left out: {why}")
    if done.single:
        print(f"  {done.single} rest on a single vote; --least-votes 2 leaves those out")
    if done.capped:
        print(f"  {done.capped} have their safety set down to 2: a rater marked something in them as harmful")
    print(f"Raters left out: {len(done.withdrawn)} withdrew, {len(done.excluded)} failed an attention check.")
    for path in done.files:
        print(path)
    if done.kind == "responses":
        print(f"Train on them: collect.source=file collect.path={out / 'labels.jsonl'} collect.near_duplicate=1")
        print(f"  generate.pool=[source] rate.judge=source rate.rubric={out / 'rubric.yaml'} reward.learn=ratings")
    else:
        print(f"Pairs: {', '.join(f'{n} {split}' for split, n in done.pairs.items()) or 'none'}")
        if done.pairs:
            print(f"In the recipe of the run that they are of: pair.people={out}")
        if not done.pairs.get("train"):
            print("pairs.jsonl has none: it holds pairs of train alone, and none of these is.")
        else:
            print(f"Mix those of train in with a run's own pairs: reward.general={out / 'pairs.jsonl'}")
