"""What happens to one row by itself: mended, refused or not, screened for risk, de-identified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from psychocounsel.collect.clean import clean, not_a_client, other_language
from psychocounsel.collect.cores import over_cores
from psychocounsel.collect.sources import SourceResponse, SourceRow
from psychocounsel.deidentify import Surrogates, quasi_identifiers, redact
from psychocounsel.recipe import Collect
from psychocounsel.records import RISK_LEVELS, STAGES_OF_CHANGE, ClientSpeech, Conversation, Dropped, Turn
from psychocounsel.safety import screen


@dataclass(frozen=True, slots=True)
class Review:
    """A speech whose details together may point to a person: for somebody to look at, never a proof either way."""

    speech_id: str
    score: float
    """0 to 1, from the number of different kinds."""
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row that became a speech, and what was done to it."""

    where: str
    speech: ClientSpeech
    responses: tuple[SourceResponse, ...]
    mended: tuple[str, ...]
    """What cleaning did."""
    removed: tuple[str, ...]
    """Types of the identifiers that became surrogates, one for each."""
    review: Review | None


def deidentifies(section: Collect) -> bool:
    """Return whether a recipe de-identifies its source."""
    return section.source != "example" if section.deidentify is None else section.deidentify


def prepare(rows: Iterable[SourceRow], section: Collect) -> Iterator[Prepared | Dropped]:
    """Yield each row as a speech or as a line of the ledger, in order. Many rows are shared among the cores."""
    yield from over_cores(rows, partial(_prepare_part, section=section))


def _prepare_part(rows: list[SourceRow], section: Collect) -> list[Prepared | Dropped]:
    return [prepare_one(row, section) for row in rows]


def prepare_one(row: SourceRow, section: Collect) -> Prepared | Dropped:
    """Turn one row into a speech, or say why it becomes none."""
    if fault := _damage(row, section):
        return Dropped(row.where, *fault)
    cleaned = clean(row.text)
    earlier = tuple(Turn(t.role, text) for t in row.earlier if (text := clean(t.text).text))
    if fault := _refusal(cleaned.text, row, section):
        return Dropped(row.where, *fault)
    risk = screen(cleaned.text, earlier)
    text, responses, review = cleaned.text, row.responses, None
    removed: tuple[str, ...] = ()
    if wanted := deidentifies(section):
        text, earlier, responses, removed = _redacted(text, earlier, responses)
        quasi = quasi_identifiers(text)
        if quasi.score > 0:
            review = Review("", quasi.score, tuple(dict.fromkeys(item.kind for item in quasi.items)))
    speech = ClientSpeech.make(
        text,
        earlier,
        source=section.source,
        source_id=row.source_id,
        screened=risk.level,
        risk_signs=tuple(dict.fromkeys(sign.kind for sign in risk.signs)),
        deidentified=wanted,
        **row.labels,
    )
    speech = replace(speech, group=row.group or speech.id)
    review = replace(review, speech_id=speech.id) if review else None
    return Prepared(row.where, speech, responses, cleaned.mended, removed, review)


def _redacted(
    text: str, earlier: Conversation, responses: tuple[SourceResponse, ...]
) -> tuple[str, Conversation, tuple[SourceResponse, ...], tuple[str, ...]]:
    known = Surrogates()
    removed: list[str] = []

    def without(one: str) -> str:
        result = redact(one, known)
        removed.extend(found.type for found in result.spans)
        return result.text

    earlier = tuple(Turn(t.role, without(t.text)) for t in earlier)
    text = without(text)
    return text, earlier, tuple(replace(r, text=without(r.text)) for r in responses), tuple(removed)


def _damage(row: SourceRow, section: Collect) -> tuple[str, str] | None:
    """Return why a row cannot be read at all, as (reason, detail)."""
    text = row.text
    if row.fault:
        return row.reason or "unreadable row", row.fault
    if not text.strip():
        return "empty text", ""
    if "\x00" in text or any("\x00" in turn.text for turn in row.earlier):
        return "NUL byte", "the text holds NUL bytes, a sign of a damaged or binary file"
    try:
        "".join([text, *(turn.text for turn in row.earlier)]).encode()
    except UnicodeEncodeError:
        return "broken Unicode", "the text holds half of a surrogate pair"
    if len(text) > section.max_chars:
        return "too long", f"{len(text)} characters, collect.max_chars is {section.max_chars}"
    return None


def _refusal(text: str, row: SourceRow, section: Collect) -> tuple[str, str] | None:
    """Return why a cleaned text does not become a client speech, as (reason, detail)."""
    if not any(c.isalpha() for c in text):
        return "no words", "the text holds no letters"
    if refused := not_a_client(text):
        return refused
    # Scripts without spaces between words are counted by letters, two to a word.
    words = len(text.split())
    if words < section.min_words:
        words = max(words, sum(1 for c in text if ord(c) > 0x2E80) // 2)
    if words < section.min_words:
        return "too short", f"{words} words, collect.min_words is {section.min_words}"
    if section.languages and (language := other_language(text, section.languages)):
        return "other language", f"{language}; collect.languages is {', '.join(section.languages)}"
    for name, allowed in (("stage", STAGES_OF_CHANGE), ("risk", RISK_LEVELS)):
        if row.labels.get(name) and row.labels[name] not in allowed:
            return f"unknown {name}", f"allowed: {', '.join(allowed)}"
    return None
