"""Read a client's text for what a counsellor could pick up: people, feelings, events, hopes, risk, readiness.

A handful of patterns over at most 7,000 characters a turn: every text gets an answer in bounded time, and text in
which nothing is found gets empty cues, for which the counsellors have general words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from psychocounsel.backends.simulated import clauses
from psychocounsel.backends.simulated.lexicon import Feeling, Lexicon, Theme, lexicon, one_of
from psychocounsel.backends.simulated.pronouns import flip
from psychocounsel.records import Conversation

HEAD, TAIL = 5000, 2000
"""Characters read of a long turn: people say what matters first and last."""

EARLIER_TURNS = 6
"""Earlier client turns that are read, the latest ones."""


@dataclass(frozen=True, slots=True)
class ClientCues:
    """What was found, each tuple in order of use, in words a counsellor can say back."""

    events: tuple[str, ...] = ()
    feelings: tuple[Feeling, ...] = ()
    people: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    happened: tuple[str, ...] = ()
    """The events that are over and done, fit to stand after "when"."""
    matters: tuple[str, ...] = ()
    """The trouble as a definite noun phrase."""
    hopes: tuple[str, ...] = ()
    efforts: tuple[str, ...] = ()
    durations: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    """Events of earlier turns."""
    likely: tuple[str, ...] = ()
    """Adjectives for feelings that often go with the theme, where the client names none."""
    stage: str = "contemplation"
    risk: str = "none"
    in_danger: bool = False
    """Whether somebody else may hurt the client."""
    asks_for_advice: bool = False
    themes: tuple[Theme, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is next to nothing to take up."""
        return not (self.events or self.feelings or self.themes or self.people or self.topics or self.earlier)


_PLAIN = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " ", "\x00": " "}
)
_NUMBER = "(?:a|one|two|three|four|five|six|seven|eight|nine|ten|several|many|a few|a couple of|some|\\d{1,2})"
_DURATION = re.compile(
    rf"\b(?:for (?:about |almost |nearly |over |the (?:last|past) |more than )?{_NUMBER} (?:days|weeks|months|years"
    rf"|nights|month|year|week)"
    r"|for (?:years|months|weeks|a long time|a while|a year|the last few (?:days|weeks|months|years))"
    r"|every (?:day|night|morning|evening|weekend|week)|most nights|since (?:last (?:week|month|year|summer"
    r"|winter|spring|fall)|then|childhood|high school|college|january|february|march|april|june|july|august"
    r"|september|october"
    r"|november|december|christmas))\b",
    re.IGNORECASE,
)
_FUNCTION = frozenset(
    "i a an the and or but so to of in on at for with from by is am are was were be been has have had do does did"
    " not that this who which what when where why how if because as than then too very just really me him her them"
    " it us he she they we you will would can could should about into after before while since all both again also"
    " even only still always never keeps keep said says told left got makes make wants want thinks think feels"
    " feel don't doesn't didn't can't won't isn't wasn't i'm i've recently lately now died seems gets goes went"
    " came lost out up off down over back no yes their his its there here more most much".split()
)
_ADJECTIVES = frozenset(
    "new old own best whole entire last first second younger older eldest oldest youngest little big dear late"
    " former current closest close good bad worst only future next real biggest main elderly ill sick dying drunk"
    " dead teenage adult twin high middle medical mental social daily public elementary".split()
)
_MINE = re.compile(r"\b(?:my|our) ((?:[a-z][a-z'-]*)(?: [a-z][a-z'-]*){0,3})", re.IGNORECASE)
_NOT_TOPICS = frozenset(
    "life mind head self own name age question way things thing whole heart time day place part eyes room side"
    " problem problems feelings god body face hands point situation fault phone car house home bed ass best worst"
    " hand case story post opinion turn".split()
)
_PLURAL_OR_VERBAL = re.compile(r"(?:ed|ing|ly|self|[^su]s)$")
_NAME = re.compile(r"(?<=[a-z,] )(?P<before>[a-z']+ )?(?P<name>[A-Z][a-z]{2,11})(?= |[.,!?]|$)")
_BEFORE_NAME = frozenset(
    "with told tell asked love miss named called met and saw hate trust marry married dating friend boyfriend"
    " girlfriend husband wife son daughter brother sister partner ex boss about without roommate cousin".split()
)
_OTHER = re.compile(
    r"\b(?:he|she|they|he's|she's|they're|his|her|their|everyone|people"
    rf"|my (?:{one_of(list(lexicon().people))})(?:'s)?)\b"
)
_SELF = re.compile(r"\b(?:i|i'm|i am|me|feel|feeling|feels|felt|im|i've|myself|makes|makes me)\b")
_NOT = re.compile(r"\b(?:not|never|\w+n't|without|no longer|no|hardly|stop|dont)(?: \w+)?\s*$")
_I_FEEL = re.compile(
    r"\bi(?:'m| am)? (?:just |always |really |still |often )?(?:feel|felt|feeling) (?:so |really |very |just "
    r"|completely |totally )?(?P<what>[a-z][a-z' -]{2,60})"
)
_FEELING_WORD = re.compile(r"^(?:[a-z]{4,}(?:ed|less|ful|ous))$")
_SIMILE = re.compile(
    r"^(?:like|as if|as though) (?P<what>(?:a|an|the|nothing|no one|everything|everyone) [a-z' ]{3,40})$"
)
_ASKS = re.compile(
    r"what (?:should|can|do) i (?:do|say)|any (?:advice|tips|suggestions)|how (?:do|can|should) i"
    r"|give me (?:some )?advice|need (?:some )?advice"
)
_ENOUGH = 0.7
"""Weight from which a theme counts: one word in passing is not what a speech is about."""
_RISK_NOT = re.compile(r"(?:not|never|n't|no longer|without) (?:\w+ ){0,3}$")


def _window(text: str) -> str:
    if len(text) > HEAD + TAIL:
        text = text[:HEAD].rsplit(" ", 1)[0] + " .\n" + text[-TAIL:].split(" ", 1)[-1]
    return re.sub(r"[^\S\n]+", " ", text.translate(_PLAIN))


def _feelings(lower: str, words: Lexicon) -> tuple[Feeling, ...]:
    found: dict[Feeling, int] = {}
    for match in words.feeling_pattern.finditer(lower):
        surface = match.group(0)
        before = lower[max(0, match.start() - 30) : match.start()]
        before = re.split(r"[.!?;\n]", before)[-1]
        if _NOT.search(before):
            continue
        self_near, other_near = _SELF.search(before[-22:]), _OTHER.search(before[-24:])
        if (surface in words.need_subject and not self_near) or (other_near and not self_near):
            continue
        if surface in ("hurt", "lost", "left out", "tired", "stuck", "alone", "down", "happy") and not re.search(
            r"(?:feel|feeling|felt|i'm|i am|im|i was|been|so|and|me) (?:so |very |really |all |pretty |just "
            r"|completely |totally )?$",
            before,
        ):
            continue
        found[words.feelings[surface]] = found.get(words.feelings[surface], 0) + (2 if self_near else 1)
    for match in _I_FEEL.finditer(lower):
        first = match["what"].split()[0]
        if _FEELING_WORD.match(first) and first not in words.feelings and first not in ("need", "indeed", "used"):
            found.setdefault(Feeling(first, "", "other"), 2)
    return tuple(sorted(found, key=lambda f: -found[f]))[:4]


def _noun_phrase(run: str, people: frozenset[str]) -> tuple[str, bool]:
    """Return the noun phrase that a run of words after "my" starts with, and whether it is a person."""
    taken: list[str] = []
    for word in run.lower().split():
        bare = word.removesuffix("'s")
        if bare in _FUNCTION:
            break
        taken.append(bare)
        if bare in people:
            return ("", False) if word.endswith("'s") and len(taken) > 2 else (" ".join(taken), True)
        if bare != word:
            return "", False
        if bare not in _ADJECTIVES and not re.search(r"(?:ous|ful|ive|al|able|less|ic|est)$", bare):
            break
    if not taken or taken[-1] in _ADJECTIVES or len(taken) > 3 or len(taken[-1]) < 3:
        return "", False
    return " ".join(taken), False


def _nouns(text: str, words: Lexicon) -> tuple[list[str], list[str]]:
    people: dict[str, None] = {}
    topics: dict[str, None] = {}
    for match in _MINE.finditer(text):
        phrase, is_person = _noun_phrase(match[1], words.people)
        if not phrase or not phrase.isascii():
            continue
        if is_person:
            people.setdefault(f"your {phrase}")
        elif (
            phrase.split()[-1] not in _NOT_TOPICS
            and phrase not in words.feelings
            and not phrase.endswith(("ed", "ing", "ly", "self"))
        ):
            topics.setdefault(f"your {phrase}")
    for match in _NAME.finditer(text):
        previous = (match["before"] or "").strip()
        if match["name"].lower() not in words.not_names and (previous in _BEFORE_NAME):
            people.setdefault(match["name"])
    return list(people)[:4], list(topics)[:4]


def _quotes(lower: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for match in _I_FEEL.finditer(lower):
        what = re.split(
            r" (?:and|but|because|when|so|that|in|at|about|for|to|with|of|all|every|i|my|he|she|they) ",
            match["what"] + " ",
        )[0]
        simile = _SIMILE.match(what.strip())
        if simile:
            kept = clauses.trim(simile["what"].split(), 6)
            if (
                len(kept) >= 2
                and clauses.is_sayable(kept)
                and not re.search(r"\b(?:i|my|me|it|this)\b", " ".join(kept))
            ):
                found.setdefault(" ".join(kept))
    for idiom in re.finditer(
        r"\b(?:falling apart|at my limit|walking on eggshells|drowning|going in circles|back to square one"
        r"|a roller ?coaster|a complete mess|the black sheep"
        r"|hitting a wall|the last straw|a waste of space|never good enough|not good enough|fall apart|a lost cause"
        r"|dead inside|a vicious cycle)\b",
        lower,
    ):
        found.setdefault(flip(idiom.group(0)))
    return tuple(found)[:3]


def _stage(lower: str, words: Lexicon) -> str:
    counts = {stage: sum(lower.count(cue) for cue in cues) for stage, cues in words.stages.items()}
    order = ("maintenance", "precontemplation", "action", "preparation", "contemplation")
    best = max(order, key=lambda stage: (counts[stage], -order.index(stage)))
    return best if counts[best] else "contemplation"


def _risk(lower: str, words: Lexicon) -> str:
    for level in ("imminent", "elevated", "low"):
        found = list(re.finditer(one_of(list(words.risk[level])), lower))
        denied = [_RISK_NOT.search(lower[max(0, m.start() - 30) : m.start()]) for m in found]
        if found:
            return "low" if all(denied) and level != "imminent" else level
    return "none"


def _read(text: str) -> ClientCues:
    words = lexicon()
    shown = _window(text)
    lower = shown.lower()
    people, topics = _nouns(shown, words)
    themes: dict[Theme, float] = {}
    for match in words.theme_pattern.finditer(lower):
        theme = words.themes[match.group(0)]
        # who is in the story is not yet what it is about
        first = 0.0 if themes else 0.3
        themes[theme] = themes.get(theme, first) + words.theme_weights.get(match.group(0), 1.0)
    ranked = tuple(sorted((t for t in themes if themes[t] >= _ENOUGH), key=lambda t: -themes[t]))[:3]
    ranked = tuple(t for i, t in enumerate(ranked) if i == 0 or themes[t] >= max(1.0, 0.6 * themes[ranked[0]]))
    named = [t.label for t in ranked if t.label not in topics]
    events = clauses.events(shown)
    risk, in_danger = _risk(lower, words), any(sign in lower for sign in words.danger)
    return ClientCues(
        events=events,
        happened=tuple(e.replace("you just ", "you ", 1) for e in events if clauses.is_past(e)),
        matters=tuple(t.matter for t in ranked),
        feelings=_feelings(lower, words),
        people=tuple(people),
        topics=(*named[:1], *topics, *named[1:])[:4],
        hopes=clauses.hopes(shown),
        efforts=clauses.efforts(shown),
        durations=tuple(dict.fromkeys(m.group(0).lower() for m in _DURATION.finditer(lower)))[:2],
        quotes=_quotes(lower),
        likely=tuple(dict.fromkeys(f for t in ranked for f in t.feelings)),
        stage=_stage(lower, words),
        risk="elevated" if in_danger and risk in ("none", "low") else risk,
        in_danger=in_danger and risk in ("none", "low"),
        asks_for_advice=bool(_ASKS.search(lower)),
        themes=ranked,
    )


def _joined(own: tuple[str, ...], before: tuple[str, ...]) -> tuple[str, ...]:
    return own or before[:2]


@lru_cache(maxsize=1024)
def read_cues(conversation: Conversation) -> ClientCues:
    """Read the last client turn, and fill what it lacks from the client turns before it."""
    turns = [t.text for t in conversation if t.role == "client"]
    own = _read(turns[-1]) if turns else ClientCues()
    if len(turns) < 2:
        return own
    before = _read(" .\n".join(t[:1500] for t in turns[-1 - EARLIER_TURNS : -1]))
    risks = ("none", "low", "elevated", "imminent")
    return ClientCues(
        events=own.events,
        happened=own.happened,
        matters=_joined(own.matters, before.matters),
        feelings=own.feelings or before.feelings[:2],
        people=_joined(own.people, before.people),
        topics=_joined(own.topics, before.topics),
        hopes=_joined(own.hopes, before.hopes),
        efforts=_joined(own.efforts, before.efforts),
        durations=own.durations,
        quotes=own.quotes,
        earlier=tuple(e for e in before.events if e not in own.events)[:4],
        likely=own.likely or before.likely,
        stage=own.stage if own.stage != "contemplation" else before.stage,
        risk=max(own.risk, before.risk, key=risks.index),
        in_danger=own.in_danger or (before.in_danger and own.risk in ("none", "low")),
        asks_for_advice=own.asks_for_advice,
        themes=own.themes or before.themes,
    )
