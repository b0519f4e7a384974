"""A run's figures as plain data: what `tables.json` holds and what the page is made from."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from psychocounsel import layout
from psychocounsel.recipe import Recipe
from psychocounsel.report import paper, wins
from psychocounsel.report.claims import claims
from psychocounsel.report.data import data_tables
from psychocounsel.report.methods import methods_table
from psychocounsel.report.reading import ABLATIONS, RunFiles
from psychocounsel.report.words import is_number, setting
from psychocounsel.statistics.intervals import finite

REPEATING = 0.20
"""Share of repeating answers that is pointed out where the base has much less."""
OWN_REWARD = "this run's reward model"
LONGER = 0.20
"""Growth in mean words over the base that is pointed out: win rates rise with length."""


def summarise(files: RunFiles, recipe: Recipe) -> dict[str, Any]:
    """Return everything that the report shows but the cases."""
    reward = files.figure(layout.REWARD_METRICS)
    rounds = files.figure(layout.ROUNDS)
    rubric = files.figure(layout.RUBRIC) or {}
    pairs = files.scored.num_rows if files.scored is not None else 0
    summary: dict[str, Any] = {
        "name": recipe.name,
        "simulated": files.simulated,
        "stood_in_for": files.stood_in_for,
        "win_rates": files.figure(layout.WIN_RATES),
        "risk": files.figure(layout.RISK_SLICE),
        "probes": files.figure(layout.JUDGE_PROBES),
        "reward": None if reward is None else reward | {"test_pairs": pairs},
        "reward_probes": _own_model(files.figure(layout.REWARD_PROBES)),
        "alignment": _alignment(files.figure(layout.CURVES)),
        "rounds": rounds,
        "best_of": (rounds or {}).get("best_of") or [],
        "ablations": files.figure(ABLATIONS),
        "data": data_tables(files),
        "methods": methods_table(files),
        "principles": [{"key": p["key"], "name": p["name"]} for p in rubric.get("principles", [])],
    }
    summary["targets"] = _targets(summary)
    cleaned: dict[str, Any] = finite(summary)
    return cleaned | {"claims": [asdict(claim) for claim in claims(cleaned)]}


def _own_model(probes: dict[str, Any] | None) -> dict[str, Any] | None:
    """Call this run's reward model so, instead of by the folder that it lay in on some machine."""
    if probes is None or not probes["who"].endswith(layout.REWARD_MODEL):
        return probes
    named: dict[str, Any] = json.loads(json.dumps(probes).replace(json.dumps(probes["who"])[1:-1], OWN_REWARD))
    return named


def _targets(summary: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for key, (name, target, better) in paper.REWARD_TARGETS.items():
        figure = ((summary["reward"] or {}).get("overall") or {}).get(key)
        if figure and is_number(figure["value"]):
            rows.append(paper.target_row(key, f"Reward model, {name}", f"reward {name}", figure, target, better))
    won = summary["win_rates"]
    if won is None or wins.subject(won) != wins.OURS:
        return rows
    for row in wins.rates(won, wins.first_judge(won)):
        of, figure = row["setting"], row["win_rate"] or {"value": None}
        if row["model"] == wins.OURS and of in paper.WIN_TARGETS and is_number(figure["value"]):
            label, short = f"Win rate of +DPO-Iter, {setting(of)}", f"win rate, {setting(of)}"
            rows.append(paper.target_row(f"win {of}", label, short, figure, paper.WIN_TARGETS[of], "higher"))
    return rows


def _alignment(content: dict[str, Any] | None) -> dict[str, Any] | None:
    if content is None:
        return None
    curves = content["curves"]
    chosen = next((row for row in curves if row["step"] == content["chosen"]), None)
    base = next((row for row in curves if row["step"] == "base"), None)
    growth = None
    if chosen and base and is_number(chosen["words"]) and base["words"]:
        growth = chosen["words"] / base["words"] - 1
    return content | {
        "repeats": chosen["repeats"] if chosen else None,
        "repetitive": bool(chosen and base and chosen["repeats"] > max(REPEATING, 1.5 * base["repeats"])),
        "length_growth": growth,
        "much_longer": growth is not None and growth > LONGER,
        "rounds": sum(row["step"].startswith("round-") for row in curves),
    }
