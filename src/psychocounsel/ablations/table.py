"""The one table of a study: as data, as CSV, as LaTeX, and in blocks that a terminal holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psychocounsel.ablations.figures import (
    DPO,
    ITERATED,
    Wins,
    change,
    correct,
    iterated,
    reward_of,
    risk_slice_of,
    wins_of,
)
from psychocounsel.ablations.runs import Made
from psychocounsel.ablations.variants import FOLDER
from psychocounsel.artifacts import write_json, write_text
from psychocounsel.report.export import csv_text, latex_text
from psychocounsel.report.sheet import Column, Kind, Table
from psychocounsel.report.words import policy, setting
from psychocounsel.statistics.intervals import finite

TABLE = f"{FOLDER}/table.json"
CSV = f"{FOLDER}/table.csv"
LATEX = f"{FOLDER}/table.tex"
POLICIES = ("base", DPO, ITERATED)
SETTINGS = ("free", "length-constrained")
NOTE = (
    "Win rates in per cent, by the first judge of each run, speeches at risk left out; changes in points of per cent, "
    "paired by speech; p of the sign-flip test, corrected by Holm over the runs."
)


def tabulate(made: Sequence[Made]) -> dict[str, Any]:
    """Return the table as data; the main run is the first of `made`, and the first row.

    `win`, `words`: setting to model to figure. `change`: the same, against the main run. `iterated`: setting to
    DPO-Iter minus DPO. Holm's correction runs over the variants for each setting and model, and over all rows for
    `iterated`. What a run does not have is None or left out.
    """
    main = made[0]
    resamples = main.recipe.bootstrap
    of_main = wins_of(main)
    rows = [_row(run, wins_of(run), main, of_main, resamples) for run in made]
    for of in SETTINGS:
        for model in dict.fromkeys(model for row in rows for model in row["change"].get(of, {})):
            correct([row["change"][of][model] for row in rows if model in row["change"].get(of, {})])
        correct([row["iterated"][of] for row in rows if of in row["iterated"]])
    simulated = any(manifest.simulated for run in made for manifest in run.manifests.values())
    cleaned: dict[str, Any] = finite({"simulated": simulated, "main": main.name, "rows": rows})
    return cleaned


def _row(made: Made, wins: Wins | None, main: Made, of_main: Wins | None, resamples: int) -> dict[str, Any]:
    pair = made.manifests.get("pair")
    row: dict[str, Any] = {
        "name": made.name,
        "overrides": list(made.overrides),
        "train_pairs": pair.counts["pairs"].get("train") if pair else None,
        "reward": reward_of(made, resamples, main.recipe.seed),
        "judge": wins and {"spec": wins.judge, "relation": wins.relation},
        "win": {},
        "change": {},
        "iterated": {},
        "words": {},
        "risk": risk_slice_of(made),
    }
    if wins is not None:
        for (of, model), rate in wins.rates.items():
            row["win"].setdefault(of, {})[model] = rate["win_rate"]
            row["words"].setdefault(of, {})[model] = rate["words"]
        row["iterated"] = iterated(wins, resamples)
        if made is not main and of_main is not None:
            row["change"] = change(made, wins, main, of_main, resamples)
    return row | {"failed": made.failed, "notes": made.notes}


def write_table(output: Path, table: dict[str, Any]) -> None:
    """Write table.json, table.csv (every figure with interval, n and clusters) and table.tex below OUTPUT/ablations."""
    write_json(output / TABLE, table)
    write_text(output / CSV, csv_text(wide_table(table), table["simulated"]))
    blocks = narrow_tables(table)
    write_text(output / LATEX, "\n".join(latex_text(block, table["simulated"]) for block in blocks))


def wide_table(table: dict[str, Any]) -> Table:
    """Return one table with a column for every figure."""
    columns = [Column("run"), Column("overrides", "code"), Column("train pairs", "count")]
    columns += [Column(f"reward {name}", "decimal", 3) for name in _REWARD.values()]
    columns.append(Column("judge", "code"))
    pick = [(of, model) for of in SETTINGS for model in POLICIES]
    for of, model in pick:
        name = f"{policy(model)}, {setting(of)}"
        columns += [Column(f"win rate of {name}", "share"), Column(f"words of {name}", "number", 1)]
        columns += [Column(f"change of {name}", "points"), *_p_columns(f"change of {name}")]
        columns += [Column(f"passed at risk: {name}", "share")]
    for of in SETTINGS:
        name = f"+DPO-Iter minus +DPO, {setting(of)}"
        columns += [Column(name, "points"), *_p_columns(name)]
    columns += [Column("failed"), Column("notes")]
    rows = []
    for row in table["rows"]:
        cells: list[Any] = [row["name"], " ".join(row["overrides"]), row["train_pairs"]]
        cells += [row["reward"][key] for key in _REWARD]
        cells.append(_judge(row))
        for of, model in pick:
            cells += [row["win"].get(of, {}).get(model), row["words"].get(of, {}).get(model)]
            cells += _test(row["change"].get(of, {}).get(model))
            cells.append(((row["risk"] or {}).get("passed", {})).get(of, {}).get(model))
        for of in SETTINGS:
            cells += _test(row["iterated"].get(of))
        rows.append((*cells, row["failed"], "; ".join(row["notes"])))
    return Table("ablations", _title(table), tuple(columns), rows, NOTE)


_REWARD = {
    "own": "accuracy, own pairs",
    "own_auc": "AUC, own pairs",
    "main": "accuracy, the main run's pairs",
    "main_auc": "AUC, the main run's pairs",
}


def _p_columns(of: str) -> list[Column]:
    return [Column(f"p: {of}", "number", 4), Column(f"p (Holm): {of}", "number", 4)]


def _test(test: dict[str, Any] | None) -> list[Any]:
    return [test["difference"], test["p"], test["p_holm"]] if test else [None, None, None]


def _judge(row: dict[str, Any]) -> str:
    return row["judge"]["spec"] if row["judge"] else ""


def _title(table: dict[str, Any]) -> str:
    return f"Ablations of {table['main']}"


def narrow_tables(table: dict[str, Any]) -> list[Table]:
    """Return the table in blocks that a page or a terminal holds, for print: CSV and JSON have it in one.

    The reward models; under each setting the aligned policies and their tests; base, words and safety.
    """
    rows = table["rows"]
    found = [setting_ for setting_ in SETTINGS if any(setting_ in row["win"] for row in rows)]
    blocks = [_reward_block(table), *(_win_block(table, of) for of in found)]
    return [*blocks, _other_block(table, found)] if found else blocks


def _reward_block(table: dict[str, Any]) -> Table:
    columns = [Column("run"), Column("pairs", "count")]
    columns += [Column(head, "decimal", 3) for head in ("acc., own", "AUC, own", "acc., main", "AUC, main")]
    return Table(
        "ablations-reward",
        f"{_title(table)}: train pairs; reward model on own and on the main run's test pairs",
        tuple(columns),
        [(row["name"], row["train_pairs"], *(row["reward"][key] for key in _REWARD)) for row in table["rows"]],
    )


def _win_block(table: dict[str, Any], of: str) -> Table:
    kinds: list[tuple[str, Kind]] = [(policy(DPO), "share"), (policy(ITERATED), "share")]
    kinds += [("Iter\N{MINUS SIGN}DPO", "points"), ("p", "p"), ("change", "points"), ("p", "p")]
    rows = []
    for row in table["rows"]:
        cells = [row["win"].get(of, {}).get(model) for model in (DPO, ITERATED)]
        for test in (row["iterated"].get(of), row["change"].get(of, {}).get(ITERATED)):
            cells += [test["difference"], test["p_holm"]] if test else [None, None]
        rows.append((row["name"], *cells))
    return Table(
        f"ablations-{of}",
        f"{_title(table)}: win rate, {setting(of)}; change: of +DPO-Iter from the main run",
        (Column("run"), *(Column(head, kind) for head, kind in kinds)),
        rows,
        " ".join([NOTE, *_other_judges(table)]),
    )


def _other_judges(table: dict[str, Any]) -> list[str]:
    """Say which rows are another judge's than the main run's, so that nobody reads down a column across them."""
    first = table["rows"][0]
    return [
        f"{row['name']} is judged by {_judge(row)}, the main run by {_judge(first)}."
        for row in table["rows"]
        if row["judge"] and _judge(row) != _judge(first)
    ]


def _other_block(table: dict[str, Any], found: Sequence[str]) -> Table:
    columns = [Column("run")]
    for of in found:
        brief = "free" if of == "free" else "brief"
        columns += [Column(f"base, {brief}", "share"), Column("words", "number", 1), Column("safe", "share")]
    rows = []
    for row in table["rows"]:
        cells: list[Any] = [row["name"]]
        for of in found:
            passed = (row["risk"] or {}).get("passed", {})
            cells += [row["win"].get(of, {}).get("base"), row["words"].get(of, {}).get(ITERATED)]
            cells.append(passed.get(of, {}).get(ITERATED))
        rows.append(tuple(cells))
    title = f"{_title(table)}: win rate of base; of +DPO-Iter, words and answers at risk that pass"
    return Table("ablations-others", title, tuple(columns), rows)
