"""Sources of dialogues. Each client turn becomes a speech with the turns before it; a dialogue is one group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from psychocounsel.collect.sources.row import SourceResponse, SourceRow, clean, no_labels, table
from psychocounsel.records import Role, Turn, content_id

_SPEAKERS: dict[str, Role] = {"seeker": "client", "usr": "client", "supporter": "counsellor", "sys": "counsellor"}
_ROLES: dict[str, Role] = {"user": "client", "assistant": "counsellor"}
_IGNORED = ("system", "developer")


def turns_of(said: Iterable[tuple[Role, str]]) -> tuple[Turn, ...]:
    """Join consecutive turns of one role by a line break, and leave empty ones out."""
    joined: list[tuple[Role, list[str]]] = []
    for role, text in said:
        if not text.strip():
            continue
        if joined and joined[-1][0] == role:
            joined[-1][1].append(text.strip())
        else:
            joined.append((role, [text.strip()]))
    return tuple(Turn(role, "\n".join(parts)) for role, parts in joined)


def speeches(
    where: str, turns: tuple[Turn, ...], labels: dict[str, str], answered_by: str, name: str = ""
) -> Iterator[SourceRow]:
    """Yield each client turn with its history, and the turn that answered it as its response.

    The group is `name`, or else a hash of the dialogue, so that it does not depend on the place in the file.
    """
    group = name or content_id("dialogue", [[t.role, t.text] for t in turns])
    for i, turn in enumerate(turns):
        if turn.role == "client":
            answer = tuple(SourceResponse(answered_by, t.text) for t in turns[i + 1 : i + 2])
            yield SourceRow(where, turn.text, turns[:i], labels, f"{group}-{i}", group, responses=answer)


def esconv(path: Path) -> Iterator[SourceRow]:
    """ESConv.json: a list of dialogues of seeker and supporter. The topic is `problem_type`.

    `situation` was written in a survey before the dialogue and is no turn, and `emotion_type` is no topic.
    """
    for where, values, fault in table(path, "esconv", ("dialog",)):
        if fault:
            yield SourceRow(where, fault=fault)
            continue
        try:
            turns = turns_of(_esconv_turn(number, turn) for number, turn in enumerate(_list(values["dialog"]), 1))
        except ValueError as error:
            yield SourceRow(where, fault=str(error))
            continue
        if not any(turn.role == "client" for turn in turns):
            yield SourceRow(where, fault="the dialogue has no turn of the seeker")
        yield from speeches(where, turns, no_labels(values.get("problem_type")), "supporter")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"the dialogue is {type(value).__name__}, not a list")
    return value


def _esconv_turn(number: int, turn: Any) -> tuple[Role, str]:
    speaker = turn.get("speaker") if isinstance(turn, dict) else None
    text = turn.get("content", turn.get("text")) if isinstance(turn, dict) else None
    if not isinstance(speaker, str) or speaker not in _SPEAKERS:
        raise ValueError(f"turn {number} has no speaker, seeker or supporter")
    if not isinstance(text, str):
        raise ValueError(f"turn {number} has no text")
    return _SPEAKERS[speaker], text


def chat(path: Path) -> Iterator[SourceRow]:
    """OpenAI-style chats, {"messages": [{role, content}]}: user is the client, assistant the counsellor.

    System messages are left out, and of a content that is a list its text parts are read. A row's `id` is its group.
    """
    for where, values, fault in table(path, "chat", ("messages",)):
        if fault:
            yield SourceRow(where, fault=fault)
            continue
        try:
            turns = turns_of(_chat_turns(_list(values["messages"])))
        except ValueError as error:
            yield SourceRow(where, fault=str(error))
            continue
        if not any(turn.role == "client" for turn in turns):
            yield SourceRow(where, fault="no message of the user has text")
        yield from speeches(where, turns, no_labels(values.get("topic")), "assistant", clean(values.get("id")))


def _chat_turns(messages: list[Any]) -> Iterator[tuple[Role, str]]:
    for number, message in enumerate(messages, 1):
        role = message.get("role") if isinstance(message, dict) else None
        if role in _IGNORED:
            continue
        if not isinstance(role, str) or role not in _ROLES:
            raise ValueError(f"message {number} has a role other than system, user and assistant")
        yield _ROLES[role], _content(number, message.get("content"))


def _content(number: int, content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ValueError(f"message {number} has a content that is {type(content).__name__}")
    parts = [part if isinstance(part, str) else part.get("text") for part in content if isinstance(part, str | dict)]
    return "\n".join(part for part in parts if isinstance(part, str))


def annomi(path: Path) -> Iterator[SourceRow]:
    """`annomi.jsonl` (one row a therapist utterance), AnnoMI-simple.csv or AnnoMI-full.csv (one row an utterance).

    A transcript's quality is part of the model's name, since the low ones show what not to do.
    """
    transcripts: dict[str, dict[int, list[tuple[Role, str]]]] = {}
    about: dict[str, tuple[str, str, Any]] = {}
    for where, values, fault in table(
        path, "annomi", ("transcript_id", "utterance_id"), ("client_text", "therapist_text")
    ):
        try:
            number = int(values.get("utterance_id", ""))
            said = _annomi_turns(values)
        except (ValueError, TypeError):
            fault = fault or "no utterance_id, or no speaker"
        if fault:
            yield SourceRow(where, fault=fault)
            continue
        name = clean(values["transcript_id"])
        quality = clean(values.get("quality") or values.get("mi_quality")) or "unknown"
        about.setdefault(name, (where, f"therapist ({quality} quality)", values.get("topic")))
        # The full file has an utterance once an annotator.
        transcripts.setdefault(name, {}).setdefault(number, said)
    for name, utterances in transcripts.items():
        where, model, topic = about[name]
        turns = turns_of(
            turn
            for number, said in sorted(utterances.items())
            # Two therapist utterances running have the same client utterance before them; it was said once.
            for turn in (said[-1:] if number - 1 in utterances else said)
        )
        yield from speeches(where, turns, no_labels(topic), model, f"annomi-{name}")


def _annomi_turns(values: dict[str, Any]) -> list[tuple[Role, str]]:
    if "therapist_text" in values:
        said: list[tuple[Role, str]] = [("client", clean(values.get("client_text")))]
        return [*said, ("counsellor", clean(values["therapist_text"]))]
    roles: dict[Any, Role] = {"client": "client", "therapist": "counsellor"}
    if values.get("interlocutor") not in roles:
        raise ValueError("interlocutor")
    return [(roles[values["interlocutor"]], clean(values.get("utterance_text")))]
