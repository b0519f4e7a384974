"""Plots of alignment by round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from psychocounsel.report import svg
from psychocounsel.report.plots.frame import Frame, y_axis
from psychocounsel.report.words import interval, is_number, number


def curve_plot(curves: Sequence[dict[str, Any]], key: str, title: str, unit: str, chosen: str) -> Markup:
    """Draw one quantity over the checkpoints, the chosen one marked."""
    known = [(i, row) for i, row in enumerate(curves) if is_number(row[key])]
    values = [row[key] for _, row in known] or [0.0]
    ticks = svg.nice_ticks(min(values), max(values), 4)
    labels = [svg.tick_label(t, ticks) for t in ticks]
    left = 8 + max(len(label) for label in labels) * svg.LETTER + 5
    last = max(1, len(curves) - 1)
    frame = Frame(0, last, ticks[0], ticks[-1], left + 14, svg.WIDTH - 30, 26, 150)
    parts = y_axis(Frame(0, 1, ticks[0], ticks[-1], left, svg.WIDTH - 4, 26, 150), ticks, labels, unit)
    every = max(1, math.ceil(len(curves) / 6))  # six labels are what the width holds
    for i, row in enumerate(curves):
        if i % every == 0 or row["step"] == chosen:
            css = "tick chosen" if row["step"] == chosen else "tick"
            parts.append(
                svg.text(frame.x(i), frame.bottom + 18, row["step"].replace("round-", "round "), "middle", css)
            )
    parts.append(svg.polyline([(frame.x(i), frame.y(row[key])) for i, row in known], "curve"))
    for i, row in known:
        if row["step"] == chosen:
            parts.append(svg.mark("circle", frame.x(i), frame.y(row[key]), "ring", 8))
        parts.append(svg.mark("circle", frame.x(i), frame.y(row[key]), "s-dpo", 4))
    said = "; ".join(f"{row['step']}: {number(row[key], 3)} (n = {row['n']})" for row in curves)
    return svg.figure(f"curve-{key}", 178, f"{title} by checkpoint; {chosen} was chosen", said, parts)


def parted_plot(rows: Sequence[dict[str, Any]]) -> Markup:
    """Draw the reward of each checkpoint above, and a held-out judge's rating below: where they part is the point."""
    top, height, gap = 26.0, 92.0, 34.0
    panels = (("reward", "reward, logits", "s-dpo-iter"), ("judge", "held-out judge's rating, 1 to 5", "s-dpo"))
    last = max(1, len(rows) - 1)
    parts: list[str] = []
    said = []
    for place, (key, name, css) in enumerate(panels):
        up = top + place * (height + gap)
        figures = [(i, row[key]) for i, row in enumerate(rows) if row[key] and is_number(row[key]["value"])]
        bounds = [f[end] for _, f in figures for end in ("value", "low", "high") if is_number(f[end])] or [0.0]
        ticks = svg.nice_ticks(min(bounds), max(bounds), 3)
        frame = Frame(0, last, ticks[0], ticks[-1], 58, svg.WIDTH - 30, up, up + height)
        wide = Frame(0, 1, ticks[0], ticks[-1], 44, svg.WIDTH - 4, up, up + height)
        parts += y_axis(wide, ticks, [svg.tick_label(t, ticks) for t in ticks], name)
        parts.append(svg.polyline([(frame.x(i), frame.y(f["value"])) for i, f in figures], f"curve {css}"))
        for i, f in figures:
            if is_number(f["low"]) and is_number(f["high"]):
                parts.append(svg.line(frame.x(i), frame.y(f["low"]), frame.x(i), frame.y(f["high"]), f"whisker {css}"))
            parts.append(svg.mark("diamond" if place == 0 else "circle", frame.x(i), frame.y(f["value"]), css, 4))
            said.append(f"{rows[i]['step']}, {name}: {number(f['value'], 3)} ({interval(f, 1, 3)}, n = {f['n']})")
    bottom = top + 2 * height + gap
    every = max(1, math.ceil(len(rows) / 6))
    for i, row in enumerate(rows):
        if i % every == 0 or i == len(rows) - 1:
            x = 58 + i / last * (svg.WIDTH - 30 - 58)
            parts.append(svg.text(x, bottom + 18, row["step"].replace("round-", "round "), "middle", "tick"))
    title = "Reward and a held-out judge's rating by checkpoint, with 95 % intervals"
    return svg.figure("parted", bottom + 26, title, "; ".join(said), parts)
