"""A language model as judge: it rates or compares by the rubric, and is never told who wrote what."""

from psychocounsel.backends.llm_judge.judge import LanguageModelJudge

__all__ = ["LanguageModelJudge"]
