"""Plots of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from psychocounsel.report import svg
from psychocounsel.report.plots.frame import BOTTOM, Frame, x_axis
from psychocounsel.report.words import count, number


def rating_plot(rows: Sequence[dict[str, Any]]) -> Markup:
    """Draw how the ratings of each principle spread over 1 to 5."""
    left, right, step = 82.0, svg.WIDTH - 40.0, 24.0
    height = 30 + step * len(rows) + BOTTOM - 4
    frame = Frame(0, 1, 0, 1, left, right, 26, height - BOTTOM)
    parts = []
    for score in range(1, 6):
        parts += [
            svg.rect(left + (score - 1) * 34, 3, 12, 12, f"r{score}"),
            svg.text(left + (score - 1) * 34 + 16, 13, str(score)),
        ]
    parts += [svg.text(0, 13, "rating"), svg.text(svg.WIDTH, 13, "mean", "end")]
    parts += x_axis(frame, [0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"], "share of ratings, %")
    said = []
    for place, row in enumerate(rows):
        y, x, total = frame.top + 2 + place * step, left, sum(row["counts"])
        parts.append(svg.text(0, y + 14, svg.shorten(row["key"], 12)))
        for score, times in enumerate(row["counts"], 1):
            width = (right - left) * times / total if total else 0
            if width:
                parts.append(svg.rect(x, y, width, step - 6, f"r{score}"))
            x += width
        parts.append(svg.text(svg.WIDTH, y + 14, number(row["mean"]), "end"))
        said.append(f"{row['key']}: mean {number(row['mean'])}, n = {row['n']}, counts of 1 to 5 {row['counts']}")
    return svg.figure("ratings", height, "Ratings by principle", "; ".join(said), parts)


def coverage_plot(rows: Sequence[dict[str, Any]]) -> Markup:
    """Draw how many speeches each fine topic has, under its coarse one; topics without any are shown."""
    coarse = list(dict.fromkeys(row["coarse"] for row in rows))
    most = max(1, *(row["n"] for row in rows))
    left, right, step = 150.0, svg.WIDTH - 34.0, 15.0
    parts, said, y = [], [], 0.0
    for of in coarse:
        mine = [row for row in rows if row["coarse"] == of]
        y += 19
        total = sum(row["n"] for row in mine)
        parts.append(svg.text(0, y, f"{of.replace('-', ' ')}, {count(total)}", "start", "group"))
        y += 5
        for row in mine:
            parts.append(svg.text(left - 6, y + 10, svg.shorten(row["fine"].replace("-", " "), 22), "end", "tick"))
            if row["n"]:
                parts.append(svg.rect(left, y + 1, (right - left) * row["n"] / most, step - 4, "s-dpo"))
            parts.append(
                svg.text(left + (right - left) * row["n"] / most + 4, y + 10, count(row["n"]), "start", "tick")
            )
            said.append(f"{of} / {row['fine']}: {row['n']}")
            y += step
    return svg.figure("coverage", y + 8, "Client speeches by topic, as assigned", "; ".join(said), parts)
