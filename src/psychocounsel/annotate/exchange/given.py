"""One answer as another tool, or another device, wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Given:
    """One answer as a file has it, or why it cannot be read."""

    row: int
    """Row, task, record or answer of the file, from 1."""
    rater: str = ""
    """The code."""
    position: int | None = None
    """Place in the rater's order, from 0; None where `item` and `repeat` say which it is."""
    item: str = ""
    """The item's id, where the file has it; then it is compared."""
    repeat: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    """Fields of Answer."""
    shown: bool = False
    """Whether sides are `first` and `second`, as they were shown, and must be turned back."""
    at: str = ""
    """When it was last changed, in ISO 8601, where the file says it."""
    fault: str = ""
    """Why it cannot be read; empty where it can."""
