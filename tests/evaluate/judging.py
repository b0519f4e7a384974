"""Judges with one taste each, and answers by the hundred."""

from __future__ import annotations

from psychocounsel.backends import PairVerdict
from psychocounsel.errors import BackendError
from psychocounsel.evaluate.answers import Answer
from psychocounsel.evaluate.compare import compare_everything
from psychocounsel.evaluate.verdicts import verdicts_in
from psychocounsel.evaluate.winrate import labels_of, win_rates
from psychocounsel.progress import silent
from psychocounsel.records import ClientSpeech, Turn

SPEECHES = [
    ClientSpeech.make(
        f"speech {i}",
        (Turn("client", "before"), Turn("counsellor", "yes")) if i % 3 == 0 else (),
        topic="work" if i % 2 else "family",
        stage="contemplation" if i < 20 else "",
    )
    for i in range(60)
]


class LongerWins:
    """Prefers the longer response; knows nothing of positions."""

    spec, simulated = "test/longer", True

    def compare(self, conversation, first, second):
        verdict = "tie" if len(first) == len(second) else "a" if len(first) > len(second) else "b"
        return PairVerdict(verdict, {"clarity": verdict})


class FirstWins(LongerWins):
    """Always says A."""

    spec = "test/first"

    def compare(self, conversation, first, second):
        return PairVerdict("a", {"clarity": "a"})


class Fails(LongerWins):
    def compare(self, conversation, first, second):
        raise BackendError("no answer")


def answers(settings=("free",), **models):
    """Answers by model name: a function from the number of the speech to the text."""
    return [
        Answer(speech.id, setting, model, text(i))
        for setting in settings
        for i, speech in enumerate(SPEECHES)
        for model, text in models.items()
    ]


def judged(rows, *judges, speeches=SPEECHES, league=False):
    """Verdicts of every judge."""
    return verdicts_in(
        [c for j in judges for c in compare_everything(speeches, rows, j, "reference", silent, league=league)]
    )


def table(verdicts, speeches=SPEECHES):
    return win_rates(verdicts, labels_of(speeches), reference="reference", resamples=200, seed=1)


def rates(rows, judge, speeches=SPEECHES):
    return table(judged(rows, judge, speeches=speeches), speeches).rates
