"""What `evaluate judge` was asked for: sets read, judges opened, and nothing sent that the recipe does not let out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psychocounsel.backends import Connections, Judge, check_egress, open_judge
from psychocounsel.backends.calls.connection import is_loopback
from psychocounsel.backends.judges import JUDGES
from psychocounsel.deidentify import Surrogates, redact
from psychocounsel.endpoints import server_of
from psychocounsel.errors import BackendError
from psychocounsel.evaluate.trials.measures import Trial
from psychocounsel.evaluate.trials.pairs import PAIR_SETS
from psychocounsel.evaluate.trials.trial import SETS, LabelledSet
from psychocounsel.outside.catalogue import named
from psychocounsel.principles import load_rubric
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, content_seed

KNOWN = SETS | PAIR_SETS
"""Name of a set to the set, those of single responses first."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """One judge on one set, not yet heard."""

    judge: Judge
    on: LabelledSet
    path: Path
    items: list[Any]
    """Of a record of `outside.records`, as the set has them."""
    deidentified: bool
    """Whether identifiers were replaced before the judge reads."""
    told: Callable[[], str]
    """What its calls have cost so far, in words; empty where none was made."""

    @property
    def name(self) -> str:
        return f"{self.judge.spec} on {self.on.name}"

    def hold(self, tick: Tick) -> Trial:
        """Let the judge rate, and measure it."""
        trial = self.on.hold(
            self.judge, self.items, self.path, lambda done, total, note="": tick(done, total, self.told())
        )
        if self.deidentified:
            trial.notes.append(f"{self.judge.spec} is not on this machine and read texts with identifiers replaced.")
        return trial


def hearings(
    on: Sequence[str], judges: Sequence[str] | None, recipe: Recipe | None, limit: int | None = None
) -> list[Hearing]:
    """Return every judge on every set, sets first, all of them checked before the first is heard.

    `on` are NAME=PATH; `judges` are specs, None for the offline ones. `recipe` names the servers of language-model
    judges, the rubric and what may leave this machine. `limit` draws so many responses of each set, the same ones
    every time. Raises InputError for a set that is unknown or cannot be read, BackendError for a judge that is.
    """
    sets = [named(each, KNOWN) for each in on]
    specs = list(dict.fromkeys(judges or JUDGES))
    connections = Connections.of(recipe) if recipe else None
    opened = [_opened(spec, recipe, connections) for spec in specs]
    found = []
    for name, path in sets:
        which = KNOWN[name]
        items = list(which.read(path))
        if limit is not None and limit < len(items):
            drawn = sorted(range(len(items)), key=lambda n: content_seed("drawn", items[n].id))[:limit]
            items = [items[n] for n in sorted(drawn)]
        for judge in opened:
            away = recipe is not None and _away(recipe, judge.spec)
            shown, hidden = items, False
            if recipe is not None and away and recipe.egress == "de-identified":
                shown, hidden = [_without_identifiers(item) for item in items], True
            if recipe is not None and away:
                _check(recipe, which, judge.spec, shown, hidden)
            told = connections.told if connections and server_of(judge.spec) else str
            found.append(Hearing(judge, which, path, shown, hidden, told))
    return found


def _opened(spec: str, recipe: Recipe | None, connections: Connections | None) -> Judge:
    if server_of(spec) and recipe is None:
        raise BackendError(
            f"judge {spec!r} is behind a server: name the recipe that describes it, with --recipe RECIPE."
        )
    rubric = load_rubric(recipe.rate.rubric) if recipe else None
    return open_judge(spec, rubric, connections, recipe.evaluate.judging if recipe else None)


def _away(recipe: Recipe, spec: str) -> bool:
    name = server_of(spec)
    return name is not None and not is_loopback(recipe.endpoint(name).url)


def _check(recipe: Recipe, which: LabelledSet, spec: str, items: Sequence[Any], deidentified: bool) -> None:
    """Refuse what the recipe does not let out; that its own source was invented says nothing of this set."""
    own = recipe.model_copy(update={"collect": recipe.collect.model_copy(update={"source": which.name})})
    speeches = [
        ClientSpeech.make(item.conversation[-1].text, item.conversation[:-1], deidentified=deidentified)
        for item in items
    ]
    check_egress(own, [spec], speeches)


def _without_identifiers(item: Any) -> Any:
    known = Surrogates()
    return item.rewritten(lambda text: redact(text, known).text)
