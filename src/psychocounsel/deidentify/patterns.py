"""The regular expressions of patterns.yaml, compiled once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import yaml

from psychocounsel.deidentify.lists import read


@dataclass(frozen=True, slots=True)
class Rules:
    """patterns.yaml, compiled."""

    patterns: dict[str, list[re.Pattern[str]]]
    """Section to its patterns, in order."""
    public_lines: frozenset[str]
    """Digits of helplines."""


@cache
def rules() -> Rules:
    """Return the rules."""
    data = yaml.safe_load(read("patterns.yaml"))
    parts: dict[str, str] = data.pop("parts")
    lines = frozenset(data.pop("public_lines").split())

    def whole(pattern: str) -> re.Pattern[str]:
        # A part may hold another one, which may hold a third.
        for _ in range(4):
            for name, text in parts.items():
                pattern = pattern.replace(f"{{{name}}}", text)
        return re.compile(pattern)

    return Rules({section: [whole(pattern) for pattern in patterns] for section, patterns in data.items()}, lines)
