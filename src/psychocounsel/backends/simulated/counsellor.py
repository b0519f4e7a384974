"""A simulated counsellor: reads the client, plans moves as its profile has them, and puts them into words."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from psychocounsel.backends.protocols import Completion
from psychocounsel.backends.simulated.client_cues import ClientCues, read_cues
from psychocounsel.backends.simulated.filling import Filler
from psychocounsel.backends.simulated.planning import QUESTIONS, SAFETY, Day, plan
from psychocounsel.backends.simulated.profiles import Profile, find_profile
from psychocounsel.backends.simulated.templates import phrasebook
from psychocounsel.errors import BackendError
from psychocounsel.records import Conversation, content_seed

SHORTEST_FREE = 20
"""Words below which a response without a limit gets one more sentence."""

LIST_ROOM = 70
"""Words that a list with its frame needs; under a tighter limit the answer is plain sentences."""

_SAID_BY_A_LIST = ("psychoeducation", "asking_permission", "unasked_advice", "exploring_ambivalence", "summary")
_LAST_RESORT = ("It sounds hard. What is it like for you?", "What is that like for you?", "That sounds hard.", "Yes.")
_LEADS = {
    "affirmation": ("At the same time, ", "And "),
    "autonomy_support": ("And ", "In the end, "),
    "open_question": ("So ", "And "),
    "evoking_change_talk": ("So ", "And "),
    "closed_question": ("And ", "So "),
    "unasked_advice": ("So ", "Anyway, "),
    "platitude": ("But ", "Well, "),
}
_LOWERABLE = frozenset(
    "What How When Where Who Is Are Do Does Did Have Has You It The There That Was Were Can Would".split()
)


class _Writer:
    """Puts one response's moves into words."""

    def __init__(self, profile: Profile, cues: ClientCues, day: Day, rng: Random, brief: bool) -> None:
        skills = profile.skills
        self._book = phrasebook()
        self._filler = Filler(cues, rng, self._book, day.good(skills.empathy_accuracy), skills.empathy_depth)
        self._particulars = day.good(skills.particulars)
        self._rng = rng
        self._brief = brief
        self._used: set[str] = set()

    def say(self, move: str) -> str:
        """Return one sentence, or a few, for a move."""
        own = self._rng.random() < self._particulars
        sentence = ""
        for _ in range(3):
            form = self._filler.choose(self._book.moves[move], own, self._used)
            sentence = form.render(self._rng, lambda slot: self._filler.fill(slot, own), self._brief)
            if not self._filler.repeats_itself(sentence):
                break
        return sentence

    def say_within(self, move: str, most: int) -> str:
        """Return the longest of a few renderings that has at most `most` words; empty if none has."""
        renderings = [self.say(move) for _ in range(5)]
        fitting = [r for r in renderings if len(r.split()) <= most]
        return max(fitting, key=lambda r: len(r.split())) if fitting else ""

    def lead(self, move: str, sentence: str, first: bool) -> str:
        """Now and then tie a sentence to the one before."""
        if first or move not in _LEADS or self._rng.random() > 0.14:
            return sentence
        head, _, rest = sentence.partition(" ")
        if head not in _LOWERABLE:
            return sentence
        options = _LEADS[move]
        return f"{options[int(self._rng.random() * len(options))]}{head.lower()} {rest}"


def _listed(writer: _Writer, rng: Random, kind: str, before: list[str], after: list[str]) -> str:
    intro, item = ("list_intro", "list_item") if kind == "numbered" else ("worksheet_intro", "worksheet_item")
    items = [writer.say(item) for _ in range(3 if rng.random() < 0.75 else 4)]
    numbered = kind == "numbered" or rng.random() < 0.5
    lines = [f"{i}. {text}" if numbered else f"- {text}" for i, text in enumerate(items, 1)]
    parts = [" ".join(before), "\n".join([writer.say(intro), *lines]), " ".join(after)]
    return "\n\n".join(p for p in parts if p)


class SimulatedCounsellor:
    """One of the pool, as a Generator. Its words are made from templates, and it says so."""

    simulated = True

    def __init__(self, spec: str) -> None:
        self.profile = find_profile(spec)
        self.spec = self.profile.spec

    def generate(
        self, conversations: Sequence[Conversation], seeds: Sequence[int], max_words: int | None = None
    ) -> list[Completion]:
        """Answer each conversation; each answer depends on its conversation, its seed and `max_words` alone."""
        if max_words is not None and max_words < 1:
            raise BackendError(f"max_words is {max_words}; a response needs at least 1 word")
        return [
            Completion(self._answer(conversation, seed, max_words))
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]

    def _answer(self, conversation: Conversation, seed: int, max_words: int | None) -> str:
        said = [[t.role, t.text] for t in conversation]
        rng = Random(content_seed("simulated", self.profile.name, said, seed, max_words))
        cues = read_cues(conversation)
        day = Day(self.profile, rng)
        if max_words is not None:
            return self._short(cues, day, rng, max_words)
        moves = plan(self.profile, cues, day, rng)
        writer = _Writer(self.profile, cues, day, rng, brief=False)
        for kind, share in self.profile.layout.items():
            if rng.random() < share:
                return self._with_list(kind, moves, writer, rng)
        closing = [] if "numbered" not in self.profile.layout else ["closing_offer"]
        sentences = []
        for index, move in enumerate([*moves, *closing]):
            sentences.append(writer.lead(move, writer.say(move), index == 0))
        if sum(len(s.split()) for s in sentences) < SHORTEST_FREE:
            more = "invitation" if cues.empty else "simple_reflection" if rng.random() < 0.5 else "feeling_reflection"
            sentences.insert(1, writer.say(more))
        return " ".join(sentences)

    def _with_list(self, kind: str, moves: list[str], writer: _Writer, rng: Random) -> str:
        skipped = (*QUESTIONS, *_SAID_BY_A_LIST)
        head = [m for m in moves if m not in skipped and m not in SAFETY][:3]
        safety = [m for m in moves if m in SAFETY]
        before = [writer.say(m) for m in [*head, *safety]]
        if kind == "numbered":
            after = [writer.say("closing_offer")]
        else:
            after = [writer.say(m) for m in moves if m in QUESTIONS][:1]
        return _listed(writer, rng, kind, before, after)

    def _short(self, cues: ClientCues, day: Day, rng: Random, max_words: int) -> str:
        writer = _Writer(self.profile, cues, day, rng, brief=max_words < 60)
        moves = plan(self.profile, cues, day, rng, most=max(1, min(7, max_words // 14)))
        left = max_words
        told: dict[int, str] = {}
        # what concerns safety is said first of all, so that a tight limit never costs it
        for index in sorted(range(len(moves)), key=lambda i: (moves[i] not in SAFETY, i)):
            sentence = writer.say_within(moves[index], left)
            if sentence:
                told[index] = sentence
                left -= len(sentence.split())
        if told:
            return " ".join(told[i] for i in sorted(told))
        for _ in range(4):
            sentence = writer.say_within("feeling_reflection", max_words)
            if sentence:
                return sentence
        return next((s for s in _LAST_RESORT if len(s.split()) <= max_words), "Yes.")
