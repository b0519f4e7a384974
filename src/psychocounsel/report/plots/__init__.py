"""The report's plots, each a pure function from figures to one SVG drawing."""

from psychocounsel.report.plots.data import coverage_plot, rating_plot
from psychocounsel.report.plots.frame import SERIES
from psychocounsel.report.plots.reward import best_of_plot, margin_histogram, reliability, reliability_plot
from psychocounsel.report.plots.rounds import curve_plot, parted_plot
from psychocounsel.report.plots.wins import (
    chosen_series,
    probe_plot,
    ranking_plot,
    safety_plot,
    slice_plot,
    win_rate_plot,
)

__all__ = [
    "SERIES",
    "best_of_plot",
    "chosen_series",
    "coverage_plot",
    "curve_plot",
    "margin_histogram",
    "parted_plot",
    "probe_plot",
    "ranking_plot",
    "rating_plot",
    "reliability",
    "reliability_plot",
    "safety_plot",
    "slice_plot",
    "win_rate_plot",
]
