"""People, places, schools and employers: a gazetteer, the words around, and capitals where they mean something.

A name that is no English word is taken at sight. One that is a word (Grace, Hope, Mark) needs a capital within a
sentence, or a cue: kin before it, "told" before it, "said" after it. A town with an English word for a name needs "in"
or "from".
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from psychocounsel.deidentify.context import (
    firm,
    followed_by_thing,
    in_place,
    lived_in,
    month_person,
    person_near,
    speaks,
    subject,
    sure,
    workplace,
)
from psychocounsel.deidentify.heads import headed, university
from psychocounsel.deidentify.lists import (
    BIG_TOWN,
    FIRST,
    HEADS,
    KIN,
    LAST,
    MAYBE_NAME,
    MOSTLY_NAME,
    NAME,
    NEVER,
    RARE_FIRST,
    RARE_LAST,
    TITLE,
    TOWN,
    TOWN_OPENS,
    UNIVERSITY,
    WORD_SURNAME,
    WORD_TOWN,
    Lists,
    lists,
)
from psychocounsel.deidentify.phrases import phrases
from psychocounsel.deidentify.plain import Words
from psychocounsel.deidentify.spans import kinsman, left, long_town, right, run, titled

Span = tuple[int, int, str]
NO_NAME = re.compile(r"'|(?:ly|ed|ing|sis|itis|ism|tion|ment|ness|logy|pathy|emia|aemia|phobia)$")
SHORTENED = {"m", "ll", "d", "ve", "re", "t", "s", "all"}


def scan(w: Words, known: AbstractSet[str]) -> list[Span]:
    """Return start, end and type of the names in `w`, in order; `known` holds folded names of earlier turns."""
    ls = lists()
    out = phrases(w, ls)
    i = 0
    while i < w.size:
        low = w.lows[i]
        kind = ls.flags.get(low, 0)
        if not kind and low in ls.words and not (w.caps[i] and low in ls.capital_names):
            i += 1
            continue
        found = one(w, i, kind, ls, out)
        if found is None:
            i += 1
            continue
        (start, end, kind_found), last = found
        over = [other for other in out if other[0] < end and start < other[1]]
        if over:
            start, end = min(start, min(other[0] for other in over)), max(end, max(other[1] for other in over))
            out = [other for other in out if other not in over]
        out.append((start, end, kind_found))
        i = last + 1
    return again(w, ls, sorted(out), known)


def one(w: Words, i: int, kind: int, ls: Lists, out: list[Span]) -> tuple[Span, int] | None:
    """Return what word `i` opens, or closes where it is a head noun, and the last word of it."""
    if kind & HEADS:
        found = headed(w, i, kind, ls)
        if found is not None:
            return found
    if any(a <= w.starts[i] < b for a, b, _ in out):
        return None
    if kind & TITLE:
        found = titled(w, i, ls)
        if found is not None:
            return found
    if kind & KIN:
        return kinsman(w, i, ls)
    if kind & TOWN_OPENS:
        found = long_town(w, i, ls)
        if found is not None:
            return found
    if w.lows[i] in {"jesus", "india", "christian"} and w.caps[i : i + 2] == [True, True] and w.joined(i + 1):
        last = right(w, i, ls)
        return ((w.starts[i], w.ends[last], "PERSON"), last) if last > i else None
    if kind & NEVER or ("'" in w.lows[i] and w.lows[i].rpartition("'")[2] in SHORTENED):
        return None
    if kind & UNIVERSITY and university(w, i, ls):
        return (w.starts[i], w.ends[i], "SCHOOL"), i
    if w.near(i, 1) in ls.cues["eponym_heads"] and (i in w.possessive or kind & (LAST | RARE_LAST | WORD_SURNAME)):
        return None
    decided = capital(w, i, kind, ls) if w.caps[i] else small(w, i, kind, ls)
    if decided is None:
        return None
    if decided == "PERSON":
        first, last = left(w, i), right(w, i, ls)
        return (w.starts[first], w.ends[last], "PERSON"), last
    last = run(w, i, ls) if decided in {"EMPLOYER", "SCHOOL"} else i
    return (w.starts[i], w.ends[last], decided), last


def capital(w: Words, i: int, kind: int, ls: Lists) -> str | None:
    """Return the type of a word with a capital, or None where it is no name."""
    low, cues = w.lows[i], ls.cues
    before, after = w.near(i, -1), w.near(i, 1)
    opens, word = w.opens(i), low in ls.words
    first = kind & (FIRST | RARE_FIRST | MOSTLY_NAME | MAYBE_NAME)
    if (
        len(low) <= (3 if kind & FIRST else 4)
        and w.text[w.starts[i] : w.ends[i]].isupper()
        and not person_near(w, i, ls)
        and not kind & MOSTLY_NAME
    ):
        return None
    if low in cues["months"] and not month_person(w, i, ls):
        return None
    if before in cues["kin"] and not opens and first:
        return "PERSON"
    setting = workplace(w, i, ls)
    if (
        setting
        and not (first and setting == "EMPLOYER" and before != "at" and not firm(w, i))
        and (firm(w, i) or not kind & (TOWN | WORD_TOWN))
    ):
        return setting if not word or kind & NAME or firm(w, i) else None
    # "Comfort Okafor was", "Amoke Owolabi was": a surname behind it makes a name of what opens a sentence.
    if opens and w.joined(i + 1) and w.caps[i + 1] and w.lows[i + 1] not in ls.words and not kind & (TOWN | WORD_TOWN):
        surname = ls.flags.get(w.lows[i + 1], 0) & (LAST | RARE_LAST)
        if surname and (not word or kind & MAYBE_NAME or ls.capital_names.get(low, 0) & (FIRST | RARE_FIRST)):
            return "PERSON"
    if kind & (TOWN | WORD_TOWN):
        if in_place(w, i, ls) and not (opens and word):
            return "PLACE"
        if kind & TOWN and (low in cues["mostly_towns"] or (not first and not (kind & NAME and person_near(w, i, ls)))):
            return "PLACE"
        if kind & BIG_TOWN and not kind & (FIRST | MOSTLY_NAME | MAYBE_NAME) and not person_near(w, i, ls):
            return "PLACE"
    if first and (not word or kind & MOSTLY_NAME):
        return None if before in {"a", "an"} and not opens else "PERSON"
    if kind & MAYBE_NAME:
        if not opens:
            return None if before in {"the", "a", "an", "this"} or followed_by_thing(w, i, ls) else "PERSON"
        return "PERSON" if speaks(w, i, ls) or (low in cues["subjects"] and subject(w, i, ls)) else None
    if kind & WORD_SURNAME and left(w, i) < i:
        return "PERSON"
    if ls.capital_names.get(low, 0) & FIRST and opens and after in cues["speaking"] | {"left", "died"}:
        return "PERSON"
    if low in ls.capital_names and not opens:
        return "PERSON" if before in cues["kin"] | cues["strong_before"] or after in cues["doing"] else None
    if kind & WORD_SURNAME or word:
        return None
    if kind & NAME:
        return "PERSON" if not opens or person_near(w, i, ls) or (w.joined(i + 1) and w.caps[i + 1]) else None
    # Not in any list: a capital within a sentence is a name of some sort.
    if w.text[w.starts[i] : w.ends[i]].isupper() or len(low) < 3:
        return None
    if opens:
        return "PERSON" if after in cues["person_after"] and not NO_NAME.search(low) else None
    if in_place(w, i, ls):
        return "PLACE"
    if before in cues["determiners"] or before in cues["thing_before"] or ("'" in low and low[1:2] != "'"):
        return None
    return "PERSON"


def small(w: Words, i: int, kind: int, ls: Lists) -> str | None:
    """Return the type of a word without a capital, or None where it is no name."""
    low, cues = w.lows[i], ls.cues
    before, after = w.near(i, -1), w.near(i, 1)
    if not kind:
        # In no list: a name only between a cue and a surname.
        surname = ls.flags.get(after, 0) & (LAST | RARE_LAST) and after not in ls.words
        cue = before in cues["strong_before"] or before in {"by", "with", "without"}
        return "PERSON" if surname and cue and len(low) > 3 else None
    first = kind & (FIRST | MOSTLY_NAME)
    if (low in cues["months"] and not month_person(w, i, ls)) or (kind & MOSTLY_NAME and before in cues["modals"]):
        return None
    if kind & TOWN and low not in ls.words:
        if in_place(w, i, ls) or low in cues["mostly_towns"]:
            return "PLACE"
        if not kind & NAME and (kind & BIG_TOWN or before in cues["place_maybe_before"]):
            return "PLACE"
        if kind & BIG_TOWN and not first and not person_near(w, i, ls):
            return "PLACE"
    if kind & WORD_TOWN and lived_in(w, i, ls):
        return "PLACE"
    if (kind & MAYBE_NAME and not kind & FIRST) or (len(low) < 3 and kind & NAME):
        return "PERSON" if sure(w, i, ls) else None
    if first and (len(low) > 3 or low in cues["short_names"] or kind & MOSTLY_NAME):
        return (
            None if before in cues["determiners"] and (kind & MOSTLY_NAME or before in {"a", "an", "the"}) else "PERSON"
        )
    if kind & (FIRST | RARE_FIRST) and low not in ls.words:
        close = (
            before in cues["weak_before"] or before in cues["kin"] or after in cues["person_after"] or i in w.possessive
        )
        return "PERSON" if close and before not in cues["determiners"] else None
    if (
        kind & (LAST | RARE_LAST)
        and low not in ls.words
        and (before in cues["strong_before"] or after in cues["speaking"])
    ):
        return "PERSON"
    return None


def again(w: Words, ls: Lists, out: list[Span], known: AbstractSet[str]) -> list[Span]:
    """Return `out` with the other places where a name found in it, or in an earlier turn, stands again."""
    names = set(known)
    for start, end, kind in out:
        if kind == "PERSON":
            names.update(
                word for word in re.findall(r"[a-z']{3,}", w.plain[start:end]) if word not in ls.cues["titles"]
            )
    if not names:
        return out
    extra: list[Span] = []
    for i, low in enumerate(w.lows):
        if low in names and not any(a < w.ends[i] and w.starts[i] < b for a, b, _ in out):
            if low in ls.cues["months"] and not month_person(w, i, ls):
                continue
            word = low in ls.words and not ls.flags.get(low, 0) & MOSTLY_NAME
            if not ls.flags.get(low, 0) & (NEVER | TOWN | KIN) and (not word or (w.caps[i] and not w.opens(i))):
                extra.append((w.starts[i], w.ends[i], "PERSON"))
    return sorted(out + extra)
