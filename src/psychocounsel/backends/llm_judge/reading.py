"""Reads what a judging model answered: strict about what it says, tolerant about how it is wrapped."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from psychocounsel.backends.protocols import PairVerdict, PrincipleScore
from psychocounsel.principles import HIGHEST, LOWEST, Rubric
from psychocounsel.records import Verdict

MOST_TRIED = 40
"""Opening braces that are tried: an answer of nothing but braces must not hang."""
_SHARE = re.compile(rf"\s*([+-]?\d+(?:\.\d+)?)\s*(?:(?:/|out of|of)\s*{HIGHEST}(?:\.0)?)?\s*\.?\s*")
_WORDS: dict[str, Verdict] = {
    "a": "a", "response a": "a", "b": "b", "response b": "b", "tie": "tie", "equal": "tie", "neither": "tie",
    "both": "tie", "draw": "tie", "c": "tie",
}  # fmt: skip


class UnreadableError(Exception):
    """An answer cannot be taken for a rating or a verdict. The message holds nothing of the texts."""


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in `text`, mended where a model often slips: commas, quotes, a cut end."""
    decoder = json.JSONDecoder()
    at = tried = 0
    while tried < MOST_TRIED and (at := text.find("{", at)) >= 0:
        tried += 1
        try:
            value, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            value, end = _mended(text[at:]), at + 1
        if isinstance(value, dict):
            yield value
        at = end


def _mended(text: str) -> Any:
    end = text.rfind("}")
    body = text[: end + 1] if end > 0 else text
    body = re.sub(r",(\s*[}\]])", r"\1", body)
    missing = body.count("{") - body.count("}")
    for attempt in (body, body + "}" * max(0, missing), re.sub(r",?\s*$", "", body) + "}" * max(0, missing)):
        try:
            return json.loads(attempt, strict=False)
        except (json.JSONDecodeError, RecursionError):
            pass
    try:
        return ast.literal_eval(body)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", "_", name.lower()).strip("_")


def _keyed(value: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return what `value`, or an object within it, says under the names wanted."""
    found = {names[_plain(str(key))]: part for key, part in value.items() if _plain(str(key)) in names}
    if found:
        return found
    inner = [_keyed(part, names) for part in value.values() if isinstance(part, dict)]
    return max(inner, key=len, default={})


def _names(rubric: Rubric) -> dict[str, str]:
    names = {_plain(principle.name): principle.key for principle in rubric.principles}
    return names | {_plain(principle.key): principle.key for principle in rubric.principles}


def _score(value: Any) -> int:
    if isinstance(value, dict):
        given = next((value[k] for k in ("score", "rating", "value", "Score", "Rating") if k in value), None)
        return _score(given)
    if isinstance(value, str):
        found = _SHARE.fullmatch(value)
        value = float(found[1]) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError("a score is no number")
    if value != int(value):
        raise UnreadableError("a score is no whole number")
    if not LOWEST <= value <= HIGHEST:
        raise UnreadableError(f"a score is outside of {LOWEST} to {HIGHEST}")
    return int(value)


def ratings(text: str, rubric: Rubric) -> dict[str, PrincipleScore]:
    """Return the score and reason of every principle. Raises UnreadableError where one is missing or out of bounds."""
    names = _names(rubric)
    best: dict[str, Any] = max((_keyed(value, names) for value in objects(text)), key=len, default={})
    if not best:
        best = _in_lines(text, names)
    missing = [key for key in rubric.keys if key not in best]
    if missing:
        raise UnreadableError("no rating" if len(missing) == len(rubric.keys) else f"no score for {', '.join(missing)}")
    return {key: PrincipleScore(_score(best[key]), _reason(best[key])) for key in rubric.keys}


def _reason(value: Any) -> str:
    given = value.get("reason", value.get("explanation", "")) if isinstance(value, dict) else ""
    return " ".join(given.split()) if isinstance(given, str) else ""


def _in_lines(text: str, names: dict[str, str]) -> dict[str, Any]:
    """Return scores from lines such as `Empathy: 4`."""
    found: dict[str, Any] = {}
    for line in text.splitlines()[:200]:
        name, sign, rest = re.sub(r"[*_#`|>-]", " ", line[:300]).partition(":")
        key = names.get(_plain(name))
        number = re.match(rf"\s*\d+(?:\.\d+)?(?:\s*(?:/|out of)\s*{HIGHEST})?", rest)
        if key and sign and number and key not in found:
            found[key] = {"score": number[0], "reason": rest[number.end() :].strip(" .,;–")}
    return found


def verdict(text: str, rubric: Rubric) -> PairVerdict:
    """Return the verdict on each principle and overall. Raises UnreadableError where the overall one is missing."""
    names = _names(rubric) | {"overall": "overall"}
    best: dict[str, Any] = max((_keyed(value, names) for value in objects(text)), key=len, default={})
    said = {key: _word(value) for key, value in best.items()}
    if "overall" not in said:
        raise UnreadableError("no verdict")
    return PairVerdict(said["overall"], {key: said[key] for key in rubric.keys if key in said})


def _word(value: Any) -> Verdict:
    if isinstance(value, dict):
        value = next((value[k] for k in ("verdict", "better", "winner", "choice") if k in value), None)
    word = _WORDS.get(" ".join(str(value).lower().split()).strip(" .*\"'"))
    if word is None:
        raise UnreadableError("a verdict is none of A, B and tie")
    return word
