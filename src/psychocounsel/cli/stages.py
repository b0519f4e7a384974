"""A command for each stage: `psychocounsel rate RECIPE` makes that stage alone, from what is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

import typer

from psychocounsel import pipeline
from psychocounsel.cli.listeners import listener_for
from psychocounsel.cli.options import JsonFlag, Overrides, QuietFlag, RecipePath
from psychocounsel.costs import check_offline, check_servers
from psychocounsel.recipe import load_recipe

ShowBatch = Annotated[
    bool, typer.Option("--show-batch", help="Check, show the first batch as the model reads it, and train nothing.")
]
ASKING = ("generate", "rate", "evaluate")
"""Stages that may ask servers."""
HELP = {
    "generate": "Candidate responses: a few counsellors of the pool answer each speech.",
    "rate": "Ratings: a judge rates every response on every principle, 1 to 5.",
    "pair": "Preference pairs from ratings; also in the released dataset's layout and TRL's.",
    "base": "The base policy: a model that exists, or a small one made here.",
    "reward": "A Bradley-Terry reward model, and its figures on the test pairs.",
    "align": "DPO on the pairs, then online rounds with the reward model.",
    "evaluate": "Win rates against the reference, by a judge that did not label.",
    "report": "One HTML file: what can be claimed, tables, plots, cases, provenance; tables as CSV and LaTeX.",
}


def command(stage: str) -> Callable[..., None]:
    """Return the command that makes one stage."""

    def made(
        recipe: RecipePath, overrides: Overrides = None, quiet: QuietFlag = False, as_json: JsonFlag = False
    ) -> None:
        loaded = load_recipe(recipe, overrides)
        if stage in ASKING:
            check_offline(loaded)
            check_servers(loaded)
        listener = listener_for(quiet, as_json)
        try:
            manifests = pipeline.run(loaded, listener, only=stage)
        finally:
            listener.close()
        if as_json:
            done = {name: m.counts for name, m in manifests.items() if name.partition("/")[0] == stage}
            print(json.dumps({"event": "finished", "counts": done}))

    def trained(
        recipe: RecipePath,
        overrides: Overrides = None,
        quiet: QuietFlag = False,
        as_json: JsonFlag = False,
        show_batch: ShowBatch = False,
    ) -> None:
        if not show_batch:
            return made(recipe, overrides, quiet, as_json)
        from psychocounsel.cli.batch import first_batch

        for line in first_batch(load_recipe(recipe, overrides), stage):
            print(line)

    chosen = trained if stage in ("reward", "align") else made
    chosen.__doc__ = f"{HELP[stage]}\n\nThe stages before it must be done; `psychocounsel plan RECIPE` shows them."
    return chosen


def add_to(app: typer.Typer) -> None:
    """Add the stage commands in data order."""
    for stage in HELP:
        if stage not in ("reward", "evaluate", "report"):  # groups of their own
            app.command(stage)(command(stage))
