"""The judge: seven principles in one call, bounds enforced, and what cannot be read asked for again, a few times."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from psychocounsel.backends.calls.connection import Connection
from psychocounsel.backends.calls.engine import Call, Outcome
from psychocounsel.backends.chat import about_tokens, said
from psychocounsel.backends.llm_judge import prompts, reading
from psychocounsel.backends.protocols import PairVerdict, PrincipleScore
from psychocounsel.errors import BackendError, PsychocounselError
from psychocounsel.principles import Rubric, default_rubric
from psychocounsel.recipe import Judging
from psychocounsel.records import Conversation, Verdict, content_seed

Key = TypeVar("Key")
Read = TypeVar("Read")
TIE = 0.1
"""Half-width of the band around even odds that is a tie, where a verdict is read from log-probabilities."""


@dataclass(frozen=True, slots=True)
class _Label(Generic[Key]):
    key: Key
    sample: int
    repairs: int


class LanguageModelJudge:
    """A model of a server, as judge."""

    simulated = False

    def __init__(
        self, spec: str, connection: Connection, rubric: Rubric | None = None, judging: Judging | None = None
    ) -> None:
        self.spec = spec
        self.model = spec.partition("/")[2]
        self.connection = connection
        self.rubric = rubric or default_rubric()
        self.judging = judging or Judging()

    def rate(self, conversation: Conversation, response: str) -> dict[str, PrincipleScore]:
        """Rate one response. Raises BackendError where no readable rating came."""
        [(_, given)] = self.rate_all([(0, conversation, response)])
        if isinstance(given, PsychocounselError):
            raise given
        return given

    def compare(self, conversation: Conversation, first: str, second: str) -> PairVerdict:
        """Compare two responses shown in this order. Raises BackendError where no readable verdict came."""
        [(_, given)] = self.compare_all([(0, conversation, first, second)])
        if isinstance(given, PsychocounselError):
            raise given
        return given

    def rate_all(
        self, items: Iterable[tuple[Key, Conversation, str]]
    ) -> Iterator[tuple[Key, dict[str, PrincipleScore] | PsychocounselError]]:
        """Yield for each item (key, conversation, response) its key and rating, as they come.

        With several samples a score is their mean, and the reason that of the sample nearest to it.
        """
        wanted = self.judging.samples
        gathered: defaultdict[Key, list[dict[str, PrincipleScore]]] = defaultdict(list)
        lost: defaultdict[Key, list[PsychocounselError]] = defaultdict(list)
        calls = (
            self._call(prompts.rating(self.rubric, conversation, response), _Label(key, sample, 0))
            for key, conversation, response in items
            for sample in range(wanted)
        )
        schema = prompts.rating_schema(self.rubric)
        for label, given in self._readable(calls, schema, lambda text: reading.ratings(text, self.rubric)):
            if isinstance(given, PsychocounselError):
                lost[label.key].append(given)
            else:
                gathered[label.key].append(given)
            if len(gathered[label.key]) + len(lost[label.key]) == wanted:
                samples, failed = gathered.pop(label.key), lost.pop(label.key, [])
                yield label.key, failed[0] if failed else _mean(samples)

    def compare_all(
        self, items: Iterable[tuple[Key, Conversation, str, str]]
    ) -> Iterator[tuple[Key, PairVerdict | PsychocounselError]]:
        """Yield for each item (key, conversation, first, second) its key and verdict, as they come."""
        at_once = self.connection.endpoint.logprobs
        calls = (
            self._call(prompts.comparing(self.rubric, conversation, first, second, at_once=at_once), _Label(key, 0, 0))
            for key, conversation, first, second in items
        )
        if at_once:
            for outcome in self.connection.ask(
                self._with(call, logprobs=True, top_logprobs=20, max_tokens=1) for call in calls
            ):
                yield outcome.call.label.key, _by_logprobs(outcome)
            return
        schema = prompts.comparing_schema(self.rubric)
        for label, given in self._readable(calls, schema, lambda text: reading.verdict(text, self.rubric)):
            yield label.key, given

    def _call(self, messages: list[dict[str, str]], label: _Label[Any]) -> Call:
        judging = self.judging
        given = {
            "temperature": judging.temperature,
            "max_tokens": judging.max_tokens,
            "seed": content_seed("judge", label.sample) % 2**31,
        } | judging.extra
        request = {"model": self.model, "messages": messages} | {k: v for k, v in given.items() if v is not None}
        return Call(self.spec, request, label, about_tokens(request))

    @staticmethod
    def _with(call: Call, **more: Any) -> Call:
        return Call(call.spec, call.request | more, call.label, call.tokens)

    def _readable(
        self, calls: Iterable[Call], schema: dict[str, Any], read: Callable[[str], Read]
    ) -> Iterator[tuple[_Label[Any], Read | PsychocounselError]]:
        """Yield what each call's answer says, asking again where it cannot be read."""
        structured = self.connection.endpoint.structured
        form = {"schema": schema, "object": {"type": "json_object"}, "none": None}[structured]
        again: Iterable[Call] = (self._with(call, response_format=form) if form else call for call in calls)
        while True:
            unreadable: list[Call] = []
            for outcome in self.connection.ask(again):
                label: _Label[Any] = outcome.call.label
                if outcome.stored is None:
                    yield label, BackendError(outcome.error)
                    continue
                text, ending = said(outcome.stored.answer)
                try:
                    yield label, read(text)
                except reading.UnreadableError as fault:
                    why = "cut at the token limit" if ending == "length" else "refused" if not text else str(fault)
                    if label.repairs >= self.judging.repairs:
                        yield label, BackendError(f"unreadable: {why}")
                    else:
                        unreadable.append(self._repair(outcome.call, text, why))
            if not unreadable:
                return
            again = unreadable

    def _repair(self, call: Call, text: str, why: str) -> Call:
        messages = [
            *call.request["messages"],
            {"role": "assistant", "content": text or "(nothing)"},
            {"role": "user", "content": prompts.REPAIR.format(fault=why)},
        ]
        label = call.label
        return Call(
            call.spec,
            call.request | {"messages": messages},
            _Label(label.key, label.sample, label.repairs + 1),
            call.tokens,
        )


def _mean(samples: list[dict[str, PrincipleScore]]) -> dict[str, PrincipleScore]:
    if len(samples) == 1:
        return samples[0]
    out = {}
    for key in samples[0]:
        mean = math.fsum(sample[key].score for sample in samples) / len(samples)
        nearest = min(samples, key=lambda sample: abs(sample[key].score - mean))
        out[key] = PrincipleScore(mean, nearest[key].reason)
    return out


def _by_logprobs(outcome: Outcome) -> PairVerdict | PsychocounselError:
    """Return the verdict that the odds of A against B as first token give."""
    if outcome.stored is None:
        return BackendError(outcome.error)
    try:
        first = outcome.stored.answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        odds = {"A": 0.0, "B": 0.0}
        for entry in first:
            letter = str(entry["token"]).strip().upper()
            if letter in odds:
                odds[letter] += math.exp(float(entry["logprob"]))
    except (KeyError, IndexError, TypeError, ValueError):
        return BackendError("the server gave no log-probabilities; set logprobs: false for its endpoint")
    if not odds["A"] + odds["B"]:
        return BackendError("unreadable: neither A nor B among the likely first tokens")
    share = odds["A"] / (odds["A"] + odds["B"])
    overall: Verdict = "tie" if abs(share - 0.5) <= TIE else "a" if share > 0.5 else "b"
    return PairVerdict(overall, {})
