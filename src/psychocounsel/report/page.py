"""The page: Jinja templates with every text escaped, and one style sheet, all inside one file."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from psychocounsel.artifacts import Manifest
from psychocounsel.recipe import Recipe
from psychocounsel.records import RISK_LEVELS
from psychocounsel.report import headline as headlines
from psychocounsel.report import paper, plots, words
from psychocounsel.report.cases import Case
from psychocounsel.report.reading import RunFiles

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""The page may load and run nothing, whatever a client's or a model's text holds."""
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def _package_text(name: str) -> str:
    return resources.files("psychocounsel.report").joinpath("templates", name).read_text("utf-8")


def _printable(value: Any) -> Any:
    """Replace what HTML or UTF-8 cannot hold; called on everything that a template prints."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def environment() -> jinja2.Environment:
    """Return the templates' environment. Escaping does not depend on a file's name: it is always on."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_package_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": words.number,
        "count": words.count,
        "percent": words.percent,
        "interval": words.interval,
        "signed": words.signed,
        "duration": words.duration,
        "memory": words.memory,
        "policy": words.policy,
        "setting": words.setting,
        "listed": words.listed,
        "pretty": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    }
    made.globals |= {"is_number": words.is_number, "no_width": words.no_width, "shown": headlines.shown}
    return made


def render(files: RunFiles, summary: dict[str, Any], cases: list[Case], recipe: Recipe) -> str:
    """Return the whole page."""
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            content_policy=CONTENT_POLICY,
            style=Markup(_package_text("report.css")),
            summary=summary,
            headline=headlines.headline(summary),
            plots=draw(files, summary),
            cases=cases,
            recipe=recipe,
            paper_reward=paper.REWARD,
            paper_wins=paper.WIN_RATES,
            risk_levels=RISK_LEVELS,
            rubric=files.rubric,
            names={p["key"]: p["name"] for p in summary["principles"]},
            principle_keys=principle_keys(summary),
            provenance=[provenance_row(name, m) for name, m in files.manifests.items()],
            wall_seconds=sum(m.wall_seconds for m in files.manifests.values()),
            peak=max((m.peak_rss_bytes for m in files.manifests.values()), default=0),
        )
    )


def draw(files: RunFiles, summary: dict[str, Any]) -> dict[str, Any]:
    """Return every plot that the run has figures for, by name."""
    drawn: dict[str, Any] = {}
    wins, alignment = summary["win_rates"], summary["alignment"]
    if wins is not None and wins["rates"]:
        drawn["wins"] = plots.win_rate_plot(wins["rates"], wins["reference"])
        keys = principle_keys(summary)
        if keys:
            drawn["principles"] = {
                s: plots.principle_plot(wins["rates"], keys, s)
                for s in dict.fromkeys(r["setting"] for r in wins["rates"])
            }
    margins = [row["reward_chosen"] - row["reward_rejected"] for row in files.scored]
    margins = [m for m in margins if words.is_number(m)]
    if margins:
        drawn["margins"] = plots.margin_histogram(margins)
        drawn["reliability"] = plots.reliability_plot(margins)
    if alignment is not None and alignment["curves"]:
        quantities = (
            ("reward", "Mean reward", "reward, logits"),
            ("words", "Mean length", "words an answer"),
            ("kl", "KL from the base policy", "KL, nats an answer"),
        )
        drawn["curves"] = [
            {"title": title, "svg": plots.curve_plot(alignment["curves"], key, title, unit, alignment["chosen"])}
            for key, title, unit in quantities
        ]
    if summary["data"]["coverage"]:
        drawn["coverage"] = plots.coverage_plot(summary["data"]["coverage"])
    if summary["data"]["ratings"]:
        drawn["ratings"] = plots.rating_plot(summary["data"]["ratings"])
    return drawn


def principle_keys(summary: dict[str, Any]) -> list[str]:
    """Return the principles in the rubric's order, then any other that was judged."""
    known = [p["key"] for p in summary["principles"]]
    judged = [key for row in (summary["win_rates"] or {}).get("rates", []) for key in row["by_principle"]]
    return list(dict.fromkeys(key for key in [*known, *judged] if key in judged))


def provenance_row(name: str, manifest: Manifest) -> dict[str, Any]:
    """Return how one artifact came to be."""
    rows = {file: entry.rows for file, entry in manifest.files.items() if entry.rows is not None}
    return {
        "step": name,
        "manifest": manifest,
        "digest": manifest.digest,
        # The copies in other layouts (pair/released, pair/trl) hold the same rows again.
        "rows": {file: n for file, n in rows.items() if "/" not in file},
    }
