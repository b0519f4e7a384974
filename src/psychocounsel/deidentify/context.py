"""What the words around a word say about it: a person, a place, a workplace."""

from __future__ import annotations

from psychocounsel.deidentify.lists import FIRST, MAYBE_NAME, NAME, WORD_SURNAME, Lists
from psychocounsel.deidentify.plain import Words


def month_person(w: Words, i: int, ls: Lists) -> bool:
    """Return whether word `i`, the name of a month, is said of a person: "my aunt June", "April left"."""
    before, after = w.near(i, -1), w.near(i, 1)
    if before in ls.cues["kin"] | ls.cues["strong_before"] | {"with", "met", "loved", "miss", "saw"}:
        return before != "called" and not w.text[w.ends[i] : w.ends[i] + 2].strip().isdigit()
    return before not in ls.cues["month_before"] and (after in ls.cues["doing"] or speaks(w, i, ls))


def sure(w: Words, i: int, ls: Lists) -> bool:
    """Return whether the words around make a name of a word in lower case."""
    cues, before, after = ls.cues, w.near(i, -1), w.near(i, 1)
    ends = (
        after == ""
        or after in cues["doing"]
        or after in {"and", "who", "is", "was", "because", "when", "but", "that", "about", "to", "for"}
    )
    if before in cues["kin"] and w.near(i, -2) in cues["of_kin"]:
        return ends or i in w.possessive or (after[-1:] == "s" and len(after) > 3 and w.lows[i] not in {"will", "may"})
    if before in cues["strong_before"] and before not in {"called", "hi", "hey"}:
        return ends and w.lows[i] not in {"may"}
    if (
        len(w.lows[i]) < 3
        and before in {"told", "with", "met", "and", "love", "miss", "like"}
        and w.lows[i] not in ls.words
    ):
        ends = True
        if before != "and":
            return True
    if before == "and" and i > 1 and sure(w, i - 2, ls):
        return ends
    if before in {"and", "with"} or after == "and":
        other = ls.flags.get(w.near(i, -2 if before == "and" else 2), 0)
        if other & FIRST and w.near(i, -2 if before == "and" else 2) not in ls.words and (after != "" or ends):
            return (before == "and" and ends) or after == "and"
    return speaks(w, i, ls) and before not in cues["determiners"] and w.lows[i] not in {"will", "may", "art", "faith"}


def speaks(w: Words, i: int, ls: Lists) -> bool:
    """Return whether word `i` is the subject of said, told and their like, or stands in "Grace and I"."""
    after = w.near(i, 1)
    return after in ls.cues["speaking"] or (after == "and" and w.near(i, 2) in {"i", "me"} and w.caps[i])


def subject(w: Words, i: int, ls: Lists) -> bool:
    """Return whether what follows word `i` is said of people: "left", "has", "is my"."""
    after = w.near(i, 1)
    if after in {"is", "was"}:
        return w.near(i, 2) in ls.cues["said_of_people"]
    if after in {"my", "his", "her", "our"}:
        return w.near(i, 2) in ls.cues["kin"] | {"eldest", "oldest", "youngest", "middle", "late"}
    return after in ls.cues["doing"]


def firm(w: Words, i: int) -> bool:
    """Return whether what follows word `i` makes a firm: "& X", "-X", ", X and Y", "and Sons"."""
    return i + 1 < w.size and (
        w.gap(i + 1) == " & "
        or (w.gap(i + 1) == "-" and w.caps[i + 1])
        or (w.gap(i + 1) == ", " and w.caps[i + 1] and w.near(i + 1, 1) == "and" and any(w.caps[i + 3 : i + 4]))
        or (w.near(i, 1) == "and" and w.near(i, 2) in {"sons", "son", "co", "partners"})
    )


def followed_by_thing(w: Words, i: int, ls: Lists) -> bool:
    """Return whether a capitalised plain word follows, as in Art Club or Hope House."""
    return (
        w.joined(i + 1)
        and w.caps[i + 1]
        and w.lows[i + 1] in ls.words
        and not ls.flags.get(w.lows[i + 1], 0) & (NAME | WORD_SURNAME | MAYBE_NAME)
    )


def person_near(w: Words, i: int, ls: Lists) -> bool:
    """Return whether the words around word `i` are those around a person."""
    before, after = w.near(i, -1), w.near(i, 1)
    return (
        before in ls.cues["kin"]
        or before in ls.cues["strong_before"]
        or (after in ls.cues["person_after"] and before not in {"in", "from", "to"})
        or i in w.possessive
    )


def in_place(w: Words, i: int, ls: Lists) -> bool:
    """Return whether the words before word `i` make it a place."""
    before = w.near(i, -1)
    if before in ls.cues["place_before"]:
        return True
    if before in ls.cues["place_maybe_before"]:
        earlier = {w.near(i, -2), w.near(i, -3)}
        return bool(earlier & ls.cues["motion"]) or (before == "of" and bool(earlier & ls.cues["in_city"]))
    return False


def lived_in(w: Words, i: int, ls: Lists) -> bool:
    """Return whether word `i`, a town and an English word, stands where somebody lives: "i live in reading now"."""
    before, after = w.near(i, -1), w.near(i, 1)
    if before not in {"in", "to", "from", "near"} or (after and after not in ls.cues["after_living"]):
        return False
    return bool({w.near(i, -2), w.near(i, -3)} & ls.cues["living"]) and w.lows[i] not in ls.cues["generic"]


def workplace(w: Words, i: int, ls: Lists) -> str | None:
    """Return EMPLOYER or SCHOOL where the words before word `i` say that somebody works or studies there."""
    step = 2 if w.near(i, -1) == "the" else 1
    before = w.near(i, -step)
    if before not in ls.cues["work_prepositions"] and before not in {
        "to",
        "into",
        "in",
        "attend",
        "attended",
        "attending",
        "attends",
    }:
        return None
    earlier = [w.near(i, -k) for k in range(step + 1, step + 5)]
    if before in ls.cues["work_prepositions"]:
        for word in earlier:
            if (
                word in ls.cues["school_verbs"]
                and before in {"at", "from"}
                and word not in {"started", "starting", "head"}
            ):
                return "SCHOOL"
            if word in ls.cues["work_verbs"] or word in ls.cues["work_nouns"]:
                return "EMPLOYER"
        return None
    if before[:6] == "attend" or (before in {"to", "into"} and set(earlier[:2]) & {"accepted", "applied"}):
        return "SCHOOL"
    return None
