"""`psychocounsel publish`: a run's models and pairs as folders for the hub, with their cards. It uploads nothing."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from psychocounsel.cli.options import JsonFlag

if TYPE_CHECKING:
    from psychocounsel.publish import Kind, Published


class What(StrEnum):
    """What is published."""

    EVERYTHING = "all"
    REWARD = "reward"
    POLICY = "policy"
    DATASET = "dataset"


def publish(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/quickstart.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder that is new, or that this command wrote.")],
    what: Annotated[What, typer.Option("--what", help="Which; `all` is what the run made.")] = What.EVERYTHING,
    may_publish: Annotated[
        bool, typer.Option("--i-may-publish", help="You hold the right to pass on the source's texts.")
    ] = False,
    raw_text: Annotated[
        bool,
        typer.Option(
            "--raw-client-text-may-be-published",
            help="Client text that was neither invented nor de-identified may go out.",
        ),
    ] = False,
    without_texts: Annotated[
        bool, typer.Option("--without-texts", help="Leave all texts out of the dataset; ids and ratings stay.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write folders for the Hugging Face hub: reward-model, policy, dataset.

    Each has its card (README.md), its licences and its digests, and loads with `transformers` or `datasets` as it is.
    Nothing is uploaded: what would leave this machine is listed, and then the line that would send it.
    """
    from psychocounsel.publish import Permissions
    from psychocounsel.publish import publish as write

    kinds: dict[What, Kind] = {What.REWARD: "reward-model", What.POLICY: "policy", What.DATASET: "dataset"}
    done = write(
        run,
        out,
        None if what is What.EVERYTHING else [kinds[what]],
        Permissions(may_publish=may_publish, raw_text=raw_text),
        with_texts=not without_texts,
    )
    if as_json:
        for each in done:
            print(json.dumps(asdict(each), ensure_ascii=False, default=str))
        return
    print("What would leave this machine:\n")
    for each in done:
        for line in _lines(each):
            print(textwrap.fill(line, 80, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False))
        print()
    print(
        "Nothing was uploaded. Read each README.md first; then these lines would, as you,\nto private repositories:\n"
    )
    for each in done:
        print(f"  {each.upload}")


def _lines(done: Published) -> list[str]:
    """Return the check list of one folder."""
    has = done.leaving
    simulated = ", simulated" if done.simulated else ""
    lines = [
        f"{done.kind}: {done.folder}",
        f"  {done.files} files, {done.bytes:,} bytes, licence {done.licence}{simulated}",
    ]
    if has.kind != "dataset":
        lines.append(f"  learned from {has.speeches:,} client speeches, and may repeat them")
    elif has.texts:
        lines.append(f"  {has.rows:,} rows with {has.speeches:,} client speeches, word for word")
    else:
        lines.append(f"  {has.rows:,} rows of {has.speeches:,} client speeches, without any text")
    lines += [
        f"  source: {done.source.of} ({done.source.licence})",
        f"  {has.invented:,} invented, {has.deidentified:,} de-identified by a program that misses some, "
        f"{has.raw:,} neither",
        f"  {has.elevated:,} at elevated and {has.imminent:,} at imminent risk, as screened",
    ]
    if has.for_review:
        lines.append(f"  {has.for_review:,} with details that may point to a person: see collect/review.parquet")
    if has.held:
        lines.append(f"  {has.held:,} rows left out, as speeches held back for their risk stand in them")
    return lines
