"""What the tests of sources and files share."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from psychocounsel.collect.sources import read_source
from psychocounsel.recipe import Collect

SHARED = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is absent: the real files are not tested")
SEVEN = ("empathy", "relevance", "clarity", "safety", "exploration", "autonomy", "staging")


def rows_of(source, path, **rest):
    return list(read_source(Collect(source=source, path=path, **rest)))


def good(rows):
    return [row for row in rows if not row.fault]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def spaced(text):
    return text.replace("\u00a0", " ").strip()


def faults(path, **rest):
    rows = rows_of("file", path, **rest)
    return [r.text for r in good(rows)], [(r.where, r.fault) for r in rows if r.fault]
