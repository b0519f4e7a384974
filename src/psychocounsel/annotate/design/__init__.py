"""design: from pairs or responses to who rates what, and how wide a study's intervals will be."""

from psychocounsel.annotate.design.candidates import Candidates
from psychocounsel.annotate.design.make import Summary, design_study
from psychocounsel.annotate.design.power import Errors, Measure, Precision, expected_width, items_needed
from psychocounsel.annotate.design.rows import read_own
from psychocounsel.annotate.design.sources import read_candidates

__all__ = [
    "Candidates",
    "Errors",
    "Measure",
    "Precision",
    "Summary",
    "design_study",
    "expected_width",
    "items_needed",
    "read_candidates",
    "read_own",
]
