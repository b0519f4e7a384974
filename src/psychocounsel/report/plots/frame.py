"""What every plot is drawn with: where data lies, axes, a legend, whiskers, and dots by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from psychocounsel.report import svg
from psychocounsel.report.words import interval, is_number, number

BOTTOM = 42
"""Room below the axis for ticks and its name."""
OWN = {
    "base": ("circle", "s-base"),
    "dpo": ("square", "s-dpo"),
    "dpo-iter": ("diamond", "s-dpo-iter"),
    "reference": ("triangle", "s-other"),
}
OTHERS = (("square", "s-dpo"), ("diamond", "s-dpo-iter"), ("triangle", "s-other"), ("circle", "s-base"))
SERIES = len(OTHERS)
"""Series in one drawing that can be told apart; a table has the rest."""


def styles(models: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a shape and a class for each series: a policy of a run keeps its own, whoever stands beside it.

    Classes are of this module alone: no name that a file holds becomes part of the page's markup.
    """
    found = {model: OWN[model] for model in models if model in OWN}
    free = [style for style in OTHERS if style not in found.values()]
    rest = [model for model in models if model not in OWN]
    return found | {model: free[place % len(free)] for place, model in enumerate(rest)}


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


def x_axis(frame: Frame, ticks: Sequence[float], labels: Sequence[str], name: str) -> list[str]:
    parts = [svg.line(frame.x(t), frame.top, frame.x(t), frame.bottom, "grid") for t in ticks]
    for position, (tick, label) in enumerate(zip(ticks, labels, strict=True)):
        # The outermost labels would be cut off at the drawing's edges if they were centred.
        at_edge = position == len(ticks) - 1 and frame.x(tick) + len(label) * svg.LETTER / 2 > svg.WIDTH
        x = svg.WIDTH - 1.0 if at_edge else frame.x(tick)
        parts.append(svg.text(x, frame.bottom + 18, label, "end" if at_edge else "middle", "tick"))
    return [*parts, svg.text((frame.left + frame.right) / 2, frame.bottom + 36, name, "middle", "axis")]


def y_axis(frame: Frame, ticks: Sequence[float], labels: Sequence[str], name: str) -> list[str]:
    parts = []
    for tick, label in zip(ticks, labels, strict=True):
        parts.append(svg.line(frame.left, frame.y(tick), frame.right, frame.y(tick), "grid"))
        parts.append(svg.text(frame.left - 5, frame.y(tick) + 4, label, "end", "tick"))
    return [*parts, svg.text(0, frame.top - 12, name, "start", "axis")]


def legend(series: Sequence[tuple[str, str, str]], y: float = 12) -> tuple[list[str], int]:
    """Draw (shape, css, label) in rows as wide as the drawing. Returns the parts and how many rows they take."""
    parts, x, lines = [], 6.0, 1
    for shape, css, label in series:
        label = svg.shorten(label, 48)
        wide = 9 + len(label) * svg.LETTER + 22
        if x > 6 and x + wide > svg.WIDTH + 22:
            x, y, lines = 6.0, y + 17, lines + 1
        parts += [svg.mark(shape, x, y - 4, css), svg.text(x + 9, y, label)]
        x += wide
    return parts, lines


def whisker(frame: Frame, figure: dict[str, Any], y: float, css: str) -> list[str]:
    if not (is_number(figure.get("low")) and is_number(figure.get("high"))):
        return []
    low, high = (frame.x(min(max(figure[end], frame.x0), frame.x1)) for end in ("low", "high"))
    ends = [svg.line(x, y - 3.5, x, y + 3.5, f"whisker {css}") for x in (low, high)]
    return [svg.line(low, y, high, y, f"whisker {css}"), *ends]


@dataclass(frozen=True, slots=True)
class Dot:
    """One figure in a row of dots."""

    figure: dict[str, Any] | None
    shape: str
    css: str
    name: str
    """The series, for a reader who cannot see."""


def dots(
    name: str,
    title: str,
    rows: Sequence[tuple[str, Sequence[Dot]]],
    axis: str,
    *,
    ticks: Sequence[float] = (0, 0.25, 0.5, 0.75, 1),
    middle: float | None = 0.5,
    scale: float = 100,
) -> Markup:
    """Draw figures with whiskers, a label above each row and the value at its right where the row has one alone.

    `middle` is where the dashed line stands; None for no line. What has no value has no dot.
    """
    series = list(dict.fromkeys((d.shape, d.css, d.name) for _, row in rows for d in row))
    keys, lines = ([], 0) if len(series) < 2 else legend(series)
    top = 8.0 + 17 * lines
    heights = [19 + 13 * max(1, len(row)) + 5 for _, row in rows]
    height = top + sum(heights) + BOTTOM
    frame = Frame(ticks[0], ticks[-1], 0, 1, 8, svg.WIDTH - 44, top, height - BOTTOM)
    labels = [svg.tick_label(t * scale, [u * scale for u in ticks]) for t in ticks]
    parts = keys + x_axis(frame, ticks, labels, axis)
    if middle is not None:
        parts.append(svg.line(frame.x(middle), frame.top, frame.x(middle), frame.bottom, "half"))
    said, y = [], top
    for (label, row), tall in zip(rows, heights, strict=True):
        if y > top:
            parts.append(svg.line(0, y, svg.WIDTH, y, "rule"))
        parts.append(svg.text(0, y + 14, svg.shorten(label, 50), "start", "label"))
        for place, dot in enumerate(row):
            figure = dot.figure
            if figure is None or not is_number(figure.get("value")):
                said.append(f"{label}, {dot.name}: no figure")
                continue
            at = y + 19 + 13 * place + 6
            shown = number(scale * figure["value"], 1 if scale == 100 else 2)
            parts += whisker(frame, figure, at, dot.css)
            parts.append(svg.mark(dot.shape, frame.x(clamped(figure["value"], ticks)), at, dot.css, 4))
            parts.append(svg.text(svg.WIDTH, at + 4, shown, "end", "tick"))
            said.append(f"{label}, {dot.name}: {shown} ({interval(figure, scale)}, n = {figure.get('n')})")
        y += tall
    return svg.figure(name, height, title, "; ".join(said), parts)


def clamped(value: float, ticks: Sequence[float]) -> float:
    """Return a value that lies on the axis."""
    return min(max(value, ticks[0]), ticks[-1])
