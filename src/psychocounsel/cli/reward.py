"""`psychocounsel reward`: the stage, and a reward model as a filter for scripts."""

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
from psychocounsel.errors import ArtifactError, InputError

app = typer.Typer(
    cls=StageGroup,
    no_args_is_help=True,
    help=f"{HELP['reward']}\n\npsychocounsel reward RECIPE [KEY=VALUE]...",
)
app.command(DEFAULT, hidden=True)(command("reward"))


@app.command()
def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A folder, such as runs/NAME/reward/model.")],
    file: Annotated[Path, typer.Argument(metavar="IN.jsonl", help="`id`, `prompt`, `response`; - for standard input.")],
) -> None:
    """Score responses: a line of JSON with `id` and `reward` for each line, in order.

    `principles` has the expected rating, 1 to 5, on each principle that the model has learned.

    `earlier` may hold turns before the prompt. Only differences between rewards mean something: for one prompt, the
    log-odds that one response is preferred to another.
    """
    from psychocounsel.backends.reward_model import RewardModel
    from psychocounsel.reward.score import scored

    if not model.is_dir():
        raise ArtifactError(f"there is no model at {model}. A run keeps its reward model in OUTPUT/reward/model.")
    scorer, bad = RewardModel(model), 0
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as lines:
            for line, good in scored(lines, scorer):
                bad += not good
                sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such file.") from None
    except IsADirectoryError:
        raise InputError(f"{file} is a folder; name a file of JSON lines.") from None
    if bad:
        raise InputError(f"{bad} lines could not be read; their lines in the output say why.")


@app.command("test")
def on_outside_tests(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder, or OWNER/NAME of a hub.")],
    on: Annotated[
        list[str], typer.Option("--on", metavar="NAME=PATH", help="An outside test and its file; may repeat.")
    ],
    as_json: JsonFlag = False,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=32, help="Tokens read; of longer prompts the oldest are left out.")
    ] = 2048,
) -> None:
    """Test a reward model on outside data by name: pairs, and best of several.

    Any model that transformers loads as a sequence classifier with one label is asked in its own chat template.
    Accuracy, ties one half, with 95 % intervals that resample prompts; the longest response and what others published
    beside it. docs/outside.md has the names.
    """
    from psychocounsel.cli.tested import print_tested
    from psychocounsel.reward.external import open_reward_model
    from psychocounsel.reward.outside import read_all, try_on

    sets = read_all(on)
    scorer = open_reward_model(model, max_tokens)
    bars = Bars(Console(file=sys.stderr, soft_wrap=True))
    for each in sets:
        try:
            found = try_on(scorer, each, bars.begin(each.card.name, "not made yet"))
        finally:
            bars.close()
        if as_json:
            print(json.dumps({"event": "tested"} | found.as_dict(), ensure_ascii=False, allow_nan=False))
        else:
            print_tested(Console(file=sys.stdout), found)
