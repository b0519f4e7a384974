"""The released dataset's layout (PsychoCounsel-Preference) and TRL's, out; the released one, in.

The released layout has one `question` column, so earlier turns are written into it as `Client:` and `Counsellor:`
lines; a single-turn speech stands there as it is. TRL's has the turns as messages, and loses nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from psychocounsel.artifacts import write_atomically
from psychocounsel.errors import InputError
from psychocounsel.principles import HIGHEST, LOWEST, Rubric, default_rubric
from psychocounsel.records import Conversation, PreferencePair, Split, Turn, content_id

KEYS = ("empathy", "relevance", "clarity", "safety", "exploration", "autonomy", "staging")
"""Principle keys in the order of the released columns."""

_TEXTS = ("ID", "question", "chosen", "rejected", "chosen_model", "rejected_model")
RELEASED_SCHEMA = pa.schema(
    [
        ("ID", pa.string()),
        ("prefID", pa.int64()),
        *((name, pa.string()) for name in _TEXTS[1:]),
        *((f"{side}_{key}_rating", pa.int64()) for side in ("chosen", "rejected") for key in KEYS),
    ]
)


def _question(conversation: Conversation) -> str:
    if len(conversation) == 1:
        return conversation[0].text
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.text}" for turn in conversation)


def released_row(pair: PreferencePair, number: int) -> dict[str, Any]:
    """One pair as a row of the released dataset. `number` counts the pairs of its speech, from 0."""
    row: dict[str, Any] = {
        "ID": pair.speech_id,
        "prefID": number,
        "question": _question(pair.conversation),
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "chosen_model": pair.chosen_model,
        "rejected_model": pair.rejected_model,
    }
    for side, scores in (("chosen", pair.chosen_scores), ("rejected", pair.rejected_scores)):
        # The layout has whole numbers; the mean of a panel is rounded.
        row |= {f"{side}_{key}_rating": round(scores[key]) if key in scores else None for key in KEYS}
    return row


def write_released(path: Path, pairs: list[PreferencePair]) -> None:
    """Write pairs in the released dataset's exact schema. A principle that the rubric lacks is null."""
    numbers: dict[str, int] = {}
    rows = []
    for pair in pairs:
        numbers[pair.speech_id] = numbers.get(pair.speech_id, -1) + 1
        rows.append(released_row(pair, numbers[pair.speech_id]))
    _write(path, pa.Table.from_pylist(rows, schema=RELEASED_SCHEMA))


_ROLES = {"client": "user", "counsellor": "assistant"}


def trl_row(pair: PreferencePair) -> dict[str, Any]:
    """One pair in TRL's conversational preference format: prompt, chosen, rejected as lists of messages."""
    return {
        "prompt": [{"role": _ROLES[t.role], "content": t.text} for t in pair.conversation],
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
    }


_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def write_trl(path: Path, pairs: list[PreferencePair]) -> None:
    schema = pa.schema([(name, _MESSAGES) for name in ("prompt", "chosen", "rejected")])
    _write(path, pa.Table.from_pylist([trl_row(p) for p in pairs], schema=schema))


def _write(path: Path, table: pa.Table) -> None:
    write_atomically(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def load_released(path: Path, split: Split, rubric: Rubric | None = None) -> list[PreferencePair]:
    """Read a Parquet file of the released dataset as preference pairs.

    Raises InputError that names the columns or the first row at fault. Rows whose two scores are equal are kept, with
    a gap of 0: they are the file's, and what uses them decides.
    """
    rubric = rubric or default_rubric()
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    absent = [name for name in RELEASED_SCHEMA.names if name not in table.column_names]
    if absent:
        raise InputError(f"{path} is not in the released layout: no column {', '.join(absent)}.")
    return [_released_pair(path, n, row, split, rubric) for n, row in enumerate(table.to_pylist(), 1)]


def _released_pair(path: Path, number: int, row: dict[str, Any], split: Split, rubric: Rubric) -> PreferencePair:
    scores: dict[str, dict[str, float]] = {}
    for side in ("chosen", "rejected"):
        scores[side] = {key: row[f"{side}_{key}_rating"] for key in KEYS}
        wrong = [f"{k}={v!r}" for k, v in scores[side].items() if not isinstance(v, int) or not LOWEST <= v <= HIGHEST]
        if wrong:
            raise InputError(
                f"{path} row {number}: {side} ratings must be whole numbers from 1 to 5; {', '.join(wrong)}."
            )
    empty = [name for name in _TEXTS if not row[name]]
    if empty:
        raise InputError(f"{path} row {number}: {', '.join(empty)} is empty.")
    chosen_id = content_id("response", row["ID"], row["chosen_model"], 0, row["chosen"])
    rejected_id = content_id("response", row["ID"], row["rejected_model"], 0, row["rejected"])
    return PreferencePair(
        id=content_id("pair", chosen_id, rejected_id),
        speech_id=row["ID"],
        chosen_id=chosen_id,
        rejected_id=rejected_id,
        conversation=(Turn("client", row["question"]),),
        chosen=row["chosen"],
        rejected=row["rejected"],
        chosen_model=row["chosen_model"],
        rejected_model=row["rejected_model"],
        chosen_scores=scores["chosen"],
        rejected_scores=scores["rejected"],
        gap=rubric.overall(scores["chosen"]) - rubric.overall(scores["rejected"]),
        split=split,
    )
