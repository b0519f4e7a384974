"""probes: pairs of responses that tempt a judge or a reward model, and what each falls for."""

from psychocounsel.probes.own import FamilyVerdict, self_preference
from psychocounsel.probes.panel import probe_judge, probe_scorer
from psychocounsel.probes.rules import length_finding, position_finding, self_preference_finding

__all__ = [
    "FamilyVerdict",
    "length_finding",
    "position_finding",
    "probe_judge",
    "probe_scorer",
    "self_preference",
    "self_preference_finding",
]
