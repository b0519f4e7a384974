"""A stage's command that also has commands below it: `collect RECIPE`, and `collect redact FILE`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

DEFAULT = "RECIPE"
"""Name of the command that makes the stage; never typed, since whatever is no other command's name goes to it."""


class StageGroup(TyperGroup):
    """Sends what names none of its commands to the one that makes the stage."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [DEFAULT, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed
