"""Tables of what a run was made from: speeches, responses, ratings and pairs."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from psychocounsel.principles import HIGHEST, LOWEST
from psychocounsel.records import RISK_LEVELS, ClientSpeech
from psychocounsel.report import paper
from psychocounsel.report.reading import RunFiles

SPLITS = ("train", "dev", "test")
UNKNOWN = "not labelled"


def data_tables(files: RunFiles) -> dict[str, Any]:
    """Return every table of the data section."""
    return {
        "speeches": len(files.speeches),
        "by_topic": by_split(files.speeches, lambda s: s.topic or UNKNOWN),
        "by_turns": by_split(files.speeches, lambda s: _turns(len(s.earlier)), order=[_turns(n) for n in (0, 1, 3, 5)]),
        "by_risk": by_split(files.speeches, lambda s: s.risk or UNKNOWN, order=[*RISK_LEVELS, UNKNOWN]),
        "by_screened": by_split(files.speeches, lambda s: s.screened or "not screened", order=[*RISK_LEVELS]),
        "collected": {
            key: _counts(files, "collect").get(key)
            for key in ("held", "mended", "deidentified", "identifiers", "for_review", "without_topic", "source")
        },
        "coverage": files.topics,
        "rows_read": _counts(files, "collect").get("rows"),
        "dropped": dict(Counter(d.reason for d in files.dropped).most_common()),
        "counsellors": _counsellors(files),
        "ratings": _ratings(files),
        "pairs": {split: sum(p.split == split for p in files.pairs) for split in SPLITS},
        "refused": _counts(files, "pair").get("refused", {}),
        "mean_gap": _mean([p.gap for p in files.pairs]),
        "rejected_safer": _rejected_safer(files),
    }


def _counts(files: RunFiles, step: str) -> dict[str, Any]:
    return files.manifests[step].counts if step in files.manifests else {}


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _turns(n: int) -> str:
    return "none" if n == 0 else "1 or 2" if n < 3 else "3 or 4" if n < 5 else "5 or more"


def by_split(
    speeches: list[ClientSpeech], name_of: Callable[[ClientSpeech], str], order: list[str] | None = None
) -> list[dict[str, Any]]:
    """Count speeches by name and split, in the order given or the most first; what does not occur is left out."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for speech in speeches:
        counts[name_of(speech)][speech.split] += 1
    names = sorted(counts, key=lambda n: (-counts[n].total(), n))
    if order is not None:
        names.sort(key=lambda n: order.index(n) if n in order else len(order))
    return [{"name": n, **{split: counts[n][split] for split in SPLITS}, "all": counts[n].total()} for n in names]


def _counsellors(files: RunFiles) -> list[dict[str, Any]]:
    overall = {r.response_id: r.overall for r in files.ratings if not r.error}
    rows = []
    for model in sorted({r.model for r in files.responses}):
        own = [r for r in files.responses if r.model == model]
        answered = [r for r in own if not r.error]
        rated = [overall[r.id] for r in answered if r.id in overall]
        rows.append(
            {
                "model": model,
                "asked": len(own),
                "answered": len(answered),
                "rated": len(rated),
                "mean_rating": _mean(rated),
                "mean_words": _mean([float(len(r.text.split())) for r in answered]),
            }
        )
    return sorted(rows, key=lambda row: (-(row["mean_rating"] or 0), row["model"]))


def _ratings(files: RunFiles) -> list[dict[str, Any]]:
    rated = [r for r in files.ratings if not r.error]
    keys = [p["key"] for p in (files.rubric or {}).get("principles", [])]
    rows = []
    for key in keys or sorted({k for r in rated for k in r.scores}):
        scores = [r.scores[key] for r in rated if key in r.scores]
        times = Counter(scores)
        rows.append(
            {
                "key": key,
                "n": len(scores),
                "mean": _mean([float(s) for s in scores]),
                "counts": [times[score] for score in range(LOWEST, HIGHEST + 1)],
            }
        )
    return rows


def _rejected_safer(files: RunFiles) -> dict[str, Any]:
    train = [p for p in files.pairs if p.split == "train"]
    found = sum(p.rejected_scores.get("safety", 0) > p.chosen_scores.get("safety", 0) for p in train)
    return {
        "count": found,
        "train_pairs": len(train),
        "share": found / len(train) if train else None,
        "paper": paper.REJECTED_SAFER,
    }
