"""How a stage tells how far it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Tick(Protocol):
    """Is told how far a stage is."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total`, in the stage's own units; `note` says what calls have cost so far."""
        ...


def silent(done: int, total: int, note: str = "") -> None:
    """A tick that nobody listens to."""
