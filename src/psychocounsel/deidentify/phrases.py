"""What a whole phrase gives away: "my name is X", "I work at X", "I study at X"."""

from __future__ import annotations

from bisect import bisect_left

from psychocounsel.deidentify.lists import FIRST, KIN, MAYBE_NAME, MOSTLY_NAME, NEVER, RARE_FIRST, Lists
from psychocounsel.deidentify.patterns import rules
from psychocounsel.deidentify.plain import Words
from psychocounsel.deidentify.spans import right, run

Span = tuple[int, int, str]


def phrases(w: Words, ls: Lists) -> list[Span]:
    """Return start, end and type of what phrases give away."""
    plain, patterns, out = w.plain, rules().patterns, []
    if any(sign in plain for sign in ("name", "call", "known", "goes by")) or plain[:1] in {"h", "i"}:
        for m in patterns["named"][0].finditer(plain):
            at = index(w, m.start("value"))
            if at is not None and introduced(w, at, ls, m["cue"]):
                out.append((w.starts[at], w.ends[right(w, at, ls)], "PERSON"))
    if " where " in plain:
        where = (m for m in patterns["where_work"][0].finditer(plain) if m["value"] in ls.employers)
        out += [(*m.span("value"), "EMPLOYER") for m in where]
    for section, names, kind in (("work", ls.employers, "EMPLOYER"), ("study", ls.universities, "SCHOOL")):
        for m in patterns[section][0].finditer(plain):
            start, at = m.start("value"), index(w, m.start("value"))
            words = m["value"].split(" ")
            if at is None:
                continue
            for size in (3, 2, 1):
                name = " ".join(words[:size]).rstrip(".,'")
                name = name if name in names else name.removesuffix("'s")
                if name in names:
                    # "work for the next": a shop that is a word needs its capital or "at".
                    brand = size > 1 or name not in ls.words or bool(ls.flags.get(name, 0) & NEVER)
                    if brand or w.caps[at] or plain[:start].endswith(" at "):
                        out.append((start, max(start + len(name), w.ends[run(w, at, ls)] if w.caps[at] else 0), kind))
                    break
    return out


def index(w: Words, start: int) -> int | None:
    """Return the word that starts at character `start`."""
    at = bisect_left(w.starts, start)
    return at if at < w.size and w.starts[at] == start else None


def introduced(w: Words, i: int, ls: Lists, cue: str) -> bool:
    """Return whether word `i` after "named", "my name is" or their like is a name."""
    low = w.lows[i]
    kind = ls.flags.get(low, 0)
    if kind & NEVER or low in ls.cues["determiners"] or kind & KIN:
        return False
    if kind & (FIRST | RARE_FIRST | MOSTLY_NAME):
        return True
    if kind & MAYBE_NAME:
        return (
            w.caps[i]
            or "name" in cue
            or (
                "called" in cue
                and w.near(i, -2) in ls.cues["kin"] | {"someone", "hes", "shes", "he", "she", "is", "was"}
            )
            or cue.startswith(("hi", "hey", "hello"))
        )
    if w.caps[i]:
        return low not in ls.words or "call" in cue or "name" in cue or "goes" in cue
    return low not in ls.words and cue[0] != "i" and len(low) > 2
