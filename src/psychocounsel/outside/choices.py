"""CBT-Bench: questions with options, for models that write. The metrics are the benchmark's own."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np

from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.outside.pairs import LeftOut
from psychocounsel.outside.records import Choice
from psychocounsel.outside.rows import cluster_of, rows, text
from psychocounsel.records import Turn
from psychocounsel.statistics.intervals import Figure, Floats, Moments, mean_figure

DISTORTIONS = (
    "all-or-nothing thinking", "overgeneralization", "mental filter", "should statements", "labeling",
    "personalization", "magnification", "emotional reasoning", "mind reading", "fortune-telling",
)  # fmt: skip
CORE_BELIEFS = ("helpless", "unlovable", "worthless")
FINE_BELIEFS = (
    "I am incompetent", "I am helpless", "I am powerless, weak, vulnerable", "I am a victim", "I am needy",
    "I am trapped", "I am out of control", "I am a failure, loser", "I am defective", "I am unlovable",
    "I am unattractive", "I am undesirable, unwanted", "I am bound to be rejected", "I am bound to be abandoned",
    "I am bound to be alone", "I am worthless, waste", "I am immoral", "I am bad - dangerous, toxic, evil",
    "I don’t deserve to live",
)  # fmt: skip
TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "distortions": ("Which cognitive distortions does this person show?", DISTORTIONS),
    "core_belief_fine_grained": ("Which fine-grained core beliefs does this person hold?", FINE_BELIEFS),
    "core_belief_major": ("Which major core beliefs does this person hold?", CORE_BELIEFS),
}
"""Column of the labels to what is asked and the labels, in the order of the benchmark's code."""
RESAMPLES = 1000
_PARTS = re.compile(r"[,;\n]|\band\b")
_LETTER = re.compile(r"\W*([a-z])(?:\W*|\s*[:.)].*)")
"""A letter alone, or with its option after it; the `a` of a sentence is none."""


def cbt_bench(path: Path, left_out: LeftOut) -> list[Choice]:
    """Read one of CBT-Bench's files: qa_*.json, distortions_*.json, core_major_*.json or core_fine_*.json."""
    found = []
    for n, (where, row) in enumerate(rows(path, ("question|situation",)), 1):
        task = next((name for name in TASKS if name in row), None)
        if task:
            asked, labels = TASKS[task]
            parts = [
                f"{field.capitalize()}: {text(row.get(field), where, field)}" for field in ("situation", "thoughts")
            ]
            question, several = "\n".join([*parts, asked]), True
            options = dict(zip(ascii_lowercase, labels, strict=False))
            given = _labels(row[task], where, task)
            if unknown := given - set(labels):
                raise InputError(f"{where}: {task} has {len(unknown)} labels that the benchmark's code does not know.")
            right = frozenset(letter for letter, label in options.items() if label in given)
        elif "question" in row and "answer" in row:
            question, several = text(row["question"], where, "question"), False
            options = {letter: str(row[letter]) for letter in "abcde" if row.get(letter)}
            right = frozenset(str(row["answer"]).strip().lower()[:1])
        else:
            raise InputError(
                f"{where} is of no known task: it needs `question`, a to e and `answer`, or `situation`, `thoughts` "
                f"and one of {', '.join(TASKS)}. CBT-DP's files are not read."
            )
        if not right or not right <= options.keys():
            raise InputError(f"{where}: the right answer is none of its options.")
        cluster = cluster_of((Turn("client", question),))
        found.append(Choice(str(row.get("id", n)), cluster, question, options, right, several))
    return found


def _labels(value: Any, where: str, field: str) -> set[str]:
    if isinstance(value, str):  # a CSV writes the list out
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            value = None
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: {field} must be a list of labels.")
    return {str(label) for label in value}


def asked(choice: Choice) -> str:
    """Return what a model is asked: the question, its options, and how to answer."""
    options = "\n".join(f"{letter}: {option}" for letter, option in choice.options.items())
    how = "with the letters of all that apply, divided by commas" if choice.several else "with one letter"
    return f"{choice.question}\n{options}\nAnswer {how} and nothing else."


def read(choice: Choice, said: str) -> frozenset[str]:
    """Return the letters that an answer names; empty where it names none, or several where one is asked for."""
    parts = _PARTS.split(said.lower().strip().removeprefix("answer:"))
    named = frozenset(found[1] for part in parts if (found := _LETTER.fullmatch(part))) & choice.options.keys()
    return named if choice.several or len(named) == 1 else frozenset()


def figure(choices: Sequence[Choice], given: Sequence[frozenset[str]], seed: int = 0) -> tuple[str, Figure]:
    """Return the metric's name and figure: accuracy where one option is right, else F1 weighted by support.

    F1 is scikit-learn's `average="weighted"`: each label's F1, weighted by how many questions have it.
    """
    if not choices:
        raise TooLittleDataError("a choice over nothing: there is no question to measure.")
    clusters = [choice.cluster for choice in choices]
    if not choices[0].several:
        right = [float(g == choice.right) for choice, g in zip(choices, given, strict=True)]
        return "accuracy", mean_figure(right, clusters, resamples=RESAMPLES, seed=seed, bounds=(0, 1))
    letters = sorted({letter for choice in choices for letter in choice.options})
    truth = np.array([[letter in choice.right for letter in letters] for choice in choices], dtype=float)
    said = np.array([[letter in each for letter in letters] for each in given], dtype=float)
    size = len(letters)

    def weighted(totals: Floats) -> Floats:
        both, real, named = totals[..., :size], totals[..., size : 2 * size], totals[..., 2 * size :]
        each = np.divide(2 * both, real + named, out=np.zeros_like(both), where=(real + named) > 0)
        return np.asarray((each * real).sum(-1) / real.sum(-1))

    moments = Moments(np.concatenate([truth * said, truth, said], axis=1), weighted)
    return "weighted F1", moments.figure(clusters, resamples=RESAMPLES, seed=seed)
