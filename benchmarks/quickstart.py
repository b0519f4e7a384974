"""The quickstart from nothing, twice: time, memory, the paper's figures, and whether the tables repeat."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LIMIT_SECONDS, LIMIT_GIB = 300, 3.0
REWARD = {"accuracy": (">=", 0.981), "auc": (">=", 0.998), "ece": ("<=", 0.045), "brier": ("<=", 0.014)}


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
    line("resident at most, GiB", first["peak_rss_bytes"] / 2**30, "<=", LIMIT_GIB, ".2f")
    for name, (sign, asked) in REWARD.items():
        line(f"reward {name}, n={first['reward'][name]['n']}", first["reward"][name]["value"], sign, asked)
    rates = {(r["setting"], r["model"]): 100 * r["win_rate"]["value"] for r in first["win_rates"]["rates"]}
    line("DPO-Iter win rate, free, %", rates["free", "dpo-iter"], ">=", 87, ".1f")
    line("DPO-Iter win rate, constrained, %", rates["length-constrained", "dpo-iter"], ">=", 77, ".1f")
    for setting in ("free", "length-constrained"):
        base, dpo, iterated = (rates[setting, model] for model in ("base", "dpo", "dpo-iter"))
        print(f"  {setting}: base {base:.1f} < DPO {dpo:.1f} < DPO-Iter {iterated:.1f}: {base < dpo < iterated}")
    same = all(first[key] == second[key] for key in ("reward", "win_rates"))
    print(f"  the same tables from the same seed: {same}")
