"""The page: Jinja templates with every text escaped, and one style sheet, all inside one file."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from psychocounsel import layout
from psychocounsel.recipe import Recipe
from psychocounsel.report import claims, plots, sheet, wins, words
from psychocounsel.report.cases import Cases
from psychocounsel.report.columns import numbers
from psychocounsel.report.reading import RunFiles

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""The page may load and run nothing, whatever a client's or a model's text holds."""
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
PLOTS = (
    *("wins", "slices", "ranking", "safety", "probes", "margins", "reliability", "pairs", "best_of", "reward_probes"),
    *("parted", "curves", "coverage", "ratings"),
)
"""Every plot that a page may have."""
JUDGES_DRAWN = 6
"""Judges whose win rates are drawn; the table has all."""


def _package_text(name: str) -> str:
    return resources.files("psychocounsel.report").joinpath("templates", name).read_text("utf-8")


def _printable(value: Any) -> Any:
    """Replace what HTML or UTF-8 cannot hold; called on everything that a template prints."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


@cache
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
        "plural": words.plural,
        "pretty": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    }
    made.globals |= {
        "is_number": words.is_number,
        "no_width": words.no_width,
        "cell": sheet.shown,
        "relations": sheet.RELATIONS,
        "near": claims.NEAR,
        "figure_kinds": sheet.FIGURES,
    }
    return made


def style() -> Markup:
    return Markup(_package_text("report.css"))


def render(
    files: RunFiles, summary: dict[str, Any], tables: dict[str, sheet.Table], cases: Cases, recipe: Recipe
) -> str:
    """Return the whole page."""
    won = summary["win_rates"]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            content_policy=CONTENT_POLICY,
            style=style(),
            summary=summary,
            tables=tables,
            plots=draw(files, summary),
            cases=cases,
            recipe=recipe,
            judge=wins.first_judge(won),
            judge_relation=wins.relation(won, wins.first_judge(won) or "") if won else "",
            reference=wins.reference(won) if won else "",
            rubric=files.figure(layout.RUBRIC),
            criteria={c["key"]: c["name"] for c in (summary["risk"] or {}).get("criteria", [])},
            manifests=files.manifests,
            wall_seconds=sum(m.wall_seconds for m in files.manifests.values()),
            peak=max((m.peak_rss_bytes for m in files.manifests.values()), default=0),
        )
    )


def draw(files: RunFiles, summary: dict[str, Any]) -> dict[str, Any]:
    """Return every plot that the run has figures for, by name."""
    drawn: dict[str, Any] = dict.fromkeys(PLOTS)
    won, risk = summary["win_rates"], summary["risk"]
    if won is not None and won["rates"]:
        drawn |= _win_plots(won, {p["key"]: p["name"] for p in summary["principles"]})
    if risk and risk["criteria"] and risk["models"]:
        of = risk["models"][0]["setting"]
        first = plots.chosen_series([r["model"] for r in risk["models"] if r["setting"] == of], wins.subject(won))
        some = [row for row in risk["models"] if row["setting"] == of and row["model"] in first and row["by_criterion"]]
        if some:
            drawn["safety"] = plots.safety_plot(some, risk["criteria"])
    margins = numbers(files.scored, "reward_chosen") - numbers(files.scored, "reward_rejected")
    known = [float(m) for m in margins if words.is_number(float(m))]
    if known:
        drawn["margins"] = plots.margin_histogram(known)
        drawn["reliability"] = plots.reliability_plot(known)
        drawn["pairs"] = {"n": len(known), "lost": len(margins) - len(known)}
    if summary["best_of"]:
        drawn["best_of"] = plots.best_of_plot(summary["best_of"])
    if summary["probes"] and summary["probes"]["judges"]:
        drawn["probes"] = plots.probe_plot("probes-judges", summary["probes"]["judges"][: plots.SERIES])
    if summary["reward_probes"] and summary["reward_probes"]["families"]:
        drawn["reward_probes"] = plots.probe_plot("probes-reward", [summary["reward_probes"]])
    if summary["rounds"] and summary["rounds"]["rows"]:
        drawn["parted"] = plots.parted_plot(summary["rounds"]["rows"])
    alignment = summary["alignment"]
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


def _win_plots(won: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    judges = list(dict.fromkeys(row["judge"] for row in wins.rates(won)))
    drawn: dict[str, Any] = {
        "wins": [
            {
                "judge": judge,
                "relation": wins.relation(won, judge),
                "svg": plots.win_rate_plot(wins.rates(won, judge), won["reference"], place),
            }
            for place, judge in enumerate(judges[:JUDGES_DRAWN])
        ],
        "slices": [],
    }
    judge = wins.first_judge(won)
    for key, title in wins.SLICES.items():
        for of in dict.fromkeys(row["setting"] for row in wins.rates(won, judge)):
            rows = wins.rates(won, judge, of)
            first = plots.chosen_series([row["model"] for row in rows], wins.subject(won))
            rows = [row for row in rows if row["model"] in first]
            values = wins.ordered(key, {v for row in rows for v in row["by"].get(key) or {}}, names)
            if 1 < len(values) <= wins.DRAWN and key != "topic":
                drawing = plots.slice_plot(rows, key, values, names if key == "principle" else {})
                drawn["slices"].append({"key": key, "title": title, "setting": of, "svg": drawing})
    blocks = [block for block in won.get("ranking", []) if block["judge"] == judge and block["ranks"]]
    drawn["ranking"] = [
        {"setting": block["setting"], "svg": plots.ranking_plot(block["ranks"], place)}
        for place, block in enumerate(blocks)
    ]
    return drawn
