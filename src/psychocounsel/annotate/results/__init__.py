"""results: how far raters agree with each other, with themselves, and with labels, judges and reward models."""

from psychocounsel.annotate.results.appendix import write_appendix
from psychocounsel.annotate.results.label_errors import write_errors
from psychocounsel.annotate.results.labels import Labelled, write_labels
from psychocounsel.annotate.results.longform import is_file
from psychocounsel.annotate.results.whole import Results, results_of, results_of_file

__all__ = [
    "Labelled",
    "Results",
    "is_file",
    "results_of",
    "results_of_file",
    "write_appendix",
    "write_errors",
    "write_labels",
]
