"""The gate for medical advice: doses, medicines started, stopped or changed, diagnoses, a prescriber contradicted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from psychocounsel.records import Conversation
from psychocounsel.safety.responses.cues import Span, each, holds
from psychocounsel.safety.responses.sentences import Sentence, sentences

Kind = Literal["dose", "medicine", "diagnosis", "prescriber"]
REASONS: dict[Kind, str] = {
    "dose": "gives a dose",
    "medicine": "advises on taking, changing or stopping a medicine",
    "diagnosis": "diagnoses, or denies a diagnosis",
    "prescriber": "contradicts a prescriber",
}
SUPPOSED = re.compile(
    r" (?:if|once|whether|when|while|because|since|until|before|after|how|why|than|as) (?:\w+ ){0,6}$"
    r"| (?:who|people|which|many|some|i|we|patients|women|men|others|those) (?:also |often |sometimes |may |might )?$"
)
"""Before a cue: supposed, or said of people at large."""
OWNED = re.compile(r" (?:your|their|the|my|his|her|our) (?!baby)\w+$")
"""A disorder spoken of as one that somebody is known to have."""
NUMBERED = re.compile(r"(?:^| )0 ")
ASKED_FOR = re.compile(
    r"^(?:ask|asking|get|tell|push)\b.* "
    r"(?:for|to put|to give|to prescribe|to up|to increase|to start|to switch|about getting) "
)
RECOMMENDED = re.compile(
    r" (?:have you (?:\w+ )?(?:tried|considered|thought (?:of|about)|looked into)|why not|what about|how about) "
)
SAID_BY_OTHERS = re.compile(
    r" (?:says|said|thinks|thought|reckons|tells me|told me|calls|asked|if|whether)(?: that)? $"
)
COMMON = frozenset(
    "i you he she have has had am are is was my with a an the diagnosed diagnosis of living got disorder".split()
)
TAKEN = re.compile(r"^(?:take|taking|try|use|have|need|want|listen|believe|trust)\b")


@dataclass(frozen=True, slots=True)
class MedicalSign:
    """Words of a response that are medical advice."""

    start: int
    """First character in the response."""
    end: int
    """One past the last character."""
    kind: Kind
    reason: str
    """Short words for a person."""


def medical_advice(response: str, conversation: Conversation = ()) -> MedicalSign | None:
    """Return the first medical advice in `response`, or None. Any text will do.

    `conversation` lets a diagnosis that the client named as their own be said back. Sending somebody to the prescriber
    with a question is no advice.
    """
    return min(signs(sentences(response), conversation), key=lambda s: (s.start, s.end), default=None)


def signs(said: Sequence[Sentence], conversation: Conversation = ()) -> Iterator[MedicalSign]:
    """Yield every medical advice in a response that was cut into sentences."""
    own: frozenset[str] | None = None
    sent_for_help = any(holds("emergency", s) for s in said)
    client = [s for turn in conversation[-1:] for s in sentences(turn.text)]
    medicine_named = any(holds("names_medicine", s) for s in (*said, *client))
    for sentence in said:
        for start, end in _medicines(sentence, sent_for_help, medicine_named):
            kind: Kind = "dose" if NUMBERED.search(f" {sentence.text[start:end]} ") else "medicine"
            yield _sign(sentence, (start, end), kind)
        for span in _found("contradicts_prescriber", sentence):
            if not sentence.asks:
                yield _sign(sentence, span, "diagnosis" if holds("denies_disorder", sentence) else "prescriber")
        for span in _diagnoses(sentence):
            own = _own_disorders(conversation) if own is None else own
            named = set(sentence.text[span[0] : span[1]].split())
            if not named & own or holds("sure_anyway", sentence) or holds("denies_disorder", sentence):
                yield _sign(sentence, span, "diagnosis")


def _sign(sentence: Sentence, span: Span, kind: Kind) -> MedicalSign:
    return MedicalSign(*sentence.original(*span), kind, REASONS[kind])


def _found(name: str, sentence: Sentence) -> list[Span]:
    return [span for span in sorted(each(name, sentence)) if not sentence.said_back(*span)]


def _medicines(sentence: Sentence, sent_for_help: bool, medicine_named: bool) -> Iterator[Span]:
    left_to_them = holds("leaves_to_prescriber", sentence)
    moved = holds("takes_to", sentence)
    names = ("gives_dose", "changes_medicine", *(["changes_it"] if medicine_named else []))
    for start, end in [span for name in names for span in _found(name, sentence)]:
        before, cue = sentence.clause(start), sentence.text[start:end]
        numbered = NUMBERED.search(f" {cue} ") is not None
        if sentence.asks and not RECOMMENDED.search(sentence.text):
            continue
        if left_to_them and not numbered and not ASKED_FOR.search(cue):
            continue
        if moved and (not numbered or not TAKEN.search(cue)):
            continue
        if SUPPOSED.search(before) and not cue.startswith("no reason"):
            continue
        negated = sentence.negated(start, 3)
        if (negated or " not " in f" {cue} ") and holds("negated_change", sentence):
            continue
        if negated and not TAKEN.search(cue):
            continue
        # `Stop taking them and call an ambulance` is about an overdose.
        if sent_for_help and cue.startswith("stop taking"):
            continue
        yield start, end


def _diagnoses(sentence: Sentence) -> Iterator[Span]:
    if sentence.asks or (holds("no_claim", sentence) and not holds("sure_anyway", sentence)):
        return
    for start, end in _found("claims_disorder", sentence):
        if OWNED.search(sentence.text[start:end]) or SUPPOSED.search(sentence.clause(start)):
            continue
        if not sentence.negated(start, 3):
            yield start, end
    yield from _found("denies_disorder", sentence)


def _own_disorders(conversation: Conversation) -> frozenset[str]:
    """Return words of the disorders that the client says are theirs."""
    found: set[str] = set()
    for turn in conversation:
        if turn.role == "client":
            for sentence in sentences(turn.text):
                for start, end in each("owns_disorder", sentence):
                    if SAID_BY_OTHERS.search(sentence.clause(start)):
                        continue
                    found |= set(sentence.text[start:end].split())
    return frozenset(found - COMMON)
