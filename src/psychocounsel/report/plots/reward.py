"""Plots of the reward model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from psychocounsel.report import svg
from psychocounsel.report.plots.frame import BOTTOM, Frame, legend, x_axis, y_axis
from psychocounsel.report.words import count, interval, is_number, number, percent


def margin_histogram(margins: Sequence[float]) -> Markup:
    """Draw how far the reward model sets chosen above rejected; what is left of zero it has wrong."""
    ticks = svg.nice_ticks(min(*margins, 0.0), max(*margins, 0.0), 5)
    # Every margin stands on its own side of the line, zero on the right: it is not wrong.
    if ticks[-1] <= 0 and any(m >= 0 for m in margins):
        ticks.append(ticks[-1] * 2 - ticks[-2])
    if ticks[0] >= 0 and any(m < 0 for m in margins):
        ticks.insert(0, ticks[0] * 2 - ticks[1])
    step = (ticks[1] - ticks[0]) / 4  # a quarter of a tick puts a bin's edge on zero
    first = round(ticks[0] / step)
    bins = [0] * round((ticks[-1] - ticks[0]) / step)
    for margin in margins:
        place = math.floor(margin / step) if margin >= 0 else min(-1, math.floor(margin / step))
        bins[min(len(bins) - 1, max(0, place - first))] += 1
    heights = [t for t in svg.nice_ticks(0, max(bins), 4) if t == int(t)]
    frame = Frame(ticks[0], ticks[-1], 0, heights[-1], 40, svg.WIDTH - 10, 24, 190)
    parts = y_axis(frame, heights, [count(t) for t in heights], "test pairs")
    parts += x_axis(frame, ticks, [svg.tick_label(t, ticks) for t in ticks], "reward of chosen minus rejected, logits")
    for place, times in enumerate(bins):
        left, right = frame.x((first + place) * step), frame.x((first + place + 1) * step)
        css = "bar-right" if first + place >= 0 else "bar-wrong"
        if times:
            parts.append(svg.rect(left + 0.5, frame.y(times), right - left - 1, frame.bottom - frame.y(times), css))
    parts.append(svg.line(frame.x(0), frame.top, frame.x(0), frame.bottom, "half"))
    wrong = sum(m < 0 for m in margins)
    description = f"{len(margins)} pairs; {wrong} below zero, where the rejected response has the higher reward."
    return svg.figure("margins", 190 + BOTTOM, "Reward margins on the test pairs", description, parts)


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a reliability plot."""

    confidence: float
    """Mean confidence of its pairs."""
    accuracy: float
    low: float
    high: float
    n: int


def reliability(margins: Sequence[float], bins: int = 10) -> list[Bin]:
    """Return confidence and accuracy by equal bins of [0.5, 1], as the calibration error has them, but empty ones.

    Intervals are Wilson's: a bin can hold few pairs, or none that is wrong.
    """
    members: dict[int, list[tuple[float, float]]] = {}
    for margin in margins:
        confidence = 1 / (1 + math.exp(-min(abs(margin), 700.0)))
        right = 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
        members.setdefault(min(int((confidence - 0.5) * 2 * bins), bins - 1), []).append((confidence, right))
    found = []
    for _, rows in sorted(members.items()):
        n, share = len(rows), sum(r for _, r in rows) / len(rows)
        z = 1.96
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        found.append(Bin(sum(c for c, _ in rows) / n, share, max(0.0, middle - half), min(1.0, middle + half), n))
    return found


def reliability_plot(margins: Sequence[float]) -> Markup:
    """Draw how often the reward model is right against how sure it is."""
    bins = reliability(margins)
    lowest = 0.5 if all(b.low >= 0.5 for b in bins) else 0.0
    frame = Frame(0.5, 1, lowest, 1, 40, svg.WIDTH - 16, 24, 190)
    ticks_x, ticks_y = [0.5, 0.6, 0.7, 0.8, 0.9, 1], [lowest + (1 - lowest) * i / 5 for i in range(6)]
    parts = y_axis(frame, ticks_y, [percent(t, 0) for t in ticks_y], "accuracy, %")
    parts += x_axis(frame, ticks_x, [percent(t, 0) for t in ticks_x], "confidence in the response it prefers, %")
    parts.append(svg.line(frame.x(0.5), frame.y(0.5), frame.x(1), frame.y(1), "half"))
    for b in bins:
        x = frame.x(b.confidence)
        parts.append(svg.line(x, frame.y(b.low), x, frame.y(b.high), "whisker s-dpo"))
        parts.append(svg.mark("circle", x, frame.y(b.accuracy), "s-dpo"))
    said = "; ".join(f"confidence {percent(b.confidence)} %: right {percent(b.accuracy)} %, n = {b.n}" for b in bins)
    title = "Reliability of the reward model, with Wilson 95 % intervals; the dashed line is perfect calibration"
    return svg.figure("reliability", 190 + BOTTOM, title, said, parts)


def best_of_plot(rows: Sequence[dict[str, Any]]) -> Markup:
    """Draw what a judge makes of the best of n by reward, beside one drawn at random and the judge's own best."""
    series = (
        ("mean", "chosen by reward", "diamond", "s-dpo-iter"),
        ("random", "one at random", "circle", "s-base"),
        ("best", "the judge's own best", "square", "s-dpo"),
    )
    rows = sorted(rows, key=lambda row: row["n"])
    ends = [
        row[key][end]
        for row in rows
        for key, *_ in series
        for end in ("value", "low", "high")
        if row.get(key) and is_number(row[key].get(end))
    ]
    ticks = svg.nice_ticks(min(ends, default=0.0), max(ends, default=1.0), 4)
    keys, lines = legend([(shape, css, label) for _, label, shape, css in series])
    top, last = 30.0 + 17 * lines, max(1, len(rows) - 1)
    frame = Frame(0, last, ticks[0], ticks[-1], 58, svg.WIDTH - 24, top, top + 150)
    wide = Frame(0, 1, ticks[0], ticks[-1], 44, svg.WIDTH - 4, top, top + 150)
    parts = keys + y_axis(wide, ticks, [svg.tick_label(t, ticks) for t in ticks], "judge's rating, 1 to 5")
    every = max(1, math.ceil(len(rows) / 8))
    for i, row in enumerate(rows):
        if i % every == 0:
            parts.append(svg.text(frame.x(i), frame.bottom + 18, str(row["n"]), "middle", "tick"))
    parts.append(svg.text((frame.left + frame.right) / 2, frame.bottom + 36, "candidates, n", "middle", "axis"))
    said = []
    for place, (key, label, shape, css) in enumerate(series):
        shown = [(i, row[key]) for i, row in enumerate(rows) if row.get(key) and is_number(row[key]["value"])]
        parts.append(
            svg.polyline([(frame.x(i) + 4 * place - 4, frame.y(f["value"])) for i, f in shown], f"curve {css}")
        )
        for i, f in shown:
            x = frame.x(i) + 4 * place - 4
            if is_number(f["low"]) and is_number(f["high"]):
                parts.append(svg.line(x, frame.y(f["low"]), x, frame.y(f["high"]), f"whisker {css}"))
            parts.append(svg.mark(shape, x, frame.y(f["value"]), css, 4))
            said.append(f"{label}, n = {rows[i]['n']}: {number(f['value'])} ({interval(f, 1, 2)})")
    title = "Judge's rating of the best of n by reward, with 95 % intervals"
    return svg.figure("best-of", top + 150 + BOTTOM, title, "; ".join(said), parts)
