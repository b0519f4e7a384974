"""Plan which moves a counsellor makes in one response, in which order."""

from __future__ import annotations

from random import Random

from psychocounsel.backends.simulated.client_cues import ClientCues
from psychocounsel.backends.simulated.profiles import Profile

PLACE = {
    "linking_back": 0.6, "invitation": 3.0, "contempt": 0.4, "over_empathising": 0.3, "validation": 0.5,
    "minimising": 1.8, "blame": 2.2,
    "simple_reflection": 1.2, "restatement": 1.0, "feeling_reflection": 1.4, "complex_reflection": 1.8, "summary": 1.5,
    "immediacy": 2.2, "affirmation": 2.4, "self_disclosure": 2.5, "self_story": 2.7, "rambling": 2.4, "platitude": 3.0,
    "false_reassurance": 3.2, "diagnosing": 2.3, "jargon": 2.6, "confronting": 2.6, "psychoeducation": 3.1,
    "asking_permission": 4.2, "exploring_ambivalence": 3.4, "supporting_maintenance": 3.5, "persuading": 3.6,
    "unasked_advice": 3.8, "medication_advice": 3.9, "directing": 4.0, "premature_push": 4.2, "false_promise": 4.3,
    "autonomy_support": 4.1, "evoking_change_talk": 4.6, "small_step_planning": 4.7, "off_topic": 3.7,
    "safety_check": 3.9, "safety_from_others": 3.9,
    "referral": 4.4, "interrogating": 4.8, "closed_question": 5.0, "open_question": 5.1, "closing_offer": 6.0,
}  # fmt: skip
"""Where in a response a move tends to stand."""

REFLECTIONS = tuple("simple_reflection feeling_reflection complex_reflection restatement summary linking_back".split())
QUESTIONS = ("open_question", "closed_question", "interrogating", "evoking_change_talk", "small_step_planning")
SAFETY = ("safety_check", "safety_from_others", "referral")
_CAN_WAIT = frozenset(
    "exploring_ambivalence evoking_change_talk small_step_planning supporting_maintenance asking_permission".split()
)
"""What gives way once a counsellor has seen danger."""


_MATCHED = {
    "precontemplation": ("evoking_change_talk", "exploring_ambivalence", "autonomy_support"),
    "contemplation": ("exploring_ambivalence", "evoking_change_talk", "exploring_ambivalence"),
    "preparation": ("small_step_planning", "small_step_planning", "affirmation"),
    "action": ("affirmation", "small_step_planning", "supporting_maintenance"),
    "maintenance": ("supporting_maintenance", "supporting_maintenance", "affirmation"),
}
_MISMATCHED = {
    "precontemplation": "small_step_planning",
    "contemplation": "small_step_planning",
    "preparation": "exploring_ambivalence",
    "action": "exploring_ambivalence",
    "maintenance": "exploring_ambivalence",
}
_NEED_MATTER = frozenset(
    "evoking_change_talk exploring_ambivalence small_step_planning supporting_maintenance immediacy self_disclosure"
    " open_question affirmation psychoeducation".split()
).union(REFLECTIONS)
"""What sounds hollow where the client has said next to nothing."""


class Day:
    """How well a counsellor does in one response: the same person has better and worse moments."""

    def __init__(self, profile: Profile, rng: Random) -> None:
        self._rng = rng
        spread = 0.45 * (1.25 - profile.skills.steadiness)
        self.quality = min(1.35, max(0.35, rng.gauss(1.0, spread)))

    def good(self, degree: float) -> float:
        """Return a skill's degree today."""
        return min(1.0, degree * min(self.quality, 1.0) + max(0.0, self.quality - 1.0) * 0.5 * degree)

    def does(self, degree: float) -> bool:
        """Tell whether a skill of this degree is exercised."""
        return self._rng.random() < self.good(degree)

    def slips(self, degree: float) -> bool:
        """Tell whether a misuse of this degree happens."""
        return self._rng.random() < min(1.0, degree * (2.0 - self.quality))


def _one_of(rng: Random, moves: tuple[str, ...]) -> str:
    return moves[int(rng.random() * len(moves))]


def _reflection(profile: Profile, cues: ClientCues, day: Day, rng: Random) -> str:
    if day.does(profile.skills.empathy_depth):
        return "complex_reflection" if rng.random() < 0.7 else "feeling_reflection"
    plain: tuple[str, ...] = ("simple_reflection", "feeling_reflection", "simple_reflection")
    return _one_of(rng, (*plain, "restatement") if cues.events or cues.topics else plain)


def _question(profile: Profile, day: Day) -> str:
    return "open_question" if day.does(profile.skills.open_questions) else "closed_question"


def _listening(profile: Profile, cues: ClientCues, day: Day, rng: Random, size: int) -> list[str]:
    skills = profile.skills
    moves = []
    if cues.earlier and day.does(skills.linking):
        moves.append("linking_back")
    if day.does(skills.listening):
        moves.append(_reflection(profile, cues, day, rng))
    for _ in range((size - 2) // 2):
        if day.does(skills.reflections):
            moves.append(_reflection(profile, cues, day, rng))
        elif rng.random() < 0.5 * skills.asks:
            moves.append(_question(profile, day))
    if size > 2 and day.does(skills.summary):
        moves.append("summary")
    return moves


def _working(profile: Profile, cues: ClientCues, day: Day, rng: Random) -> list[str]:
    skills = profile.skills
    moves = []
    for move, degree in (
        ("validation", skills.warmth), ("affirmation", skills.affirmation),
        ("autonomy_support", skills.autonomy_support),
        ("immediacy", skills.immediacy), ("self_disclosure", skills.disclosure),
    ):  # fmt: skip
        if day.does(degree):
            moves.append(move)
    if day.does(skills.information * (1.5 if cues.asks_for_advice else 1.0)):
        moves.append("asking_permission" if day.does(skills.asks_permission) else "psychoeducation")
    if rng.random() < 0.75:
        if day.does(skills.stage_matching):
            moves.append(_one_of(rng, _MATCHED[cues.stage]))
        elif rng.random() < 0.2 * (1.0 - skills.stage_matching):
            moves.append(_MISMATCHED[cues.stage])
    moves.extend(m for m, degree in profile.extra.items() if day.does(degree))
    return moves


def _misuses(profile: Profile, day: Day) -> list[str]:
    moves = [m for m, degree in profile.misuse.items() if day.slips(degree)]
    if day.slips(0.9 * (1.0 - profile.skills.plain_language)):
        moves.append("jargon")
    return moves


def _care(profile: Profile, cues: ClientCues, day: Day, rng: Random) -> list[str]:
    weight = {"none": 0.0, "low": 0.45, "elevated": 1.0, "imminent": 1.0}[cues.risk]
    if not weight or not day.does(profile.skills.risk_sensitivity * weight):
        return []
    check = "safety_from_others" if cues.in_danger else "safety_check"
    return [check, "referral"] if rng.random() < 0.5 else [check]


def plan(profile: Profile, cues: ClientCues, day: Day, rng: Random, most: int = 7) -> list[str]:
    """Return one to `most` moves in order."""
    skills = profile.skills
    size = min(most, 7, max(2, round(3.5 + 4.2 * skills.verbosity + rng.gauss(0, 0.8))))
    care = _care(profile, cues, day, rng)
    moves = _listening(profile, cues, day, rng, size) + _working(profile, cues, day, rng) + _misuses(profile, day)
    moves = [m for m in moves if m not in care and not (care and m in _CAN_WAIT)]
    if cues.empty:
        moves = ["invitation" if m in _NEED_MATTER and rng.random() < 0.95 else m for m in moves]
        size = max(2, size - 1)
    if day.does(skills.asks) and (not any(m in QUESTIONS for m in moves) or rng.random() < 0.3):
        moves.append(_question(profile, day))
    room = max(0, size - len(care))
    while len(moves) > room:
        moves.pop(int(rng.random() * len(moves)))
    least = min(most, max(2, size - 1)) - len(care)
    wont = list(profile.misuse)
    while len(moves) < least:
        if rng.random() < min(0.8, sum(profile.misuse.values()) / 3):
            moves.append(rng.choices(wont, [profile.misuse[m] for m in wont])[0])
        elif cues.empty:
            moves.append("invitation")
        elif day.does(skills.reflections):
            moves.append(_reflection(profile, cues, day, rng))
        else:
            moves.append(_question(profile, day))
    placed = [(PLACE[m] + 0.9 * rng.random(), index, m) for index, m in enumerate(moves + care[: max(1, most)])]
    return [m for _, _, m in sorted(placed)]
