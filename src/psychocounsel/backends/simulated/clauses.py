"""Find clauses in a client's text that can be said back: events, hopes, efforts."""

from __future__ import annotations

import re

from psychocounsel.backends.simulated.lexicon import lexicon, one_of
from psychocounsel.backends.simulated.pronouns import flip

LONGEST_CLAUSE = 13
"""Words; beyond it a clause is cut, since nobody says back more than a breath."""

_SUBJECT = (
    r"(?:I|my|he|she|they|we|it|it's|there|there's|that|this|everyone|everybody|nobody|no one|nothing|what|when"
    r"|where|how|now"
    r"|I'm|I've|I'd|I'll|if|every|people|he's|she's|they're|we're|im|ive|the|you|me|also|then)"
)
_BREAK = re.compile(
    r"[,;:()\[\]\"*_|/]+|\s+-+\s+|\s*--+\s*|\.\.+"
    rf"|\s+(?=(?:and|but|because|so|since|though|although|while|yet|or|until|unless|whereas|cause|cuz"
    rf"|which)\s+{_SUBJECT}\b)"
    r"|\s+(?=(?:but|because|although|whereas|even though|except|which)\b)",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:(?:and|but|because|so|since|though|although|even though|while|then|yet|well|also|now|or|plus|anyway"
    r"|honestly|basically"
    r"|actually|lately|recently|ok|okay|yes|yeah|no|um|uh|hi|hello|hey|dear \w+|cause|cuz|i mean|i think that"
    r"|i think|i guess"
    r"|i realize that|i realise that|i know that|i know|i found out that|the thing is|the problem is|the truth is"
    r"|sometimes|that)"
    r"(?:\s+|$))+",
    re.IGNORECASE,
)
_REJECT = re.compile(
    r"^(?:I|i)(?:'m| am) (?:an? )?\d|^i (?:don't|do not|dont|didn't) (?:know|care|want|get|understand)\b|^i (?:mean"
    r"|guess|suppose|said"
    r"|need|want|wanna|wish|hope|feel|felt|would like|just want|only want|really want|just feel|think|wonder"
    r"|just don't know"
    r"|don't even know|told you|agree|understand|see|swear|like|have a question|just wish|am writing|would)\b"
    r"|^(?:i'm|i am|im) (?:from|not sure|sorry|fine|ok|okay|writing|a|an|in my|wondering|hoping|asking|feeling"
    r"|just wondering|here)\b"
    r"|^i'd (?:like|love)\b|^my (?:name|question|age|concern)\b|\b(?:you|your|yours|you're|you've)\b|https?|www|@"
    r"|\bsuch\b.*\bthat$",
    re.IGNORECASE,
)
_UNFAIR = re.compile(
    r"\b(?:worthless|stupid|failure|loser|ugly|useless|idiot|pathetic|weak|weird|burden|lazy|crazy|disgusting|dumb"
    r"|selfish|terrible"
    r"|horrible|bad (?:person|mother|father|mom|dad|wife|husband|friend|daughter|son)|hate myself|never be"
    r"|good enough|my fault|deserve"
    r"|fine|not a problem|to blame|unlovable|a mess|nothing|hopeless)\b|^I (?:should|must|could|might|may|will"
    r"|shouldn't)\b|^I'll\b|^i'd\b",
    re.IGNORECASE,
)
"""Said back as a fact, these would agree with what the client fears or tell them what to do."""

_COARSE = re.compile(
    r"\b(?:f+u+c+k\w*|shit\w*|bitch\w*|cunt\w*|asshole\w*|dick|lol|lmao|omg|wtf|idk|tbh)\b", re.IGNORECASE
)
_TAIL = frozenset("and but or because so the a an my that is was to of with if when than".split())
_DANGLING = frozenset(
    "and but or to of the a an that because so like with my his her their our your at in on for from by as if"
    " when than then is am are was were be been i we he she they it's i'm very really too just about into who"
    " which what how while whenever not don't didn't can't would could should will have has had had' this every"
    " some any no even also still more no".split()
)
_CUT = re.compile(
    r" (?=(?:because|when|and|but|so|since|after|before|while|which|who|if|until|where|whenever|unless|as)\b)"
)
_SOFT_CUT = re.compile(r" (?=(?:for|in|at|with|from|on|about|by|during|over|to|into|like)\b)")
_FINITE = re.compile(
    r"\b(?:is|was|are|were|has|have|had|does|did|will|would|could|can|can't|won't|doesn't|don't|didn't|isn't|wasn't"
    r"|aren't|hasn't"
    r"|keeps?|said|says|tells|told|left|died|got|gets|went|goes|came|comes|made|makes|took|takes|thinks?|wants?"
    r"|needs|lost|found"
    r"|feels|felt|knows|knew|gave|gives|began|broke|never|always|puts?|hates?|loves?|lives?|works?|\w{3,}ed|yells"
    r"|drinks|treats"
    r"|\w+n't)\b",
    re.IGNORECASE,
)
_FIRST = re.compile(r"^(?:I|I'm|I've|I'd|I'll|we|we're|we've)\b", re.IGNORECASE)
_ABOUT_ME = re.compile(r"\b(?:i|me|my|myself|us|our|we)\b", re.IGNORECASE)
_OTHERS = re.compile(r"^(?:he|she|they|everyone|everybody|nobody|no one|people|he's|she's|they're)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?\n\r\u2026]+[.!?\n\r\u2026]?")
_WORD = re.compile(r"[A-Za-z']")
_RISK = re.compile(
    "|".join(one_of(list(cues)) for level, cues in lexicon().risk.items() if level != "low")
    + f"|{one_of(list(lexicon().danger))}"
    + "|suicid|kill(?:ed|ing)? myself|cutting|abus|rap(?:e|ed)\\b|molest|dead|gun\\b|pills",
    re.IGNORECASE,
)
_HOPE = re.compile(
    r"\b(?:i (?:just |only |really |so |still |also |do )*(?:want|wish i could|would like|hope|need|long|would love"
    r"|am trying|have decided)"
    r"|i'd (?:really )?(?:like|love)|i'm (?:just )?trying|i'm (?:planning|hoping)|i(?:'ve| have) decided|my goal is"
    r"|i wanna"
    r"|how (?:can|do|should|could|would) i|is there (?:a|any) way"
    r"|what can i do) (?:to )?(?P<rest>[a-z][^.!?;:,()\n\"]{3,90})",
    re.IGNORECASE,
)
_HOPE_NOT = re.compile(
    r"^(?:die|kill|hurt|end|disappear|scream|cry|hit|punch|drink|use|smash|cut|know|ask|say|be dead"
    r"|leave this world|advice|help|a |an "
    r"|the |my |some|him |her |them |it |you|someone|more|this |that |tell you|i |he |she |they |not |never "
    r"|give up|people|about"
    r"|see if|think|believe|hear|myself|out |all |and |but |so |is |was|wasn't|get (?:some )?advice|have to|in |on "
    r"|for |\w+ing )",
    re.IGNORECASE,
)
_EFFORT = re.compile(
    r"\b(?P<clause>I(?:'ve| have)? (?:even |already |also |just |actually |finally |recently )?(?:tried|joined"
    r"|managed|booked|signed up"
    r"|reached out|apologi[sz]ed|been going|been trying|been working on|been seeing a (?:therapist|counsel|doctor"
    r"|psych)|cut down"
    r"|(?:started|begun|began) (?!crying|yelling|screaming|drinking|cutting|having|feeling|getting|to |hating"
    r"|noticing|using|smoking|at )"
    r"|(?:stopped|quit) (?:drinking|smoking|gambling|using|vaping))\b[^.!?;:,()\n\"]{0,90})",
    re.IGNORECASE,
)


def sentences(text: str) -> list[str]:
    """Split text into rough sentences, each with its end mark."""
    return [s.strip() for s in _SENTENCE.findall(text) if s.strip()]


def trim(words: list[str], longest: int) -> list[str]:
    """Cut to at most `longest` words, at a clause boundary or before a preposition, and drop a dangling end.

    Returns nothing where there is no sound place to cut.
    """
    dangling = _TAIL
    if len(words) > longest:
        dangling = _DANGLING
        head = " ".join(words[: longest + 1])
        for pattern, least in ((_CUT, 4), (_SOFT_CUT, 5)):
            cuts = [m.start() for m in pattern.finditer(head) if len(head[: m.start()].split()) >= least]
            if cuts:
                words = head[: cuts[-1]].split()
                break
        else:
            return []
    while words and words[-1].lower() in dangling:
        words = words[:-1]
    return words


def is_sayable(words: list[str]) -> bool:
    """Tell whether a clause is plain English words of sane size, without coarse words or what points to danger."""
    text = " ".join(words)
    if not text.isascii() or len(text) > 110 or _COARSE.search(text) or _RISK.search(text):
        return False
    return all(_WORD.search(w) or w.isdigit() for w in words) and sum(c.isupper() for c in text) <= len(text) / 3


def _said_back(words: list[str]) -> str:
    return flip(" ".join(words)).replace(" a.m", " AM").strip(" '-.")


def _score(words: list[str], position: float) -> float:
    text = " ".join(words)
    score = 2.0 if _FIRST.match(text) else 1.2 if words[0].lower() == "my" else 0.6
    score += 1.0 if 5 <= len(words) <= 10 else 0.3 if len(words) <= 12 else 0.0
    score += 0.6 if re.search(r"\b(?:my|our|me)\b", text[2:], re.IGNORECASE) else 0.0
    score += 0.4 if re.search(r"\b\w{3,}ed\b|\b(?:lost|left|told|got|had|went|broke|found|died)\b", text) else 0.0
    score -= 0.8 if re.search(r"\b(?:it|this|that|thing|things|stuff)$", text) else 0.0
    score -= 0.8 if _OTHERS.match(text) else 0.0
    return score - 0.2 * position


def events(text: str) -> tuple[str, ...]:
    """Return clauses about what happened and how things are, said back, the most telling first."""
    found: dict[str, float] = {}
    everything = sentences(text)
    for index, sentence in enumerate(everything):
        if sentence.endswith("?"):
            continue
        for segment in _BREAK.split(sentence.rstrip(".!\u2026 ")):
            if not segment:
                continue
            bare = _LEAD.sub("", segment.strip())
            bare = re.sub(r"^(?:when|since|after|ever since) (?=I\b|my\b)", "", bare, flags=re.IGNORECASE)
            words = bare.replace("a.m.", "AM").replace("p.m.", "PM").split()
            if not 3 <= len(words) <= 40 or _REJECT.search(bare):
                continue
            first = words[0].lower()
            if not (_FIRST.match(bare) or first == "my" or (_OTHERS.match(bare) and _ABOUT_ME.search(bare))):
                continue
            words = trim(words, LONGEST_CLAUSE)
            if (
                len(words) < (3 if _FIRST.match(bare) else 4)
                or not is_sayable(words)
                or _UNFAIR.search(" ".join(words))
            ):
                continue
            if not _FIRST.match(bare) and not _FINITE.search(" ".join(words[2:])):
                continue
            words[0] = words[0].lower() if first != "i" else words[0]
            found.setdefault(_said_back(words), _score(words, index / len(everything)))
    return tuple(sorted(found, key=lambda e: (-found[e], e)))[:8]


_PAST = re.compile(
    r"^(?:you|your [\w'-]+(?: [\w'-]+)?|he|she|they|[a-z]+ and [a-z]+) (?:just |finally |recently |actually |even "
    r"|suddenly )?"
    r"(?:\w{2,}ed|lost|left|got|went|broke|found|died|told|came|gave|took|made|said|saw|met|had|began|hit|fell"
    r"|threw|caught|heard"
    r"|quit|woke|spoke|wrote|sent|ran|became|kept|forgot|chose|bought|sold|grew|spent|dumped) (?!to love|been)\w",
).match


def is_past(event: str) -> bool:
    """Tell whether an event, said back, tells of something over and done."""
    unfinished = re.search(r"\b(?:has|have|is|are|keeps?|to|don't|doesn't|'ve)\b", " ".join(event.split()[:4]))
    return bool(_PAST(event)) and not unfinished


def hopes(text: str) -> tuple[str, ...]:
    """Return what the client wants, each fit to stand after "you want to"."""
    found: dict[str, None] = {}
    for match in _HOPE.finditer(text):
        if re.search(r"(?:don't|not|never|didn't)\s*$", text[max(0, match.start() - 8) : match.start()], re.IGNORECASE):
            continue
        has_to = re.search(
            r"(?:to |could |can i |do i |should i |could i |would i |wanna )$", match[0][: -len(match["rest"])], re.I
        )
        rest = _BREAK.split(match["rest"])[0]
        if not rest or not has_to or _HOPE_NOT.match(rest + " "):
            continue
        words = trim(rest.split(), 9)
        if (
            len(words) >= 2
            and words[0].isalpha()
            and is_sayable(words)
            and not re.search(r"\byou", rest, re.IGNORECASE)
        ):
            found.setdefault(_said_back([words[0].lower(), *words[1:]]))
    return tuple(found)[:4]


def efforts(text: str) -> tuple[str, ...]:
    """Return clauses on what the client has tried or begun, said back."""
    found: dict[str, None] = {}
    for match in _EFFORT.finditer(text):
        words = trim(_BREAK.split(match["clause"])[0].split(), 11)
        bare = " ".join(words)
        if (
            len(words) >= 3
            and is_sayable(words)
            and not re.search(r"\byou|\b(?:drinking|drugs|using)\b", bare, re.IGNORECASE)
        ):
            if re.match(r"i (?:been|begun)", bare, re.IGNORECASE):
                continue
            found.setdefault(_said_back(words))
    return tuple(found)[:3]
