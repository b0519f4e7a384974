"""A study's answers and items, written for other tools. No export holds a name, a link or a coordinator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from psychocounsel.annotate.exchange import argilla, label_studio, own, qualtrics
from psychocounsel.annotate.exchange.sides import study_digest
from psychocounsel.annotate.store import Store
from psychocounsel.artifacts import write_json
from psychocounsel.errors import InputError

Format = Literal["parquet", "csv", "long", "label-studio", "argilla", "qualtrics"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    files: tuple[Path, ...]
    answers: int
    """Finished or skipped answers that the study has, without those of raters that withdrew."""


def export_study(
    store: Store, out: Path, kind: str, blind: bool = False, raters: Mapping[str, str] | None = None
) -> Exported:  # fmt: skip
    """Write a study into the folder `out`, which is made where it is not there; files of the same names are replaced.

    `blind` leaves out who wrote what, labels, rewards, what was expected, and the ids that tell them.
    `raters` maps user ids of Label Studio or Argilla to codes. Beside the rest lies `study.json`.
    Raises InputError where `kind` is none of FORMATS, a code is unknown, or `out` is a file.
    """
    users = {code: user for user, code in (raters or {}).items()}
    writers: dict[str, Callable[[], tuple[Path, ...]]] = {
        "parquet": lambda: own.write_parquet(store, out, blind),
        "csv": lambda: own.write_csv(store, out, blind),
        "long": lambda: own.write_long(store, out),
        "label-studio": lambda: label_studio.write(store, out, blind, users),
        "argilla": lambda: argilla.write(store, out, blind, users),
        "qualtrics": lambda: qualtrics.write(store, out),
    }
    if kind not in writers:
        raise InputError(f"no export is called {kind!r}; there are {', '.join(FORMATS)}.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder to export into.")
    if unknown := set(users) - set(store.numbers):
        raise InputError(
            f"--rater names {len(unknown)} codes that the study's {len(store.numbers)} raters do not have."
        )
    files = writers[kind]()
    write_json(out / "study.json", _about(store, blind))
    return Exported((*files, out / "study.json"), len(store.annotations()))


def _about(store: Store, blind: bool) -> dict[str, Any]:
    plan = store.plan
    about = {
        "study": plan.name, "digest": study_digest(store), "kind": plan.kind, "simulated": plan.simulated,
        "blind": blind, "raters": len(store.numbers), "items": len(store.items),
        "principles": {p.key: p.name for p in plan.rubric.principles},
    }  # fmt: skip
    return about if blind else about | {"source": plan.source}
