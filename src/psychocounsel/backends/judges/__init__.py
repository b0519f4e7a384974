"""Rule-based rubric judges that need no model: `microskills` codes behaviours, `cues` weighs features of the text."""

from __future__ import annotations

from collections.abc import Callable

from psychocounsel.backends.judges.cues import CuesJudge
from psychocounsel.backends.judges.microskills import MicroskillsJudge
from psychocounsel.backends.protocols import Judge
from psychocounsel.principles import Rubric

__all__ = ["JUDGES", "CuesJudge", "MicroskillsJudge"]

JUDGES: dict[str, Callable[[Rubric | None], Judge]] = {
    MicroskillsJudge.spec: MicroskillsJudge,
    CuesJudge.spec: CuesJudge,
}
"""Spec to factory."""
