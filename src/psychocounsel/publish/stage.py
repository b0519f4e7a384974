"""A finished run to folders that go onto the hub as they are. Nothing is uploaded here."""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from psychocounsel import layout
from psychocounsel.artifacts import Manifest, write_json, write_text
from psychocounsel.errors import ArtifactError
from psychocounsel.publish.cards import dataset_card, policy_card, reward_card
from psychocounsel.publish.context import licence_text, origin, run_name
from psychocounsel.publish.folders import check_out, write_folders
from psychocounsel.publish.leaving import Leaving, Texts, check, in_dataset, in_model, read_texts
from psychocounsel.publish.lineage import EVALUATE, LEAF, Kind, check_files, kinds_in, lineage
from psychocounsel.publish.markdown import slug
from psychocounsel.publish.rows import SPLITS, write_rows
from psychocounsel.publish.terms import Part, licence_of, parts_of, source_part
from psychocounsel.records import PreferencePair
from psychocounsel.tables import read_records

CARD, LICENCE = "README.md", "LICENSE.md"
ORIGIN = "psychocounsel.json"
"""What the card says of the origin, for programs: an evaluation elsewhere must know who labelled."""
MODELS = {"reward-model": layout.REWARD_MODEL, "policy": layout.CHOSEN_MODEL}


@dataclass(frozen=True, slots=True)
class Published:
    """One folder that was written."""

    kind: Kind
    folder: Path
    files: int
    bytes: int
    leaving: Leaving
    source: Part
    licence: str
    """The hub's id."""
    simulated: bool
    upload: str
    """The one line that would upload it, to a private repository."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What whoever publishes takes upon themselves."""

    may_publish: bool = False
    """They hold the right to pass on the source's texts."""
    raw_text: bool = False
    """Client text that is neither invented nor de-identified may be published."""


def publish(
    run: Path,
    out: Path,
    kinds: list[Kind] | None = None,
    permissions: Permissions = Permissions(),
    *,
    with_texts: bool = True,
) -> list[Published]:
    """Write `out/reward-model`, `out/policy` and `out/dataset`, or those of `kinds`; by default all that the run made.

    Raises ArtifactError where the run is half made, damaged or mixed, where something may not leave this machine, or
    where `out` holds something else. Then nothing is written.
    """
    there = kinds_in(run)
    missing = [kind for kind in kinds or [] if kind not in there]
    if missing:
        raise ArtifactError(
            f"{run} has no {' and no '.join(missing)}; it has {', '.join(there)}. Run its recipe to the step that "
            f"makes it ({', '.join(LEAF[kind] for kind in missing)}; see `until`)."
        )
    wanted = [kind for kind in there if kinds is None or kind in kinds]
    check_out(out.resolve(), list(wanted))
    manifests = {kind: lineage(run, LEAF[kind]) for kind in wanted}
    read = {"collect", *(LEAF[kind] for kind in wanted)} | ({"rate"} if "dataset" in wanted else set())
    read |= {EVALUATE} if "policy" in wanted and (run / EVALUATE).is_dir() else set()
    check_files(run, sorted(read))
    texts = read_texts(run)
    pairs = read_records(run / layout.PAIRS, PreferencePair) if "dataset" in wanted else []
    leaving = {
        kind: in_dataset(pairs, texts, with_texts) if kind == "dataset" else in_model(kind, texts) for kind in wanted
    }
    source = source_part(manifests[wanted[0]]["collect"])
    check(list(leaving.values()), source, may_publish=permissions.may_publish, raw_text=permissions.raw_text)
    writers: dict[str, Callable[[Path], None]] = {}
    for kind in wanted:
        if kind == "dataset":
            writers[kind] = partial(_write_dataset, run, manifests[kind], leaving[kind], pairs, texts)
        else:
            writers[kind] = partial(_write_model, run, manifests[kind], leaving[kind])
    write_folders(out, writers)
    return [_published(run, out / kind, manifests[kind], leaving[kind], source) for kind in wanted]


def _write_model(run: Path, manifests: dict[str, Manifest], leaving: Leaving, folder: Path) -> None:
    model = run / MODELS[leaving.kind]
    step = model.parent
    for name in manifests[str(step.relative_to(run))].files:  # what no manifest knows stays here
        file = step / name
        if file.is_relative_to(model):
            target = folder / file.relative_to(model)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    card = reward_card if leaving.kind == "reward-model" else policy_card
    _write_words(folder, manifests, card(run, manifests, leaving))


def _write_dataset(
    run: Path,
    manifests: dict[str, Manifest],
    leaving: Leaving,
    pairs: list[PreferencePair],
    texts: Texts,
    folder: Path,
) -> None:
    rows = write_rows(run, folder, pairs, texts, with_texts=leaving.texts)
    if not rows:
        raise ArtifactError(f"{run} has no pair that may be published: all hold a speech that is held back.")
    kept = {(SPLITS[pair.split], pair.speech_id) for pair in pairs if not texts.keeps_back(pair)}
    speeches = Counter(split for split, _ in kept)
    _write_words(folder, manifests, dataset_card(run, manifests, leaving, rows, speeches))


def _write_words(folder: Path, manifests: dict[str, Manifest], card: str) -> None:
    write_text(folder / LICENCE, licence_text(parts_of(manifests)))
    write_json(folder / ORIGIN, origin(manifests))
    write_text(folder / CARD, card)


def _published(run: Path, folder: Path, manifests: dict[str, Manifest], leaving: Leaving, source: Part) -> Published:
    files = [path for path in folder.rglob("*") if path.is_file()]
    repository = f"OWNER/{slug(f'{run_name(run)}-{leaving.kind}')}"
    kind = "dataset" if leaving.kind == "dataset" else "model"
    return Published(
        kind=leaving.kind,
        folder=folder,
        files=len(files),
        bytes=sum(path.stat().st_size for path in files),
        leaving=leaving,
        source=source,
        licence=licence_of(parts_of(manifests)),
        simulated=any(m.simulated for m in manifests.values()),
        upload=f"hf upload {repository} {shlex.quote(str(folder))} . --repo-type {kind} --private",
    )
