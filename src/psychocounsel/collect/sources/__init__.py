"""Sources by name: each turns its own layout into rows of the same shape, and has a card in `catalogue.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from psychocounsel.collect.sources import dialogues, questions
from psychocounsel.collect.sources.catalogue import SourceCard, catalogue
from psychocounsel.collect.sources.columns import FIELDS, example, file
from psychocounsel.collect.sources.hub import hub
from psychocounsel.collect.sources.row import SourceResponse, SourceRow
from psychocounsel.recipe import Collect

__all__ = ["FIELDS", "SourceCard", "SourceResponse", "SourceRow", "catalogue", "read_source"]

_BY_NAME: dict[str, Callable[[Path], Iterator[SourceRow]]] = {
    "annomi": dialogues.annomi,
    "chat": dialogues.chat,
    "counsel-chat": questions.counsel_chat,
    "counselbench-adv": questions.counselbench_adv,
    "counselbench-eval": questions.counselbench_eval,
    "epitome": questions.epitome,
    "esconv": dialogues.esconv,
    "mentalchat16k": questions.instruction,
    "psych8k": questions.instruction,
    "psychocounsel-preference": questions.psychocounsel_preference,
}


def read_source(section: Collect) -> Iterator[SourceRow]:
    """Yield the rows of the recipe's source, one a client speech, with the responses that the source has for it.

    A row that cannot be read comes as a SourceRow with its `fault`. Raises InputError where the source as a whole
    cannot be read.
    """
    if section.source == "example":
        yield from example()
        return
    assert section.path is not None, "the recipe model refuses such a source without a path"
    if section.source == "file":
        yield from file(section.path, section.columns)
    elif section.source == "hub":
        yield from hub(section.path, section.columns)
    elif section.source == "counselling-bench":
        yield from questions.counselling_bench(section.path, section.languages)
    else:
        yield from _BY_NAME[section.source](section.path)
