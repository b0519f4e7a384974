"""The stage: client speeches to candidate responses."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path

from psychocounsel import layout
from psychocounsel.artifacts import Step
from psychocounsel.backends import Generator, expand_pool, open_generator
from psychocounsel.errors import BackendError
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, Response, content_seed
from psychocounsel.tables import read_records, write_records


def draw(speech_id: str, pool: list[str], count: int, seed: int) -> list[str]:
    """Return `count` different specs of the pool; who is drawn depends on the speech, not on its position."""
    return random.Random(content_seed("pool", seed, speech_id)).sample(sorted(pool), count)


def generate(
    speeches: list[ClientSpeech], pool: dict[str, Generator], per_speech: int, seed: int, tick: Tick
) -> list[Response]:
    """Let `per_speech` of the pool answer each speech. An answer that failed keeps its row with the reason."""
    if per_speech > len(pool):
        raise BackendError(f"generate.per_speech is {per_speech}, but the pool has {len(pool)} counsellors.")
    asked: dict[str, list[ClientSpeech]] = defaultdict(list)
    for speech in speeches:
        for spec in draw(speech.id, list(pool), per_speech, seed):
            asked[spec].append(speech)
    answered: dict[tuple[str, str], Response] = {}
    for done, (spec, batch) in enumerate(sorted(asked.items())):
        tick(done, len(asked))
        seeds = [content_seed("generate", seed, spec, speech.id) for speech in batch]
        completions = pool[spec].generate([speech.conversation for speech in batch], seeds)
        for speech, completion in zip(batch, completions, strict=True):
            error = completion.error or ("" if completion.text.strip() else "empty answer")
            answered[speech.id, spec] = Response.make(speech.id, spec, completion.text, error=error)
    tick(len(asked), len(asked))
    return [answered[s.id, spec] for s in speeches for spec in draw(s.id, list(pool), per_speech, seed)]


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `responses.parquet`."""
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    pool = {spec: open_generator(spec) for spec in expand_pool(recipe.generate.pool)}
    responses = generate(speeches, pool, recipe.generate.per_speech, recipe.seed, tick)
    write_records(run / layout.RESPONSES, Response, responses)
    step.simulated = any(g.simulated for g in pool.values())
    step.backends = sorted(pool)
    step.counts = {
        "asked": len(responses),
        "answered": sum(1 for r in responses if not r.error),
        "lost": dict(sorted(Counter(r.error for r in responses if r.error).items())),
        "by_model": dict(sorted(Counter(r.model for r in responses).items())),
    }
