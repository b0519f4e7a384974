"""report: one self-contained HTML file that says what a run found, on what, made how, and what it does not show."""

from psychocounsel.report.stage import make

__all__ = ["make"]
