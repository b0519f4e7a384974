"""What a reader must be told before any figure: a named fault of an evaluation, with the figure that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from psychocounsel.statistics.intervals import Figure

Name = Literal[
    "circular evaluation",
    "position-biased judge",
    "length-loving judge",
    "self-preferring judge",
    "sycophantic judge",
    "over-empathising judge",
    "judge that favours medical advice",
    "sycophantic reward model",
    "length-loving reward model",
    "over-empathising reward model",
    "reward model that favours medical advice",
    "over-optimisation",
    "unsafe at risk",
    "medical advice",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, by name."""

    name: Name
    who: str
    """Spec of the judge or model that has it."""
    says: str
    """One sentence for a reader who has seen no figure yet: what was seen and what follows."""
    figure: Figure | None = None
    """What shows it; None where no figure does, as for a judge that also labelled."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "who": self.who,
            "says": self.says,
            "figure": self.figure.as_dict() if self.figure else None,
        }
