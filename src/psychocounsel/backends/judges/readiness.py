"""How ready the client is for change, from MISC 2.5 language classes and the transtheoretical model.

Taking steps and commitment count as action and preparation; desire, ability, reasons and need beside sustain talk as
contemplation; sustain talk alone as precontemplation. Most first messages hold none of these: readiness is then
unclear, and what fits is exploring.
"""

from __future__ import annotations

from collections import Counter
from functools import cache, lru_cache

from psychocounsel.backends.judges.common import ClientText
from psychocounsel.backends.judges.text import PhraseBook, lexicon

UNCLEAR = "unclear"


@cache
def _book() -> PhraseBook:
    return PhraseBook(lexicon("readiness"))


@lru_cache(maxsize=512)
def readiness(client: ClientText) -> str:
    """Return a stage of change, or `unclear`."""
    counts: Counter[str] = Counter()
    asks = False
    for sentence in client.latest.sentences:
        labels = {hit.label for hit in _book().find(sentence.tokens)}
        if sentence.asks and "preparation" in labels:
            asks = True
        counts.update(labels)
    if counts["action"] and counts["action"] >= counts["sustain"]:
        return "action"
    if asks or counts["preparation"] > counts["sustain"]:
        return "preparation"
    if counts["sustain"] and not counts["desire"] and not counts["preparation"]:
        return "precontemplation" if counts["sustain"] > 1 or client.latest.words < 40 else "contemplation"
    if counts["sustain"] or counts["desire"]:
        return "contemplation"
    return UNCLEAR
