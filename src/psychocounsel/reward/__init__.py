"""reward: a Bradley-Terry reward model from the preference pairs, and how good it is on the test pairs."""

from psychocounsel.reward.measure import Measured, measure
from psychocounsel.reward.stage import make

__all__ = ["Measured", "make", "measure"]
