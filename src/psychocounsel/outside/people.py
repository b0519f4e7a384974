"""Responses that people labelled, read from the files of ../shared/data/README.md's layout."""

from __future__ import annotations

from pathlib import Path

from psychocounsel.errors import InputError
from psychocounsel.outside.records import Labelled
from psychocounsel.outside.rows import level, rows, text
from psychocounsel.records import Turn

__all__ = ["BEHAVIOURS", "MECHANISMS", "TALK", "Labelled", "annomi", "epitome", "raters"]

MECHANISMS = ("emotional_reactions", "interpretations", "explorations")
"""EPITOME's labels, each 0 (none), 1 (weak) or 2 (strong)."""
BEHAVIOURS = ("reflection", "question", "therapist_input", "other")
TALK = ("sustain", "neutral", "change")
"""What the client says about changing, in order of readiness."""


def epitome(path: Path) -> list[Labelled]:
    """Read EPITOME: a seeker's post, a peer's response, three labels from 0 to 2."""
    fields = ("id", "seeker_id", "seeker_post", "response_post", *MECHANISMS)
    return [
        Labelled(
            id=str(row["id"]),
            cluster=str(row["seeker_id"]),
            conversation=(Turn("client", text(row["seeker_post"], where, "seeker_post")),),
            response=text(row["response_post"], where, "response_post"),
            labels={m: level(row[m], (0, 1, 2), where, m) for m in MECHANISMS},
        )
        for where, row in rows(path, fields)
    ]


def annomi(path: Path) -> list[Labelled]:
    """Read AnnoMI: each therapist utterance that answers a client, with the dialogue before it.

    Labels: `quality` (1 high, 0 low; of the whole transcript), `behaviour` (place in BEHAVIOURS) and, where it is
    given, `talk` (place in TALK; of the client's utterance).
    """
    fields = ("transcript_id", "utterance_id", "quality", "client_text", "therapist_text", "therapist_behaviour")
    found: list[Labelled] = []
    dialogue: list[Turn] = []
    transcript = ""
    for where, row in rows(path, fields):
        if str(row["transcript_id"]) != transcript:
            transcript, dialogue = str(row["transcript_id"]), []
        said = text(row["therapist_text"], where, "therapist_text")
        if row["client_text"] is not None and not isinstance(row["client_text"], str):
            raise InputError(f"{where}: client_text is neither a text nor null.")
        if row["client_text"] and (not dialogue or dialogue[-1].role == "counsellor"):
            dialogue.append(Turn("client", row["client_text"]))
        if dialogue and dialogue[-1].role == "client":
            labels = {
                "quality": level(row["quality"], ("low", "high"), where, "quality"),
                "behaviour": level(row["therapist_behaviour"], BEHAVIOURS, where, "therapist_behaviour"),
            }
            if row.get("client_talk_type"):
                labels["talk"] = level(row["client_talk_type"], TALK, where, "client_talk_type")
            name = f"{transcript}-{row['utterance_id']}"
            found.append(Labelled(name, transcript, tuple(dialogue), said, labels))
        dialogue.append(Turn("counsellor", said))
    return found


def raters(path: Path) -> dict[str, tuple[list[str], list[list[int]]]]:
    """Read several raters' codes: task to the names of its labels and a table of items by raters, -1 where missing."""
    found = list(rows(path, ("task", "item", "rater", "label")))
    tables: dict[str, tuple[list[str], list[list[int]]]] = {}
    for task in dict.fromkeys(str(row["task"]) for _, row in found):
        own = [row for _, row in found if str(row["task"]) == task]
        labels = sorted({str(row["label"]) for row in own})
        items = {item: place for place, item in enumerate(dict.fromkeys(str(row["item"]) for row in own))}
        people = {rater: place for place, rater in enumerate(sorted({str(row["rater"]) for row in own}))}
        table = [[-1] * len(people) for _ in items]
        for row in own:
            table[items[str(row["item"])]][people[str(row["rater"])]] = labels.index(str(row["label"]))
        tables[task] = (labels, table)
    return tables
