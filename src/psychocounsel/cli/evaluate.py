"""`psychocounsel evaluate`: the stage, judges on trial, and models on questions with options."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from psychocounsel.cli.groups import DEFAULT, StageGroup
from psychocounsel.cli.listeners import Bars
from psychocounsel.cli.options import JsonFlag
from psychocounsel.cli.stages import HELP, command
from psychocounsel.recipe import load_recipe

app = typer.Typer(
    cls=StageGroup,
    no_args_is_help=True,
    help=f"{HELP['evaluate']}\n\npsychocounsel evaluate RECIPE [KEY=VALUE]...",
)
app.command(DEFAULT, hidden=True)(command("evaluate"))


@app.command()
def judge(
    on: Annotated[
        list[str],
        typer.Option(
            "--on",
            metavar="NAME=PATH",
            help="A set with people's labels, such as epitome or annomi, and its file. Repeatable.",
        ),
    ],
    judges: Annotated[
        list[str] | None,
        typer.Option("--judge", metavar="SPEC", help="A judge; by default both offline ones. Repeatable."),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="RECIPE", help="Names the endpoints of ENDPOINT/MODEL judges, the rubric, and what may leave."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many responses of each set, the same ones each time.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Put judges on trial: their agreement with people, how far people agree, and trivial baselines beside them.

    Every figure has its n and a 95 % interval that resamples seekers or transcripts. --json has all of them.
    """
    from psychocounsel.evaluate.trials.hearings import hearings
    from psychocounsel.evaluate.trials.show import show

    bars, trials = Bars(Console(file=sys.stderr, soft_wrap=True)), []
    for hearing in hearings(on, judges, load_recipe(recipe) if recipe else None, limit):
        tick = bars.begin(hearing.name, "not made yet")
        try:
            trials.append(hearing.hold(tick))
        finally:
            bars.close()
    if as_json:
        for trial in trials:
            print(json.dumps({"event": "trial"} | trial.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        show(Console(file=sys.stdout, highlight=False), trials)


@app.command()
def choices(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="As in a pool: transformers/FOLDER, vllm/FOLDER or ENDPOINT/MODEL.")
    ],
    on: Annotated[
        list[str],
        typer.Option("--on", metavar="NAME=PATH", help="Questions with options, such as cbt-bench, and their file."),
    ],
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="RECIPE", help="Names the endpoint of ENDPOINT/MODEL, and what may leave."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask a model questions with options: the set's own metric, and what is reached without reading the question.

    Every question is asked at temperature 0 without a system prompt; an answer that names no option is wrong.
    """
    from psychocounsel.cli.tested import print_examined
    from psychocounsel.evaluate.examined import examine, open_examinee, read_exams

    exams = read_exams(on)
    examinee = open_examinee(model, load_recipe(recipe) if recipe else None, exams)
    bars = Bars(Console(file=sys.stderr, soft_wrap=True))
    for exam in exams:
        try:
            found = examine(examinee, exam, bars.begin(exam.card.name, "not made yet"))
        finally:
            bars.close()
        if as_json:
            print(json.dumps({"event": "examined"} | found.as_dict(), ensure_ascii=False, allow_nan=False))
        else:
            print_examined(Console(file=sys.stdout), found)
