"""What would leave this machine: whose texts, how many, de-identified or not; and what may not go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from psychocounsel import layout
from psychocounsel.errors import ArtifactError
from psychocounsel.publish.lineage import Kind
from psychocounsel.publish.terms import Part
from psychocounsel.records import ClientSpeech, PreferencePair
from psychocounsel.tables import read_records

INVENTED = "example"
"""The one source whose clients nobody ever was."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """Client speeches in what is published: word for word in a dataset, as what was learned from in a model."""

    kind: Kind
    speeches: int
    invented: int
    deidentified: int
    """Went through de-identification, which misses some identifiers."""
    raw: int
    """Neither invented nor de-identified."""
    elevated: int
    """Screened so; the screen misses some."""
    imminent: int
    dialogues: int
    """With earlier turns."""
    for_review: int
    """Whose details together may point to a person, by the program that looked."""
    rows: int = 0
    """Rows of a dataset."""
    held: int = 0
    """Rows left out because a speech that `collect.hold` keeps back stands in them, be it as an earlier turn."""
    texts: bool = True
    """Whether the texts go along; a dataset may go without."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The client speeches of a run, and what keeps some of them here."""

    speeches: dict[str, ClientSpeech]
    held: frozenset[str]
    """Ids of held speeches, and their texts."""
    for_review: frozenset[str]

    def keeps_back(self, pair: PreferencePair) -> bool:
        said = {turn.text.strip() for turn in pair.conversation}
        return pair.speech_id in self.held or not said.isdisjoint(self.held)


def read_texts(run: Path) -> Texts:
    """Read the speeches of a run. Raises ArtifactError where they cannot be read."""
    import pyarrow.parquet as pq

    held = read_records(run / layout.HELD, ClientSpeech) if (run / layout.HELD).is_file() else []
    review: set[str] = set()
    if (run / layout.REVIEW).is_file():
        review.update(pq.read_table(run / layout.REVIEW, columns=["speech_id"]).column(0).to_pylist())
    return Texts(
        {s.id: s for s in read_records(run / layout.SPEECHES, ClientSpeech)},
        frozenset({s.id for s in held} | {s.text.strip() for s in held}),
        frozenset(review),
    )


def in_dataset(pairs: list[PreferencePair], texts: Texts, with_texts: bool) -> Leaving:
    """Count what a dataset of these pairs would hold."""
    kept = [pair for pair in pairs if not texts.keeps_back(pair)]
    ids = dict.fromkeys(pair.speech_id for pair in kept)
    unknown = [i for i in ids if i not in texts.speeches]
    if unknown:
        raise ArtifactError(f"{len(unknown)} speeches of the pairs are not in {layout.SPEECHES}. Run the recipe again.")
    found = _count("dataset", (texts.speeches[i] for i in ids), texts)
    return replace(found, rows=len(kept), held=len(pairs) - len(kept), texts=with_texts)


def in_model(kind: Kind, texts: Texts) -> Leaving:
    """Count what a model of this run learned from."""
    return _count(kind, (s for s in texts.speeches.values() if s.split == "train"), texts)


def _count(kind: Kind, speeches: Iterable[ClientSpeech], texts: Texts) -> Leaving:
    some = list(speeches)
    levels = Counter(s.screened for s in some)
    invented = sum(s.source == INVENTED for s in some)
    deidentified = sum(s.source != INVENTED and s.deidentified for s in some)
    return Leaving(
        kind=kind,
        speeches=len(some),
        invented=invented,
        deidentified=deidentified,
        raw=len(some) - invented - deidentified,
        elevated=levels["elevated"],
        imminent=levels["imminent"],
        dialogues=sum(bool(s.earlier) for s in some),
        for_review=sum(s.id in texts.for_review for s in some),
    )


def check(leaving: list[Leaving], source: Part, *, may_publish: bool, raw_text: bool) -> None:
    """Refuse what may not leave. All reasons are told together. Raises ArtifactError."""
    faults = []
    for each in leaving:
        if each.raw and each.texts and not raw_text:
            has = "holds" if each.kind == "dataset" else "learned from, and may repeat,"
            faults.append(
                f"the {each.kind} {has} {each.raw} client speeches that were neither invented nor de-identified. "
                "Collect again with collect.deidentify=true, or pass --raw-client-text-may-be-published if every "
                "client agreed to that."
            )
        if each.kind == "dataset" and each.texts and not source.share and not may_publish:
            faults.append(
                f"the dataset holds texts of `{source.of}`, and nothing known here lets you pass them on (licence: "
                f"{source.licence}). Pass --i-may-publish if you hold that right, or --without-texts to publish "
                "ratings and ids alone."
            )
    if faults:
        raise ArtifactError("this may not leave your machine:\n" + "\n".join(f"  - {fault}" for fault in faults))
