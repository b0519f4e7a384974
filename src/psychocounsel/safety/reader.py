"""A second reader beside the rules: how much a text reads like what people in danger write.

A linear model over single words and pairs (logistic regression on tf-idf), trained by development/safety/train.py on
the statements beside it. It knows no cue and can show none; it only ever raises a text that the rules let pass.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache
from importlib import resources
from itertools import pairwise

WORD = re.compile(r"[a-z0-9']+")
FLOOR = 0.8
"""Probability from which a text is for a person to see. Chosen on development statements by another writer than
those it was trained on, for recall before false alarms."""
LONGEST = 4000
"""Characters read; a longer text is a document, not a statement."""


def terms(text: str) -> list[str]:
    """Return the words and pairs of words of a text, with its beginning and end."""
    words = ["^", *WORD.findall(text[:LONGEST].lower().replace("’", "'")), "$"]
    return words + [f"{a} {b}" for a, b in pairwise(words)]


@cache
def model() -> tuple[float, dict[str, tuple[float, float]]]:
    """Return the intercept, and for each term its rarity and its weight."""
    text = resources.files("psychocounsel.safety").joinpath("reader.txt").read_text("utf-8")
    first, *lines = text.splitlines()
    rows = (line.split("\t") for line in lines)
    return float(first), {term: (float(rarity), float(weight)) for term, rarity, weight in rows}


def probability(text: str) -> float:
    """Return how likely the text holds a sign of danger now, in [0, 1], as far as words tell; 0 without words."""
    intercept, known = model()
    counts = Counter(terms(text))
    if len(counts) <= 3:
        return 0.0
    total = squares = 0.0
    for term, count in counts.items():
        if (found := known.get(term)) is not None:
            value = (1 + math.log(count)) * found[0]
            squares += value * value
            total += value * found[1]
    return 1 / (1 + math.exp(-(intercept + (total / math.sqrt(squares) if squares else 0.0))))
