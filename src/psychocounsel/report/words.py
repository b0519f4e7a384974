"""Numbers as a reader sees them. What is absent or not a number is a dash, never a zero."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

ABSENT = "–"
MINUS = "\N{MINUS SIGN}"
PC = "\N{NO-BREAK SPACE}%"
POLICY_NAMES = {"base": "base", "dpo": "+DPO", "dpo-iter": "+DPO-Iter", "reference": "reference"}
SETTING_NAMES = {"free": "no length limit", "length-constrained": "length-constrained"}


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 2) -> str:
    """Return `value` with a fixed count of decimals."""
    if not is_number(value):
        return ABSENT
    shown = f"{value:,.{digits}f}"
    if float(shown.replace(",", "")) == 0:
        shown = shown.removeprefix("-")  # no "-0.00"
    return shown.replace("-", MINUS)


def count(value: Any) -> str:
    return f"{int(value):,}" if is_number(value) else ABSENT


def percent(value: Any, digits: int = 1) -> str:
    """Return a share as per cent, without the sign."""
    return number(100 * value, digits) if is_number(value) else ABSENT


def has_interval(figure: dict[str, Any] | None) -> bool:
    return figure is not None and is_number(figure.get("low")) and is_number(figure.get("high"))


def no_width(figures: Iterable[dict[str, Any]]) -> bool:
    """Say whether any interval is a point, as a bootstrap's is where all items are alike; that is not certainty."""
    return any(has_interval(figure) and figure["low"] == figure["high"] for figure in figures)


def interval(figure: dict[str, Any] | None, scale: float = 100, digits: int = 1) -> str:
    """Return the two ends of the 95 % interval."""
    if figure is None or not has_interval(figure):
        return "no interval"
    low, high = (number(scale * figure[end], digits) for end in ("low", "high"))
    # A dash between signed numbers cannot be read.
    return f"{low} to {high}" if MINUS in low + high else f"{low}–{high}"


def signed(value: Any, digits: int = 1) -> str:
    if not is_number(value):
        return ABSENT
    shown = number(value, digits)
    return shown if shown.startswith(MINUS) else f"+{shown}"


def p_value(value: Any) -> str:
    """Return a p-value to three decimals, or that it is less than the last of them can tell."""
    return "< 0.001" if is_number(value) and value < 0.001 else number(value, 3)


def measured(figure: dict[str, Any], of: str, of_many: str = "", scale: float = 100, digits: int = 1) -> str:
    """Return interval and n of a figure, in brackets, for a sentence."""
    ends = f"95{PC} interval {interval(figure, scale, digits)}" if has_interval(figure) else "no interval"
    return f"({ends}; n = {plural(figure['n'], of, of_many)})"


def duration(seconds: Any) -> str:
    if not is_number(seconds):
        return ABSENT
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def memory(size: Any) -> str:
    return f"{size / 2**30:.2f} GiB" if is_number(size) and size > 0 else ABSENT


def listed(items: list[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def plural(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def policy(name: str) -> str:
    return POLICY_NAMES.get(name, name)


def setting(name: str) -> str:
    return SETTING_NAMES.get(name, name)
