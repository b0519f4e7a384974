"""`psychocounsel run`: a whole recipe."""

from __future__ import annotations

import json
import sys

from rich.console import Console

from psychocounsel import layout, pipeline
from psychocounsel.cli.listeners import listener_for
from psychocounsel.cli.options import JsonFlag, Overrides, QuietFlag, RecipePath
from psychocounsel.cli.results import headline, print_results
from psychocounsel.costs import check_offline, check_servers
from psychocounsel.recipe import load_recipe


def run(recipe: RecipePath, overrides: Overrides = None, quiet: QuietFlag = False, as_json: JsonFlag = False) -> None:
    """Run a recipe from client speeches to report.

    What is done already is kept; after an interruption, the same command goes on where it stopped.
    """
    loaded = load_recipe(recipe, overrides)
    check_offline(loaded)
    check_servers(loaded)
    listener = listener_for(quiet, as_json)
    try:
        manifests = pipeline.run(loaded, listener)
    finally:
        listener.close()
    report = loaded.output / (layout.REPORT if "report" in manifests else list(manifests)[-1])
    if as_json:
        print(json.dumps({"event": "finished", "report": str(report), **headline(loaded.output, manifests)}))
    elif quiet:
        print(report)
    else:
        print_results(Console(file=sys.stdout, soft_wrap=False), loaded.output, manifests)
