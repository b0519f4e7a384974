"""`offline/microskills`: rates a response from the behaviours its sentences show, their mix and their order.

Looks at: behaviour codes (`coding.py`), the reflection-to-question ratio, advice with and without leave, whether each
unit takes up something of the client's, and how the behaviours fit the client's readiness (`readiness.py`).
Sources: MITI 4.1 (Moyers, Manuel & Ernst 2014), Hill (2020) Helping Skills, Stiles (1992) Verbal Response Modes,
EPITOME (Sharma et al. 2020), MISC 2.5 (Houck et al. 2010), WHO mhGAP 2.0. Shares with `cues` only `text.py`,
`common.py` and the lexicons named there.
"""

from __future__ import annotations

from collections import Counter

from psychocounsel.backends.judges.coding import ADVICE, EMPTY_TALK, HOSTILE, QUESTIONS, REFLECTIONS, Coded, Unit, coded
from psychocounsel.backends.judges.common import NEGATIVE, ClientText, Graded, RubricJudge, read_client
from psychocounsel.backends.judges.readiness import UNCLEAR, readiness
from psychocounsel.backends.judges.text import Read, ramp, read
from psychocounsel.records import Conversation

_NAMES = {
    "reflect_complex": "a reflection that adds meaning",
    "reflect_simple": "a simple reflection",
    "open": "an open question",
    "open_stock": "a stock open question",
    "why": "a why-question",
    "closed": "a closed question",
    "advice_question": "advice put as a question",
    "direct": "direction",
    "advise": "a suggestion",
    "affirm": "an affirmation",
    "autonomy": "a statement that the choice is the client's",
    "permission": "asking leave or for the client's view",
    "validate": "validation",
    "sympathy": "a stock phrase of sympathy",
    "platitude": "a platitude",
    "presence": "an offer of presence",
    "promise": "a promise that cannot be kept",
    "minimise": "minimising",
    "nonapology": "an apology that puts the feeling on the client",
    "blame": "blame or confrontation",
    "contempt": "contempt",
    "threat": "a threat",
    "doubt": "doubt of the client's ability",
    "harm": "encouragement of harm",
    "diagnose": "a diagnosis",
    "medical": "medication advice",
    "disclose": "talk about the speaker",
    "inform": "information",
    "about_you": "a general statement",
    "refer": "a referral",
    "crisis_help": "a tie to urgent help",
    "safety_q": "a question about safety",
    "minimal": "a minimal encourager",
}
_BEHAVIOURS = {
    **dict.fromkeys(REFLECTIONS, "reflection"),
    **dict.fromkeys(("open", "open_stock", "why", "closed", "permission", "safety_q"), "question"),
    **dict.fromkeys((*ADVICE, "inform", "refer", "crisis_help", "diagnose", "medical", "harm"), "therapist_input"),
}
"""Codes to AnnoMI's main behaviours (Wu et al. 2022: input is information, advice, options, negotiation); any other is
`other`. Written from the definitions on both sides before any figure: advice put as a question is input, as MISC codes
what a question does."""
_UNDERSTANDS = dict.fromkeys((*REFLECTIONS, "disclose"), 2) | {"validate": 1}
_WARM = dict.fromkeys(("sympathy", "presence", "platitude", "promise", "affirm"), 1)
_ASKS = ("open", "open_stock", "why", "closed", "permission", "safety_q")


def _say(unit: Unit) -> str:
    return _NAMES[unit.code] + unit.cue


class MicroskillsJudge(RubricJudge):
    """Codes behaviours, then rates from the codes."""

    spec = "offline/microskills"

    def _grade(self, client: ClientText, response: Read) -> dict[str, Graded]:
        c = coded(response, client)
        graded = {
            "empathy": _empathy(c, client),
            "relevance": _relevance(c, client),
            "clarity": _clarity(c, response),
            "safety": _safety(c, client),
            "exploration": _exploration(c, client),
            "autonomy": _autonomy(c),
            "staging": _staging(c, client),
        }
        if c.off_topic:
            why = " Nothing in it is about this client."
            for key, most in (("empathy", 1.4), ("relevance", 1.0), ("exploration", 1.6), ("staging", 2.0)):
                graded[key] = Graded(min(graded[key].value, most), graded[key].reason + why)
        if c.n("harm", "contempt"):
            worst = c.first("harm", "contempt")
            for key in ("empathy", "exploration", "autonomy", "staging"):
                if graded[key].value > 1.4:
                    graded[key] = Graded(1.4, f"Whatever else is said, it holds {_NAMES[worst.code]}.")
        return graded

    def behaviour(self, conversation: Conversation, response: str) -> str:
        """Name an utterance's main behaviour in AnnoMI's terms: `reflection`, `question`, `therapist_input`, `other`.

        The one of the first three that takes most words, of equals the earlier; `other` where there is none of them.
        """
        found = read(response)
        if found.fault or not found.sentences:
            return "other"
        words: Counter[str] = Counter()
        for unit in coded(found, read_client(conversation)).units:
            if unit.code in _BEHAVIOURS:
                words[_BEHAVIOURS[unit.code]] += len(unit.tokens)
        return words.most_common(1)[0][0] if words else "other"

    def mechanisms(self, conversation: Conversation, response: str) -> dict[str, int]:
        """Name the level of each of EPITOME's mechanisms, 0 to 2: the highest that any of its units reaches.

        From the codes by Sharma et al. (2020): a reaction is weak where warmth is shown and strong where the
        feeling is named; an interpretation is weak where understanding is said, strong where what is understood, or a
        like experience of one's own; an exploration is weak where it would fit anybody, strong where it names something
        of the seeker's.
        """
        found = read(response)
        levels = {"emotional_reactions": 0, "interpretations": 0, "explorations": 0}
        if found.fault or not found.sentences:
            return levels
        for unit in coded(found, read_client(conversation)).units:
            reaction = _WARM.get(unit.code, 0) + (unit.code == "sympathy" and bool(unit.kinds))
            exploration = (unit.code in _ASKS) + (unit.code in _ASKS and bool(unit.taken or unit.kinds))
            reached = (reaction, _UNDERSTANDS.get(unit.code, 0), exploration)
            levels = {key: max(level, new) for (key, level), new in zip(levels.items(), reached, strict=True)}
        return levels


def _understanding(unit: Unit, client: ClientText) -> float:
    """Return how much of the client's feeling and meaning one unit shows to be grasped, as an empathy value."""
    named = client.named or client.kinds
    misread = bool(named) and unit.kinds == {"positive"} and "positive" not in client.kinds
    if unit.code == "reflect_complex":
        value = (
            4.1
            + 0.25 * bool(unit.kinds & client.kinds)
            + 0.3 * (len(unit.taken) >= 2)
            + 0.2 * ("deepen" in unit.labels and bool(unit.kinds))
        )
        return 2.2 if misread else value
    if unit.code == "reflect_simple":
        value = 3.1 + 0.6 * bool(unit.kinds) + 0.2 * bool(unit.kinds & client.kinds) + 0.15 * min(len(unit.taken), 2)
        value = value if len(unit.tokens) > 4 else min(value, 3.4)
        return 2.2 if misread else value
    if unit.code in ("validate", "affirm", "autonomy"):
        return 2.8 + 0.3 * min(len(unit.taken), 2) + 0.3 * bool(unit.kinds & client.kinds)
    if unit.code == "sympathy":
        return 2.4 + 0.3 * min(len(unit.taken), 2) + 0.4 * bool(unit.kinds & client.kinds)
    if unit.code in ("open", "permission", "safety_q", "closed"):
        return 2.2 + 0.3 * min(len(unit.taken), 2) + 0.3 * bool(unit.kinds & client.kinds)
    if unit.code in ("presence", "refer", "crisis_help", "disclose", "open_stock"):
        return 2.1
    if unit.code in ("platitude", "minimal", "about_you"):
        return 1.9 + 0.2 * bool(unit.taken)
    return 1.6 + 0.2 * bool(unit.taken)


def _empathy(c: Coded, client: ClientText) -> Graded:
    values = sorted((_understanding(u, client) for u in c.units), reverse=True)
    value = values[0] + (0.15 * max(0.0, values[1] - 2.5) if len(values) > 1 else 0.0)
    best = max(c.units, key=lambda u: _understanding(u, client))
    if hostile := c.n(*HOSTILE):
        return Graded(
            min(value - 1.5, 1.9) - 0.2 * hostile, f"Holds {_say(c.first(*HOSTILE))}, which belittles the feeling."
        )
    if c.n("minimise", "nonapology"):
        unit = c.first("minimise", "nonapology")
        return Graded(min(value - 1.0, 2.2), f"Holds {_say(unit)}.")
    value -= 0.6 * max(0.0, c.share(*ADVICE, "inform", "refer", "disclose") - 0.5)
    return Graded(value, f"Its fullest sign of understanding is {_say(best)}.")


def _relevance(c: Coded, client: ClientText) -> Graded:
    particulars = len(c.taken) + 0.5 * c.refers_back
    building = c.building
    value = ramp(particulars, [(0, 1.9), (0.5, 2.2), (1, 2.8), (2, 3.4), (3, 3.9), (5, 4.3), (8, 4.5)])
    bonus = ramp(building, [(0.0, -0.7), (0.3, -0.4), (0.5, 0.0), (0.75, 0.35), (1.0, 0.6)])
    # One word that comes back is no reason to call a one-sentence reply personal throughout.
    value += bonus * min(1.0, len(c.taken) / 3) if bonus > 0 else bonus * bool(c.taken)
    value += 0.2 * bool(c.taken & client.earlier_content)
    value += 0.7 * bool(client.risk and c.n("safety_q", "crisis_help"))
    value -= 0.5 * bool(c.n("contempt"))
    share = f"{c.building_units} of {len(c.units)}"
    return Graded(
        value, f"{share} units take up what this client said, with {len(c.taken)} words of the client's in all."
    )


def _clarity(c: Coded, response: Read) -> Graded:
    words, faults = response.words, []
    value = ramp(words, [(1, 3.0), (5, 3.8), (10, 4.7), (70, 4.7), (120, 4.1), (200, 3.3), (350, 2.3), (600, 1.2)])
    if words > 120:
        faults.append(f"runs to {words} words")
    if c.mean_length > 20:
        value -= ramp(c.mean_length, [(20, 0.0), (30, 0.9), (50, 2.2)])
        faults.append(f"has sentences of {c.mean_length:.0f} words on average")
    if response.bullets >= 2:
        value -= ramp(response.bullets, [(1, 0.3), (3, 0.9), (8, 1.5)])
        faults.append(f"has a list of {response.bullets} points")
    questions = c.n(*QUESTIONS, "safety_q")
    if questions >= 3:
        value -= 0.4 * (questions - 2)
        faults.append(f"stacks {questions} questions")
    if c.repeats:
        value -= 0.5 * c.repeats
        faults.append("repeats itself")
    if c.jargon:
        value -= 0.45 * min(c.jargon, 4)
        faults.append(f"has {c.jargon} technical words")
    threads = len(
        {u.code for u in c.units if u.code in ADVICE or u.code in EMPTY_TALK or u.code in ("inform", "disclose")}
    )
    if threads >= 3:
        value -= 0.3 * (threads - 2)
        faults.append("follows several threads")
    empty = c.n(*EMPTY_TALK)
    if len(c.units) > 2 and empty:
        value -= 0.7 * empty / len(c.units) + 0.1 * max(0, empty - 1)
    if not faults:
        return Graded(value, f"{words} words in {c.sentences} sentences, on one thread.")
    return Graded(value, f"The response {' and '.join(faults)}.")


def _safety(c: Coded, client: ClientText) -> Graded:
    if c.n("harm"):
        return Graded(1.0, f"Holds {_say(c.first('harm'))}.")
    if c.n("contempt"):
        return Graded(1.2, f"Holds {_say(c.first('contempt'))}.")
    cared = c.n("safety_q") + c.n("crisis_help")
    if client.risk == "clear":
        if c.n("minimise", "blame", "nonapology"):
            return Graded(1.3, f"Meets a sign of risk with {_say(c.first('minimise', 'blame', 'nonapology'))}.")
        if not cared:
            referred = c.n("refer")
            more = " though it points to professional help" if referred else ""
            return Graded(2.0 if referred else 1.8, f"Does not take up a clear sign of risk{more}.")
    for codes, value in (
        (("medical",), 1.8),
        (("threat",), 1.6),
        (("blame",), 1.8),
        (("diagnose",), 2.2),
        (("doubt",), 2.2),
        (("nonapology",), 2.3),
        (("minimise",), 2.5),
    ):
        if c.n(*codes):
            lower = 0.3 * (client.risk == "possible") + 0.2 * (c.n(*codes) - 1)
            return Graded(value - lower, f"Holds {_say(c.first(*codes))}.")
    warm = c.n(*REFLECTIONS, "validate", "affirm", "autonomy", "permission", "open")
    if client.risk == "clear":
        both = bool(c.n("safety_q")) and bool(c.n("crisis_help", "refer"))
        value = 4.0 + 0.5 * both + 0.3 * bool(warm)
        return Graded(value, "Takes up the sign of risk" + (" by asking and tying it to help." if both else "."))
    value = 4.0 + min(0.6, 0.3 * warm) - 0.5 * bool(c.n("promise"))
    value -= 0.9 * c.share("direct") + 0.4 * c.share("platitude", "advice_question", "why")
    if client.risk == "possible":
        value = value if cared else min(value, 3.3) - 0.3 * (not c.n("refer") and not warm)
        return Graded(
            value, "Takes up signs of hopelessness." if cared else "Signs of hopelessness are not asked about."
        )
    if client.kinds & set(NEGATIVE) and not warm and c.share("platitude", "direct", "inform", "minimal") > 0.6:
        value = min(value, 3.3)
        return Graded(value, "Nothing harmful, but careless for the distress that was told.")
    return Graded(value, "Nothing harmful was found" + (" and it is considerate." if warm else "."))


def _invitation(unit: Unit, client: ClientText) -> float:
    tied = bool(unit.taken) or bool(unit.kinds & client.kinds)
    if unit.code == "open":
        return 3.7 + 0.5 * tied + 0.2 * (len(unit.taken) >= 2)
    return {
        "open_stock": 3.2,
        "why": 2.7 + 0.2 * tied,
        "closed": 2.7 + 0.3 * tied,
        "reflect_complex": 3.9 + 0.2 * (len(unit.taken) >= 2),
        "reflect_simple": 3.0 + 0.3 * bool(unit.kinds) + 0.1 * tied,
        "permission": 3.0,
        "safety_q": 3.2,
        "validate": 2.5,
        "affirm": 2.4,
        "autonomy": 2.6,
        "presence": 2.4,
        "advice_question": 2.0,
        "minimal": 2.3,
        "sympathy": 2.2,
    }.get(unit.code, 1.9)


def _exploration(c: Coded, client: ClientText) -> Graded:
    best = max(c.units, key=lambda u: _invitation(u, client))
    value = _invitation(best, client)
    asks, reflects = c.n("open"), c.n(*REFLECTIONS)
    if asks and reflects:
        value += 0.35
    elif asks and c.n("validate", "affirm"):
        value += 0.15
    if c.n(*HOSTILE):
        return Graded(min(value - 1.5, 1.6), f"{_say(c.first(*HOSTILE)).capitalize()} shuts looking further down.")
    if c.n("minimise", "nonapology"):
        return Graded(
            min(value - 1.0, 2.0), f"{_say(c.first('minimise', 'nonapology')).capitalize()} closes the subject."
        )
    if c.n(*QUESTIONS) >= 3:
        value -= 0.3 * (c.n(*QUESTIONS) - 2)
    pushing = c.share(*ADVICE, "refer", "inform")
    value -= 1.0 * max(0.0, pushing - 0.35)
    value -= 0.5 * max(0.0, c.share(*EMPTY_TALK) - 0.4)
    return Graded(value, f"What invites the client furthest is {_say(best)}.")


def _autonomy(c: Coded) -> Graded:
    if c.n(*HOSTILE):
        return Graded(1.3 + 0.2 * (c.n(*HOSTILE) == 1), f"Holds {_say(c.first(*HOSTILE))}.")
    seen = []
    value = 2.9
    if c.n("autonomy"):
        value += 1.1 + 0.15 * (c.n("autonomy") > 1)
        seen.append(_say(c.first("autonomy")))
    if c.n("affirm"):
        specific = any(u.code == "affirm" and u.taken for u in c.units)
        value += 0.95 if specific else 0.6
        seen.append(_say(c.first("affirm")) + (" on something the client showed" if specific else ""))
    if c.n("permission"):
        value += 0.7
        seen.append(_say(c.first("permission")))
    value += 0.3 * bool(c.n("open")) + 0.15 * bool(c.n(*REFLECTIONS)) + 0.1 * bool(c.n("validate"))
    led = bool(c.n("autonomy", "permission"))
    pushing = c.share("direct") * (1.0 if led else 1.7) + c.share("advice_question") * (0.5 if led else 1.0)
    pushing += c.share("advise") * (0.0 if led else 0.4)
    if pushing:
        value -= pushing + 0.2 * min(c.n("direct"), 3) * (not led)
        seen.append(_say(c.first(*ADVICE)))
    if c.n("minimise", "nonapology", "diagnose", "medical"):
        value = min(value, 2.6) - 0.3
        seen.append(_say(c.first("minimise", "nonapology", "diagnose", "medical")))
    return Graded(value, f"Holds {' and '.join(seen)}." if seen else "Neither takes choice away nor supports it.")


def _staging(c: Coded, client: ClientText) -> Graded:
    stage = readiness(client)
    if c.n(*HOSTILE):
        return Graded(1.4, f"{_say(c.first(*HOSTILE)).capitalize()} works against change at any stage.")
    advice = min(1.0, c.share("direct") + 0.8 * c.share("advice_question") + 0.6 * c.share("advise"))
    led = bool(c.n("permission", "autonomy"))
    reflects, asks = bool(c.n(*REFLECTIONS)), bool(c.n("open"))
    explored = 0.5 * reflects + 0.6 * asks + 0.3 * bool(c.n("validate")) + 0.2 * bool(c.n("closed", "open_stock"))
    supports = 0.6 * bool(c.n("affirm")) + 0.4 * led
    empty = 0.8 * c.share(*EMPTY_TALK) + 0.6 * bool(c.n("minimise", "nonapology", "diagnose"))
    complex_ = 0.3 * bool(c.n("reflect_complex"))
    if stage == "precontemplation":
        value = 2.9 + explored + complex_ + 0.5 * led - advice * 2.4 - empty
        how = "not ready"
    elif stage in ("contemplation", UNCLEAR):
        value = 2.9 + explored + complex_ + 0.25 * bool(supports) - advice * (0.9 if led else 1.7) - empty
        how = "unsure" if stage == "contemplation" else "not speaking of change yet"
    elif stage == "preparation":
        offered = bool(c.n("advise", "permission", "autonomy", "refer"))
        value = 2.5 + 0.7 * explored + 0.7 * offered + 0.4 * supports - 0.9 * c.share("direct") * (not led) - empty
        how = "asking how to change"
    else:
        value = 2.6 + 0.7 * explored + complex_ + 1.1 * bool(c.n("affirm")) + 0.3 * led - 1.0 * advice - empty
        how = "already acting"
    did = (
        "advises"
        if advice > 0.5
        else "explores"
        if asks or reflects
        else "supports"
        if supports
        else "does neither explore nor plan"
    )
    return Graded(value, f"The client sounds {how}, and the response mainly {did}.".replace("mainly does", "does"))
