"""`psychocounsel show`: what an artifact is and how it came to be."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from psychocounsel.artifacts import MANIFEST, Manifest, complete_manifest
from psychocounsel.cli.options import JsonFlag
from psychocounsel.errors import ArtifactError
from psychocounsel.tables import head

ArtifactPath = Annotated[
    Path, typer.Argument(metavar="ARTIFACT", help="A step's folder (runs/quickstart/pair), a run's, or a Parquet file.")
]
Rows = Annotated[int, typer.Option("--rows", "-n", min=0, help="Print this many rows; they hold client text.")]


def show(artifact: ArtifactPath, rows: Rows = 0, as_json: JsonFlag = False) -> None:
    """Show an artifact: what it holds, what it was made from, and whether it is whole.

    Rows are printed only when asked for (--rows), as they hold what clients wrote.
    """
    if artifact.suffix == ".parquet":
        print(json.dumps(head(artifact, rows), indent=None if as_json else 1, ensure_ascii=False, default=str))
        return
    folders = _folders(artifact)
    manifests = {str(f.relative_to(artifact)) if f != artifact else f.name: complete_manifest(f) for f in folders}
    if as_json:
        print(json.dumps({name: asdict(m) for name, m in manifests.items()}))
        return
    console = Console(file=sys.stdout)
    for name, manifest in manifests.items():
        console.print(_table(name, manifest))
    if rows and len(folders) == 1:
        for name in manifests[folders[0].name].files:
            if name.endswith(".parquet"):
                print(json.dumps(head(folders[0] / name, rows), indent=1, ensure_ascii=False, default=str))


def _folders(artifact: Path) -> list[Path]:
    if (artifact / MANIFEST).exists() or not artifact.is_dir():
        return [artifact]
    found = sorted((p.parent for p in artifact.rglob(MANIFEST)), key=lambda f: (f / MANIFEST).stat().st_mtime)
    if not found:
        raise ArtifactError(f"{artifact} holds no finished artifact (no {MANIFEST}). Run its recipe to finish it.")
    return found


def _table(name: str, manifest: Manifest) -> Table:
    title = f"{name}{'  (simulated)' if manifest.simulated else ''}"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows: dict[str, Any] = {
        "files": "\n".join(
            f"{file} ({entry.rows} rows)" if entry.rows is not None else f"{file} ({entry.bytes} bytes)"
            for file, entry in manifest.files.items()
        ),
        "counts": "\n".join(f"{k}: {_short(v)}" for k, v in manifest.counts.items()),
        "made from": ", ".join(manifest.parents) or "the source",
        "backends": ", ".join(manifest.backends) or "none",
        "section": "\n".join(f"{k}: {_short(v)}" for k, v in manifest.section.items()),
        "seed": str(manifest.seed),
        "made": f"{manifest.created} in {manifest.wall_seconds:.1f} s by version {manifest.package_version}",
        "digest": manifest.digest,
    }
    for key, value in rows.items():
        table.add_row(key, value)
    return table


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 200 else text[:197] + "..."
