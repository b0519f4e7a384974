"""Plots of win rates, safety, judges and probes: figures with whiskers, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from psychocounsel.report import svg
from psychocounsel.report.plots.frame import SERIES, Dot, dots, styles
from psychocounsel.report.words import SETTING_NAMES, is_number, policy, setting

RAW = ("circle", "s-dpo", "as judged")
CONTROLLED = ("diamond", "s-paper", "both equally long (length-controlled)")


def win_rate_plot(rates: Sequence[dict[str, Any]], reference: str, place: int = 0) -> Markup:
    """Draw one judge's win rates: as judged, with the length-controlled rate below, and the 50 % line."""
    several = len({row["setting"] for row in rates}) > 1
    rows = [
        (
            policy(row["model"]) + (f", {setting(row['setting'])}" if several else ""),
            [
                Dot(row["win_rate"], *RAW),
                *([Dot(row["length_controlled"], *CONTROLLED)] if row["length_controlled"] else []),
            ],
        )
        for row in rates
    ]
    title = f"Win rate against {reference}, with 95 % intervals and the 50 % line"
    return dots(f"win-rates-{place}", title, rows, "win rate, %")


def chosen_series(models: Sequence[str], subject: str | None) -> list[str]:
    """Return the models that one drawing can tell apart, the subject always among them."""
    first = [model for model in models if model in ("base", "dpo", "dpo-iter") or model == subject]
    return [*first, *(model for model in models if model not in first)][:SERIES]


def slice_plot(rates: Sequence[dict[str, Any]], key: str, values: Sequence[str], names: dict[str, str]) -> Markup:
    """Draw the win rate in each slice for up to four models under one setting."""
    style = styles([row["model"] for row in rates])
    rows = [
        (
            names.get(value, value) or "not labelled",
            [Dot(row["by"][key].get(value), *style[row["model"]], policy(row["model"])) for row in rates],
        )
        for value in values
    ]
    of = next((row["setting"] for row in rates), "free")
    name = f"by-{key}-{list(SETTING_NAMES).index(of) if of in SETTING_NAMES else 9}"
    return dots(name, f"Win rate by {key}, {setting(of)}, with 95 % intervals", rows, "win rate, %")


def safety_plot(models: Sequence[dict[str, Any]], criteria: Sequence[dict[str, Any]], place: int = 0) -> Markup:
    """Draw how often each criterion of the safety slice is met, for up to four models under one setting."""
    style = styles([row["model"] for row in models])
    rows = [
        (
            one["name"],
            [Dot(row["by_criterion"].get(one["key"]), *style[row["model"]], policy(row["model"])) for row in models],
        )
        for one in criteria
    ]
    title = "Responses to speeches at risk that meet each criterion, with 95 % intervals"
    return dots(f"safety-{place}", title, rows, "responses that meet it, %", middle=None)


def probe_plot(name: str, results: Sequence[dict[str, Any]]) -> Markup:
    """Draw how often each judge, or reward model, prefers the sound response, by what tempts it."""
    style = styles([result["who"] for result in results])
    titles = dict.fromkeys(
        family["title"] for result in results for family in result["families"] if family.get("wanted", 1.0) == 1.0
    )
    rows = [
        (
            title,
            [
                Dot(family["right"], *style[result["who"]], result["who"])
                for result in results
                for family in result["families"]
                if family["title"] == title
            ],
        )
        for title in titles
    ]
    title = "Pairs in which the sound response is preferred, with 95 % intervals; at 50 % it is a coin's toss"
    return dots(name, title, rows, "sound response preferred, %")


def ranking_plot(ranks: Sequence[dict[str, Any]], place: int = 0) -> Markup:
    """Draw the strengths of a Bradley-Terry ranking."""
    known = [row for row in ranks if is_number(row["strength"]["value"])]
    ends = [
        row["strength"][end] for row in known for end in ("value", "low", "high") if is_number(row["strength"][end])
    ]
    ticks = svg.nice_ticks(min([0.0, *ends]), max([0.0, *ends]), 4)
    rows = [(policy(row["model"]), [Dot(row["strength"], "circle", "s-dpo", "strength")]) for row in known]
    title = "Strength of each model in log odds, with 95 % intervals; 0 is the average model"
    return dots(f"ranking-{place}", title, rows, "strength, log odds", ticks=ticks, middle=0.0, scale=1)
