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
from psychocounsel.backends.judges.text import Hit, PhraseBook, Read, Sentence, Tokens, lexicon, negated, stem, tokens_of

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


def coded(response: Read, kept: tuple[Sentence, ...], client: ClientText) -> Coded:
    """Cut the kept sentences into units and code each; a unit said twice counts once."""
    seen: set[Tokens] = set()
    units: list[Unit] = []
    repeats = 0
    for sentence in kept:
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
    jargon = lexicon("microskills")["sets"]["jargon"].split()
    words = [t for u in units for t in u.tokens]
    return Coded(
        units=tuple(units),
        counts=Counter(u.code for u in units),
        sentences=len(kept),
        mean_length=sum(len(s.tokens) for s in kept) / max(1, len(kept)),
        repeats=repeats,
        jargon=len({t for t in words if t in jargon} - client.tokens),
        taken=frozenset(t for u in units for t in u.taken),
        building_units=len(building),
        refers_back=bool(building) or (address and not {"that", "this"}.isdisjoint(words)),
        off_topic=not building and not engaged and len(words) > 5 and (not address or len(words) > 12),
    )


@cache
def _book() -> PhraseBook:
    data = lexicon("microskills")
    sets = {name: words.split() for name, words in data["sets"].items()}
    return PhraseBook(data["behaviours"], sets | {"feel": list(feeling_kinds())})


# A new speech act often follows a comma: "I hear you, have you tried ...", "You're worn out, so what would ...".
_TURN = re.compile(
    r"(?:[,;:]|\s-+)\s*(?:and |but |so |then |or )?(?=(?:what|how|do you|did you|have you|are you|is there|could you|"
    r"would you|can you|why|you should|you need to|you must|you have to|you could|i would|i'd suggest|i suggest|"
    r"i recommend|try|please|maybe you|just|stop|tell me)\b)",
    re.IGNORECASE,
)

_FILLERS = frozenset(
    "so and but well okay ok yeah yes right then oh ah um uh hmm mm alright now like also because sure it also still wow".split()
)
_WH = frozenset({"what", "how", "why", "where", "when", "who", "which", "whose"})
_AUX = frozenset(
    "do does did is are was were have has had can could would will should may might shall am".split()
)
_OPENERS = PhraseBook(
    {
        "tell": [
            "tell me ?a|some ?little|bit more|about|what|how",
            "say ?a|some ?little|bit more",
            "tell|telling me ?a|some ?little|bit more|about",
            "help me ?to understand",
            "walk me through",
            "talk me through",
            "describe ?for ?me ?what|how|a",
            "i am curious|wondering ?about|how|what|if|whether",
            "i ?would wonder ?about what|how|where|when",
            "share ?a ?little|bit ?more about|what|how",
            "more about",
            "like to hear|know|understand ?more",
            "elaborate|expand",
            "give me an example",
            "paint me",
        ],
        "evoke": [
            "what would|might|could|does|do|did it|that|this|you|life|things|a|your ?want|make|mean|look|need|be|say|notice|hope",
            "what|how .. mean|means|matters|matter|important ?to ?you",
            "what ?is|was|about ?it ?about|like|that|most|hardest|worst|happening|going",
            "what|which .. you ?feel|notice|want|need|hope|make|imagine|think|wish|fear|value|tell|miss|say|do|see|lose|keep",
            "how do|did|does|would|are|have|might|could you|it|that|this|things",
            "when ?do|did|was|you ?last|feel",
            "where do|in",
        ],
        "factual": [
            "how|what old|often|many|much|long|far|time|day|year|kind|type|age|name",
            "where do|are you|did live|work|from|go",
            "when did|was|is",
            "who",
        ],
        "stock": [
            "how does|did that|it|this make you feel",
            "how are you ?feeling|doing ?today $",
            "what is|was ?going on|wrong|up $",
            "what happened $",
            "tell me ?a ?little|bit ?more $",
            "more $",
            "want|like|wanna to talk|share",
            "how do you feel $",
            "can|could you say|tell ?me more $",
        ],
    }
)
_TAGS = frozenset({"right", "huh", "yeah", "yes", "no", "okay", "correct", "eh"})
_IMPERATIVES = frozenset(
    """try go get take make talk tell call ask leave stop quit start find write read join do be keep stay let give consider
    focus remember think look see avoid practice practise exercise eat drink sleep set put use break block confront dump forget
    forgive move accept stick speak seek reach contact create schedule plan plant work learn listen meditate breathe relax
    ignore spend show act cut delete turn wait hold ensure identify limit maintain engage surround challenge allow
    establish communicate prioritize prioritise develop build treat distract choose cheer calm love trust pray smile download
    visit consult save change apologize apologise admit stand face follow encourage grow sit clean walk sign hang believe
    enjoy help add check never always don't""".split()
)
_NOT_ORDERS = frozenset({"let us", "take care", "tell me", "take your", "let me", "help me", "look forward", "see you",
                         "give me", "talk me", "feel free", "hang in", "speak soon", "be well", "go on", "do you",
                         "be safe", "stay safe", "trust yourself", "work stress", "love is", "work is", "change is"})  # fmt: skip
_OBLIGE = frozenset({"should", "must", "ought", "need", "have"})


def split_turns(sentence: Sentence) -> list[Sentence]:
    """Cut a sentence where a new speech act begins; a question mark stays with its last part."""
    if len(sentence.tokens) < 8 or not ("," in sentence.text or ";" in sentence.text or "-" in sentence.text):
        return [sentence]
    parts = [p for p in _TURN.split(sentence.text) if p.strip()]
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


_REPORTS = frozenset(
    """feel feels feeling felt believe think thinking fear afraid worry worried worrying scared saying says said told called
    telling calling calls tells if whether like as though idea message voice thought thoughts wonder wondering sense
    seen labelled labeled sees unlike""".split()
)


def _excused(hit: Hit, tokens: Tokens, sentence: Sentence) -> bool:
    """Say whether a harsh phrase is negated, or is what the client feels or was told and not what the speaker says."""
    if hit.label not in HARMFUL:
        return False
    if hit.label in ("harm", "contempt", "blame", "diagnose") and negated(tokens, hit.start):
        return True
    if hit.label in ("contempt", "blame", "doubt", "minimise", "threat"):
        before = tokens[max(0, hit.start - 6) : hit.start]
        return not _REPORTS.isdisjoint(before) and not sentence.text.lstrip().lower().startswith(("i feel", "i think"))
    return False


def _lead(tokens: Tokens) -> Tokens:
    n = 0
    while n < len(tokens) - 1 and tokens[n] in _FILLERS:
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
    openers = {h.label for h in _OPENERS.find(tokens)}
    if sentence.asks or (lead[0] in _WH and len(lead) > 2 and lead[1] in _AUX) or "tell" in openers:
        return _question(tokens, lead, hits, labels, openers, taken)
    return _statement(sentence, tokens, lead, hits, labels, taken, client)


def _question(
    tokens: Tokens, lead: Tokens, hits: list[Hit], labels: set[str], openers: set[str], taken: frozenset[str]
) -> tuple[str, Tokens]:
    if "advise_soft" in labels or "advise_strong" in labels:
        if "permission" in labels:
            return "permission", _first(hits, "permission", tokens)
        label = "advise_soft" if "advise_soft" in labels else "advise_strong"
        return "advice_question", _first(hits, label, tokens)
    if "permission" in labels and "tell" not in openers:
        return "permission", _first(hits, "permission", tokens)
    wh = next((n for n, t in enumerate(tokens[:-1]) if t in _WH and (tokens[n + 1] in _AUX or n == 0)), None)
    if lead[0] in _WH or wh is not None or "tell" in openers:
        start = tokens[wh : wh + 4] if wh is not None else lead[:4]
        if "stock" in openers:
            return "open_stock", start
        if "factual" in openers and "evoke" not in openers and "tell" not in openers:
            return "closed", start
        if start[:1] == ("why",):
            return "why", start
        return "open", start
    if tokens[-1] in _TAGS and len(tokens) > 4:
        return "reflect_simple", tokens[:3]
    if lead[0] not in _AUX and "reflect" in labels:
        return "reflect_simple", _first(hits, "reflect", tokens)
    return ("open_stock" if "stock" in openers else "closed"), lead[:4]


def _imperative(lead: Tokens) -> bool:
    rest = lead[1:] if lead[0] in ("please", "just", "first", "instead", "finally", "next", "maybe") else lead
    if not rest or len(rest) < 2:
        return False
    return rest[0] in _IMPERATIVES and " ".join(rest[:2]) not in _NOT_ORDERS or rest[:2] == ("do", "not")


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
    if "advise_strong" in labels or _imperative(lead):
        return "direct", _first(hits, "advise_strong", tokens) if "advise_strong" in labels else lead[:3]
    if "advise_soft" in labels:
        return "advise", _first(hits, "advise_soft", tokens)
    about_client = lead[0] in ("you", "your") or tokens[0] in ("you", "your")
    reflective = "reflect" in labels and "you" in tokens or about_client
    particular = bool(taken) or bool(kinds_of(tokens))
    if "disclose" in labels and ("you" not in tokens or tokens.count("i") + tokens.count("my") > tokens.count("you")):
        stock = "sympathy" in labels and "my" not in tokens
        return ("sympathy" if stock else "disclose"), _first(hits, "disclose", tokens)
    if "affirm" in labels and "sympathy" not in labels:
        return "affirm", _first(hits, "affirm", tokens)
    if reflective and particular and not ("sympathy" in labels and len(taken) < 2 and len(tokens) < 10):
        cue = _first(hits, "reflect", tokens) if "reflect" in labels else lead[:3]
        new = {stem(t) for t in tokens if t in feeling_kinds()} - client.content
        deep = ("deepen" in labels) + bool(new) + bool(taken)
        return ("reflect_complex" if deep >= 2 and len(tokens) >= 8 else "reflect_simple"), cue
    if "validate" in labels:
        return "validate", _first(hits, "validate", tokens)
    for label in ("sympathy", "platitude", "promise", "presence"):
        if label in labels:
            return label, _first(hits, label, tokens)
    if len(taken) >= 2 and len(tokens) <= 25:
        return "reflect_simple", lead[:3]
    if len(tokens) <= 3:
        return "minimal", tokens
    return ("about_you" if "you" in tokens else "inform"), lead[:3]
