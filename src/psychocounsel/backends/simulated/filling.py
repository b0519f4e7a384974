"""Fill a form's slots with the client's own words, or with general ones."""

from __future__ import annotations

from random import Random

from psychocounsel.backends.simulated.client_cues import ClientCues
from psychocounsel.backends.simulated.lexicon import Feeling, lexicon
from psychocounsel.backends.simulated.templates import Form, Phrasebook

_SOURCES = {
    "event": "events",
    "happened": "happened",
    "matter": "matters",
    "person": "people",
    "topic": "topics",
    "hope": "hopes",
    "effort": "efforts",
    "duration": "durations",
    "quote": "quotes",
    "earlier": "earlier",
}
_ONCE = frozenset({"event", "happened", "hope", "effort", "quote", "earlier", "duration"})
"""What sounds odd when said twice in one answer."""


_ODD_IF_GENERAL = frozenset({"event", "happened", "hope"})
_TOO_GRAVE = frozenset(
    "worthless unworthy unloved broken disgusted suspicious miserable devastated terrified powerless".split()
)
"""Nobody guesses these by mistake."""
_OFTEN = 2
"""Times that other words may come up before a general word takes over."""


class Filler:
    """One answer's slots: remembers what was said, so that it is not said twice."""

    def __init__(self, cues: ClientCues, rng: Random, book: Phrasebook, accuracy: float, depth: float) -> None:
        self._cues = cues
        self._rng = rng
        self._book = book
        self._accuracy = accuracy
        self._depth = depth
        self._used: set[str] = set()
        self._general_used: set[str] = set()
        self._said: dict[str, int] = {}

    def has(self, slot: str) -> bool:
        """Tell whether the client gave words for `slot` that are still unsaid."""
        if slot in ("feel", "feelnoun"):
            return bool(self._cues.feelings or self._cues.likely)
        return bool(self._unsaid(slot))

    def choose(self, forms: tuple[Form, ...], own: bool, used: set[str]) -> Form:
        """Choose a form not in `used`; with `own`, one that the client's words can fill."""
        fresh = [f for f in forms if f.source not in used] or list(forms)
        open_now = [f for f in fresh if not f.hard or (own and all(self.has(s) for s in f.hard))]
        if own:
            have = {s for s in (*_SOURCES, "feel", "feelnoun") if self.has(s)}
            fitting = [f for f in open_now if f.slots and f.slots <= have]
            if not fitting:
                fitting = [f for f in open_now if f.slots & have and not (f.slots - have) & _ODD_IF_GENERAL]
            # a form filled throughout reads best, but with few cues it would come up in every other answer
            if fitting and (len(fitting) >= 5 or self._rng.random() < 0.2 * len(fitting)):
                open_now = fitting
        pick = open_now or fresh
        form = pick[int(self._rng.random() * len(pick))]
        used.add(form.source)
        return form

    def repeats_itself(self, sentence: str) -> bool:
        """Tell whether a filled sentence says the same words twice: a feeling inside an event, a general phrase."""
        lower = sentence.lower()
        named = (f.adjective for f in self._cues.feelings)
        return any(lower.count(word) > 1 for word in (*named, "going through", "situation"))

    def fill(self, slot: str, own: bool) -> str:
        """Return words for `slot`, the client's own where `own` and there are any."""
        if slot in ("feel", "feelnoun"):
            return self._feeling(slot, own)
        options = self._unsaid(slot) if own or slot in ("quote", "earlier") else ()
        if not options:
            return self._general(slot)
        # the first found are the most telling
        index = min(int(self._rng.random() ** 1.6 * len(options)), len(options) - 1)
        words = options[index]
        self._used.add(words)
        self._note(slot)
        return words

    def _unsaid(self, slot: str) -> tuple[str, ...]:
        source: tuple[str, ...] = getattr(self._cues, _SOURCES[slot])
        unsaid = tuple(w for w in source if w not in self._used)
        if unsaid or slot in _ONCE or self._said.get(slot, 0) >= _OFTEN:
            return unsaid
        return source

    def _general(self, slot: str) -> str:
        forms = self._book.fill[slot]
        text = ""
        for _ in range(3):
            form = forms[int(self._rng.random() * len(forms))]
            text = form.render(self._rng, lambda name: self._general(name))
            text = text[:1].lower() + text[1:]
            if text not in self._general_used:
                break
        self._general_used.add(text)
        return text

    def _feeling(self, slot: str, own: bool) -> str:
        rng = self._rng
        if rng.random() > self._accuracy:
            if rng.random() < 0.5:
                return self._general(slot)
            wrong = self._misread()
            return wrong.adjective if slot == "feel" else wrong.noun
        if own and self._cues.feelings:
            if slot == "feelnoun":
                nouns = [f.noun for f in self._cues.feelings if f.noun]
                return nouns[int(rng.random() * len(nouns))] if nouns else self._general(slot)
            named = list(dict.fromkeys(f.adjective for f in self._cues.feelings))
            adjectives = [a for a in named if self._said.get(a, 0) < _OFTEN]
            if len(adjectives) > 1 and rng.random() < 0.3:
                return self._note(adjectives[0]) + " and " + self._note(adjectives[1])
            if adjectives:
                return self._note(adjectives[int(rng.random() * len(adjectives))])
        if self._cues.likely and slot == "feel" and rng.random() < 0.3 + 0.7 * self._depth:
            return self._cues.likely[int(rng.random() * len(self._cues.likely[:2]))]
        return self._general(slot)

    def _note(self, words: str) -> str:
        self._said[words] = self._said.get(words, 0) + 1
        return words

    def _misread(self) -> Feeling:
        families = lexicon().families
        named = {f.family for f in self._cues.feelings}
        others = [name for name in families if name not in named]
        family = families[others[int(self._rng.random() * len(others))]]
        members = [f for f in family if f.adjective not in _TOO_GRAVE]
        return members[int(self._rng.random() * len(members))]
