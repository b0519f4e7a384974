"""`psychocounsel`: puts the commands together and turns errors into messages and exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from psychocounsel import __version__
from psychocounsel.cli import plan as plan_command
from psychocounsel.cli import run as run_command
from psychocounsel.cli import show, stages
from psychocounsel.errors import PsychocounselError

EPILOG = (
    "Exit codes: 0 done; 1 other error; 2 wrong command line or recipe; 3 input file; 4 artifact; "
    "5 missing extra; 6 backend; 7 too little data; 8 machine (disk, permission, lock); 130 stopped by Ctrl-C."
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
app.command("show")(show.show)
stages.add_to(app)


def main() -> None:
    """Run the command line; the entry point of the package."""
    try:
        app(standalone_mode=True)
    except PsychocounselError as error:
        print(f"psychocounsel: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        stopped()


def stopped() -> None:
    """Say what a Ctrl-C cost, and leave with the shell's code for it."""
    print(
        "\npsychocounsel: stopped. Finished steps are kept, and a training step goes on from its last checkpoint: "
        "run the same command again.",
        file=sys.stderr,
    )
    sys.exit(130)
