"""rate: a judge rates every response on the principles of the rubric."""

from psychocounsel.rate.stage import make, rate

__all__ = ["make", "rate"]
