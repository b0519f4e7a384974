"""The quickstart from nothing, twice: time, memory, the paper's figures, and whether the tables repeat."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from psychocounsel.report.paper import REWARD_TARGETS, WIN_TARGETS

LIMIT_SECONDS, LIMIT_GB = 300, 3.0
SIGNS = {"higher": ">=", "lower": "<="}


def run(output: Path) -> tuple[dict[str, Any], float]:
    start = time.perf_counter()
    command = [sys.executable, "-m", "psychocounsel", "run", "recipes/quickstart.yaml", f"output={output}", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]), time.perf_counter() - start


def line(name: str, value: float, sign: str, asked: float, form: str = ".3f") -> None:
    met = value >= asked if sign == ">=" else value <= asked
    print(f"  {name:34} {value:8{form}}   asked {sign} {asked:<6g} {'met' if met else 'NOT MET'}", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, seconds = run(Path(folder) / "one")
        second, again = run(Path(folder) / "two")
    print("  SIMULATED: rule-based stand-ins wrote, rated and judged; see the report's limits")
    line("wall time, s, slower of two", max(seconds, again), "<=", LIMIT_SECONDS, ".0f")
    line("resident at most, GB", first["peak_rss_bytes"] / 1e9, "<=", LIMIT_GB, ".2f")
    for name, (short, asked, better) in REWARD_TARGETS.items():
        figure = first["reward"][name]
        line(f"reward {short}, n={figure['n']}", figure["value"], SIGNS[better], asked)
    wins = first["win_rates"]
    judge = wins["judges"][0]["spec"]  # the one that took no part in labelling
    own = [r for r in wins["rates"] if r["judge"] == judge]
    rates = {(r["setting"], r["model"]): 100 * r["win_rate"]["value"] for r in own}
    for setting, asked in WIN_TARGETS.items():
        line(f"DPO-Iter win rate, {setting}, %", rates[setting, "dpo-iter"], ">=", 100 * asked, ".1f")
    for setting in ("free", "length-constrained"):
        base, dpo, iterated = (rates[setting, model] for model in ("base", "dpo", "dpo-iter"))
        print(f"  {setting}: base {base:.1f} < DPO {dpo:.1f} < DPO-Iter {iterated:.1f}: {base < dpo < iterated}")
    same = all(first[key] == second[key] for key in ("reward", "win_rates"))
    print(f"  the same tables from the same seed: {same}")
