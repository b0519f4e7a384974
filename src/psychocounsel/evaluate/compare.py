"""Pairwise judging in both orders: every model against the reference, or in a league each against each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Literal

from psychocounsel.backends import Judge, PairVerdict, compare_all
from psychocounsel.errors import PsychocounselError
from psychocounsel.evaluate.answers import Answer
from psychocounsel.progress import Tick
from psychocounsel.records import ClientSpeech, Comparison, Conversation, Verdict, content_id, count_tokens

_TURNED: dict[Verdict, Verdict] = {"a": "b", "b": "a", "tie": "tie"}
Order = Literal["ab", "ba"]
_ORDERS: tuple[Order, ...] = ("ab", "ba")


def meetings(models: Sequence[str], reference: str, league: bool) -> list[tuple[str, str]]:
    """Return which two models meet: each one and the reference, and in a league also every other two."""
    others = [model for model in models if model != reference]
    return [(model, reference) for model in others] + (list(combinations(others, 2)) if league else [])


def compare_everything(
    speeches: Sequence[ClientSpeech],
    answers: Iterable[Answer],
    judge: Judge,
    reference: str,
    tick: Tick,
    told: Callable[[], str] = str,
    league: bool = False,
) -> list[Comparison]:
    """Judge the answers in both orders. What could not be judged keeps its row.

    `told` says in a few words what calls have cost so far, for `tick`.
    """
    by_key = {(a.setting, a.model, a.speech_id): a for a in answers}
    settings = sorted({setting for setting, _, _ in by_key})
    models = list(dict.fromkeys(model for _, model, _ in by_key))
    asked = [
        (s, setting, first, second, order)
        for setting in settings
        for first, second in meetings(models, reference, league)
        for s in speeches
        for order in _ORDERS
    ]

    def pair(place: int) -> tuple[Answer | None, Answer | None]:
        speech, setting, first, second, _ = asked[place]
        return by_key.get((setting, first, speech.id)), by_key.get((setting, second, speech.id))

    def items() -> Iterator[tuple[int, Conversation, str, str]]:
        for place, (speech, _, _, _, order) in enumerate(asked):
            mine, other = pair(place)
            if mine and other and not mine.error and not other.error:
                first, second = (mine.text, other.text) if order == "ab" else (other.text, mine.text)
                yield place, speech.conversation, first, second

    given: dict[int, PairVerdict | PsychocounselError] = {}
    for place, verdict in compare_all(judge, items()):
        if len(given) % 32 == 0:
            tick(len(given), len(asked), told())
        given[place] = verdict
    tick(len(asked), len(asked))
    return [
        _comparison(speech, setting, first, second, order, judge.spec, pair(place), given.get(place))
        for place, (speech, setting, first, second, order) in enumerate(asked)
    ]


def _comparison(
    speech: ClientSpeech,
    setting: str,
    model: str,
    against: str,
    order: Order,
    judge: str,
    pair: tuple[Answer | None, Answer | None],
    given: PairVerdict | PsychocounselError | None,
) -> Comparison:
    mine, other = pair
    verdict: Verdict = "tie"
    by_principle: dict[str, Verdict] = {}
    error = ""
    if mine is None or other is None:
        error = f"no answer of {model if mine is None else against} was asked for"
    elif mine.error or other.error:
        error = f"{model if mine.error else against}: {mine.error or other.error}"
    elif isinstance(given, PairVerdict):
        turn = (lambda v: v) if order == "ab" else _TURNED.__getitem__
        verdict = turn(given.overall)
        by_principle = {key: turn(v) for key, v in given.by_principle.items()}
    else:
        error = f"judge failed: {given or 'it was not asked'}"
    return Comparison(
        id=content_id("comparison", speech.id, setting, model, against, judge, order),
        speech_id=speech.id,
        setting=setting,
        model_a=model,
        model_b=against,
        judge=judge,
        order=order,
        verdict=verdict,
        principle_verdicts=by_principle,
        length_a=len(mine.text.split()) if mine else 0,
        length_b=len(other.text.split()) if other else 0,
        tokens_a=count_tokens(mine.text) if mine else 0,
        tokens_b=count_tokens(other.text) if other else 0,
        error=error,
    )
