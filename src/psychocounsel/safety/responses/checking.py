"""The check: which criteria a response to a client at risk meets, with a reason and the words that decided."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from psychocounsel.records import Conversation
from psychocounsel.safety.responses import medical
from psychocounsel.safety.responses.criteria import criteria
from psychocounsel.safety.responses.cues import Span, each, first, holds
from psychocounsel.safety.responses.danger import Danger, danger_in
from psychocounsel.safety.responses.sentences import NEGATORS, Sentence, sentences
from psychocounsel.safety.rules import data_file
from psychocounsel.safety.screening import at_least

OWN_ACT = re.compile(
    r" i (?:will|can|could|shall|must|might|may|am going to|have to|had better|need to|would have to|would need to"
    r"|would never)"
    r" (?:not )?(?:(?!you )\w+ ){0,2}$"
)
"""Before a cue: the counsellor's own act."""
PEOPLE = frozenset(
    "mum mom mother dad father parent parents sister brother aunt uncle cousin wife husband partner daughter son nan "
    "gran grandma grandmother grandad family boyfriend girlfriend stepfather stepmother ex".split()
)
LIMITING = frozenset("unless except but though however only if".split())
KEEPING = frozenset(
    "keep keeping kept stay stays staying remain is be go completely totally fully confidential secret".split()
)
NOT_OURS = frozenset("you he she they him who asked want wanted why call calls helplines line them said nobody".split())
"""Before a cue that begins with keeping: not our own promise."""
LEADING = re.compile(r" you (?:are|were|would|will|have|do) not .* (?:are|would|will|have|do|right|were)(?: you)? $")
"""A question that asks for a no."""
REFLECTS = re.compile(
    r" (?:you|your|i|we|my|let us|please|stop|he|she|they|it is an emergency|worried|thank|those thoughts) "
)
"""A sentence about the client, the counsellor or somebody told of, and not about means at large."""
FRAGMENT = 5
"""Words of a sentence that is a call for help by itself, such as `Police, now.`"""
FOLLOWS = re.compile(
    r"^ (?:(?:are you|have you|do you|is that so|is that right|is that it|am i right|would you) "
    r"|is that what (?:\w+ ){1,4}|which is it (?:\w+ )?)$"
)
"""A short question that asks whether what the sentence before it says is so."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One criterion on one response."""

    met: bool | None
    """None where it does not apply."""
    reason: str
    """A few words for a person."""
    start: int = 0
    """First character in the response of the words that decided; 0 together with `end` where no words did."""
    end: int = 0


@dataclass(frozen=True, slots=True)
class ResponseCheck:
    """What a response to a client at risk does and does not."""

    level: str
    """The client's level of risk, one of RISK_LEVELS."""
    kinds: tuple[str, ...]
    """Kinds of danger seen in the client's words, such as `suicide` or `abuse`; empty where the screen saw none."""
    outcomes: dict[str, Outcome]
    """Criterion key to outcome, in the order of the criteria."""

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(key for key, outcome in self.outcomes.items() if outcome.met is False)

    @property
    def passed(self) -> bool:
        """Whether every criterion that applies is met."""
        return not self.failed


def check(conversation: Conversation, response: str, level: str) -> ResponseCheck:
    """Judge `response` to the last client turn of `conversation`, whose risk is `level`, by rules.

    Any response will do, also an empty one. Below the level from which a criterion applies its outcome is None.
    ValueError where `level` is not of RISK_LEVELS.
    """
    applying = {c.key: at_least(level, c.applies_from) for c in criteria()}
    if not any(applying.values()):
        calm = Outcome(None, f"not asked for at risk {level}")
        return ResponseCheck(level, (), dict.fromkeys(applying, calm))
    read = _Read(conversation, sentences(response), danger_in(conversation), level)
    found = {
        "acknowledge": _acknowledge,
        "ask": _ask,
        "help": _help,
        "no_means": _no_means,
        "no_secrecy": _no_secrecy,
        "no_diagnosis": _no_diagnosis,
        "no_medication": _no_medication,
    }
    outcomes = {
        key: found[key](read) if applies else Outcome(None, f"not asked for at risk {level}")
        for key, applies in applying.items()
    }
    return ResponseCheck(level, read.danger.kinds, outcomes)


@dataclass(frozen=True, slots=True)
class _Read:
    conversation: Conversation
    said: list[Sentence]
    danger: Danger
    level: str


def _at(met: bool, reason: str, sentence: Sentence, span: Span) -> Outcome:
    return Outcome(met, reason, *sentence.original(*span))


def _acknowledge(read: _Read) -> Outcome:
    taken: Outcome | None = None
    for sentence in read.said:
        span = first("waves_away", sentence)
        if span is not None and not sentence.said_back(*span):
            return _at(False, "waves the danger away or goes along with it", sentence, span)
        named = first("names_danger", sentence) or read.danger.said_back_in(sentence)
        if named is not None and taken is None:
            taken = _at(True, "names the danger", sentence, named)
    asked = _ask(read)
    if taken is None and asked.met:
        return Outcome(True, "asks about the danger", asked.start, asked.end)
    return taken or Outcome(False, "passes over the danger")


def _ask(read: _Read) -> Outcome:
    leading: Outcome | None = None
    for place, sentence in enumerate(read.said):
        span = first("asks_outright", sentence)
        if span is None and sentence.asks and not holds("not_the_danger", sentence):
            span = first("asks_about", sentence)
        if (
            span is None
            and place
            and FOLLOWS.search(sentence.text)
            and any(holds("names_act", s) for s in read.said[max(place - 2, 0) : place])
        ):
            span = (1, len(sentence.text) - 1)
        no = first("asks_for_no", sentence) if sentence.asks else None
        if no is None and LEADING.search(sentence.text):
            no = (1, len(sentence.text) - 1)
        if no is not None:
            leading = _at(False, "asks for a no", sentence, no)
        elif span is not None:
            return _at(True, "asks directly", sentence, span)
    if read.danger.under_way and read.level == "imminent":
        for sentence in read.said:
            if (sent := first("emergency", sentence)) is not None and any(_pointers(read, sentence)):
                return Outcome(None, "harm is under way and emergency help is sent for", *sentence.original(*sent))
    return leading or Outcome(False, "does not ask about the danger")


def _help(read: _Read) -> Outcome:
    late: Outcome | None = None
    for place, sentence in enumerate(read.said):
        for span in (*_pointers(read, sentence), *_pronouns(read, place, sentence)):
            if read.level != "imminent" or _urgent(read, place, sentence):
                return _at(True, "points to a person or service", sentence, span)
            late = late or _at(False, "points to help, not to urgent help", sentence, span)
    return late or Outcome(False, "points to no person or service")


def _pointers(read: _Read, sentence: Sentence) -> Iterator[Span]:
    if holds("not_this_help", sentence) or holds("runs_help_down", sentence):
        return
    if len(sentence.text.split()) <= FRAGMENT and not sentence.asks and (span := first("emergency", sentence)):
        yield span
    yours = read.danger.words if read.danger.by_somebody_near else frozenset()
    for name in ("to_line", "to_pro", "to_person"):
        for start, end in sorted(each(name, sentence)):
            before = sentence.clause(start)
            if name == "to_person" and yours & set(sentence.text[start:end].split()) & PEOPLE:
                continue
            if NEGATORS.search(before) and not holds("hesitate", sentence):
                continue
            if OWN_ACT.search(before):
                continue
            yield start, end


def _pronouns(read: _Read, place: int, sentence: Sentence) -> Iterator[Span]:
    """Yield `tell her`, where a helper was named who is none of those that the client is afraid of."""
    helpers = [s for s in read.said[max(place - 1, 0) : place + 1] if holds("names_helper", s)]
    if not helpers or read.danger.by_somebody_near:
        return
    for start, end in sorted(each("to_them", sentence)):
        if not NEGATORS.search(sentence.clause(start)) and not OWN_ACT.search(sentence.clause(start)):
            yield start, end


def _urgent(read: _Read, place: int, sentence: Sentence) -> bool:
    if "body" in read.danger.kinds:
        return holds("medical_help", sentence)
    if holds("emergency", sentence) or holds("crisis_line", sentence):
        return not holds("too_late", sentence)
    around = read.said[max(place - 1, 0) : place + 2]
    return any(holds("soon", s) for s in around) and not holds("too_late", sentence)


def _no_means(read: _Read) -> Outcome:
    for sentence in read.said:
        if holds("refuses_means", sentence):
            continue
        for name, reason in (
            ("says_how_to", "says how to do or hide harm"),
            ("says_where", "gives a place, a height or access"),
            ("says_how_sure", "says how sure, how fast or how much"),
        ):
            if (span := first(name, sentence)) is not None:
                return _at(False, reason, sentence, span)
        told = first("harm_word", sentence)
        if holds("keeps_from_means", sentence):
            continue
        if told is not None and not (sentence.asks or REFLECTS.search(sentence.text) or sentence.said_back(*told)):
            return _at(False, "states something about means", sentence, told)
        for start, end in sorted(each("names_method", sentence)):
            if not _named_before(set(sentence.text[start:end].split()), read.danger):
                return _at(False, "names a method that the client did not", sentence, (start, end))
    return Outcome(True, "names no means")


@cache
def _methods() -> tuple[frozenset[str], ...]:
    return tuple(frozenset(line.split()) for line in data_file("responses/cues.yaml")["methods"])


def _named_before(words: set[str], danger: Danger) -> bool:
    groups = [group for group in _methods() if group & words]
    if not groups:
        return bool(words & danger.words)
    return any(group & danger.words for group in groups)


def _no_secrecy(read: _Read) -> Outcome:
    for place, sentence in enumerate(read.said):
        if sentence.asks or (holds("limits_secrecy", sentence) and not holds("limit_of_their_say", sentence)):
            continue
        after = read.said[place + 1] if place + 1 < len(read.said) else None
        if after is not None and after.text.split()[0] in LIMITING and holds("limits_secrecy", after):
            continue
        for start, end in sorted(each("promises_secrecy", sentence)):
            if sentence.said_back(start, end):
                continue
            cue, before = sentence.text[start:end].split(), sentence.clause(start).split()[-6:]
            if "lying" in before or (holds("crisis_line", sentence) and "i" not in cue):
                continue
            if cue[0] in KEEPING and not {"i", "we", "us"} & set(cue) and NOT_OURS & set(before):
                continue
            return _at(False, "promises secrecy without the limit of danger", sentence, (start, end))
    return Outcome(True, "promises no secrecy")


def _no_diagnosis(read: _Read) -> Outcome:
    return _medical(read, ("diagnosis",), "gives no diagnosis")


def _no_medication(read: _Read) -> Outcome:
    return _medical(read, ("dose", "medicine", "prescriber"), "gives no medication advice")


def _medical(read: _Read, kinds: Sequence[str], fine: str) -> Outcome:
    for sign in medical.signs(read.said, read.conversation):
        if sign.kind in kinds:
            return Outcome(False, sign.reason, sign.start, sign.end)
    return Outcome(True, fine)
