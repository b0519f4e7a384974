"""SVG by hand: small pure functions that return elements as text, every label escaped.

Colours are classes that the page's style sheet sets for both themes. All plots share one width: at 340 units across, a
12-unit letter is still 11 px on a phone 320 px wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

from markupsafe import Markup, escape

WIDTH = 340
LETTER = 6.3
"""Mean advance of a 12-unit letter, to make room for labels."""

Anchor = Literal["start", "middle", "end"]


def _n(value: float) -> str:
    """Two decimals are enough for a screen, and keep the file small and the same on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def text(x: float, y: float, content: str, anchor: Anchor = "start", css: str = "") -> str:
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"' + (f' class="{css}"' if css else "") + ">"
        f"{escape(content)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" class="{css}"/>'


def rect(x: float, y: float, width: float, height: float, css: str) -> str:
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" class="{css}"/>'


def polyline(points: Iterable[tuple[float, float]], css: str) -> str:
    return f'<polyline points="{" ".join(f"{_n(x)},{_n(y)}" for x, y in points)}" class="{css}"/>'


def mark(shape: str, x: float, y: float, css: str, size: float = 4.5) -> str:
    """Draw one data point; each series has a shape of its own as well as a colour."""
    if shape == "circle":
        return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}" class="{css}"/>'
    if shape == "square":
        return rect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8, css)
    corners = {
        "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
        "triangle": [(0, -1.2), (1.15, 0.9), (-1.15, 0.9)],
    }[shape]
    points = " ".join(f"{_n(x + dx * size)},{_n(y + dy * size)}" for dx, dy in corners)
    return f'<polygon points="{points}" class="{css}"/>'


def figure(name: str, height: float, title: str, description: str, parts: Iterable[str]) -> Markup:
    """Wrap parts into a drawing that a screen reader can tell of. `name` is unique on the page."""
    body = "".join(parts)
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {_n(height)}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>{body}</svg>'
    )


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Return round numbers that cover `low` to `high`, about `wanted` steps of 1, 2 or 5 times a power of ten."""
    # A spread that floats of this size can hardly hold is none.
    if high - low < 1e-8 * max(1.0, abs(low), abs(high)):
        pad = max(0.1 * abs(low), 1.0)
        low, high = low - pad, high + pad
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def tick_label(value: float, ticks: list[float]) -> str:
    """Write a tick with as many decimals as the distance between ticks needs."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def shorten(label: str, letters: int) -> str:
    return label if len(label) <= letters else label[: letters - 1] + "…"
