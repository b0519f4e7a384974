"""The stage: rows of a source to client speeches, with a ledger of what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json
from psychocounsel.backends.sentence_encoder import SentenceEncoder, open_encoder
from psychocounsel.collect.deduplicate import drop_duplicates
from psychocounsel.collect.existing import existing
from psychocounsel.collect.prepare import Prepared, Review, deidentifies, prepare
from psychocounsel.collect.semantic import group_by_meaning
from psychocounsel.collect.sources import SourceRow, catalogue, read_source
from psychocounsel.collect.split import assign_splits
from psychocounsel.collect.topics import Topic, assign, coverage, stratified, taxonomy
from psychocounsel.errors import TooLittleDataError
from psychocounsel.principles import Rubric, load_rubric
from psychocounsel.progress import Tick, silent
from psychocounsel.recipe import SOURCE, Collect, Recipe
from psychocounsel.records import RISK_LEVELS, SIMULATED_RATERS, ClientSpeech, Dropped, Rating, Response, content_seed
from psychocounsel.tables import write_records


@dataclass(frozen=True, slots=True)
class Collected:
    """Client speeches, and every row that did not become one."""

    speeches: list[ClientSpeech]
    held: list[ClientSpeech]
    """Speeches that `collect.hold` keeps from everything downstream."""
    dropped: list[Dropped]
    asked: int
    """Rows read."""
    responses: list[Response]
    ratings: list[Rating]
    """What the source carries for the speeches."""
    reviews: list[Review]
    mended: Counter[str]
    removed: Counter[str]


def collect(
    rows: Iterable[SourceRow], section: Collect, seed: int, tick: Tick = silent, rubric: Rubric | None = None
) -> Collected:
    """Turn rows into client speeches: faults and duplicates to the ledger, the rest split by group.

    Ratings that the source carries must be on the principles of `rubric`, the seven if None.
    """
    ready: list[Prepared] = []
    dropped: list[Dropped] = []
    source_ids: set[str] = set()
    asked = 0
    for result in prepare(rows, section):
        asked += 1
        if asked % 500 == 0:
            tick(asked, asked + 500)  # how many there will be is not known before the source ends
        if isinstance(result, Prepared) and result.speech.source_id in source_ids:
            result = Dropped(result.where, "duplicate id", "the id stands in an earlier row; the first is kept")
        if isinstance(result, Dropped):
            dropped.append(result)
            continue
        if result.speech.source_id:
            source_ids.add(result.speech.source_id)
        ready.append(result)
    kept, twins = drop_duplicates([r.speech for r in ready], section.near_duplicate)
    for twin in twins:
        reason = "exact duplicate" if twin.exact else "near duplicate"
        dropped.append(Dropped(ready[twin.position].where, reason, f"of speech {twin.kept}"))
    encoder = open_encoder(None if section.encoder == "minilm" else section.encoder) if section.encoder else None
    kept = _with_topics(kept, encoder)
    kept = _limited(kept, ready, section, seed, dropped)
    if section.semantic is not None:
        assert encoder is not None, "the recipe model refuses semantic without an encoder"
        kept = group_by_meaning(kept, encoder, section.semantic)
    if not kept:
        why = "; ".join(f"{n} {reason}" for reason, n in Counter(d.reason for d in dropped).most_common())
        raise TooLittleDataError(
            f"collect: none of {asked} rows became a client speech ({why or 'the source is empty'})."
        )
    apart = section.hold
    held = [s for s in kept if apart and RISK_LEVELS.index(s.screened) >= RISK_LEVELS.index(apart)]
    shut = {s.id for s in held}
    speeches = assign_splits([s for s in kept if s.id not in shut], section.split, seed)
    by_id = {s.id: s for s in speeches}
    mine = {r.speech.id: r for r in reversed(ready) if r.speech.id in by_id}
    carried = ((SourceRow(r.where, responses=r.responses), by_id[i]) for i, r in mine.items() if r.responses)
    responses, ratings = existing(carried, rubric)
    return Collected(
        speeches,
        held,
        dropped,
        asked,
        responses,
        ratings,
        [r.review for r in mine.values() if r.review],
        Counter(what for r in ready for what in r.mended),
        Counter(what for r in ready for what in r.removed),
    )


def _with_topics(speeches: list[ClientSpeech], encoder: SentenceEncoder | None) -> list[ClientSpeech]:
    """Assign a coarse and a fine topic; a label of the source that is one of ours is taken as it is."""
    known = taxonomy()
    ours = [s.subtopic in known.get(s.topic, ()) for s in speeches]
    assigned = iter(assign([s.text for s, given in zip(speeches, ours, strict=True) if not given], encoder))
    found = [
        Topic(s.topic, s.subtopic, 1.0) if given else next(assigned) for s, given in zip(speeches, ours, strict=True)
    ]
    return [
        replace(s, coarse_topic=t.coarse, fine_topic=t.fine, topic_confidence=t.confidence)
        for s, t in zip(speeches, found, strict=True)
    ]


def _limited(
    speeches: list[ClientSpeech], ready: list[Prepared], section: Collect, seed: int, dropped: list[Dropped]
) -> list[ClientSpeech]:
    if section.limit is None or len(speeches) <= section.limit:
        return speeches
    if section.sample == "topics":
        drawn = stratified(speeches, [s.fine_topic for s in speeches], section.limit, seed)
    else:
        drawn = sorted(speeches, key=lambda s: content_seed("limit", seed, s.id))[: section.limit]
    chosen = {s.id for s in drawn}
    where_of = {r.speech.id: r.where for r in reversed(ready)}
    dropped += [Dropped(where_of[s.id], "over the limit", "") for s in speeches if s.id not in chosen]
    return [s for s in speeches if s.id in chosen]


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write the speeches, those held apart, the ledger, what the source carries, and what a person should review."""
    section = recipe.collect
    carries = load_rubric(recipe.rate.rubric) if recipe.rate.judge == SOURCE else None
    result = collect(read_source(section), section, recipe.seed, tick, carries)
    splits = Counter(s.split for s in result.speeches)
    absent = [name for name in ("train", "dev", "test") if not splits[name]]
    if absent:
        raise TooLittleDataError(
            f"collect: {len(result.speeches)} speeches are too few to split: nothing in {', '.join(absent)}. "
            "Bring more speeches, or raise collect.split.dev and collect.split.test."
        )
    write_records(run / layout.SPEECHES, ClientSpeech, result.speeches)
    write_records(run / layout.HELD, ClientSpeech, result.held)
    write_records(run / layout.DROPPED, Dropped, result.dropped)
    write_records(run / layout.REVIEW, Review, sorted(result.reviews, key=lambda r: (-r.score, r.speech_id)))
    write_records(run / layout.SOURCE_RESPONSES, Response, result.responses)
    write_records(run / layout.SOURCE_RATINGS, Rating, result.ratings)
    table = coverage([Topic(s.coarse_topic, s.fine_topic, s.topic_confidence) for s in result.speeches])
    write_json(run / layout.TOPICS, {"coverage": [{"coarse": c, "fine": f, "n": n} for c, f, n in table]})
    step.simulated = any(r.judge.partition("#")[0].endswith(f"/{SIMULATED_RATERS}") for r in result.ratings)
    step.counts = counts_of(result, section)
    tick(1, 1)


def counts_of(result: Collected, section: Collect) -> dict[str, Any]:
    """Return the counts that the manifest keeps."""
    speeches = result.speeches
    card = catalogue().get(section.source)
    return {
        "rows": result.asked,
        "speeches": len(speeches),
        "held": len(result.held),
        "dropped": dict(sorted(Counter(d.reason for d in result.dropped).items())),
        "mended": dict(sorted(result.mended.items())),
        "deidentified": deidentifies(section),
        "identifiers": dict(sorted(result.removed.items())),
        "for_review": len(result.reviews),
        "risk": {level: sum(s.screened == level for s in [*speeches, *result.held]) for level in RISK_LEVELS},
        "splits": dict(sorted(Counter(s.split for s in speeches).items())),
        "topics": len({s.fine_topic for s in speeches if s.fine_topic}),
        "without_topic": sum(not s.fine_topic for s in speeches),
        "with_earlier_turns": sum(1 for s in speeches if s.earlier),
        "responses": len(result.responses),
        "ratings": len(result.ratings),
        "source": asdict(card) if card else {"name": section.source},
    }
