"""Pairs that people compared, from `annotate labels`, in place of and beside those that ratings make."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psychocounsel.errors import ArtifactError, InputError
from psychocounsel.records import ClientSpeech, PreferencePair
from psychocounsel.tables import read_records


@dataclass(frozen=True, slots=True)
class WithPeople:
    """Pairs of both kinds, and what became of people's."""

    pairs: list[PreferencePair]
    counts: dict[str, int]
    """`added`, `confirmed` and `contradicted` of the ratings' own pairs, `removed` as people found them equal, harmful
    or not to be judged, and why others of people's were left out."""
    simulated: bool
    """Whether the people were simulated raters."""


def with_people(pairs: list[PreferencePair], speeches: list[ClientSpeech], folder: Path) -> WithPeople:
    """Put people's pairs among `pairs`. Where both know two responses, people's preference stands.

    What people found equal, harmful or not to be judged is no pair, whatever the ratings say. A pair takes the split of
    its speech in this run, so that nothing held out is learned; pairs of speeches that the run does not have are left
    out. Raises InputError where `folder` is none of `annotate labels`.
    """
    try:
        given = read_records(folder / "pairs.parquet", PreferencePair)
    except ArtifactError as error:
        raise InputError(f"pair.people: {error} Name the folder that `psychocounsel annotate labels` wrote.") from None
    told = _told(folder / "labels.json")
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
    for both in map(frozenset, told["withheld"]):
        if made.pop(both, None) is not None:
            counts["removed"] += 1
    return WithPeople(list(made.values()), dict(sorted(counts.items())), told["simulated"])


def _told(path: Path) -> dict[str, Any]:
    """Return whether labels are simulated, and the responses of pairs that are none."""
    try:
        content = json.loads(path.read_text("utf-8"))
        withheld = [(str(first), str(second)) for _, first, second in content["withheld"]]
        return {"simulated": bool(content["simulated"]), "withheld": withheld}
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(
            f"pair.people: {path} is absent or damaged. It says whether the labels are simulated, and which pairs "
            "people found harmful or equal: keep the folder as `psychocounsel annotate labels` wrote it."
        ) from None
