"""evaluate: base, +DPO and +DPO-Iter against a reference counsellor, by a judge that did not label the data."""

from psychocounsel.evaluate.stage import make
from psychocounsel.evaluate.winrate import WinRate, compare_everything, win_rates

__all__ = ["WinRate", "compare_everything", "make", "win_rates"]
