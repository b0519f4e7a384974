"""Figures as the field writes them: .737 [.702, .770]."""

from __future__ import annotations

import math

from psychocounsel.statistics.intervals import Figure


def number(value: float | None, places: int = 3) -> str:
    """Return a number with no zero before its point, and a dash for what is none."""
    if value is None or not math.isfinite(value):
        return "-"
    written = f"{value:.{places}f}"
    return written.replace("-", "" if float(written) == 0 else "-").replace("0.", ".", abs(float(written)) < 1)


def interval(figure: Figure | None) -> str:
    """Return the two ends of the 95 % interval; empty where there is none."""
    if figure is None or not (math.isfinite(figure.low) and math.isfinite(figure.high)):
        return ""
    return f"[{number(figure.low)}, {number(figure.high)}]"


def whole(figure: Figure | None) -> str:
    """Return value and interval."""
    return "-" if figure is None else f"{number(figure.value)} {interval(figure)}".rstrip()


def listed(counts: dict[str, int]) -> str:
    """Return counts by reason in words; a dash where there is none."""
    return ", ".join(f"{n:,} {reason}" for reason, n in counts.items()) or "-"
