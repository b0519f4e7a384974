"""De-identification and the risk screen as filters over JSON lines, for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from psychocounsel.collect.sources.columns import turns_from
from psychocounsel.deidentify import Surrogates, redact
from psychocounsel.records import Conversation
from psychocounsel.safety import Sign, screen


def redacted(text: str, earlier: Conversation) -> dict[str, Any]:
    """Return the text with surrogates, and which characters of the given text each stands for."""
    known = Surrogates()
    before = [redact(turn.text, known) for turn in earlier]
    result = redact(text, known)

    def spans(one: Any) -> list[dict[str, Any]]:
        return [{"start": f.start, "end": f.end, "type": f.type, "surrogate": f.surrogate} for f in one.spans]

    line: dict[str, Any] = {"text": result.text, "spans": spans(result)}
    if earlier:
        line["earlier"] = [
            {"role": turn.role, "text": b.text, "spans": spans(b)} for turn, b in zip(earlier, before, strict=True)
        ]
    return line


def screened(text: str, earlier: Conversation) -> dict[str, Any]:
    """Return level, reasons and the signs with their characters."""
    risk = screen(text, earlier)

    def spans(signs: Iterable[Sign]) -> list[dict[str, Any]]:
        return [{"start": s.start, "end": s.end, "level": s.level, "kind": s.kind, "reason": s.reason} for s in signs]

    return {
        "level": risk.level,
        "reasons": list(dict.fromkeys(s.reason for s in risk.signs)),
        "spans": spans(risk.signs),
        "set_aside": spans(risk.set_aside),
    }


def filtered(lines: Iterable[bytes], work: Callable[[str, Conversation], dict[str, Any]]) -> Iterator[tuple[str, bool]]:
    """Yield one JSON line for each line given, in order, and whether it went well.

    A line is an object with `text`, an optional `id` and optional `earlier` turns; `id` comes back. A line that cannot
    be read comes back as its number and an `error`, without its text.
    """
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        row: Any = None
        try:
            row = json.loads(raw.decode("utf-8-sig"))
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise ValueError("no object with a text")
            result, good = work(row["text"], turns_from(row.get("earlier"))), True
        except UnicodeDecodeError:
            result, good = {"error": f"line {number} is not UTF-8"}, False
        except (json.JSONDecodeError, RecursionError):
            result, good = {"error": f"line {number} is not JSON"}, False
        except ValueError as error:
            result, good = {"error": f"line {number}: {error}"}, False
        identity = {"id": row["id"]} if isinstance(row, dict) and "id" in row else {"line": number}
        yield json.dumps(identity | result, ensure_ascii=False), good
