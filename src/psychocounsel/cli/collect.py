"""`psychocounsel collect`: the stage, the filters for scripts, and the leak check."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from psychocounsel import pipeline
from psychocounsel.cli.collected import print_collected
from psychocounsel.cli.groups import DEFAULT, StageGroup
from psychocounsel.cli.listeners import listener_for
from psychocounsel.cli.options import JsonFlag, QuietFlag
from psychocounsel.errors import InputError, RecipeError
from psychocounsel.recipe import load_recipe, recipe_of

app = typer.Typer(
    cls=StageGroup,
    no_args_is_help=True,
    help=(
        "Client speeches: read, clean, de-identify, screen for risk, sort by topic, drop duplicates, split.\n\n"
        "psychocounsel collect RECIPE [KEY=VALUE]...\n\n"
        "psychocounsel collect --source counsel-chat --path FILE [KEY=VALUE]..."
    ),
)

Lines = Annotated[Path, typer.Argument(metavar="IN.jsonl", help="Lines with `id` and `text`; - for standard input.")]


@app.command(DEFAULT, hidden=True)
def collect(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="A recipe in YAML.")] = None,
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    source: Annotated[str | None, typer.Option(help="A source by name, in place of a recipe.")] = None,
    path: Annotated[Path | None, typer.Option(help="Its file or folder.")] = None,
    output: Annotated[Path | None, typer.Option(help="The run's folder.")] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Make the stage, and print what was kept and why the rest was not."""
    given = [*([recipe] if recipe and "=" in recipe else []), *(overrides or [])]
    file = Path(recipe) if recipe and "=" not in recipe else None
    given += [f"collect.source={source}"] if source else []
    given += [f"collect.path={path}"] if path else []
    given += [f"output={output}"] if output else []
    if file is None and source is None:
        raise RecipeError("command line", ["name a recipe, or a source: --source NAME --path FILE"])
    loaded = load_recipe(file, given) if file else recipe_of(given, name=str(source))
    listener = listener_for(quiet, as_json)
    try:
        manifests = pipeline.run(loaded, listener, only="collect")
    finally:
        listener.close()
    if as_json:
        print(json.dumps({"event": "finished", "counts": {"collect": manifests["collect"].counts}}))
    elif not quiet:
        print_collected(Console(file=sys.stdout), loaded.output, manifests["collect"])


@app.command()
def redact(file: Lines) -> None:
    """De-identify JSON lines: `text` with typed surrogates, and their spans in the text that was given.

    It misses some, and what is left can still point to a person.
    """
    from psychocounsel.collect.filters import redacted

    _filter(file, redacted)


@app.command()
def screen(file: Lines) -> None:
    """Screen JSON lines for risk: `level` (none, low, elevated, imminent), `reasons` and spans.

    It decides what a program may do with a text. It is no clinical assessment.
    """
    from psychocounsel.collect.filters import screened

    _filter(file, screened)


@app.command("check-leak")
def check_leak(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run's folder, or JSONL, CSV or Parquet with client text.")],
    b: Annotated[Path, typer.Argument(metavar="B")],
    threshold: Annotated[float, typer.Option(min=0.05, max=1.0, help="Jaccard similarity of word trigrams.")] = 0.7,
    split_a: Annotated[str, typer.Option(help="Only this split of A, such as train.")] = "",
    split_b: Annotated[str, typer.Option(help="Only this split of B, such as test.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Look for client texts that two artifacts share, or nearly. Leaves with exit code 1 where there are any."""
    from psychocounsel.collect.leak import check_leak as check

    found = check(a, b, threshold, split_a, split_b)
    shared = [{"a": s.a, "b": s.b, "similarity": round(s.similarity, 4)} for s in found.shared]
    if as_json:
        print(json.dumps({"texts_a": found.a, "texts_b": found.b, "threshold": threshold, "shared": shared}))
    else:
        for pair in shared[:20]:
            print(f"  {pair['b']} is in A as {pair['a']} (similarity {pair['similarity']})")
        more = f" ({len(shared) - 20} more: --json has all)" if len(shared) > 20 else ""
        print(f"{len(shared)} of {found.b} texts of B are in A ({found.a} texts), at {threshold} or more{more}.")
    raise typer.Exit(1 if shared else 0)


def _filter(file: Path, work: Callable[..., dict[str, Any]]) -> None:
    from psychocounsel.collect.filters import filtered

    bad = 0
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as lines:
            for line, good in filtered(lines, work):
                bad += not good
                sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such file.") from None
    except IsADirectoryError:
        raise InputError(f"{file} is a folder; name a file of JSON lines.") from None
    if bad:
        raise InputError(f"{bad} lines could not be read; their lines in the output say why.")
