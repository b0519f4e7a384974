"""How a stage tells how far it is, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable

Tick = Callable[[int, int], None]
"""Called with (done, total) in the stage's own units."""


def silent(done: int, total: int) -> None:
    """A tick that nobody listens to."""
