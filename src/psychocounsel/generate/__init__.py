"""generate: a few counsellors of the pool answer each client speech."""

from psychocounsel.generate.stage import draw, generate, make

__all__ = ["draw", "generate", "make"]
