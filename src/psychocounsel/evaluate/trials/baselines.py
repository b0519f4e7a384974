"""Trivial baselines: what a judge must beat before its figures mean anything."""

from __future__ import annotations

import re
from collections.abc import Callable

WORD = re.compile(r"\w+(?:['’]\w+)*")
_EMPATHY = frozenset(
    "sorry hear understand understandable feel feeling feelings felt hard tough difficult sad hurt hurts pain painful "
    "valid normal alone sounds sound seems care caring hope love support hug hugs there strong proud scary scared "
    "frustrating exhausting overwhelming overwhelmed struggle struggling imagine appreciate thank".split()
)
"""Words that sound like empathy, whatever they are used for. The list is this baseline's alone; no judge reads it."""


def words(response: str) -> float:
    """Words of the response."""
    return float(len(WORD.findall(response)))


def empathy_words(response: str) -> float:
    """Empathy words of the response."""
    return float(sum(word in _EMPATHY for word in WORD.findall(response.lower())))


def questions(response: str) -> float:
    """Questions asked."""
    return float(len(re.findall(r"\?+", response)))


FIRST = "first position"
BASELINES: dict[str, Callable[[str], float]] = {
    "longest": words,
    "shortest": lambda response: -words(response),
    "most empathy words": empathy_words,
    "most questions": questions,
    FIRST: lambda response: 0.0,
}
"""What each gives a response; higher is preferred. `first position` sees no difference between two responses."""
