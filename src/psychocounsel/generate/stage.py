"""The stage: client speeches to candidate responses."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psychocounsel import layout
from psychocounsel.artifacts import Step
from psychocounsel.backends import Generator, expand_pool, open_generator
from psychocounsel.errors import BackendError, TooLittleDataError
from psychocounsel.progress import Tick
from psychocounsel.recipe import SOURCE, Generate, Recipe
from psychocounsel.records import ClientSpeech, Response, content_seed
from psychocounsel.tables import read_records, write_records


@dataclass(frozen=True, slots=True)
class Ask:
    """One counsellor of the pool is to answer one speech."""

    speech: ClientSpeech
    spec: str
    max_words: int | None = None


def draw(speech_id: str, pool: Sequence[str], count: int, seed: int) -> list[str]:
    """Return `count` different specs of the pool; who is drawn depends on the speech, not on its position.

    A smaller count gives the beginning of a larger one. Raises BackendError where the pool is too small.
    """
    if count > len(pool):
        raise BackendError(
            f"generate asks {count} counsellors for each speech (per_speech and further together, or limited), "
            f"but the pool has {len(pool)}."
        )
    return random.Random(content_seed("pool", seed, speech_id)).sample(sorted(pool), len(pool))[:count]


def rated_asks(speeches: Sequence[ClientSpeech], pool: Sequence[str], per_speech: int, seed: int) -> list[Ask]:
    """Return who is to answer what, for the responses of which pairs are made."""
    return [Ask(speech, spec) for speech in speeches for spec in draw(speech.id, pool, per_speech, seed)]


def further_asks(
    speeches: Sequence[ClientSpeech], pool: Sequence[str], section: Generate, max_words: int, seed: int
) -> list[Ask]:
    """Return who else is to answer the train speeches, at will and within `max_words`."""
    asks = []
    for speech in speeches:
        if speech.split == "train":
            drawn = draw(speech.id, pool, section.per_speech + section.further, seed)
            asks += [Ask(speech, spec) for spec in drawn[section.per_speech :]]
            brief = draw(f"{speech.id} limited", pool, section.limited, seed)
            asks += [Ask(speech, spec, max_words) for spec in brief]
    return asks


def answer(asks: Sequence[Ask], pool: dict[str, Generator], seed: int, tick: Tick) -> list[Response]:
    """Return a response for every ask, in order. An answer that failed keeps its row with the reason."""
    batches: dict[tuple[str, int | None], list[int]] = defaultdict(list)
    for place, ask in enumerate(asks):
        batches[ask.spec, ask.max_words].append(place)
    answered: dict[int, Response] = {}
    for done, ((spec, max_words), places) in enumerate(batches.items()):
        tick(done, len(batches))
        speeches = [asks[place].speech for place in places]
        limit = () if max_words is None else (max_words,)
        seeds = [content_seed("generate", seed, spec, speech.id, *limit) for speech in speeches]
        completions = pool[spec].generate([speech.conversation for speech in speeches], seeds, max_words)
        for place, speech, completion in zip(places, speeches, completions, strict=True):
            error = completion.error or ("" if completion.text.strip() else "empty answer")
            answered[place] = Response.make(speech.id, spec, completion.text, error=error, max_words=max_words)
    tick(len(batches), len(batches))
    return [answered[place] for place in range(len(asks))]


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `responses.parquet`, of which pairs are made, and `further.parquet`, which teach the base policy."""
    section = recipe.generate
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    pool = {spec: open_generator(spec) for spec in expand_pool([s for s in section.pool if s != SOURCE])}
    rated = rated_asks(speeches, list(pool), section.per_speech, recipe.seed) if pool else []
    further = further_asks(speeches, list(pool), section, recipe.max_words, recipe.seed) if pool else []
    everything = answer([*rated, *further], pool, recipe.seed, tick)
    responses, others = everything[: len(rated)], everything[len(rated) :]
    if SOURCE in section.pool:
        responses = read_records(run / layout.SOURCE_RESPONSES, Response) + responses
        if not responses:
            raise TooLittleDataError("generate: the source carries no responses; ask others in generate.pool.")
    write_records(run / layout.RESPONSES, Response, responses)
    write_records(run / layout.FURTHER, Response, others)
    step.simulated = any(g.simulated for g in pool.values())
    step.backends = sorted(pool)
    step.counts = {
        "asked": len(responses),
        "answered": sum(1 for r in responses if not r.error),
        "further": sum(1 for r in others if not r.error),
        "lost": dict(sorted(Counter(r.error for r in everything if r.error).items())),
        "by_model": dict(sorted(Counter(r.model for r in responses).items())),
    }
