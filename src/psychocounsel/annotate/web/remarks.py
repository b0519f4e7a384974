"""What is worth a look in a rater's answers, in words and with the figures. It says what was seen, not what it means.

Each has innocent reasons: who is fast may know such texts well, who answers all principles alike may see them so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from psychocounsel.annotate.results.answers import Checks, place_of
from psychocounsel.annotate.results.codes import OVERALL
from psychocounsel.annotate.results.raters import seconds_of
from psychocounsel.records import Annotation

FAST = 1 / 3
"""Of the usual median time."""
LEAST_TIMED = 5
"""Items that a median time needs."""
LEAST_RATERS = 3
"""Raters that a usual time needs."""
LEAST_ITEMS = 12
SAME_CHOICE = 0.85
STRAIGHT = 0.90
LEAST_REPEATS = 4


@dataclass(frozen=True, slots=True)
class Repeats:
    """A rater's second answers beside their first, overall."""

    same: int
    asked: int
    """Items that were judged both times."""
    chance: float
    """Share that would be the same if each answer were drawn from the rater's own first answers; NaN without any."""


def first_main(mine: Sequence[Annotation]) -> list[Annotation]:
    return [a for a in mine if a.role == "main" and a.repeat == 0]


def repeats_of(mine: Sequence[Annotation]) -> Repeats:
    """Return how far one rater's repeated items got the same answer again."""
    said = {(a.item, a.repeat): place for a in mine if a.role == "main" and (place := place_of(a, OVERALL)) is not None}
    both = [(place, said[item, 1]) for (item, repeat), place in said.items() if not repeat and (item, 1) in said]
    first = Counter(place for (_, repeat), place in said.items() if not repeat)
    n = first.total()
    chance = sum((count / n) ** 2 for count in first.values()) if n else float("nan")
    return Repeats(sum(a == b for a, b in both), len(both), chance)


def usual_seconds(by_rater: Sequence[Sequence[Annotation]]) -> float | None:
    """Return the median of the raters' median times, in seconds; None where too few have done enough items."""
    times = [seconds for mine in by_rater if (seconds := _timed(mine)) is not None]
    return median(times) if len(times) >= LEAST_RATERS else None


def _timed(mine: Sequence[Annotation]) -> float | None:
    taken = [a for a in first_main(mine) if not a.skipped and a.seconds > 0]  # 0: imported, with no clock
    return seconds_of(taken) if len(taken) >= LEAST_TIMED else None


def remarks(mine: Sequence[Annotation], checks: Checks, usual: float | None) -> tuple[str, ...]:
    """Return what is worth a look in one rater's finished answers.

    `checks` is how they met the attention checks, `usual` what `usual_seconds` says of all raters.
    """
    found = [
        _attention(checks), _fast(mine, usual), *_same_choice(mine), _repeats(repeats_of(mine)), _straight(mine)
    ]  # fmt: skip
    return tuple(words for words in found if words)


def _attention(checks: Checks) -> str:
    if not checks.failed:
        return ""
    return f"{checks.failed} of {checks.asked} attention check{_s(checks.asked)} answered otherwise than expected."


def _fast(mine: Sequence[Annotation], usual: float | None) -> str:
    own = _timed(mine)
    if own is None or usual is None or own >= FAST * usual:
        return ""
    return f"A median of {own:.0f} s an item, under a third of the {usual:.0f} s that is usual among the raters."


def _same_choice(mine: Sequence[Annotation]) -> list[str]:
    """By place on the page, which changes sides from item to item: no preference explains it."""
    said = [a for a in mine if a.role == "main" and place_of(a, OVERALL) is not None]
    found = []
    decided = [("first" if a.verdict == a.shown_first else "second") for a in said if a.verdict in ("a", "b")]
    for place in ("first", "second"):
        if _nearly_all(n := decided.count(place), len(decided), SAME_CHOICE):
            found.append(f"The response shown {place} was preferred in {n} of {len(decided)} decided pairs.")
    if _nearly_all(ties := sum(a.verdict == "tie" for a in said), len(said), SAME_CHOICE):
        found.append(f"{ties} of {len(said)} pairs were called equally good.")
    rated = Counter(a.overall for a in said if a.overall is not None)
    for score, n in rated.most_common(1):
        if _nearly_all(n, rated.total(), SAME_CHOICE):
            found.append(f"{n} of {rated.total()} responses got the same rating overall, {score:.0f}.")
    return found


def _nearly_all(n: int, of: int, share: float) -> bool:
    return of >= LEAST_ITEMS and n > share * of


def _repeats(repeats: Repeats) -> str:
    """Say where repeats agree less than chance by an item or more.

    Five repeats tell little: of 400 simulated raters who draw their answers 25 % get this, of 400 who weigh them none.
    Without the item to spare it would be 60 % and 8 %, and more of those who nearly always say the same.
    """
    expected = repeats.chance * repeats.asked
    if repeats.asked < LEAST_REPEATS or repeats.same > expected - 1:
        return ""
    return (
        f"{repeats.same} of {repeats.asked} repeated items got the same answer overall; answers drawn by chance in the "
        f"rater's own proportions would give {expected:.1f}."
    )


def _straight(mine: Sequence[Annotation]) -> str:
    said = [(whole, _by_principle(a)) for a in first_main(mine) if (whole := place_of(a, OVERALL)) is not None]
    full = [(whole, places) for whole, places in said if len(places) > 1]
    n = sum(all(place == whole for place in places) for whole, places in full)
    if not _nearly_all(n, len(full), STRAIGHT):
        return ""
    return f"Every principle was answered like the overall judgement in {n} of {len(full)} items."


def _by_principle(each: Annotation) -> list[float | None]:
    return [place_of(each, key) for key in (each.principle_verdicts or each.scores)]


def _s(n: int) -> str:
    return "" if n == 1 else "s"
