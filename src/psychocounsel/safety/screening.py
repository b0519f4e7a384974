"""The screen itself: find cues, ask the words around them what they are worth, and weigh them together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from psychocounsel.records import RISK_LEVELS, Conversation
from psychocounsel.safety.normal import Normal, normalise
from psychocounsel.safety.reader import FLOOR, probability
from psychocounsel.safety.rules import NEAR, Rule, Rulebook, rulebook

LONGEST = 8_000
"""Characters of one text that are read as one piece; longer ones in pieces that overlap, as
the work in a piece may grow with the square of its length."""
OVERLAP = 1_000
QUOTED = re.compile(r"[\"“«]([^\"“”«»]{2,300})[\"”»]|(?<!\w)['‘]([^'‘’]{8,300})['’](?!\w)")


@dataclass(frozen=True, slots=True)
class Sign:
    """One cue in a text."""

    start: int
    """First character in the text; 0 together with `end` where the sign is in an earlier turn."""
    end: int
    """One past the last character."""
    level: str
    """What it counts as, one of RISK_LEVELS."""
    kind: str
    """Such as `ideation`, `plan`, `third-person`."""
    reason: str
    """Short words for a person, such as `says others would be better off without them`."""


@dataclass(frozen=True, slots=True)
class Risk:
    """What a text holds."""

    level: str
    """One of RISK_LEVELS; the highest that counts."""
    signs: tuple[Sign, ...]
    """Those of the deciding level first, in text order; then the others in text order."""
    set_aside: tuple[Sign, ...]
    """Cues taken back, in text order: `reason` says why, `level` what is left of them (`none` or `low`)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A cue found, with what the context makes of it."""

    rule: Rule
    start: int
    """In normalised text, as are all positions here."""
    end: int
    level: str
    aside: str
    """Why it is set aside; empty where it stands."""


def at_least(level: str, floor: str) -> bool:
    """Return whether `level` is as severe as `floor` or more. ValueError where one is not of RISK_LEVELS."""
    for name in (level, floor):
        if name not in RISK_LEVELS:
            raise ValueError(f"risk level {name!r} is unknown; use one of {', '.join(RISK_LEVELS)}")
    return RISK_LEVELS.index(level) >= RISK_LEVELS.index(floor)


def screen(text: str, earlier: Conversation = ()) -> Risk:
    """Return the signs of danger in `text`, a client's latest turn, after the turns of `earlier`. Any text will do.

    What the rules let pass is raised to `elevated` where the second reader finds that it reads like danger; it has no
    cue to show, so its sign is the whole text.
    """
    risk = rules_alone(text, earlier)
    if at_least(risk.level, "elevated") or probability(text) < FLOOR:
        return risk
    sign = Sign(0, len(text), "elevated", "reads-like-danger", "reads like what people in danger write; no single cue")
    return Risk("elevated", (sign, *risk.signs), risk.set_aside)


def rules_alone(text: str, earlier: Conversation = ()) -> Risk:
    """Return the signs that the rules find in `text`, a client's latest turn, after the turns of `earlier`.

    Any text will do. Client turns in `earlier` are screened too; a counsellor's question about suicide or harm counts
    where `text` answers it, a counsellor's other words never.
    """
    before: list[Sign] = []
    themed = False
    for turn in earlier:
        if turn.role == "client":
            signs, _, spoken = weigh(turn.text, themed)
            themed = themed or spoken
            before += [Sign(0, 0, s.level, s.kind, f"in an earlier turn: {s.reason}") for s in signs]
    asked = bool(earlier) and earlier[-1].role == "counsellor" and asks(earlier[-1].text)
    signs, aside, _ = weigh(text, themed or asked, asked)
    every = [*signs, *before]
    level = max((s.level for s in (*every, *aside)), key=RISK_LEVELS.index, default="none")
    every.sort(key=lambda s: s.level != level)
    return Risk(level, tuple(every), tuple(aside))


def asks(counsellor: str) -> bool:
    """Return whether a counsellor's turn asks about suicide or harm."""
    return rulebook().contexts["asked"].search(normalise(counsellor).text) is not None


def weigh(text: str, themed: bool, asked: bool = False) -> tuple[list[Sign], list[Sign], bool]:
    """Return signs that stand and signs set aside, in text order, and whether dying is spoken of."""
    signs: list[Sign] = []
    aside: list[Sign] = []
    for begin in range(0, max(len(text), 1), LONGEST):
        normal = normalise(text[begin : begin + LONGEST + OVERLAP])
        hits = found(normal, text[begin : begin + LONGEST + OVERLAP], themed, asked and begin == 0)
        themed = themed or any(h.rule.kind in rulebook().theme and h.level != "none" for h in hits)
        for hit in hits:
            start, end = normal.original(hit.start, hit.end)
            sign = Sign(begin + start, begin + end, hit.level, hit.rule.kind, hit.aside or hit.rule.reason)
            (aside if hit.aside else signs).append(sign)
    return (
        sorted(set(signs), key=lambda s: (s.start, s.end)),
        sorted(set(aside), key=lambda s: (s.start, s.end)),
        themed,
    )


def found(normal: Normal, text: str, themed: bool, asked: bool) -> list[Hit]:
    """Return every cue of one text, weighed alone and then together."""
    book = rulebook()
    words = set(normal.text.split())
    early = list(matches(book, normal.text, words, lambda r: r is not None and (r.needs_theme or r.kind == "answer")))
    masks = [(start, end + 1) for rule, start, end in early if rule is None]
    quotes = [m.span() for m in QUOTED.finditer(text)] if len(early) > len(masks) else []
    if asked:
        early += matches(book, normal.text, words, lambda r: r is None or r.kind != "answer")
    hits = [judge(book, normal, rule, a, b, masks, quotes) for rule, a, b in early if rule is not None]
    # A cue that is negated or past still shows that dying is spoken of; an idiom or somebody else's does not.
    themed = themed or any(h.rule.kind in book.theme and (not h.aside or h.aside in ("negated", "past")) for h in hits)
    if themed:
        late = matches(book, normal.text, words, lambda r: r is None or not r.needs_theme)
        hits += [judge(book, normal, rule, a, b, masks, quotes) for rule, a, b in late if rule is not None]
    return together(book, swallowed(hits), normal.text)


def swallowed(hits: list[Hit]) -> list[Hit]:
    """Return `hits` with those set aside too that are part of a longer cue of their kind that is negated."""
    denied = [h for h in hits if h.aside == "negated"]

    def holder(hit: Hit) -> Hit | None:
        return next(
            (d for d in denied if d.rule.kind == hit.rule.kind and d.start <= hit.start and hit.end <= d.end), None
        )

    return [replace(h, level=d.level, aside=d.aside) if (d := holder(h)) else h for h in hits]


def matches(
    book: Rulebook, text: str, words: set[str], skip: Callable[[Rule | None], bool] = lambda rule: False
) -> Iterator[tuple[Rule | None, int, int]]:
    """Yield rule, start and end of every cue in normalised text but those to skip; None for the rule of an idiom."""
    tried: set[int] = set()
    for word in sorted(words & book.by_word.keys()):
        for rule, cue in book.by_word[word]:
            if id(cue) in tried or skip(rule):
                continue
            tried.add(id(cue))
            for needs in cue.needs:
                if needs.isdisjoint(words):
                    break
            else:
                for match in cue.regex.finditer(text):
                    start, end = match.start() + 1, match.end()
                    around = f"{text[max(start - NEAR, 0) : start]}|{text[end : end + NEAR]}" if cue.near else ""
                    if all(near.search(around) for near in cue.near):
                        yield rule, start, end


def judge(
    book: Rulebook,
    normal: Normal,
    rule: Rule,
    start: int,
    end: int,
    masks: list[tuple[int, int]],
    quotes: list[tuple[int, int]],
) -> Hit:
    """Return the hit at `start:end`, set aside where its surroundings take it back."""
    text, contexts = normal.text, book.contexts
    left = text.rfind(" . ", 0, start) + 3 if " . " in text[:start] else 0
    right = text.find(" . ", end)
    right = len(text) if right < 0 else right + 1
    before, cue, after = f" {text[left:start].lstrip()}", text[start : end + 1], text[end:right]
    sentence = f" {text[left:right].lstrip()}"

    def hit(aside: str = "", level: str = "none") -> Hit:
        return Hit(rule, start, end, level if aside else rule.level, aside)

    own = contexts["own_words"].search(f" {cue}") is not None
    masked = any(a <= start < b - 1 or 2 * (min(end, b) - max(start, a)) >= end - start for a, b in masks)
    if masked and "idiom" not in rule.keeps:
        return hit("an idiom")
    if rule.unless is not None and rule.unless.search(sentence):
        return hit("another meaning")
    # `No, I want to die`: the no answers something else.
    answered = before.endswith(" no ") and cue.startswith("i ")
    clause = max((c for c in normal.clauses if left <= c <= start), default=left)
    scope = f" {text[clause:start].lstrip()}"
    if "negation" not in rule.keeps and not answered and contexts["negated_end"].search(scope):
        rest = f" {after.lstrip()}"
        earnest = contexts["denial_rest"].search(rest) and contexts["denied_wish"].search(f"{before}{cue}")
        return hit("negated", "low" if earnest else rule.denied)
    if "frame" not in rule.keeps:
        begin, stop = normal.original(start, end)
        quoted = any(a <= begin and stop <= b for a, b in quotes)
        nearby = text[max(text.rfind(" . ", 0, max(left - 3, 0)), 0) : right] if quoted else sentence
        framed = contexts["quoted_frame" if quoted else "frame"].search(f" {nearby.lstrip()}")
        if (quoted or not own) and framed:
            return hit("quoted, told or work with the subject")
    # In `he snores and I think of it` the nearest subject is the client.
    nearest = f" {before.rsplit(' i ', 1)[-1].lstrip()}"
    if rule.owner == "any" and not own and contexts["other_end"].search(nearest):
        return hit("somebody else's", "low")
    if "trifle" not in rule.keeps and contexts["trifle"].search(sentence):
        return hit("a figure of speech about a trifle")
    if "past" not in rule.keeps and is_past(contexts, before, cue, after, text, end):
        return hit("past", "low")
    return hit()


def is_past(contexts: dict[str, re.Pattern[str]], before: str, cue: str, after: str, text: str, end: int) -> bool:
    """Return whether a cue lies far back, or is said to be over, and nothing after it says that it is back."""
    if contexts["back_again"].search(f" {text[end:].lstrip()}") or contexts["still"].search(f" {cue}{after.lstrip()}"):
        return False
    if contexts["used_to_end"].search(before) or contexts["used_to"].search(f" {cue}"):
        return True
    if contexts["present"].search(f" {cue}"):
        return False
    # `He broke my arm. That was in 1994.`
    following = text[end + len(after) :].lstrip(" .")
    told_later = contexts["later_said"].match(f" {following}") is not None
    around = f"{before}{cue}{after.lstrip()}{following.split(' . ')[0] if told_later else ''} "
    if contexts["long_ago"].search(around):
        return True
    return contexts["over"].search(text) is not None and not contexts["lately"].search(around)


def together(book: Rulebook, hits: list[Hit], text: str) -> list[Hit]:
    """Return `hits` with those raised that mean more in company, hints that stand alone left out."""
    standing = {h.rule.kind for h in hits if not h.aside}
    raised: dict[str, tuple[str, str]] = {}
    for kinds, level, reason in book.combine:
        if kinds <= standing:
            for kind in kinds:
                raised[kind] = max(
                    raised.get(kind, (level, reason)), (level, reason), key=lambda r: RISK_LEVELS.index(r[0])
                )
    young = book.contexts["minor"].search(text) is not None
    out = []
    for hit in hits:
        up = raised.get(hit.rule.kind)
        if not hit.aside and up and (hit.level == "hint" or not at_least(hit.level, up[0])):
            hit = replace(hit, level=up[0], rule=replace(hit.rule, reason=f"{hit.rule.reason}; {up[1]}"))
        if hit.level == "hint" or (hit.aside and hit.rule.level == "hint"):
            continue
        if young and hit.aside == "past":
            hit = replace(hit, level="elevated", aside="", rule=replace(hit.rule, reason=f"{hit.rule.reason}; a minor"))
        out.append(hit)
    return out
