"""base: the model that the reward model and the policy start from - one that exists, or a small one made here."""

from psychocounsel.base.stage import make

__all__ = ["make"]
