"""Pairs that people compared, from `annotate labels`, in place of and beside those that ratings make."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from psychocounsel.errors import ArtifactError, InputError
from psychocounsel.records import ClientSpeech, PreferencePair
from psychocounsel.tables import read_records


@dataclass(frozen=True, slots=True)
class WithPeople:
    """Pairs of both kinds, and what became of people's."""

    pairs: list[PreferencePair]
    counts: dict[str, int]
    """`added`, `confirmed` and `contradicted` of the ratings' own pairs, and why others were left out."""
    simulated: bool
    """Whether the people were simulated raters."""


def with_people(pairs: list[PreferencePair], speeches: list[ClientSpeech], path: Path) -> WithPeople:
    """Put people's pairs among `pairs`. Where both know two responses, people's preference stands.

    A pair takes the split of its speech in this run, so that nothing held out is learned; pairs of speeches that the
    run does not have are left out. Raises InputError where `path` is no file of `annotate labels`.
    """
    try:
        given = read_records(path, PreferencePair)
    except ArtifactError as error:
        raise InputError(f"pair.people: {error} Name the pairs.parquet of `psychocounsel annotate labels`.") from None
    known = {speech.id: speech for speech in speeches}
    made = {frozenset((p.chosen_id, p.rejected_id)): p for p in pairs}
    counts: Counter[str] = Counter()
    for each in given:
        speech = known.get(each.speech_id)
        if speech is None:
            counts["speech not of this run"] += 1
            continue
        both = frozenset((each.chosen_id, each.rejected_id))
        before = made.get(both)
        if before is None:
            counts["added"] += 1
        else:
            counts["confirmed" if before.chosen_id == each.chosen_id else "contradicted"] += 1
        made[both] = replace(each, split=speech.split, risk=speech.screened)
    return WithPeople(list(made.values()), dict(sorted(counts.items())), _simulated(path))


def _simulated(path: Path) -> bool:
    try:
        return bool(json.loads(path.with_name("labels.json").read_text("utf-8")).get("simulated"))
    except (OSError, ValueError, AttributeError):
        return False
