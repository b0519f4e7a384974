"""The headline tables as plain data: what `tables.json` holds and what the page shows."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from psychocounsel.metrics import bootstrap, mean
from psychocounsel.recipe import Recipe
from psychocounsel.records import Comparison, content_seed
from psychocounsel.report import paper
from psychocounsel.report.data import data_tables
from psychocounsel.report.methods import methods_table
from psychocounsel.report.reading import RunFiles
from psychocounsel.report.words import is_number, plain, setting

POLICIES = ("base", "dpo", "dpo-iter")
SETTINGS = ("free", "length-constrained")
POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}
REPEATING = 0.20
"""Share of repeating answers that is pointed out where the base has much less."""

LONGER = 0.20
"""Growth in mean words over the base that is pointed out: win rates rise with length."""


def summarise(files: RunFiles, recipe: Recipe) -> dict[str, Any]:
    """Return every table of the report."""
    summary = {
        "name": recipe.name,
        "simulated": files.simulated,
        "stood_in_for": files.stood_in_for,
        "win_rates": _win_rates(files, recipe),
        "reward": _reward(files),
        "alignment": _alignment(files),
        "data": data_tables(files),
        "methods": methods_table(files),
        "principles": [{"key": p["key"], "name": p["name"]} for p in (files.rubric or {}).get("principles", [])],
    }
    summary["targets"] = _targets(summary)
    cleaned: dict[str, Any] = plain(summary)
    return cleaned


def _targets(summary: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for key, (name, target, better) in paper.REWARD_TARGETS.items():
        figure = ((summary["reward"] or {}).get("overall") or {}).get(key)
        if figure and is_number(figure["value"]):
            rows.append(paper.target_row(key, f"Reward model, {name}", f"reward {name}", figure, target, better))
    for row in (summary["win_rates"] or {}).get("rates", []):
        if row["model"] == "dpo-iter" and row["setting"] in paper.WIN_TARGETS and is_number(row["win_rate"]["value"]):
            of, figure = row["setting"], row["win_rate"]
            label, short = f"Win rate of +DPO-Iter, {setting(of)}", f"win rate, {setting(of)}"
            rows.append(paper.target_row(f"win {of}", label, short, figure, paper.WIN_TARGETS[of], "higher"))
    return rows


def _win_rates(files: RunFiles, recipe: Recipe) -> dict[str, Any] | None:
    if files.win_rates is None:
        return None
    place = {(s, m): i for i, (s, m) in enumerate((s, m) for s in SETTINGS for m in POLICIES)}
    rates = sorted(files.win_rates["rates"], key=lambda r: place.get((r["setting"], r["model"]), len(place)))
    changes = [
        {"setting": s, "model": m, "change": figure}
        for s in SETTINGS
        for m in POLICIES[1:]
        if (figure := change_from_base(files.comparisons, s, m, recipe.bootstrap)) is not None
    ]
    return files.win_rates | {"rates": rates, "change_from_base": changes, "paper": paper.WIN_RATES}


def change_from_base(comparisons: list[Comparison], of: str, model: str, resamples: int) -> dict[str, Any] | None:
    """Return the mean difference in points from the base, over the speeches on which both have a verdict."""
    points: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in comparisons:
        if row.setting == of and not row.error:
            points[row.model_a, row.speech_id].append(POINTS[row.verdict])
    both = sorted(s for m, s in points if m == model and ("base", s) in points)
    if not both:
        return None
    score = {key: sum(some) / len(some) for key, some in points.items()}
    differences = [score[model, s] - score["base", s] for s in both]
    seed = content_seed("report change from base", of, model)
    return bootstrap(differences, both, mean, resamples=resamples, seed=seed).as_dict()


def _reward(files: RunFiles) -> dict[str, Any] | None:
    if files.reward is None:
        return None
    return files.reward | {"test_pairs": len(files.scored), "paper": paper.REWARD}


def _alignment(files: RunFiles) -> dict[str, Any] | None:
    if files.curves is None:
        return None
    curves = files.curves["curves"]
    chosen = next((row for row in curves if row["step"] == files.curves["chosen"]), None)
    base = next((row for row in curves if row["step"] == "base"), None)
    growth = None
    if chosen and base and is_number(chosen["words"]) and base["words"]:
        growth = chosen["words"] / base["words"] - 1
    return files.curves | {
        "repeats": chosen["repeats"] if chosen else None,
        "repetitive": bool(chosen and base and chosen["repeats"] > max(REPEATING, 1.5 * base["repeats"])),
        "length_growth": growth,
        "much_longer": growth is not None and growth > LONGER,
        "rounds": sum(row["step"].startswith("round-") for row in curves),
    }
