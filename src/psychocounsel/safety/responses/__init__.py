"""Responses to a client at risk: seven criteria, each met, failed or not applying, and a gate for medical advice.

The criteria are data (`criteria.yaml`), with what each stands on in the literature. They are read here by rules over
sentences (`cues.yaml`), offline and in English. The rules fail towards caution: what should be there and cannot be
found is failed. They have been checked against labels of one writer, no clinician's; see docs/risk.md for how often
they are wrong. `rubric()` says the same criteria to a language-model judge.
"""

from psychocounsel.safety.responses.checking import Outcome, ResponseCheck, check
from psychocounsel.safety.responses.criteria import MET_AT, Criterion, criteria, rubric
from psychocounsel.safety.responses.medical import MedicalSign, medical_advice

__all__ = [
    "MET_AT",
    "Criterion",
    "MedicalSign",
    "Outcome",
    "ResponseCheck",
    "check",
    "criteria",
    "medical_advice",
    "rubric",
]
