"""The stage: rows of a source to client speeches, with a ledger of what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from psychocounsel import layout
from psychocounsel.artifacts import Step
from psychocounsel.collect.deduplicate import drop_duplicates
from psychocounsel.collect.sources import SourceRow, read_source
from psychocounsel.collect.split import assign_splits
from psychocounsel.errors import TooLittleDataError
from psychocounsel.progress import Tick
from psychocounsel.recipe import Collect, Recipe
from psychocounsel.records import RISK_LEVELS, STAGES_OF_CHANGE, ClientSpeech, Dropped, content_seed
from psychocounsel.tables import write_records


@dataclass(frozen=True, slots=True)
class Collected:
    """Client speeches, and every row that did not become one."""

    speeches: list[ClientSpeech]
    dropped: list[Dropped]
    asked: int
    """Rows read."""


def fault_of(row: SourceRow, section: Collect) -> tuple[str, str] | None:
    """Return why a row cannot become a client speech, as (reason, detail), or None."""
    text = row.text
    if row.fault:
        return "unreadable row", row.fault
    if not text.strip():
        return "empty text", ""
    if "\x00" in text or any("\x00" in turn.text for turn in row.earlier):
        return "NUL byte", "the text holds NUL bytes, a sign of a damaged or binary file"
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        return "broken Unicode", "the text holds half of a surrogate pair"
    if len(text) > section.max_chars:
        return "too long", f"{len(text)} characters, collect.max_chars is {section.max_chars}"
    if not any(c.isalpha() for c in text):
        return "no words", "the text holds no letters"
    # Scripts without spaces between words are counted by letters, two to a word.
    words = max(len(text.split()), sum(1 for c in text if ord(c) > 0x2E80) // 2)
    if words < section.min_words:
        return "too short", f"{words} words, collect.min_words is {section.min_words}"
    for name, allowed in (("stage", STAGES_OF_CHANGE), ("risk", RISK_LEVELS)):
        if row.labels.get(name) and row.labels[name] not in allowed:
            return f"unknown {name}", f"allowed: {', '.join(allowed)}"
    return None


def collect(rows: Iterable[SourceRow], section: Collect, seed: int) -> Collected:
    """Turn rows into client speeches: faults and duplicates to the ledger, the rest split by group."""
    speeches: list[ClientSpeech] = []
    wheres: list[str] = []
    dropped: list[Dropped] = []
    source_ids: set[str] = set()
    asked = 0
    for row in rows:
        asked += 1
        fault = fault_of(row, section)
        if fault is None and row.source_id and row.source_id in source_ids:
            fault = ("duplicate id", "the id stands in an earlier row; the first is kept")
        if fault:
            dropped.append(Dropped(row.where, *fault))
            continue
        source_ids.add(row.source_id)
        speech = ClientSpeech.make(
            row.text.strip(), row.earlier, source=section.source, source_id=row.source_id, **row.labels
        )
        speeches.append(replace(speech, group=row.group or speech.id))
        wheres.append(row.where)
    kept, twins = drop_duplicates(speeches, section.near_duplicate)
    for twin in twins:
        reason = "exact duplicate" if twin.exact else "near duplicate"
        dropped.append(Dropped(wheres[twin.position], reason, f"of speech {twin.kept}"))
    if section.limit is not None and len(kept) > section.limit:
        drawn = sorted(kept, key=lambda s: content_seed("limit", seed, s.id))[: section.limit]
        chosen = {s.id for s in drawn}
        where_of = dict(zip((s.id for s in speeches), wheres, strict=True))
        dropped += [Dropped(where_of[s.id], "over the limit", "") for s in kept if s.id not in chosen]
        kept = [s for s in kept if s.id in chosen]
    if not kept:
        why = "; ".join(f"{n} {reason}" for reason, n in Counter(d.reason for d in dropped).most_common())
        raise TooLittleDataError(
            f"collect: none of {asked} rows became a client speech ({why or 'the source is empty'})."
        )
    return Collected(assign_splits(kept, section.split, seed), dropped, asked)


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `speeches.parquet` and the ledger `dropped.parquet`."""
    result = collect(read_source(recipe.collect), recipe.collect, recipe.seed)
    splits = Counter(s.split for s in result.speeches)
    absent = [name for name in ("train", "dev", "test") if not splits[name]]
    if absent:
        raise TooLittleDataError(
            f"collect: {len(result.speeches)} speeches are too few to split: nothing in {', '.join(absent)}. "
            "Bring more speeches, or raise collect.split.dev and collect.split.test."
        )
    write_records(run / layout.SPEECHES, ClientSpeech, result.speeches)
    write_records(run / layout.DROPPED, Dropped, result.dropped)
    step.counts = {
        "rows": result.asked,
        "speeches": len(result.speeches),
        "dropped": dict(sorted(Counter(d.reason for d in result.dropped).items())),
        "splits": dict(sorted(splits.items())),
        "topics": len({s.topic for s in result.speeches if s.topic}),
        "subtopics": len({s.subtopic for s in result.speeches if s.subtopic}),
        "with_earlier_turns": sum(1 for s in result.speeches if s.earlier),
    }
    tick(1, 1)
