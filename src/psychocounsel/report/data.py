"""Tables of what a run was made from: speeches, responses, ratings and pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from psychocounsel import layout
from psychocounsel.principles import HIGHEST, LOWEST
from psychocounsel.records import RISK_LEVELS, STAGES_OF_CHANGE
from psychocounsel.report import paper
from psychocounsel.report.columns import numbers, tally, word_counts
from psychocounsel.report.reading import RunFiles

SPLITS = ("train", "dev", "test")
UNKNOWN = "not labelled"
_ALL = 1000
"""Values of one label that are told apart; a source may label freely."""


def data_tables(files: RunFiles) -> dict[str, Any]:
    """Return every table of the data section."""
    dropped = Counter({why: n for (why,), n in tally(files.dropped, "reason").items()})
    return {
        "speeches": files.speeches.num_rows if files.speeches is not None else 0,
        "test": _turns_of_test(files),
        "by_topic": by_split(tally(files.speeches, "topic", "split"), UNKNOWN),
        "by_turns": _by_turns(files.speeches),
        "by_risk": by_split(tally(files.speeches, "risk", "split"), UNKNOWN, [*RISK_LEVELS, UNKNOWN]),
        "by_stage": by_split(tally(files.speeches, "stage", "split"), UNKNOWN, [*STAGES_OF_CHANGE, UNKNOWN]),
        "by_screened": by_split(tally(files.speeches, "screened", "split"), "not screened", [*RISK_LEVELS]),
        "collected": {
            key: _counts(files, "collect").get(key)
            for key in ("held", "mended", "deidentified", "identifiers", "for_review", "without_topic", "source")
        },
        "coverage": (files.figure(layout.TOPICS) or {}).get("coverage", []),
        "rows_read": _counts(files, "collect").get("rows"),
        "dropped": dict(dropped.most_common()),
        "counsellors": _counsellors(files),
        "ratings": _ratings(files),
        "pairs": {split: tally(files.pairs, "split")[(split,)] for split in SPLITS},
        "refused": _counts(files, "pair").get("refused", {}),
        "mean_gap": _mean(numbers(files.pairs, "gap")),
        "rejected_safer": _rejected_safer(files.pairs),
    }


def _counts(files: RunFiles, step: str) -> dict[str, Any]:
    return files.manifests[step].counts if step in files.manifests else {}


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _turns(n: int) -> str:
    return "none" if n == 0 else "1 or 2" if n < 3 else "3 or 4" if n < 5 else "5 or more"


def _turns_of_test(files: RunFiles) -> dict[str, int]:
    """Return how many speeches were answered (or else are test speeches), and how many have no turn before them."""
    speeches = files.speeches
    if speeches is None:
        return {"n": 0, "single": 0}
    answered = [row[0] for row in tally(files.answers, "speech_id")]
    held = pc.is_in(speeches["id"], pa.array(answered)) if answered else pc.equal(speeches["split"], "test")
    lengths = pc.list_value_length(speeches.filter(held)["earlier"])
    return {"n": len(lengths), "single": int(pc.sum(pc.equal(lengths, 0)).as_py() or 0)}


def _by_turns(speeches: pa.Table | None) -> list[dict[str, Any]]:
    if speeches is None:
        return []
    table = pa.table({"turns": pc.list_value_length(speeches["earlier"]), "split": speeches["split"]})
    counts: Counter[tuple[Any, ...]] = Counter()
    for (turns, split), n in tally(table, "turns", "split").items():
        counts[_turns(turns), split] += n
    return by_split(counts, UNKNOWN, [_turns(n) for n in (0, 1, 3, 5)])


def by_split(
    counted: Mapping[tuple[Any, ...], int], unnamed: str, order: list[str] | None = None
) -> list[dict[str, Any]]:
    """Count by name and split, in the order given or the most first; what does not occur is left out."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for (name, split), n in counted.items():
        counts[name or unnamed][split] += n
    names = sorted(counts, key=lambda n: (-counts[n].total(), n))[:_ALL]
    if order is not None:
        names.sort(key=lambda n: order.index(n) if n in order else len(order))
    return [{"name": n, **{split: counts[n][split] for split in SPLITS}, "all": counts[n].total()} for n in names]


def _counsellors(files: RunFiles) -> list[dict[str, Any]]:
    if files.responses is None:
        return []
    texts = files.responses["text"].cast(pa.string())
    good = pc.equal(files.responses["error"].cast(pa.string()), "")
    table = pa.table(
        {
            "model": files.responses["model"].cast(pa.string()),
            "id": files.responses["id"].cast(pa.string()),
            "answered": pc.cast(good, pa.int64()),
            "words": pc.if_else(good, pc.cast(word_counts(texts), pa.float64()), None),
        }
    )
    rated = _overall(files.ratings)
    place = pc.index_in(table["id"], value_set=rated["response_id"])
    overall = pc.if_else(good, pc.take(rated["overall"], place), None)
    of = table.append_column("rating", overall).group_by("model")
    sums = [("model", "count"), ("answered", "sum"), ("rating", "count"), ("rating", "mean"), ("words", "mean")]
    rows = [
        {
            "model": row["model"],
            "asked": row["model_count"],
            "answered": row["answered_sum"],
            "rated": row["rating_count"],
            "mean_rating": row["rating_mean"],
            "mean_words": row["words_mean"],
        }
        for row in of.aggregate(sums).to_pylist()
    ]
    return sorted(rows, key=lambda row: (-(row["mean_rating"] or 0), row["model"]))


def _overall(ratings: pa.Table | None) -> pa.Table:
    """Return one overall rating a response, the mean where several were given."""
    if ratings is None:
        return pa.table({"response_id": pa.array([], pa.string()), "overall": pa.array([], pa.float64())})
    good = ratings.filter(pc.equal(ratings["error"].cast(pa.string()), ""))
    plain = pa.table({"response_id": good["response_id"].cast(pa.string()), "overall": good["overall"]})
    means = plain.group_by("response_id").aggregate([("overall", "mean")])
    return pa.table({"response_id": means["response_id"].combine_chunks(), "overall": means["overall_mean"]})


def _ratings(files: RunFiles) -> list[dict[str, Any]]:
    if files.ratings is None:
        return []
    counts: dict[str, Counter[float]] = defaultdict(Counter)
    good = files.ratings.filter(pc.equal(files.ratings["error"].cast(pa.string()), ""))
    for chunk in good["scores"].chunks:
        inside = slice(*(int(chunk.offsets[place].as_py()) for place in (0, -1))) if len(chunk) else slice(0, 0)
        given = pa.table({"key": chunk.keys[inside], "score": chunk.items[inside]})
        for (key, score), n in tally(given, "key", "score").items():
            counts[key][score] += n
    keys = [p["key"] for p in (files.figure(layout.RUBRIC) or {}).get("principles", [])] or sorted(counts)
    return [
        {
            "key": key,
            "n": counts[key].total(),
            "mean": sum(s * n for s, n in counts[key].items()) / counts[key].total() if counts[key] else None,
            "counts": [
                sum(n for s, n in counts[key].items() if int(s + 0.5) == score) for score in range(LOWEST, HIGHEST + 1)
            ],
        }
        for key in keys
    ]


def _rejected_safer(pairs: pa.Table | None) -> dict[str, Any]:
    found = train_pairs = 0
    if pairs is not None:
        train = pairs.filter(pc.equal(pairs["split"], "train"))
        train_pairs = train.num_rows
        safety: Callable[[str], Any] = lambda column: pc.fill_null(  # noqa: E731
            pc.map_lookup(train[column], "safety", "first"), 0
        )
        if train_pairs:
            found = pc.sum(pc.greater(safety("rejected_scores"), safety("chosen_scores"))).as_py() or 0
    return {
        "count": found,
        "train_pairs": train_pairs,
        "share": found / train_pairs if train_pairs else None,
        "paper": paper.REJECTED_SAFER,
    }
