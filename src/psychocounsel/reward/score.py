"""A reward model as a filter over JSON lines, for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from psychocounsel.backends.reward_model import RewardModel
from psychocounsel.records import Conversation, Turn

AT_ONCE = 512
"""Lines read before they are scored: the model sorts them by length, and answers keep their order."""


def conversation_of(row: dict[str, Any]) -> Conversation:
    """Return earlier turns and the prompt. Raises ValueError that says what is wrong."""
    turns = []
    for turn in row.get("earlier") or []:
        if not isinstance(turn, dict) or turn.get("role") not in ("client", "counsellor"):
            raise ValueError("each of `earlier` needs a role, client or counsellor")
        if not isinstance(turn.get("text"), str) or not turn["text"].strip():
            raise ValueError("each of `earlier` needs a text")
        turns.append(Turn(turn["role"], turn["text"].strip()))
    prompt = row.get("prompt")
    if prompt is not None:
        if not isinstance(prompt, str) or not prompt.strip():
            raise ValueError("`prompt` must be a text")
        turns.append(Turn("client", prompt.strip()))
    if not turns or turns[-1].role != "client":
        raise ValueError("needs a `prompt`, or `earlier` turns that end with the client's")
    return tuple(turns)


def scored(lines: Iterable[bytes], scorer: RewardModel) -> Iterator[tuple[str, bool]]:
    """Yield one JSON line for each line given, in order, and whether it went well.

    A line has `response`, and `prompt` or `earlier` turns or both; `id` comes back with `reward`, and with `principles`
    (expected ratings, 1 to 5) where the model has learned them. A line that cannot be read comes back with an `error`
    and none of its text.
    """
    numbered = ((number, raw) for number, raw in enumerate(lines, 1) if raw.strip())
    while part := list(islice(numbered, AT_ONCE)):
        rows = [_read(number, raw) for number, raw in part]
        good = [row for row in rows if isinstance(row[1], tuple)]
        found = iter(scorer.score_all([row[1][0] for row in good], [row[1][1] for row in good]) if good else [])
        for identity, content in rows:
            if isinstance(content, str):
                yield json.dumps(identity | {"error": content}, ensure_ascii=False), False
            else:
                scored = next(found)
                row = identity | {"reward": round(scored.reward, 6)}
                if scored.principles:
                    row["principles"] = {key: round(level, 4) for key, level in scored.principles.items()}
                yield json.dumps(row, ensure_ascii=False), True


def _read(number: int, raw: bytes) -> tuple[dict[str, Any], Any]:
    """Return the line's id, and its conversation and response or what is wrong with it."""
    identity: dict[str, Any] = {"line": number}
    try:
        row = json.loads(raw.decode("utf-8-sig"))
        if not isinstance(row, dict):
            raise ValueError("no object")
        identity = {"id": row["id"]} if "id" in row else identity
        response = row.get("response")
        if not isinstance(response, str) or not response.strip():
            raise ValueError("needs a `response`")
        return identity, (conversation_of(row), response)
    except UnicodeDecodeError:
        return identity, f"line {number} is not UTF-8"
    except (json.JSONDecodeError, RecursionError):
        return identity, f"line {number} is not JSON"
    except ValueError as error:
        return identity, f"line {number}: {error}"
