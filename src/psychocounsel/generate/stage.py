"""The stage: client speeches to candidate responses."""

from __future__ import annotations

import math
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from psychocounsel import layout
from psychocounsel.artifacts import Step
from psychocounsel.backends import Completion, Connections, Generator, check_egress, expand_pool, open_generator
from psychocounsel.backends.calls.engine import Call
from psychocounsel.backends.chat import ChatGenerator
from psychocounsel.endpoints import PoolMember
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


def draw(speech_id: str, pool: Sequence[PoolMember], count: int, seed: int) -> list[str]:
    """Return `count` different specs of the pool; who is drawn depends on the speech, not on its position.

    A smaller count gives the beginning of a larger one. Raises BackendError where the pool is too small.
    """
    if count > len(pool):
        raise BackendError(
            f"generate asks {count} counsellors for each speech (per_speech and further together, or limited), "
            f"but the pool has {len(pool)}."
        )
    dice = random.Random(content_seed("pool", seed, speech_id))
    members = sorted(pool, key=lambda member: member.spec)
    if len({member.weight for member in members}) == 1:
        return [member.spec for member in dice.sample(members, len(members))][:count]
    # Efraimidis and Spirakis (2006): the largest of u^(1/w) are a weighted draw without replacement.
    keyed = [(math.log(1.0 - dice.random()) / member.weight, member.spec) for member in members]
    return [spec for _, spec in sorted(keyed, reverse=True)][:count]


def rated_asks(speeches: Sequence[ClientSpeech], pool: Sequence[PoolMember], per_speech: int, seed: int) -> list[Ask]:
    """Return who is to answer what, for the responses of which pairs are made."""
    return [Ask(speech, spec) for speech in speeches for spec in draw(speech.id, pool, per_speech, seed)]


def further_asks(
    speeches: Sequence[ClientSpeech], pool: Sequence[PoolMember], section: Generate, max_words: int, seed: int
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


def answer(
    asks: Sequence[Ask], pool: dict[str, Generator], seed: int, tick: Tick, told: Callable[[], str] = str
) -> list[Response]:
    """Return a response for every ask, in order. An answer that failed keeps its row with the reason."""
    answered: dict[int, Response] = {}

    def take(place: int, completion: Completion) -> None:
        ask = asks[place]
        error = completion.error or ("" if completion.text.strip() else "empty answer")
        answered[place] = Response.make(ask.speech.id, ask.spec, completion.text, error=error, max_words=ask.max_words)
        if len(answered) % 16 == 0:
            tick(len(answered), len(asks), told())

    here: dict[tuple[str, int | None], list[int]] = defaultdict(list)
    away: dict[str, list[int]] = defaultdict(list)
    for place, ask in enumerate(asks):
        generator = pool[ask.spec]
        if isinstance(generator, ChatGenerator):
            away[generator.connection.name].append(place)
        else:
            here[ask.spec, ask.max_words].append(place)
    tick(0, len(asks))
    # Servers are asked all at once, each by an engine of its own; models in this process one after the other.
    stopping = threading.Event()
    with ThreadPoolExecutor(max(1, len(away))) as threads:
        try:
            asked = [
                threads.submit(_ask_server, [(p, asks[p]) for p in places], pool, seed, take, stopping)
                for places in away.values()
            ]
            for (spec, max_words), places in here.items():
                speeches = [asks[place].speech for place in places]
                seeds = [_seed(seed, asks[place]) for place in places]
                completions = pool[spec].generate([speech.conversation for speech in speeches], seeds, max_words)
                for place, completion in zip(places, completions, strict=True):
                    take(place, completion)
            for each in asked:
                each.result()
        except BaseException:
            # Leaving waits for the threads: they must not go on to the last call of all when somebody says stop.
            stopping.set()
            raise
    tick(len(asks), len(asks))
    return [answered[place] for place in range(len(asks))]


def _seed(seed: int, ask: Ask) -> int:
    limit = () if ask.max_words is None else (ask.max_words,)
    return content_seed("generate", seed, ask.spec, ask.speech.id, *limit)


def _ask_server(
    asks: list[tuple[int, Ask]],
    pool: dict[str, Generator],
    seed: int,
    take: Callable[[int, Completion], None],
    stopping: threading.Event,
) -> None:
    """Ask one server everything, whatever model of it, and hand over the answers as they come."""
    readers: dict[int, ChatGenerator] = {}

    def calls() -> Iterator[Call]:
        for place, ask in asks:
            generator = pool[ask.spec]
            assert isinstance(generator, ChatGenerator)
            readers[place] = generator
            yield generator.call(ask.speech.conversation, _seed(seed, ask), ask.max_words, (place, ask.max_words))

    first = pool[asks[0][1].spec]
    assert isinstance(first, ChatGenerator)
    for outcome in first.connection.ask(calls()):
        place, max_words = outcome.call.label
        take(place, readers.pop(place).read(outcome, max_words))
        if stopping.is_set():
            return


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `responses.parquet`, of which pairs are made, and `further.parquet`, which teach the base policy."""
    section = recipe.generate
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    members = expand_pool([member for member in section.pool if member.spec != SOURCE])
    check_egress(recipe, [member.spec for member in members], speeches)
    connections = Connections.of(recipe)
    pool = {m.spec: open_generator(m.spec, connections, m.sampling or section.sampling) for m in members}
    rated = rated_asks(speeches, members, section.per_speech, recipe.seed) if pool else []
    further = further_asks(speeches, members, section, recipe.max_words, recipe.seed) if pool else []
    everything = answer([*rated, *further], pool, recipe.seed, tick, connections.told)
    responses, others = everything[: len(rated)], everything[len(rated) :]
    if SOURCE in section.specs:
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
    } | ({"calls": spent} if (spent := connections.spent()) else {})
