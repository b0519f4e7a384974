"""Names with a head noun: Oakwood Primary School, University of Leeds, Harper & Sons Ltd, Maple Road, St Brendan's."""

from __future__ import annotations

import re

from psychocounsel.deidentify.lists import (
    FIRST,
    HEADS,
    MAYBE_NAME,
    MOSTLY_NAME,
    NAME,
    NEVER,
    ORG_HEAD,
    PLACE_HEAD,
    SCHOOL_HEAD,
    STREET_HEAD,
    TITLE,
    TOWN,
    TOWN_OPENS,
    UNIVERSITY,
    WORD_SURNAME,
    WORD_TOWN,
    Lists,
)
from psychocounsel.deidentify.plain import Words

Span = tuple[int, int, str]
LEGAL = {"ltd", "limited", "inc", "llc", "plc", "corp"}
SMALL = {
    "the",
    "a",
    "very",
    "is",
    "was",
    "so",
    "too",
    "my",
    "are",
    "of",
    "and",
    "time",
    "have",
    "has",
    "pretty",
    "quite",
    "be",
}
NUMBER = re.compile(r"(?:\b(?:flat|unit|apt|apartment|room|suite|no\.?|number)\s*\w{1,4},?\s+)?\b\d{1,5}[a-z]?,?\s+$")


def headed(w: Words, i: int, kind: int, ls: Lists) -> tuple[Span, int] | None:
    """Return the span and the last word of the name whose head noun is word `i`, or None where there is none."""
    if kind & STREET_HEAD:
        found = street(w, i, ls)
        if found or not kind & ~STREET_HEAD & HEADS:
            return found
    if kind & SCHOOL_HEAD:
        return school(w, i, ls)
    if kind & (ORG_HEAD | PLACE_HEAD):
        return company(w, i, kind, ls)
    return None


def evidence(w: Words, i: int, ls: Lists) -> bool:
    """Return whether word `i` looks like part of a name and not like a plain adjective before a head noun."""
    low = w.lows[i]
    if low in ls.cues["generic"] or low in ls.cues["school_levels"]:
        return False
    kind = ls.flags.get(low, 0)
    if w.caps[i]:
        return not (kind & NEVER and low not in ls.employers) and not (
            w.opens(i) and low in ls.words and not kind & WORD_SURNAME
        )
    return (
        (low not in ls.words and not kind & NEVER)
        or bool(kind & MOSTLY_NAME)
        or (low in ls.employers and low not in ls.words)
    )


def walk(w: Words, i: int, ls: Lists, plain_words: int) -> tuple[int, bool]:
    """Return the first word of the name that ends before word `i`, and whether anything in it looks like a name.

    In lower case up to `plain_words` ordinary words may stand in it.
    """
    first, named, at = i, False, i - 1
    generic, levels = ls.cues["generic"], ls.cues["school_levels"]
    while at >= 0 and i - at <= 5 and (w.joined(at + 1) or w.gap(at + 1) in {" & ", " 'n' "}):
        low, cap = w.lows[at], w.caps[at]
        if evidence(w, at, ls) or (low in {"st", "saint"} and first == at + 1 < i):
            first, named = at, True
        elif low in levels and (cap or low not in {"of", "e"}) and not (cap and w.opens(at) and low in generic):
            first = at
        elif cap and low in generic and not w.opens(at) and low not in {"i", "a", "my", "the"}:
            first, named = at, named or (low in {"royal", "general"} and w.caps[i])
        elif (
            low in ls.cues["joiners"]
            and at > 0
            and w.caps[at - 1]
            and w.caps[at + 1]
            and w.joined(at)
            and not w.opens(at - 1)
        ):
            pass
        elif low == "city" and not cap:
            first = at
        elif (
            not cap
            and plain_words
            and low not in generic
            and low not in ls.cues["determiners"]
            and low not in ls.cues["joiners"]
        ):
            plain_words -= 1
            first = at
        else:
            break
        at -= 1
    # A name does not begin with a generic word of lower case or with a joiner.
    while first < i and not evidence(w, first, ls) and w.lows[first] in generic and not w.caps[first]:
        first += 1
    return first, named


def after_of(w: Words, i: int, ls: Lists) -> int:
    """Return the last word of `of X Y` after word `i`, or `i` where nothing named follows."""
    if w.near(i, 1) != "of" or i + 2 >= w.size:
        return i
    at = i + 2
    if w.lows[at] == "the" and at + 1 < w.size and w.caps[at + 1]:
        at += 1
    kind = ls.flags.get(w.lows[at], 0)
    if not (w.caps[at] or (kind & (TOWN | TOWN_OPENS) and w.lows[at] not in ls.words)):
        return i
    while at + 1 < w.size and w.joined(at + 1) and w.caps[at + 1] and w.caps[at]:
        at += 1
    if not w.caps[at]:
        for size in (3, 2):
            if " ".join(w.lows[at : at + size]) in ls.towns:
                return at + size - 1
    return at


def school(w: Words, i: int, ls: Lists) -> tuple[Span, int] | None:
    """Return a named school, college or university."""
    low = w.lows[i]
    if low == "high" and not w.caps[i] and w.near(i, 1) not in ls.cues["school_heads"]:
        start, _ = walk(w, i, ls, 2)
        loose = i - start in {1, 2} and w.near(start, -1) == "at" and w.lows[start] not in ls.cues["generic"]
        return ((w.starts[start], w.ends[i], "SCHOOL"), i) if loose else None
    first, named = walk(w, i, ls, 0)
    last = i
    while w.joined(last + 1) and (
        w.lows[last + 1] in ls.cues["school_heads"]
        or (w.lows[last + 1] in ls.cues["school_levels"] and w.caps[last + 1])
    ):
        last += 1
    if low in {"university", "college", "uni", "academy", "school", "institute"}:
        last = max(last, after_of(w, last, ls))
    if w.joined(last + 1) and ls.flags.get(w.lows[last + 1], 0) & TOWN and w.caps[last + 1] == w.caps[last]:
        last, named = last + 1, True
    has_of = last > i and "of" in w.lows[i : last + 1]
    if not named and not has_of and not any(w.caps[i : last + 1]):
        # "go to maple grove high school": ordinary words, but a preposition before and a level after.
        start, _ = walk(w, i, ls, 2)
        if start < i and w.near(start, -1) in ls.cues["to_school"] and w.lows[start] not in ls.cues["generic"]:
            first, named = start, low in {"school", "academy", "high", "primary", "college"}
    if not named and not has_of:
        return None
    if owned(w, first, i, ls) and not w.caps[i]:
        return None
    if (
        low in {"primary", "elementary", "secondary", "comprehensive", "nursery", "grammar", "high", "seminary"}
        and last == i
        and not w.caps[i]
    ):
        return None
    return (w.starts[first], w.ends[last], "SCHOOL"), last


def owned(w: Words, first: int, i: int, ls: Lists) -> bool:
    """Return whether the words before the head are a person and 's: Tom's school is no named school."""
    return i - 1 in w.possessive and first == i - 1 and bool(ls.flags.get(w.lows[first], 0) & (FIRST | MAYBE_NAME))


def company(w: Words, i: int, kind: int, ls: Lists) -> tuple[Span, int] | None:
    """Return a named employer, hospital or council, or a county, village or estate."""
    low, cap = w.lows[i], w.caps[i]
    cased = any(w.caps)
    if (
        kind & PLACE_HEAD
        and low in {"county", "hmp", "hmyoi", "mount", "fort", "camp", "lake"}
        and cap
        and w.joined(i + 1)
        and w.caps[i + 1]
    ):
        return (w.starts[i], w.ends[i + 1], "PLACE"), i + 1
    if (cased and not cap and low not in ls.cues["lower_org"]) or (
        not cased and low not in ls.cues["lower_org"] and low not in {"county", "council"}
    ):
        return None
    if low in {"home", "homes"} and w.near(i, -1) not in {"care", "nursing", "funeral", "retirement", "residential"}:
        return None
    first, named = walk(w, i - 1 if low == "home" else i, ls, 0)
    of = after_of(w, i, ls) if cap and low in {"bank", "council", "hospital"} else i
    if not named and of == i and low not in LEGAL:
        return None
    if kind & PLACE_HEAD and ls.flags.get(w.lows[first], 0) & (FIRST | TITLE) and i - 1 not in w.possessive:
        return None
    if (
        low in LEGAL
        and first == i
        and i
        and w.joined(i)
        and (w.caps[i - 1] or not cased)
        and w.lows[i - 1] not in SMALL
    ):
        first, named = i - 1, True
    if low in LEGAL and named:
        return (w.starts[first], w.ends[i], "EMPLOYER"), i
    lone = first == i - 1 and bool(ls.flags.get(w.lows[first], 0) & (TOWN | WORD_TOWN))
    if not cap and ((lone and low not in {"infirmary", "council", "county"}) or owned(w, first, i, ls)):
        return None
    last = of
    while w.joined(last + 1) and ls.flags.get(w.lows[last + 1], 0) & ORG_HEAD and w.caps[last + 1] == cap:
        last += 1
    return (w.starts[first], w.ends[last], "PLACE" if kind & PLACE_HEAD else "EMPLOYER"), last


def street(w: Words, i: int, ls: Lists) -> tuple[Span, int] | None:
    """Return a street with the house number before it, or a saint's church or school."""
    low, cap = w.lows[i], w.caps[i]
    if (
        low == "st"
        and w.joined(i + 1)
        and (evidence(w, i + 1, ls) or ls.flags.get(w.lows[i + 1], 0) & (NAME | MAYBE_NAME))
    ):
        return saint(w, i, ls)
    if (cap and any(w.caps)) or not any(w.caps):
        first, named = walk(w, i, ls, 0 if cap else 2)
    else:
        first, named = walk(w, i, ls, 2)
    if first == i or not all(w.joined(k) for k in range(first + 1, i + 1)):
        return None
    while first < i and (ls.flags.get(w.lows[first], 0) & TITLE or w.lows[first] in ls.cues["on_street"]):
        first += 1
    for start in range(first, i):
        number = NUMBER.search(w.plain, max(0, w.starts[start] - 24), w.starts[start])
        if number:
            return (number.start(), w.ends[i], "PLACE"), i
    before = w.near(first, -1)
    if cap and any(w.caps) and (w.caps[first]):
        if (
            first < i
            and (named or low not in ls.cues["wordy"])
            and (low not in ls.cues["wordy"] or before in ls.cues["on_street"])
            and not (w.opens(first) and not named)
        ):
            return (w.starts[first], w.ends[i], "PLACE"), i
        return None
    if (
        low in ls.cues["wordy"]
        or before not in ls.cues["on_street"] - {"of", "in", "to", "up", "and"}
        or i - first > 2
        or first == i
    ):
        return None
    if any(word in ls.cues["generic"] or word in ls.cues["determiners"] for word in w.lows[first:i]):
        return None
    return (w.starts[first], w.ends[i], "PLACE"), i


def saint(w: Words, i: int, ls: Lists) -> tuple[Span, int] | None:
    """Return what is named after a saint: a school after a word of schools, otherwise a place."""
    for size in (3, 2):
        if " ".join(w.lows[i : i + size]) in ls.towns and i + size - 1 not in w.possessive:
            return (w.starts[i], w.ends[i + size - 1], "PLACE"), i + size - 1
    last = i + 1
    near = {w.near(i, -step) for step in (1, 2, 3, 4, 5)}
    if last in w.possessive or w.plain[w.ends[last] : w.ends[last] + 1] == "'":
        end = w.ends[last] + (2 if last in w.possessive else 1)
    elif w.lows[last][-1] == "s" or w.caps[last]:
        end = w.ends[last]
    else:
        return None
    following = w.near(last, 1)
    if following in ls.cues["saint_closes"]:
        return (w.starts[i], w.ends[last + 1], "PLACE"), last + 1
    if near & ls.cues["school_verbs"]:
        return (w.starts[i], end, "SCHOOL"), last
    if near & (ls.cues["work_verbs"] | ls.cues["work_nouns"]):
        return (w.starts[i], end, "EMPLOYER"), last
    return (w.starts[i], end, "SCHOOL" if w.near(i, -1) in {"at", "to"} else "PLACE"), last


def university(w: Words, i: int, ls: Lists) -> bool:
    """Return whether word `i` alone is a university known by one word."""
    return bool(ls.flags.get(w.lows[i], 0) & UNIVERSITY) and w.near(i, -1) not in ls.cues["kin"]
