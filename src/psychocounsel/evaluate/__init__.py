"""evaluate: any models against a reference, by judges whose part in the training data is known and shown."""

from psychocounsel.evaluate.compare import compare_everything
from psychocounsel.evaluate.stage import make
from psychocounsel.evaluate.winrate import win_rates

__all__ = ["compare_everything", "make", "win_rates"]
