"""One table of every count: what was asked, what was answered, what could be read, what was lost and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

from psychocounsel.report.reading import RunFiles
from psychocounsel.report.words import policy, setting

NO_ANSWER = ("no response", "judge failed")
"""A rating whose error begins so was never given; any other was given and could not be read."""
REASONS_SHOWN = 8


def methods_table(files: RunFiles) -> list[dict[str, Any]]:
    """Return one row for each thing that was asked for."""
    rows: list[dict[str, Any]] = []
    if files.speeches or files.dropped:
        asked = len(files.speeches) + len(files.dropped)
        rows.append(_row("collect", "rows of the source", asked, None, len(files.speeches), _reasons(files.dropped)))
    if files.responses:
        errors = Counter(r.error for r in files.responses if r.error)
        good = len(files.responses) - errors.total()
        rows.append(_row("generate", "responses", len(files.responses), good, None, errors))
    if files.ratings:
        errors = Counter(r.error for r in files.ratings if r.error)
        silent = sum(n for why, n in errors.items() if why.startswith(NO_ANSWER))
        asked = len(files.ratings)
        rows.append(_row("rate", "ratings", asked, asked - silent, asked - errors.total(), errors))
    rows += _training(files)
    rows += _evaluation(files)
    return rows


def _reasons(dropped: list[Any]) -> Counter[str]:
    return Counter(d.reason for d in dropped)


def _row(
    step: str, what: str, asked: int, answered: int | None, usable: int | None, lost: Counter[str]
) -> dict[str, Any]:
    shown = dict(lost.most_common(REASONS_SHOWN))
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


def _evaluation(files: RunFiles) -> list[dict[str, Any]]:
    rows = []
    for of, model in dict.fromkeys((a["setting"], a["model"]) for a in files.answers):
        own = [a for a in files.answers if (a["setting"], a["model"]) == (of, model)]
        errors = Counter(a["error"] for a in own if a["error"])
        what = f"answers of {policy(model)}, {setting(of)}"
        rows.append(_row("evaluate", what, len(own), len(own) - errors.total(), None, errors))
    if files.comparisons:
        errors = Counter(c.error for c in files.comparisons if c.error)
        silent = sum(n for why, n in errors.items() if not why.startswith("judge failed"))
        asked = len(files.comparisons)
        what = "verdicts, each pair in both orders"
        rows.append(_row("evaluate", what, asked, asked - silent, asked - errors.total(), errors))
    return rows
