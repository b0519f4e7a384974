"""Answers that come from elsewhere: each is checked, put on its assignment, and kept once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from psychocounsel.annotate.exchange.given import Given
from psychocounsel.annotate.exchange.readers import reader_of
from psychocounsel.annotate.exchange.sides import turned
from psychocounsel.annotate.store import Store, Stored
from psychocounsel.annotate.store.events import IMPORT
from psychocounsel.annotate.study import Answer
from psychocounsel.errors import InputError
from psychocounsel.records import content_id


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that was not taken."""

    row: int
    reason: str
    """Holds no client text, no comment and no name."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's answers."""

    format: str
    read: int
    """Answers that the file holds; `saved`, `already` and `refused` add up to it."""
    saved: int
    replaced: int
    """Of those saved: answers that took the place of another one."""
    incomplete: int
    """Of those saved: answers that lack something, and are kept as begun, for a danger or a comment in them."""
    already: int
    """Answers that the study had, or has a newer or a finished one for: nothing was added for them."""
    refused: tuple[Refused, ...]


def import_answers(
    store: Store, file: Path, kind: str = "auto", raters: Mapping[str, str] | None = None
) -> Imported:  # fmt: skip
    """Keep the answers of a file. What does not fit is told by row, and the rest goes on.

    `kind` is `auto` or one of readers.READERS. `raters` maps the user ids of Label Studio and Argilla to codes.
    The same file a second time adds nothing, even where a rater has changed an answer since.
    Raises InputError where the file as a whole cannot be read, or belongs to another study.
    """
    mapped = dict(raters or {})
    unknown = sorted(set(mapped.values()) - set(store.numbers))
    if unknown:
        raise InputError(
            f"--rater names {len(unknown)} codes that the study's {len(store.numbers)} raters do not have."
        )
    name, path, read = reader_of(file, kind)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return _keep(store, name, digest, read(store, path, mapped))


def _keep(store: Store, name: str, digest: str, answers: Iterable[Given]) -> Imported:
    newest = store.events.answers()
    withdrawn = store.withdrawn()
    declined = {code for code, event in store.said().items() if event.kind == "declined"}
    read = already = replaced = incomplete = 0
    by_rater: dict[str, int] = {}
    refused = []
    for given in answers:
        read += 1
        try:
            number = _assignment(store, given)
            if given.rater in withdrawn:
                raise InputError("the rater has withdrawn")
            if given.rater in declined:
                raise InputError("the rater has declined to take part, on the page. Ask before you import")
            answer = _answer(store, number, given)
            known = newest.get(number)
            if known is not None and (_same(known.answer, answer) or _outdated(known, answer, given.at)):
                already += 1
                continue
            # The file is not in it: tools write all answers again each time, and an old one must not come back.
            key = content_id("imported answer", number, given.at, answer.as_payload())
            if store.save(number, answer, key=f"{IMPORT}{key}").again:
                already += 1
                continue
        except InputError as error:
            refused.append(Refused(given.row, _where(store, given) + str(error)))
            continue
        replaced += known is not None
        incomplete += not (answer.done or answer.skipped)
        newest[number] = Stored(answer, datetime.now(UTC), 1, imported=True)
        by_rater[given.rater] = by_rater.get(given.rater, 0) + 1
    for code, count in sorted(by_rater.items()):
        payload = {"format": name, "sha256": digest, "answers": count}
        store.events.append(code, "imported", content_id("imported", digest, count), payload, None)
    return Imported(name, read, sum(by_rater.values()), replaced, incomplete, already, tuple(refused))


def _outdated(known: Stored, answer: Answer, at: str) -> bool:
    """Whether the study's own answer stands: it is finished and the new one is not, or it is newer."""
    if known.answer.done and not (answer.done or answer.skipped):
        return True
    if known.imported:  # when that was said the study does not know
        return False
    try:
        when = datetime.fromisoformat(at)
    except ValueError:  # a file that does not say when
        return False
    return when.astimezone(UTC) < known.at


def _where(store: Store, given: Given) -> str:
    """What stands where a known code should may be a name, and is not shown."""
    if given.position is None or given.rater not in store.numbers:
        return ""
    return f"{given.rater}, item {given.position + 1}: "


def _assignment(store: Store, given: Given) -> int:
    if given.fault:
        raise InputError(given.fault)
    numbers = store.numbers.get(given.rater)
    if numbers is None:
        raise InputError(f"no rater of this study has that code; it has {len(store.numbers)}")
    if given.position is None:
        for number in numbers:
            each = store.assignments[number]
            if (each.item, each.repeat) == (given.item, given.repeat):
                return number
        raise InputError(f"{given.rater} was not given that item")
    if not 0 <= given.position < len(numbers):
        raise InputError(f"{given.rater} has {len(numbers)} items, and none at position {given.position}")
    number = numbers[given.position]
    if given.item and store.assignments[number].item != given.item:
        raise InputError(f"{given.rater} has another item at position {given.position}: is it this study's file?")
    return number


def _answer(store: Store, number: int, given: Given) -> Answer:
    values = turned(given.answer, store.assignments[number].flipped) if given.shown else given.answer
    if not all(isinstance(values.get(name, {}), dict) for name in ("verdicts", "scores")):
        raise InputError("its judgements are not by principle")
    unknown = {*values.get("verdicts", {}), *values.get("scores", {})} - set(store.plan.rubric.keys)
    if unknown:
        raise InputError(f"it judges {len(unknown)} principles that the study's rubric does not have")
    if any(isinstance(score, bool) for score in (values.get("overall"), *values.get("scores", {}).values())):
        raise InputError("a rating is true or false, and no whole number")
    try:
        answer = Answer.model_validate(values)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors(include_input=False)]
        raise InputError("; ".join(faults[:5])) from None
    lacks = [] if answer.skipped else answer.missing(store.plan)
    if answer.done and lacks and (answer.risk or answer.comment or answer.spans):
        # Nobody may miss a danger for want of a verdict.
        return answer.model_copy(update={"done": False})
    return answer


def _same(known: Answer, new: Answer) -> bool:
    """A skipped answer is the same, done or not."""
    if known.skipped and new.skipped:
        known, new = (each.model_copy(update={"done": True}) for each in (known, new))
    return known == new
