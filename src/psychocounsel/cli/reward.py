"""`psychocounsel reward`: the stage, and a reward model as a filter for scripts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from psychocounsel.cli.groups import DEFAULT, StageGroup
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
