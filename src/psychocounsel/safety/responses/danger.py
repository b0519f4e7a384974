"""What kind of danger the client's words hold: which help fits, and what is said back, depend on it."""

from __future__ import annotations

from dataclasses import dataclass

from psychocounsel.records import Conversation
from psychocounsel.safety.responses.cues import Span
from psychocounsel.safety.responses.sentences import Sentence, sentences
from psychocounsel.safety.screening import at_least, screen

KINDS = {
    "abuse": "abuse",
    "threat": "abuse",
    "child": "child",
    "child-now": "child",
    "harm-others": "others",
    "threat-other": "others",
    "voices": "voices",
    "self-harm": "self-harm",
    "body": "body",
    "medical": "body",
    "third-danger": "third",
}
"""Kind of sign to kind of danger; any other sign is of suicide."""
UNDER_WAY = frozenset({"attempt", "medical", "threat", "child", "child-now", "third-danger", "body", "abuse"})
"""Signs that, where the danger is imminent, say that harm is done at this moment."""
STOP = frozenset(
    "about after again because been before being better could does doing done dont down even every feel feels "
    "from gets going have help just know life like live living make more much myself only other over really said "
    "same some something still stop stopped than that them then there they thing think this very want wanted "
    "wants were what when where which will with would your".split()
)
STEM = 5


@dataclass(frozen=True, slots=True)
class Danger:
    """The client's danger, as the risk screen sees it."""

    kinds: tuple[str, ...]
    """Of suicide, self-harm, abuse, child, others, voices, body, third; sorted; empty where the screen saw none."""
    under_way: bool
    """Whether, if the danger is imminent, harm is being done or has just been done."""
    words: frozenset[str]
    """Every word of the client's turns."""
    stems: frozenset[str]
    """Stems of the content words of the client's latest turn."""
    signs: frozenset[str]
    """Those of them that the danger's signs hold."""

    @property
    def by_somebody_near(self) -> bool:
        """Whether those whom the client names may be the danger."""
        return not {"abuse", "child"}.isdisjoint(self.kinds)

    def said_back_in(self, sentence: Sentence) -> Span | None:
        """Return where a statement says back two content words of the danger, or three of the client's turn."""
        if sentence.asks:
            return None
        found = {
            word[:STEM]: (begin, begin + len(word))
            for begin, word in zip(sentence.begins, sentence.text.split(), strict=True)
            if word[:STEM] in self.stems
        }
        told = {stem for stem in found if stem in self.signs}
        if len(told) < 2 and len(found) < 3:
            return None
        return min(a for a, _ in found.values()), max(b for _, b in found.values())


def danger_in(conversation: Conversation) -> Danger:
    """Return the danger in a conversation that ends with a client turn."""
    words = frozenset(
        word
        for turn in conversation
        if turn.role == "client"
        for sentence in sentences(turn.text)
        for word in sentence.text.split()
    )
    if not conversation:
        return Danger((), False, words, frozenset(), frozenset())
    last = conversation[-1].text
    risk = screen(last, conversation[:-1])
    signs = [s for s in risk.signs if at_least(s.level, "elevated")]
    kinds = {KINDS.get(s.kind, "suicide") for s in signs}
    # An overdose that was taken is a body in danger too.
    if any(s.kind == "attempt" and s.level == "imminent" for s in signs):
        kinds.add("body")
    told = _stems(*(last[s.start : s.end] for s in signs if s.kind != "reads-like-danger"))
    under_way = any(s.kind in UNDER_WAY for s in signs)
    return Danger(tuple(sorted(kinds)), under_way, words, _stems(last), told)


def _stems(*texts: str) -> frozenset[str]:
    return frozenset(
        word[:STEM]
        for text in texts
        for sentence in sentences(text)
        for word in sentence.text.split()
        if len(word) > 3 and word not in STOP
    )
