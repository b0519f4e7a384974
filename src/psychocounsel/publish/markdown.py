"""Texts that others wrote, as Markdown that shows them and does nothing; numbers as a reader sees them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

ABSENT = "–"
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Control characters, line ends and marks that turn the direction of writing."""
_MARKS = re.compile(r"([\\`*_\[\]|~$])")
_AT_THE_START = re.compile(r"^([#=+-]|\d+(?=[.)](?:\s|$)))")
_IN_FOLDERS = ("transformers", "vllm", "file")
"""Kinds of specs that may name a folder or a file."""
_PATH = re.compile(r"^(?:[/~]|\.{1,2}/|[A-Za-z]:[\\/]).*[\\/]")


class Safe(str):
    """Markdown of our own, which is not escaped."""

    __slots__ = ()


def one_line(value: object) -> str:
    """Return a text on one line, without what cannot be seen."""
    return " ".join(_UNSEEN.sub(" ", str(value)).split())


def escaped(value: object) -> str:
    """Return a text so that Markdown and HTML show it as it is, within a line, a list or a table."""
    if isinstance(value, Safe):
        return value
    text = _MARKS.sub(r"\\\1", one_line(value))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    first = _AT_THE_START.match(text)
    if first and first[1].isdigit():
        return f"{first[1]}\\{text[first.end() :]}"
    return f"\\{text}" if first else text


def public_name(spec: str) -> str:
    """Return a backend's spec without the folders of the machine that it ran on."""
    kind, slash, name = spec.partition("/")
    if _PATH.match(spec) or not slash or Path(spec).exists():
        return _PATH.sub("", spec).rstrip("/").rpartition("/")[2]
    if kind in _IN_FOLDERS and (name.count("/") > 1 or Path(name).exists()):  # a hub's name has one slash at most
        return f"{kind}/{name.rstrip('/').rpartition('/')[2]}"
    return f"{kind}/{_PATH.sub('', name)}"


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 3) -> Safe:
    return Safe(f"{value:,.{digits}f}" if is_number(value) else ABSENT)


def count(value: Any) -> Safe:
    return Safe(f"{int(value):,}" if is_number(value) else ABSENT)


def ends(figure: dict[str, Any] | None, scale: float = 1, digits: int = 3) -> Safe:
    """Return the ends of a figure's 95 % interval, or that there is none."""
    low, high = (figure or {}).get("low"), (figure or {}).get("high")
    if low is None or high is None or not (is_number(low) and is_number(high)):
        return Safe("none")
    return Safe(f"{number(scale * low, digits)} to {number(scale * high, digits)}")


def cells(figure: dict[str, Any] | None, scale: float = 1, digits: int = 3) -> Safe:
    """Return value, interval and n as three cells of a table."""
    value = (figure or {}).get("value")
    shown = number(scale * value, digits) if value is not None and is_number(value) else ABSENT
    return Safe(f"{shown} | {ends(figure, scale, digits)} | {count((figure or {}).get('n'))}")


def duration(seconds: float) -> Safe:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return Safe(f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.0f} s")


def listed(items: list[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def slug(name: str) -> str:
    """Return a name that the hub takes for a repository."""
    return re.sub(r"[^a-z0-9._]+", "-", one_line(name).lower()).strip("-._")[:60] or "run"
