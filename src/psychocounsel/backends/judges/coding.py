"""Behaviour codes of a response's sentences, from syntax and cue phrases.

After the MITI 4.1 behaviour counts, Hill's helping skills (exploration, insight, action), Stiles' Verbal Response Modes
(form: who the sentence is about; intent: whose frame it takes) and the EPITOME mechanisms.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from psychocounsel.backends.judges.common import ClientText, content_stems, feeling_kinds, kinds_of, quote
from psychocounsel.backends.judges.text import (
    Hit,
    PhraseBook,
    Read,
    Sentence,
    Tokens,
    lexicon,
    negated,
    stem,
    tokens_of,
    word_set,
)

HARMFUL = ("harm", "contempt", "threat", "blame", "doubt", "minimise", "nonapology", "diagnose", "medical")


@dataclass(frozen=True, slots=True)
class Unit:
    """One stretch of speech that does one thing."""

    code: str
    tokens: Tokens
    taken: frozenset[str]
    """Stems of the client's content words that it takes up."""
    kinds: frozenset[str]
    """Kinds of feeling it names."""
    labels: frozenset[str]
    """Every label of a cue phrase in it."""
    cue: str
    """What gave the code away, quoted where that quotes nothing of the client's."""
    added: int = 0
    """Content stems that are not the client's."""


REFLECTIONS = ("reflect_complex", "reflect_simple")
QUESTIONS = ("open", "open_stock", "why", "closed", "advice_question")
ADVICE = ("direct", "advise", "advice_question")
HOSTILE = ("harm", "contempt", "blame", "threat", "doubt")
EMPTY_TALK = ("platitude", "promise", "presence", "minimal", "sympathy")


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded response."""

    units: tuple[Unit, ...]
    counts: Counter[str]
    sentences: int
    mean_length: float
    repeats: int
    jargon: int
    taken: frozenset[str]
    building_units: int
    """Units that take up a word, a feeling or a person of the client's."""
    refers_back: bool
    """Whether it points back at what was said without repeating a word of it."""
    off_topic: bool

    def n(self, *codes: str) -> int:
        return sum(self.counts[c] for c in codes)

    def share(self, *codes: str) -> float:
        return self.n(*codes) / len(self.units)

    @property
    def building(self) -> float:
        return self.building_units / len(self.units)

    def first(self, *codes: str) -> Unit:
        return next(u for u in self.units if u.code in codes)


_PEOPLE = frozenset({"he", "she", "they", "him", "her", "them", "his", "their"})


def coded(response: Read, client: ClientText) -> Coded:
    """Cut a response into units and code each; a unit said twice counts once."""
    seen: set[Tokens] = set()
    units: list[Unit] = []
    repeats = 0
    for sentence in response.sentences:
        for part in split_turns(sentence):
            if part.tokens in seen:
                repeats += 1
                continue
            seen.add(part.tokens)
            units.append(code(part, client))
    third = not _PEOPLE.isdisjoint(client.tokens)
    building = [u for u in units if u.taken or u.kinds & client.kinds or (third and not _PEOPLE.isdisjoint(u.tokens))]
    address = any("you" in u.tokens or "your" in u.tokens for u in units)
    engaged = any(u.code not in ("inform", "about_you", "direct", "disclose", "minimal", "advise") for u in units)
    jargon = lexicon("sets")["sets"]["jargon"].split()
    words = [t for u in units for t in u.tokens]
    return Coded(
        units=tuple(units),
        counts=Counter(u.code for u in units),
        sentences=len(response.sentences),
        mean_length=response.words / len(response.sentences),
        repeats=repeats,
        jargon=len({t for t in words if t in jargon or len(t) > 11} - client.tokens),
        taken=frozenset(t for u in units for t in u.taken),
        building_units=len(building),
        refers_back=bool(building) or (address and not {"that", "this"}.isdisjoint(words)),
        off_topic=not building and not engaged and len(words) > 5 and (not address or len(words) > 12),
    )


@cache
def _book() -> PhraseBook:
    sets = {name: words.split() for name, words in lexicon("sets")["sets"].items()}
    phrases = lexicon("harms")["behaviours"] | lexicon("skills")["behaviours"]
    return PhraseBook(phrases, sets | {"feel": list(feeling_kinds())})


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(lexicon("sets")["sets"][name].split())


# A new speech act often follows a comma: "I hear you, have you tried ...", "You're worn out, so what would ...".
_TURN = re.compile(
    r"(?:[,;:]|\s-+)\s*(?:and |but |so |then |or )?(?=(?:do you|did you|have you|are you|could you|would you|can you|"
    r"you should|you need to|you must|you have to|you could|i would|i'd suggest|i suggest|i recommend|try|please|"
    r"maybe you|stop|tell me|why don't)\b)",
    re.IGNORECASE,
)
_TURN_ASKING = re.compile(_TURN.pattern.replace("(?=(?:", "(?=(?:what|how|why|where|is there|"), re.IGNORECASE)

_WH = frozenset({"what", "how", "why", "where", "when", "who", "which", "whose"})
_AUX = frozenset("do does did is are was were have has had can could would will should may might shall am".split())


@cache
def _openers() -> PhraseBook:
    return PhraseBook(lexicon("sets")["openers"])


_ADVISING = frozenset({("what", "about"), ("how", "about"), ("what", "if"), ("why", "not"), ("why", "do")})
_TAGS = frozenset({"right", "huh", "yeah", "yes", "no", "okay", "correct", "eh"})
_OBJECTS = frozenset({"her", "him", "it", "your", "the", "them", "this", "yourself", "up", "off"})
_RESTATES = frozenset({"so", "and", "but", "because", "kind"})


def split_turns(sentence: Sentence) -> list[Sentence]:
    """Cut a sentence where a new speech act begins; a question mark stays with its last part."""
    if len(sentence.tokens) < 8 or not ("," in sentence.text or ";" in sentence.text or "-" in sentence.text):
        return [sentence]
    if sentence.asks and _lead(sentence.tokens)[0] in _WH:
        return [sentence]
    turn = _TURN_ASKING if sentence.asks else _TURN
    parts = [p for p in turn.split(sentence.text) if p.strip()]
    if len(parts) < 2:
        return [sentence]
    found = [(tokens_of(p), p) for p in parts]
    if any(len(t) < 3 for t, _ in found):
        return [sentence]
    last = len(found) - 1
    return [Sentence(t, sentence.mark if n == last else ".", p) for n, (t, p) in enumerate(found)]


def code(sentence: Sentence, client: ClientText) -> Unit:
    """Code one stretch of speech."""
    tokens = sentence.tokens
    stems = content_stems(tokens)
    taken = frozenset(stems & (client.content | client.earlier_content))
    hits = _book().find(tokens)
    hits = [h for h in hits if not _excused(h, tokens, sentence)]
    labels = {h.label for h in hits}
    name, cue = _code(sentence, tokens, hits, labels, taken, client)
    added = len(stems) - len(taken)
    return Unit(name, tokens, taken, frozenset(kinds_of(tokens)), frozenset(labels), quote(cue, client), added)


def _excused(hit: Hit, tokens: Tokens, sentence: Sentence) -> bool:
    """Say whether a harsh phrase is negated, or is what the client feels or was told and not what the speaker says."""
    if hit.label in ("advise_strong", "advise_soft"):
        if "proud" in tokens[hit.end : hit.end + 2]:
            return True
        before = tokens[max(0, hit.start - 5) : hit.start]
        return "i" not in before and not _words("reports").isdisjoint(before)
    if hit.label not in HARMFUL:
        return False
    if hit.label in ("harm", "contempt", "blame", "diagnose", "minimise", "threat") and negated(tokens, hit.start):
        return True
    if hit.label in ("contempt", "blame", "doubt", "minimise", "threat"):
        before = tokens[max(0, hit.start - 6) : hit.start]
        return not _words("reports").isdisjoint(before) and not sentence.text.lstrip().lower().startswith(
            ("i feel", "i think")
        )
    return False


def _lead(tokens: Tokens) -> Tokens:
    n = 0
    while n < len(tokens) - 1 and tokens[n] in _words("fillers"):
        n += 1
    return tokens[n:]


def _first(hits: list[Hit], label: str, tokens: Tokens) -> Tokens:
    hit = next(h for h in hits if h.label == label)
    return tokens[hit.start : hit.end]


def _code(
    sentence: Sentence, tokens: Tokens, hits: list[Hit], labels: set[str], taken: frozenset[str], client: ClientText
) -> tuple[str, Tokens]:
    lead = _lead(tokens)
    for label in ("harm", "contempt", "medical"):
        if label in labels and not ("safety_q" in labels and sentence.asks):
            return label, _first(hits, label, tokens)
    if "safety_q" in labels and (sentence.asks or "permission" in labels or lead[0] in _AUX):
        return "safety_q", _first(hits, "safety_q", tokens)
    for label in ("nonapology", "threat", "blame", "doubt", "minimise", "diagnose"):
        if label in labels:
            return label, _first(hits, label, tokens)
    openers = {h.label for h in _openers().find(tokens)}
    if (
        sentence.asks
        or (lead[0] in _WH and len(lead) > 2 and lead[1] in _AUX)
        or ("tell" in openers and "permission" not in labels)
    ):
        return _question(tokens, lead, hits, labels, openers, taken)
    return _statement(sentence, tokens, lead, hits, labels, taken, client)


def _question(
    tokens: Tokens, lead: Tokens, hits: list[Hit], labels: set[str], openers: set[str], taken: frozenset[str]
) -> tuple[str, Tokens]:
    wh = next((n for n, t in enumerate(tokens[:-1]) if t in _WH and (tokens[n + 1] in _AUX or n == 0)), None)
    whose = lead[0] in _WH and lead[:2] not in _ADVISING
    if not whose and "tell" not in openers:
        for label in ("permission", "advise_soft", "advise_strong"):
            if label in labels:
                return ("permission" if label == "permission" else "advice_question"), _first(hits, label, tokens)
    if whose and "permission" in labels and not taken and "think" in tokens:
        return "permission", _first(hits, "permission", tokens)
    if lead[0] in _WH or wh is not None or "tell" in openers:
        start = tokens[wh : wh + 4] if wh is not None else lead[:4]
        if "stock" in openers and not taken:
            return "open_stock", start
        if "factual" in openers and "evoke" not in openers and "tell" not in openers:
            return "closed", start
        return ("why" if start[:1] == ("why",) else "open"), start
    if tokens[-1] in _TAGS and len(tokens) > 4:
        return "reflect_simple", tokens[:3]
    if lead[0] not in _AUX and "reflect" in labels:
        return "reflect_simple", _first(hits, "reflect", tokens)
    return ("open_stock" if "stock" in openers else "closed"), lead[:4]


def _imperative(lead: Tokens) -> bool:
    rest = lead[1:] if lead[0] in ("please", "just", "first", "instead", "finally", "next", "maybe") else lead
    if not rest or len(rest) < 2:
        return False
    if rest is not lead and rest[1] in _OBJECTS and rest[0] not in word_set("words", "function"):
        return True  # "just VERB her ...": an order whatever the verb
    if " ".join(rest[:2]) in lexicon("sets")["not_orders"]:
        return False
    return rest[0] in _words("imperatives") or rest[:2] == ("do", "not")


def _tells_back(tokens: Tokens, lead: Tokens) -> bool:
    """Say whether a sentence tells back by its shape: "so you ...", "you are ...ing", "you have ..."."""
    if tokens[0] in ("so", "because", "and") and lead[0] == "you":
        return True
    return lead[:2] == ("you", "have") or (lead[:2] == ("you", "are") and lead[2:3] != () and lead[2].endswith("ing"))


def _statement(
    sentence: Sentence, tokens: Tokens, lead: Tokens, hits: list[Hit], labels: set[str], taken: frozenset[str],
    client: ClientText,
) -> tuple[str, Tokens]:  # fmt: skip
    if "crisis_help" in labels:
        return "crisis_help", _first(hits, "crisis_help", tokens)
    if "refer" in labels:
        return "refer", _first(hits, "refer", tokens)
    if "autonomy" in labels:
        return "autonomy", _first(hits, "autonomy", tokens)
    if "permission" in labels:
        return "permission", _first(hits, "permission", tokens)
    empty = "platitude" in labels and (not taken or len(tokens) < 6)
    if empty and len(tokens) <= 9:
        return "platitude", _first(hits, "platitude", tokens)
    if "advise_strong" in labels or _imperative(lead):
        return "direct", _first(hits, "advise_strong", tokens) if "advise_strong" in labels else lead[:3]
    if "advise_soft" in labels:
        return "advise", _first(hits, "advise_soft", tokens)
    about_client = lead[0] in ("you", "your") or tokens[0] in ("you", "your")
    own = tokens.count("i") + tokens.count("my")
    if "disclose" in labels and own > tokens.count("you") + tokens.count("your"):
        return "disclose", _first(hits, "disclose", tokens)
    if "affirm" in labels and "sympathy" not in labels:
        return "affirm", _first(hits, "affirm", tokens)
    if "presence" in labels and tokens[0] == "i" and not taken:
        return "presence", _first(hits, "presence", tokens)
    first = next((h.label for h in hits if h.label in ("validate", "reflect")), "")
    if first == "validate":
        return "validate", _first(hits, "validate", tokens)
    kinds = kinds_of(tokens)
    particular = bool(taken) or bool(kinds)
    stem_said = "reflect" in labels or (about_client and _tells_back(tokens, lead))
    stock = "sympathy" in labels and not taken and len(tokens) < 12
    addressed = "you" in tokens or "your" in tokens
    third = not _PEOPLE.isdisjoint(tokens)
    if (
        (stem_said or about_client)
        and not stock
        and not empty
        and (particular or ((addressed or third) and stem_said and len(tokens) > 3))
    ):
        cue = _first(hits, "reflect", tokens) if "reflect" in labels else lead[:3]
        new = {stem(t) for t in tokens if t in feeling_kinds()} - client.content
        deep = ("deepen" in labels) + bool(new) + bool(taken)
        return ("reflect_complex" if deep >= 2 and len(tokens) >= 7 else "reflect_simple"), cue
    for label in ("validate", "platitude", "sympathy", "promise", "presence"):
        if label in labels:
            return label, _first(hits, label, tokens)
    restates = tokens[0] in _RESTATES or about_client or third
    if taken and restates and not own and len(tokens) <= 25:
        return "reflect_simple", lead[:3]
    if len(tokens) <= 3:
        return "minimal", tokens
    return ("about_you" if addressed else "inform"), lead[:3]
