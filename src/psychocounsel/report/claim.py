"""What one sentence of the first screen is, and how it is worded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from psychocounsel.report.words import PC, measured, percent

Kind = Literal["first", "can", "cannot"]
LOST = 0.05
"""Share of speeches without a verdict above which it is told first."""
TOLD = 3
"""Cases of one fault, or models, that the first screen names; the tables have all."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of the first screen."""

    kind: Kind
    """`first`: to be told before any figure; `can` be claimed; `cannot` be claimed."""
    says: str
    """What it is about, in a few words."""
    why: str
    """The figures that bear it, each with n and interval."""
    grave: bool = False
    """Whether it is a headline: about clients in danger."""


def share(figure: dict[str, Any], of: str = "speech", of_many: str = "speeches") -> str:
    """Return a share in per cent with its interval and n."""
    return f"{percent(figure['value'])}{PC} {measured(figure, of, of_many)}"


def lead(simulated: bool) -> str:
    return "In this simulation, " if simulated else ""
