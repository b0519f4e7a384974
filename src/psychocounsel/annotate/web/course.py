"""Where a rater stands in the study."""

from __future__ import annotations

from functools import cached_property
from statistics import median

from psychocounsel.annotate.store import Standing, Store, Stored
from psychocounsel.annotate.study import StudyPlan

EXPECTED = {"pairs": 75.0, "responses": 60.0}
"""Seconds that an item is reckoned to take before the rater has done any."""


class Course:
    """One rater's way through their items, as it is now."""

    def __init__(self, store: Store, rater: Standing) -> None:
        self.store, self.rater = store, rater
        self.numbers = store.numbers.get(rater.code, [])

    @property
    def plan(self) -> StudyPlan:
        return self.store.plan

    @property
    def paused(self) -> bool:
        return self.rater.paused

    @property
    def agreed(self) -> bool:
        return self.rater.said == "consent"

    @property
    def declined(self) -> bool:
        return self.rater.said == "declined"

    @cached_property
    def answers(self) -> dict[int, Stored]:
        return self.store.events.answers(self.rater.code)

    def number(self, place: int) -> int | None:
        """Return the assignment at a place, from 1; None where there is none."""
        return self.numbers[place - 1] if 1 <= place <= len(self.numbers) else None

    def finished(self, place: int) -> bool:
        stored = self.answers.get(self.numbers[place - 1])
        return stored is not None and (stored.answer.done or stored.answer.skipped)

    def answers_done(self, number: int) -> bool:
        return number in self.answers and self.answers[number].answer.done

    @cached_property
    def next_place(self) -> int | None:
        """The first place that is neither done nor skipped; None where all are."""
        return next((p for p in range(1, len(self.numbers) + 1) if not self.finished(p)), None)

    @property
    def total(self) -> int:
        return len(self.numbers)

    @cached_property
    def done(self) -> int:
        return sum(self.finished(place) for place in range(1, self.total + 1))

    def may_see(self, place: int) -> bool:
        """Done ones may be seen again and changed, and the next one; later ones keep their order."""
        return self.next_place is None or place <= self.next_place or self.finished(place)

    def may_save(self, place: int) -> bool:
        """As `may_see`, and what lies next to one that was answered: it was open when another was taken back."""
        answered = [p for p, number in enumerate(self.numbers, 1) if number in self.answers]
        return self.may_see(place) or place <= max(answered, default=0) + 1

    def saves(self, number: int) -> int:
        """How often an assignment was saved: what a page was made from, and what a save must have seen."""
        return self.answers[number].saves if number in self.answers else 0

    def locked(self, place: int) -> bool:
        """Whether the expected answer was told: then the rater's own stands as it was given."""
        number = self.numbers[place - 1]
        known = self.store.items[self.store.assignments[number].item]
        stored = self.answers.get(number)
        told = known.role == "calibration" and self.plan.feedback and known.expected is not None
        return told and stored is not None and stored.answer.done

    @cached_property
    def seconds_left(self) -> float:
        """What the rest will take, as long an item as the median of those that are done."""
        took = [s.answer.seconds for s in self.answers.values() if s.answer.done and s.answer.seconds > 0]
        return (median(took) if took else EXPECTED[self.plan.kind]) * (self.total - self.done)

    @cached_property
    def break_due(self) -> bool:
        """Whether more work than the plan allows lies after the last break."""
        if not self.plan.break_after or self.next_place is None:
            return False
        breaks = self.store.events.all(self.rater.code, kinds=("break",))
        since = breaks[-1].at if breaks else None
        worked = sum(s.answer.seconds for s in self.answers.values() if since is None or s.at > since)
        return worked > 60 * self.plan.break_after

    def places(self) -> list[tuple[int, str]]:
        """Return each place that may be seen and what became of it, for the list of all."""
        found = []
        for place, number in enumerate(self.numbers, 1):
            stored = self.answers.get(number)
            if stored is None:
                said = "next" if place == self.next_place else "not seen yet"
            elif stored.answer.skipped:
                said = "skipped"
            elif stored.answer.done:
                said = "done"
            else:
                said = "begun"
            found.append((place, said))
        return found
