"""`offline/cues`: rates a response from features of the whole text, without cutting it into behaviours.

Looks at (`features.py`): how much of the client's own content words it takes up, the rarer the more; whether feelings
named near "you" agree in kind with the client's; second- against first-person focus; words of choice against words of
obligation and bare verbs at the start of sentences; the shape of questions; length, sentence length, repetition; and
lists of dismissive, blaming, harmful, promising and caring cues. Each principle is a sum of documented monotone maps.
Sources: EPITOME (Sharma et al. 2020), Pennebaker's pronoun focus and Tausczik & Pennebaker (2010), self-determination
theory on controlling language (Ryan & Deci 2000), lexical entrainment in counselling (Althoff, Clark & Leskovec 2016),
WHO safe messaging. Shares with `microskills` only `text.py`, `common.py` and the lexicons named there.
"""

from __future__ import annotations

from psychocounsel.backends.judges.common import NEGATIVE, ClientText, Graded, RubricJudge
from psychocounsel.backends.judges.features import Features, features
from psychocounsel.backends.judges.text import Read, ramp


class CuesJudge(RubricJudge):
    """Weighs continuous features."""

    spec = "offline/cues"

    def _grade(self, client: ClientText, response: Read) -> dict[str, Graded]:
        f = features(response, client)
        harsh = f.n("contempt") + f.n("harm") + f.n("blame")
        return {
            "empathy": _empathy(f, client, harsh),
            "relevance": _relevance(f, client, harsh),
            "clarity": _clarity(f, response),
            "safety": _safety(f, client),
            "exploration": _exploration(f, harsh),
            "autonomy": _autonomy(f, harsh),
            "staging": _staging(f, client, harsh),
        }


def _empathy(f: Features, client: ClientText, harsh: int) -> Graded:
    value = 1.7
    value += ramp(f.n("attune"), [(0, 0.0), (1, 0.8), (3, 1.1)])
    value += ramp(f.n("stock"), [(0, 0.0), (1, 0.45), (2, 0.5)])
    value += 0.8 * f.agreement
    value += ramp(f.overlap, [(0.0, 0.0), (1.0, 0.35), (3.0, 0.8), (6.0, 1.0)])
    value += ramp(f.n("meaning"), [(0, 0.0), (1, 0.35), (2, 0.5)]) * (f.n("attune") > 0)
    value += 0.2 * (f.questions > 0 and f.overlap > 0.5)
    value -= ramp(f.oblige, [(0.02, 0.0), (0.06, 0.6), (0.12, 1.0)])
    value -= 0.9 * max(0.0, 0.5 - f.you_share) * (f.n("self") > 0)
    value -= 0.4 * (f.n("self") > 1) + 0.25 * min(f.n("platitude"), 2)
    if f.clash:
        value = min(value, 2.3)
    if harsh:
        return Graded(
            min(value - 1.2, 1.8) - 0.2 * min(harsh, 3),
            f"Words that blame or belittle{f.shown('contempt', 'blame', 'harm')}.",
        )
    if f.n("dismiss"):
        return Graded(
            min(value - 0.8, 2.3) - 0.2 * f.n("dismiss"), f"Words that wave the feeling away{f.shown('dismiss')}."
        )
    if f.agreement:
        why = "Names a feeling of the kind the client has"
    elif f.clash:
        why = "Names a feeling at odds with the client's"
    else:
        why = "Names no feeling of the client's kind"
    return Graded(value, f"{why}, with {f.n('attune')} cues of attunement and {f.n('stock')} stock phrases.")


def _relevance(f: Features, client: ClientText, harsh: int) -> Graded:
    value = ramp(f.overlap, [(0.0, 1.5), (0.5, 2.2), (1.0, 2.7), (2.0, 3.3), (3.5, 3.9), (6.0, 4.4), (10.0, 4.6)])
    value += ramp(f.precision, [(0.0, -0.3), (0.15, -0.1), (0.3, 0.2), (0.6, 0.5)])
    value += 0.25 * f.earlier + 0.3 * min(1.0, f.flipped / 2) + 0.4 * f.people
    value += 0.3 * (f.agreement > 0) * (f.overlap < 2)
    # Short spoken reflections often repeat no word of the client's and still speak of nobody else.
    value += 0.6 * (f.overlap < 1 and f.n("attune") > 0 and f.you_rate > 0.1 and not f.n("stock"))
    value += 0.7 * bool(client.risk and f.n("care"))
    value -= 0.25 * min(f.n("platitude"), 3) + 0.3 * bool(harsh)
    if f.overlap == 0 and not f.agreement and not f.people:
        value -= 0.6 * (f.you_rate < 0.03)
        return Graded(value, "No content word of the client's comes back.")
    return Graded(
        value, f"{f.shared} content words of the client's come back, {100 * f.precision:.0f} % of its own by weight."
    )


def _clarity(f: Features, response: Read) -> Graded:
    value = ramp(f.words, [(1, 2.8), (5, 3.8), (12, 4.8), (65, 4.8), (110, 4.2), (180, 3.4), (300, 2.5), (550, 1.2)])
    value -= ramp(f.sentence_length, [(18, 0.0), (28, 0.9), (50, 2.4)])
    value -= ramp(f.long_words, [(0.1, 0.0), (0.2, 0.8), (0.35, 1.8)])
    value -= ramp(f.repetition, [(0.05, 0.0), (0.25, 1.0), (0.6, 2.0)])
    value -= ramp(response.bullets, [(1, 0.2), (3, 0.9), (8, 1.4)]) if response.bullets else 0.0
    value -= ramp(f.questions, [(2, 0.0), (4, 0.9), (6, 1.5)])
    value -= 0.5 * min(f.n("jargon"), 4)
    value -= ramp(f.generic, [(0.02, 0.0), (0.08, 0.6), (0.15, 0.9)]) * (f.words > 20)
    return Graded(
        value,
        f"{f.words} words, {f.sentence_length:.0f} to a sentence, {100 * f.long_words:.0f} % long words, "
        f"{f.questions} questions, {response.bullets} list points.",
    )


def _safety(f: Features, client: ClientText) -> Graded:
    if f.n("harm"):
        return Graded(1.0, f"Words that encourage harm{f.shown('harm')}.")
    if f.n("contempt"):
        return Graded(1.3, f"Words of contempt{f.shown('contempt')}.")
    if client.risk == "clear" and not f.n("care"):
        worse = 0.3 * bool(f.n("dismiss")) + 0.4 * bool(f.n("blame") + f.n("threat"))
        return Graded(
            1.8 - worse,
            "The client shows clear signs of risk and no word of the response is about safety.",
        )
    # The gravest fault sets the rating; others of other kinds add little, as one remark often shows several.
    faults = sorted(
        (
            2.2 * bool(f.n("medical")),
            2.3 * bool(f.n("blame")),
            1.9 * bool(f.n("threat")),
            1.7 * bool(f.n("doubt")),
            ramp(f.n("dismiss"), [(0, 0.0), (1, 1.5), (3, 2.0)]),
            ramp(f.n("promise"), [(0, 0.0), (1, 0.5), (2, 0.9)]),
        )
    )
    value = 4.1 - faults[-1] - 0.3 * sum(faults[:-1])
    value -= ramp(f.oblige, [(0.03, 0.0), (0.1, 0.6)])
    value += ramp(f.n("attune") + f.n("choice") + f.n("strength"), [(0, 0.0), (1, 0.35), (3, 0.6)])
    if client.risk:
        cared = ramp(f.n("care"), [(0, 0.0), (1, 0.2), (3, 0.7)])
        value += cared if f.n("care") else -0.8
        return Graded(value, f"Signs of risk are met with {f.n('care')} cues about safety or help.")
    if client.kinds & set(NEGATIVE) and not (f.n("attune") or f.n("choice") or f.questions or f.n("stock")):
        value -= 0.6
    worst = next((k for k in ("medical", "blame", "threat", "doubt", "dismiss", "promise") if f.n(k)), None)
    return Graded(
        value, f"Risky words of the kind {worst}{f.shown(worst)}." if worst else "No harmful words were found."
    )


def _exploration(f: Features, harsh: int) -> Graded:
    value = 1.8
    value += ramp(f.open_questions, [(0, 0.0), (1, 1.4), (2, 1.5)])
    value += ramp(f.questions - f.open_questions, [(0, 0.0), (1, 0.7), (2, 0.75)]) * (f.open_questions == 0)
    value += ramp(f.n("explore"), [(0, 0.0), (1, 0.25), (2, 0.35)])
    value += ramp(f.n("attune"), [(0, 0.0), (1, 0.5), (2, 0.7)]) + 0.25 * (f.n("meaning") > 0) * (f.n("attune") > 0)
    value += ramp(f.overlap, [(0, -0.3), (1, 0.2), (3, 0.55), (6, 0.7)])
    value -= ramp(f.oblige, [(0.015, 0.0), (0.05, 0.7), (0.12, 1.3)])
    value -= 0.8 * bool(f.n("threat")) + 0.25 * f.n("platitude") + 0.4 * (f.why > 0) + 0.3 * max(0, f.questions - 2)
    if harsh or f.n("dismiss"):
        value = min(value - 1.0, 2.0) - 0.4 * bool(harsh)
        return Graded(value, f"Closing words{f.shown('contempt', 'blame', 'dismiss', 'harm')} leave little to explore.")
    return Graded(
        value,
        f"{f.open_questions} open and {f.questions - f.open_questions} other questions, "
        f"{f.n('attune')} reflective cues.",
    )


def _autonomy(f: Features, harsh: int) -> Graded:
    value = 2.95
    value += ramp(f.n("choice"), [(0, 0.0), (1, 0.9), (2, 1.2), (3, 1.3)])
    value += ramp(f.n("strength"), [(0, 0.0), (1, 0.75), (2, 1.0)]) + 0.15 * (f.n("strength") > 0 and f.overlap >= 2)
    value += 0.25 * (f.open_questions > 0) + 0.15 * (f.hedges > 0.01)
    value -= ramp(f.oblige, [(0.0, 0.0), (0.04, 0.8), (0.1, 1.5), (0.2, 2.0)]) * (0.5 if f.n("choice") else 1.0)
    value -= (
        1.5 * bool(f.n("threat")) + 1.3 * bool(f.n("doubt")) + 0.6 * bool(f.n("dismiss")) + 0.5 * bool(f.n("medical"))
    )
    if harsh:
        return Graded(min(value - 1.3, 1.8), f"Words that blame or order{f.shown('contempt', 'blame', 'harm')}.")
    return Graded(
        value,
        f"{f.n('choice')} cues of choice, {f.n('strength')} of strengths, {f.n('oblige')} of obligation or advice.",
    )


def _staging(f: Features, client: ClientText, harsh: int) -> Graded:
    if harsh or f.n("doubt"):
        return Graded(1.5, f"Words{f.shown('contempt', 'blame', 'doubt', 'harm')} that set the client back.")
    explore = ramp(f.open_questions, [(0, 0.0), (1, 0.6)]) + ramp(f.n("attune"), [(0, 0.0), (1, 0.5), (2, 0.65)])
    explore += 0.2 * (f.overlap > 2)
    push = ramp(f.oblige, [(0.0, 0.0), (0.04, 0.8), (0.1, 1.5), (0.2, 2.0)])
    empty = 0.3 * min(f.n("platitude"), 2) + 0.6 * min(f.n("dismiss"), 2) + 0.3 * bool(f.n("promise"))
    empty += 1.2 * bool(f.n("threat"))
    lean = f.change_lean
    if lean == "resists":
        value = 2.8 + explore + 0.45 * bool(f.n("choice")) - 1.2 * push - empty
    elif lean == "asks":
        value = 2.6 + 0.6 * explore + 0.8 * bool(f.n("choice")) + 0.35 * bool(f.oblige) - 0.35 * push - empty
    elif lean == "acts":
        value = 2.7 + 0.6 * explore + 1.0 * bool(f.n("strength")) + 0.2 * bool(f.n("choice")) - 0.7 * push - empty
    else:
        value = 2.75 + explore + 0.3 * bool(f.n("choice")) - 0.8 * push - empty
    seen = {
        "resists": "is not ready",
        "asks": "asks for a way forward",
        "acts": "has begun to act",
        "": "shows no clear readiness",
    }
    return Graded(
        value,
        f"The client {seen[lean]}; the response has {f.n('oblige')} pushing, {f.n('choice')} choice "
        f"and {f.questions} question cues.",
    )
