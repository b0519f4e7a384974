"""Whether two artifacts share texts: what training saw must not be what evaluation asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.collect.deduplicate import jaccard, shingle_set, twins, words_of
from psychocounsel.errors import InputError
from psychocounsel.files import ENDINGS, read_rows

_COLUMNS = (
    "text",
    "question",
    "prompt",
    "seeker_post",
    "client_text",
    "input",
    "instruction",
    "conversation",
    "messages",
)
"""Where a client's words may stand, the first that a file has."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A text of B that is in A too, or nearly."""

    a: str
    """File and row in A; no text."""
    b: str
    similarity: float
    """Jaccard similarity of word trigrams; 1 for equal words."""


@dataclass(frozen=True, slots=True)
class Leak:
    """What two artifacts share."""

    a: int
    """Different texts in A."""
    b: int
    shared: tuple[Shared, ...]
    """One for each text of B that A has."""


def check_leak(a: Path, b: Path, threshold: float = 0.7, split_a: str = "", split_b: str = "") -> Leak:
    """Compare the client texts of two artifacts: folders of a run, or JSONL, CSV or Parquet files.

    With `split_a` or `split_b` only the rows of that split count. Raises InputError where one holds no client text.
    """
    sides = [dict(_texts(a, split_a)), dict(_texts(b, split_b))]
    for path, side in zip((a, b), sides, strict=True):
        if not side:
            raise InputError(f"{path} holds no client text to compare. Known columns: {', '.join(_COLUMNS)}.")
    first = len(sides[0])
    texts, wheres = [*sides[0], *sides[1]], [*sides[0].values(), *sides[1].values()]
    shared = [Shared(sides[0][t], where, 1.0) for t, where in sides[1].items() if t in sides[0]]
    new = [i for i, text in enumerate(texts) if i < first or text not in sides[0]]

    def across(a: int, b: int) -> bool:
        return (new[a] < first) != (new[b] < first)

    for later, earlier, _ in twins((texts[i] for i in new), lambda p: texts[new[p]], threshold, across):
        one, other = texts[new[earlier]], texts[new[later]]
        similarity = jaccard(shingle_set(one), shingle_set(other))
        shared.append(Shared(wheres[new[earlier]], wheres[new[later]], similarity))
    return Leak(first, len(sides[1]), tuple(sorted(shared, key=lambda s: (-s.similarity, s.b))))


def _texts(path: Path, split: str) -> Iterator[tuple[str, str]]:
    """Yield each text as its words, and where it stands."""
    files = [path]
    if path.is_dir():
        known = (path / layout.SPEECHES, path / Path(layout.SPEECHES).name, path / Path(layout.PAIRS).name)
        files = [f for f in known if f.is_file()][:1] or [f for f in sorted(path.iterdir()) if f.suffix in ENDINGS]
    for row, file in chain.from_iterable(((r, f) for r in read_rows(f)) for f in files):
        values = row.values or {}
        if split and values.get("split") != split:
            continue
        column = next((c for c in _COLUMNS if values.get(c)), None)
        if column and (text := _said(values[column], values.get("earlier"))):
            yield b" ".join(words_of(text)).decode("utf-8", "surrogatepass"), f"{file.name} row {row.number}"


def _said(value: Any, earlier: Any = None) -> str:
    if isinstance(value, str):
        before = [str(t.get("text", "")) for t in earlier if isinstance(t, dict)] if isinstance(earlier, list) else []
        return "\n".join([*before, value])
    turns = value if isinstance(value, list) else []
    return "\n".join(str(t.get("content") or t.get("text") or "") for t in turns if isinstance(t, dict))
