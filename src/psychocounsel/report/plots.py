"""The report's plots, each a pure function from figures to one SVG drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from psychocounsel.report import paper, svg
from psychocounsel.report.words import count, interval, is_number, number, percent, policy, setting

SHAPES = {"base": "circle", "dpo": "square", "dpo-iter": "diamond"}
BOTTOM = 42
"""Room below the axis for ticks and its name."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where data lies in a drawing: data bounds and the rectangle they fill."""

    x0: float
    x1: float
    y0: float
    y1: float
    left: float
    right: float
    top: float
    bottom: float

    def x(self, value: float) -> float:
        return self.left + (value - self.x0) / (self.x1 - self.x0) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.y0) / (self.y1 - self.y0) * (self.bottom - self.top)


def _x_axis(frame: Frame, ticks: Sequence[float], labels: Sequence[str], name: str) -> list[str]:
    parts = [svg.line(frame.x(t), frame.top, frame.x(t), frame.bottom, "grid") for t in ticks]
    for position, (tick, label) in enumerate(zip(ticks, labels, strict=True)):
        # The outermost labels would be cut off at the drawing's edges if they were centred.
        at_edge = position == len(ticks) - 1 and frame.x(tick) + len(label) * svg.LETTER / 2 > svg.WIDTH
        x = svg.WIDTH - 1.0 if at_edge else frame.x(tick)
        parts.append(svg.text(x, frame.bottom + 18, label, "end" if at_edge else "middle", "tick"))
    return [*parts, svg.text((frame.left + frame.right) / 2, frame.bottom + 36, name, "middle", "axis")]


def _y_axis(frame: Frame, ticks: Sequence[float], labels: Sequence[str], name: str) -> list[str]:
    parts = []
    for tick, label in zip(ticks, labels, strict=True):
        parts.append(svg.line(frame.left, frame.y(tick), frame.right, frame.y(tick), "grid"))
        parts.append(svg.text(frame.left - 5, frame.y(tick) + 4, label, "end", "tick"))
    return [*parts, svg.text(0, frame.top - 12, name, "start", "axis")]


def _legend(series: Sequence[tuple[str, str, str]], y: float = 12) -> list[str]:
    """Draw (shape, css, label) in a row."""
    parts, x = [], 6.0
    for shape, css, label in series:
        parts += [svg.mark(shape, x, y - 4, css), svg.text(x + 9, y, label)]
        x += 9 + len(label) * svg.LETTER + 18
    return parts


def _whisker(frame: Frame, figure: dict[str, Any], y: float, css: str) -> list[str]:
    if not (is_number(figure.get("low")) and is_number(figure.get("high"))):
        return []
    low, high = frame.x(figure["low"]), frame.x(figure["high"])
    ends = [svg.line(x, y - 3.5, x, y + 3.5, f"whisker {css}") for x in (low, high)]
    return [svg.line(low, y, high, y, f"whisker {css}"), *ends]


def win_rate_plot(rates: Sequence[dict[str, Any]], reference: str) -> Markup:
    """Draw every policy's win rate with its interval, the 50 % line, and the paper's 8B figure."""
    settings = list(dict.fromkeys(r["setting"] for r in rates))
    height = 34 + sum(24 + 26 * sum(r["setting"] == s for r in rates) for s in settings) + BOTTOM
    frame = Frame(0, 1, 0, 1, 82, svg.WIDTH - 20, 28, height - BOTTOM)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    parts = _legend([("circle", "s-dpo", "this run, 95 % interval"), ("diamond", "s-paper", "paper, 8B")])
    parts += _x_axis(frame, ticks, [f"{t:.0%}" for t in ticks], "win rate against the reference, %")
    parts.append(svg.line(frame.x(0.5), frame.top, frame.x(0.5), frame.bottom, "half"))
    said, y = [], 28.0
    for of in settings:
        parts.append(svg.text(0, y + 16, setting(of), "start", "group"))
        y += 24
        for row in (r for r in rates if r["setting"] == of):
            figure, middle = row["win_rate"], y + 13
            parts.append(svg.text(74, middle + 4, svg.shorten(policy(row["model"]), 11), "end"))
            theirs = paper.WIN_RATES["paper, 8B"].get(of, {}).get(row["model"])
            if theirs is not None:
                parts.append(svg.mark("diamond", frame.x(theirs), middle, "s-paper", 4))
            if is_number(figure["value"]):
                parts += _whisker(frame, figure, middle, "s-dpo")
                parts.append(svg.mark("circle", frame.x(figure["value"]), middle, "s-dpo"))
            said.append(
                f"{policy(row['model'])}, {setting(of)}: {percent(figure['value'])} % "
                f"({interval(figure)}, n = {figure['n']})"
            )
            y += 26
    title = f"Win rate against {reference}, with 95 % intervals and the 50 % line"
    return svg.figure("win-rates", height, title, "; ".join(said), parts)


def principle_plot(rates: Sequence[dict[str, Any]], keys: Sequence[str], of: str) -> Markup:
    """Draw the win rate on each principle for every policy under one setting."""
    rows = [r for r in rates if r["setting"] == of]
    step = 15 * max(1, len(rows)) + 8
    height = 28 + step * len(keys) + BOTTOM
    frame = Frame(0, 1, 0, 1, 82, svg.WIDTH - 20, 26, height - BOTTOM)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    parts = _legend([(SHAPES.get(r["model"], "triangle"), f"s-{r['model']}", policy(r["model"])) for r in rows])
    parts += _x_axis(frame, ticks, [f"{t:.0%}" for t in ticks], "win rate on that principle, %")
    parts.append(svg.line(frame.x(0.5), frame.top, frame.x(0.5), frame.bottom, "half"))
    said = []
    for place, key in enumerate(keys):
        top = frame.top + place * step
        if place:
            parts.append(svg.line(0, top, frame.right, top, "rule"))
        parts.append(svg.text(0, top + step / 2 + 4, svg.shorten(key, 12)))
        for position, row in enumerate(rows):
            figure = row["by_principle"].get(key)
            if figure is None or not is_number(figure["value"]):
                continue
            y, css = top + 4 + 15 * position + 7.5, f"s-{row['model']}"
            parts += _whisker(frame, figure, y, css)
            parts.append(svg.mark(SHAPES.get(row["model"], "triangle"), frame.x(figure["value"]), y, css, 4))
            said.append(f"{key}, {policy(row['model'])}: {percent(figure['value'])} % ({interval(figure)})")
    title = f"Win rate by principle, {setting(of)}, with 95 % intervals"
    return svg.figure(f"principles-{of}", height, title, "; ".join(said), parts)


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
    parts = _y_axis(frame, heights, [count(t) for t in heights], "test pairs")
    parts += _x_axis(frame, ticks, [svg.tick_label(t, ticks) for t in ticks], "reward of chosen minus rejected, logits")
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
    parts = _y_axis(frame, ticks_y, [percent(t, 0) for t in ticks_y], "accuracy, %")
    parts += _x_axis(frame, ticks_x, [percent(t, 0) for t in ticks_x], "confidence in the response it prefers, %")
    parts.append(svg.line(frame.x(0.5), frame.y(0.5), frame.x(1), frame.y(1), "half"))
    for b in bins:
        x = frame.x(b.confidence)
        parts.append(svg.line(x, frame.y(b.low), x, frame.y(b.high), "whisker s-dpo"))
        parts.append(svg.mark("circle", x, frame.y(b.accuracy), "s-dpo"))
    said = "; ".join(f"confidence {percent(b.confidence)} %: right {percent(b.accuracy)} %, n = {b.n}" for b in bins)
    title = "Reliability of the reward model, with Wilson 95 % intervals; the dashed line is perfect calibration"
    return svg.figure("reliability", 190 + BOTTOM, title, said, parts)


def curve_plot(curves: Sequence[dict[str, Any]], key: str, title: str, unit: str, chosen: str) -> Markup:
    """Draw one quantity over the checkpoints, the chosen one marked."""
    known = [(i, row) for i, row in enumerate(curves) if is_number(row[key])]
    values = [row[key] for _, row in known] or [0.0]
    ticks = svg.nice_ticks(min(values), max(values), 4)
    labels = [svg.tick_label(t, ticks) for t in ticks]
    left = 8 + max(len(label) for label in labels) * svg.LETTER + 5
    last = max(1, len(curves) - 1)
    frame = Frame(0, last, ticks[0], ticks[-1], left + 14, svg.WIDTH - 30, 26, 150)
    parts = _y_axis(Frame(0, 1, ticks[0], ticks[-1], left, svg.WIDTH - 4, 26, 150), ticks, labels, unit)
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
    parts += _x_axis(frame, [0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"], "share of ratings, %")
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
