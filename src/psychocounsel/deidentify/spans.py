"""Where a name begins and ends: titles, initials, particles, surnames, places of several words."""

from __future__ import annotations

from psychocounsel.deidentify.context import in_place
from psychocounsel.deidentify.lists import (
    FIRST,
    KIN,
    LAST,
    MAYBE_NAME,
    MOSTLY_NAME,
    NAME,
    NEVER,
    RARE_LAST,
    TITLE,
    TOWN,
    WORD_SURNAME,
    Lists,
)
from psychocounsel.deidentify.plain import Words

Span = tuple[int, int, str]


def titled(w: Words, i: int, ls: Lists) -> tuple[Span, int] | None:
    """Return a title with the surname or first name after it."""
    low, at = w.lows[i], i + 1
    if not w.joined(at):
        return None
    following = w.lows[at]
    kind = ls.flags.get(following, 0)
    likely = kind & (NAME | MOSTLY_NAME | WORD_SURNAME | MAYBE_NAME)
    if low in ls.cues["strong_titles"]:
        if following in ls.cues["not_after_title"]:
            return None
        good = (
            w.caps[at]
            or likely
            or following not in ls.words
            or (low in {"mr", "mrs"} and following not in ls.cues["generic"])
        )
        good = good or (following in ls.cues["particles"] and (w.caps[at + 1 : at + 3].count(True) > 0))
    elif low == "miss" and not w.caps[i] and w.near(i, -1) in ls.cues["misses"]:
        return None
    elif w.caps[i]:
        good = w.caps[at] and bool(likely or following not in ls.words) and not (kind & NEVER)
        good = good and not (low in ls.cues["relations"] and w.near(i, -1) in {"my", "his", "her", "our", "their"})
    else:
        good = (
            low in ls.cues["weak_titles"]
            and not kind & NEVER
            and (bool(kind & (NAME | MOSTLY_NAME)) or (w.caps[at] and following not in ls.words))
        )
    if not good:
        return None
    if (
        kind & KIN
        or following.partition("'")[0] == "i"
        or (following in ls.cues["particles"] and not w.caps[at] and not w.joined(at + 1))
    ):
        return None
    last = right(w, at, ls)
    return (w.starts[i], w.ends[last], "PERSON"), last


def kinsman(w: Words, i: int, ls: Lists) -> tuple[Span, int] | None:
    """Return the name after a word of kin where no list has it: "my brother Dazza", "my friend K"."""
    at = i + 1
    if not w.joined(at) or w.gap(at) != " " or i in w.possessive:
        return None
    low, kind = w.lows[at], ls.flags.get(w.lows[at], 0)
    if len(low) == 1 and w.caps[at] and low not in {"i", "a"} and w.near(i, -1):
        return (w.starts[at], w.ends[at], "PERSON"), at
    if (
        w.lows[i] in {"aunt", "auntie", "aunty", "uncle", "nana", "granny"}
        and w.caps[i]
        and w.caps[at]
        and not kind & NEVER
    ):
        last = right(w, at, ls)
        return (w.starts[i], w.ends[last], "PERSON"), last
    if low in ls.words or kind or "'" in low or len(low) < 3:
        return None
    if not w.caps[at] and not (
        at in w.possessive or w.near(at, 1) in ls.cues["speaking"] | {"", "and", "who", "is", "was", "has"}
    ):
        return None
    last = right(w, at, ls)
    return (w.starts[at], w.ends[last], "PERSON"), last


def left(w: Words, i: int) -> int:
    """Return the first of the initials before word `i`."""
    first = i
    while (
        first > 0
        and len(w.lows[first - 1]) == 1
        and w.caps[first - 1]
        and w.gap(first) in {" ", ". ", "."}
        and (w.lows[first - 1] != "i" or w.gap(first)[0] == ".")
    ):
        first -= 1
    return first


def right(w: Words, i: int, ls: Lists) -> int:
    """Return the last word of a name that opens with word `i`."""
    last = i
    while last not in w.possessive and w.joined(last + 1) and last - i < 4:
        low, cap = w.lows[last + 1], w.caps[last + 1]
        kind = ls.flags.get(low, 0)
        if (
            low in ls.cues["particles"]
            and w.joined(last + 2)
            and (
                w.caps[last + 2]
                or (ls.flags.get(w.lows[last + 2], 0) & (LAST | RARE_LAST) and w.lows[last + 2] not in ls.words)
            )
        ):
            last += 2
            continue
        if (
            not kind
            and not cap
            and not any(w.caps[i : last + 1])
            and low not in ls.words
            and len(low) > 2
            and low.isalpha()
            and w.gap(last + 1) == " "
        ):
            last += 1
            continue
        if len(low) == 1 and low not in {"i", "a"} and cap:
            last += 1
            continue
        if (
            cap
            and w.caps[last]
            and (
                low not in ls.words
                or kind & (NAME | WORD_SURNAME | MOSTLY_NAME | MAYBE_NAME)
                or w.gap(last + 1) == "-"
                or ls.capital_names.get(low, 0) & (LAST | RARE_LAST)
            )
            and w.gap(last + 1) != ". "
        ):
            last += 1
            continue
        hyphen = w.gap(last + 1) == "-" and kind & (NAME | MOSTLY_NAME)
        surname = (
            kind & (LAST | RARE_LAST) and low not in ls.words and not kind & NEVER and (kind & LAST or not kind & TOWN)
        )
        surname = surname or (kind & WORD_SURNAME and low not in ls.cues["loose_surnames"])
        if (hyphen or (surname and w.gap(last + 1) == " ")) and not cap and not kind & (KIN | TITLE):
            last += 1
            continue
        break
    return last


def run(w: Words, i: int, ls: Lists) -> int:
    """Return the last of the capitalised words that follow word `i` without a break."""
    last = i
    if i + 3 < w.size and w.gap(i + 1) == ", " and w.caps[i + 1] and w.caps[i + 3] and w.near(i + 1, 1) == "and":
        return i + 3
    while (
        last + 1 < w.size
        and w.caps[last + 1]
        and w.lows[last + 1].partition("'")[0] != "i"
        and (w.joined(last + 1) or w.gap(last + 1) == " & ")
    ):
        last += 1
    if (
        w.joined(last + 2)
        and w.lows[last + 1] == "and"
        and w.caps[last + 2]
        and w.caps[last]
        and not ls.flags.get(w.lows[last + 2], 0) & FIRST
        and w.lows[last + 2].partition("'")[0] != "i"
    ):
        last += 2
    return last


def long_town(w: Words, i: int, ls: Lists) -> tuple[Span, int] | None:
    """Return a place of two to four words that opens at word `i`."""
    for size in (4, 3, 2):
        last = i + size - 1
        if last >= w.size or not all(w.joined(k) for k in range(i + 1, last + 1)):
            continue
        if " ".join(w.lows[i : last + 1]) in ls.towns:
            if all(word in ls.words for word in w.lows[i : last + 1]):
                cased = w.caps[i] and w.caps[last] and not w.opens(i)
                if not cased and not (in_place(w, i, ls) and {w.near(i, -2), w.near(i, -3)} & ls.cues["living"]):
                    return None
            elif w.caps[i] != w.caps[last] and any(w.caps[i : last + 1]) and w.opens(i):
                return None
            return (w.starts[i], w.ends[last], "PLACE"), last
    return None
