"""`psychocounsel`: puts the commands together and turns errors into messages and exit codes."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from psychocounsel import __version__
from psychocounsel.cli import ablate as ablate_command
from psychocounsel.cli import annotate as annotate_command
from psychocounsel.cli import calls, collect, evaluate, report, reward, show, stages
from psychocounsel.cli import plan as plan_command
from psychocounsel.cli import publish as publish_command
from psychocounsel.cli import run as run_command
from psychocounsel.cli.stopped import Stopped
from psychocounsel.errors import PsychocounselError

EPILOG = (
    "Exit codes: 0 done; 1 other error; 2 wrong command line or recipe; 3 input file; 4 artifact; "
    "5 missing extra; 6 backend; 7 too little data; 8 machine (disk, permission, lock); "
    "130 stopped by Ctrl-C, 143 by SIGTERM."
)

app = typer.Typer(
    name="psychocounsel",
    help=(
        "Preference learning for psycho-counselling language models: client speeches to candidate responses, ratings "
        "on seven principles, preference pairs, a reward model, an aligned counsellor, and evidence.\n\n"
        "Start with: psychocounsel run recipes/quickstart.yaml"
    ),
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"psychocounsel {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options before any command."""


app.command("run")(run_command.run)
app.command("plan")(plan_command.plan)
app.command("ablate")(ablate_command.ablate)
app.command("show")(show.show)
app.command("publish")(publish_command.publish)
app.add_typer(collect.app, name="collect")
app.add_typer(calls.app, name="calls")
app.add_typer(reward.app, name="reward")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(report.app, name="report")
app.add_typer(annotate_command.app, name="annotate")
stages.add_to(app)


def main() -> None:
    """Run the command line; the entry point of the package."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app(standalone_mode=True)
    except PsychocounselError as error:
        print(f"psychocounsel: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Stopped as stopped:
        print(f"\npsychocounsel: stopped. {stopped.kept}", file=sys.stderr)
        sys.exit(128 + stopped.signal)


def _stop(number: int, _: object) -> None:
    raise Stopped(number)
