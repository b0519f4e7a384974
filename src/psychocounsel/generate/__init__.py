"""generate: a few counsellors of the pool answer each client speech."""

from psychocounsel.generate.stage import make

__all__ = ["make"]
