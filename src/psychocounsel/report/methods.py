"""One table of every count: what was asked, what was answered, what could be read, what was lost and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

from psychocounsel import layout
from psychocounsel.report.columns import tally
from psychocounsel.report.reading import RunFiles
from psychocounsel.report.words import policy, setting

NO_ANSWER = ("no response", "judge failed")
"""A rating whose error begins so was never given; any other was given and could not be read."""
REASONS_SHOWN = 8


def methods_table(files: RunFiles) -> list[dict[str, Any]]:
    """Return one row for each thing that was asked for."""
    rows: list[dict[str, Any]] = []
    speeches, dropped = (table.num_rows if table is not None else 0 for table in (files.speeches, files.dropped))
    if speeches or dropped:
        why = Counter({reason: n for (reason,), n in tally(files.dropped, "reason").items()})
        rows.append(_row("collect", "rows of the source", speeches + dropped, None, speeches, why))
    if files.responses is not None and (asked := files.responses.num_rows):
        errors = _errors(tally(files.responses, "error"))
        rows.append(_row("generate", "responses", asked, asked - errors.total(), None, errors))
    if files.ratings is not None and (asked := files.ratings.num_rows):
        errors = _errors(tally(files.ratings, "error"))
        silent = sum(n for why, n in errors.items() if why.startswith(NO_ANSWER))
        rows.append(_row("rate", "ratings", asked, asked - silent, asked - errors.total(), errors))
    rows += _training(files)
    rows += _answers(files)
    rows += _verdicts(files)
    rows += _safety(files.figure(layout.RISK_SLICE))
    return rows


def _errors(counted: Counter[tuple[Any, ...]]) -> Counter[str]:
    return Counter({error: n for (error,), n in counted.items() if error})


def _row(
    step: str, what: str, asked: int, answered: int | None, usable: int | None, lost: Counter[str]
) -> dict[str, Any]:
    shown = dict(sorted(lost.items(), key=lambda item: (-item[1], item[0]))[:REASONS_SHOWN])
    rest = lost.total() - sum(shown.values())
    if rest:
        shown["other reasons"] = rest
    return {
        "step": step,
        "what": what,
        "asked": asked,
        "answered": answered,
        "parsed": usable,
        "lost": lost.total(),
        "why": shown,
    }


def _training(files: RunFiles) -> list[dict[str, Any]]:
    rows = []
    names = {"base": ("responses", "responses to learn from"), "reward": ("train_pairs", "train pairs")}
    for step, manifest in files.manifests.items():
        counts = manifest.counts
        if step in names and names[step][0] in counts:
            key, what = names[step]
            lost = Counter({"longer than base.max_response": counts.get("dropped_too_long", 0)})
            rows.append(_row(step, what, counts[key], None, counts[key] - lost.total(), +lost))
        elif step == "align/dpo" and "pairs" in counts:
            dropped = counts.get("dropped_too_long", 0)
            lost = Counter({"longer than base.max_response": dropped})
            rows.append(_row(step, "train pairs", counts["pairs"] + dropped, None, counts["pairs"], +lost))
        elif step.startswith("align/round-") and "candidates" in counts:
            lost = Counter(counts.get("lost", {}))
            good = counts["candidates"] - lost.total()
            rows.append(_row(step, "candidate answers", counts["candidates"], good, None, lost))
    return rows


def _answers(files: RunFiles) -> list[dict[str, Any]]:
    counted = tally(files.answers, "setting", "model", "error")
    rows = []
    for of, model in sorted({(s, m) for s, m, _ in counted}):
        own = {error: n for (s, m, error), n in counted.items() if (s, m) == (of, model)}
        errors = Counter({error: n for error, n in own.items() if error})
        asked = sum(own.values())
        what = f"answers of {policy(model)}, {setting(of)}"
        rows.append(_row("evaluate", what, asked, asked - errors.total(), None, errors))
    return rows


def _verdicts(files: RunFiles) -> list[dict[str, Any]]:
    counted = tally(files.verdicts, "judge", "error")
    rows = []
    for judge in sorted({judge for judge, _ in counted}):
        own = {error: n for (of, error), n in counted.items() if of == judge}
        errors = Counter({error: n for error, n in own.items() if error})
        silent = sum(n for why, n in errors.items() if not why.startswith("judge failed"))
        asked = sum(own.values())
        what = f"verdicts of {judge}, each pair in both orders"
        rows.append(_row("evaluate", what, asked, asked - silent, asked - errors.total(), errors))
    return rows


def _safety(risk: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [
        _row(
            "evaluate",
            f"responses at risk of {policy(row['model'])}, {setting(row['setting'])}",
            row["asked"],
            None,
            row["judged"],
            Counter(row.get("lost") or {}),
        )
        for row in (risk or {}).get("models", [])
    ]
