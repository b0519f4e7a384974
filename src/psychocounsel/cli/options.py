"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipePath = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe in YAML, such as recipes/quickstart.yaml.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Change the recipe, such as output=DIR seed=8 collect.limit=200."),
]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors and the result.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Write JSON lines to standard output, for scripts.")]
