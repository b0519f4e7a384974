"""A model that writes, on questions with options: CBT-Bench by name, its own metric, and what anything must beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psychocounsel.backends import Connections, Generator, check_egress, open_generator
from psychocounsel.endpoints import Sampling, server_of
from psychocounsel.errors import BackendError, InputError
from psychocounsel.outside.catalogue import Loaded, catalogue, load, named
from psychocounsel.outside.choices import asked, figure, read
from psychocounsel.outside.records import Choice
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, Turn, content_seed
from psychocounsel.statistics.intervals import Figure, finite

AT_ONCE = 256
"""Questions asked between two ticks."""
UNREADABLE = "named no option, or several where one is right"


@dataclass(frozen=True, slots=True)
class Examined:
    """A model on one set of questions with options."""

    on: str
    model: str
    simulated: bool
    """Whether the model is templates of this package."""
    measure: str
    figure: Figure
    baselines: dict[str, Figure]
    """What is reached without reading the question."""
    lost: dict[str, int]
    """Questions without an answer, or without one that can be read, by reason. They count as wrong."""
    published: list[dict[str, Any]]
    licence: str
    citation: str
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it; a bound that there is none of is null."""
        found: dict[str, Any] = finite(asdict(self))
        return found


def read_exams(on: Sequence[str]) -> list[Loaded]:
    """Read every `NAME=PATH`, before a model is opened. Raises InputError for a set that has no options."""
    found = []
    for name, path in map(named, on):
        if catalogue()[name].kind != "choices":
            can = ", ".join(card.name for card in catalogue().values() if card.kind == "choices")
            raise InputError(f"{name} has no questions with options; those that have: {can}.")
        loaded = load(name, path)
        if len({item.several for item in _choices(loaded)}) > 1:
            raise InputError(f"{path.name} mixes questions of one right option with others; put them in two files.")
        found.append(loaded)
    return found


def open_examinee(spec: str, recipe: Recipe | None, exams: Sequence[Loaded]) -> Generator:
    """Open a model to be asked at temperature 0 without a system prompt, as an exam is.

    Raises BackendError where the spec is unknown, or the recipe does not let the questions out.
    """
    if server_of(spec) and recipe is None:
        raise BackendError(
            f"model {spec!r} is behind a server: name the recipe that describes it, with --recipe RECIPE."
        )
    if recipe is not None:
        # that the recipe's own speeches were invented says nothing of these questions
        own = recipe.model_copy(update={"collect": recipe.collect.model_copy(update={"source": "outside"})})
        check_egress(own, [spec], [ClientSpeech.make(c.question) for each in exams for c in _choices(each)])
    given = recipe.generate.sampling if recipe else Sampling()
    sampling = given.model_copy(update={"temperature": 0.0, "system": ""})
    return open_generator(spec, Connections.of(recipe) if recipe else None, sampling)


def examine(generator: Generator, on: Loaded, tick: Tick) -> Examined:
    """Ask every question and measure the answers by the set's own metric."""
    choices, given, lost = _choices(on), [], Counter[str]()
    for start in range(0, len(choices), AT_ONCE):
        tick(start, len(choices))
        part = choices[start : start + AT_ONCE]
        prompts = [(Turn("client", asked(choice)),) for choice in part]
        seeds = [content_seed("choice", choice.id, choice.question) for choice in part]
        for choice, said in zip(part, generator.generate(prompts, seeds), strict=True):
            letters = frozenset() if said.error else read(choice, said.text)
            lost[said.error or UNREADABLE] += not letters
            given.append(letters)
    tick(len(choices), len(choices))
    measure, found = figure(choices, given)
    return Examined(
        on=on.card.name,
        model=generator.spec,
        simulated=generator.spec.startswith("simulated/"),
        measure=measure,
        figure=found,
        baselines={name: figure(choices, answers)[1] for name, answers in _without_reading(choices).items()},
        lost={reason: n for reason, n in lost.items() if n},
        published=[asdict(each) for each in on.card.published],
        licence=on.card.licence,
        citation=on.card.citation,
        notes=list(on.notes),
    )


def _choices(on: Loaded) -> list[Choice]:
    return [item for item in on.items if isinstance(item, Choice)]


def _without_reading(choices: Sequence[Choice]) -> dict[str, list[frozenset[str]]]:
    """Return the answers of those who do not read: always the letter most often right, and every letter."""
    often = Counter(letter for choice in choices for letter in sorted(choice.right)).most_common(1)[0][0]
    found = {"the option most often right": [frozenset({often}) for _ in choices]}
    if choices[0].several:
        found["every option"] = [frozenset(choice.options) for choice in choices]
    return found
