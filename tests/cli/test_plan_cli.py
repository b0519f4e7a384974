"""`plan` on a fresh machine: no weights, no data, no network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def plan(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "psychocounsel", "plan", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={"PATH": "", "COLUMNS": "80", "HOME": str(ROOT), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


PAIRS, EPOCHS = 34_329, 2
# By hand, Llama-3.1-8B. A block's weights: queries and output 2 x 4096 x 4096, keys and values 2 x 4096 x 1024, three
# feed-forward matrices 3 x 4096 x 14336. A pair: 90 + 2 x 220 tokens; the prompt sees 90 x 91 / 2 places, each branch
# 220 x 90 of the prompt and 220 x 221 / 2 of its own. No language-model head. Backward is twice the forward.
LINEAR = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
SEEN = 90 * 91 // 2 + 2 * (220 * 90 + 220 * 221 // 2)
FLOPS = EPOCHS * PAIRS * 3 * (2 * LINEAR * (90 + 2 * 220) + 4 * 32 * 4096 * SEEN)
HOURS = FLOPS / (4 * 0.4 * 989.4e12) / 3600
# A quarter of 16 bytes a weight (all but the head's), and whole in bf16: embedding, norms, two blocks with gradients.
WEIGHTS = 8_030_261_248 - 128_256 * 4096
STATES = 16 * WEIGHTS / 4 + 2 * (WEIGHTS - LINEAR + 4 * LINEAR / 32)
BLOCK = 26 * 4096 + 4 * (4096 + 1024) + 8 * 14336
MEMORY = (STATES + 33 * BLOCK * 4096) / 2**30


def test_the_paper_at_8b_is_planned_with_the_figures_worked_out_by_hand(tmp_path):
    output = f"output={tmp_path / 'run'}"
    said = plan("recipes/paper-llama3-8b.yaml", output)
    assert max(map(len, said.splitlines())) <= 80
    assert "Training on 4 x h100 (80 GiB), at 40 % of its rate" in said
    row = next(line for line in said.splitlines() if line.startswith("│ reward ") and "8B" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "reward", "Llama-3.1-8B-Instruct", "36.4M", "1,534", "61.0", "0.27",
    ]  # fmt: skip
    assert (round(FLOPS / 1e15), round(MEMORY, 1), round(HOURS, 2)) == (1534, 61.0, 0.27)
    for part in ("26,483 speeches, 34,329 train pairs", "Calls to servers are left out", "with 16 rounds"):
        assert part in " ".join(said.split())
    assert not (tmp_path / "run").exists()


def test_the_same_is_there_for_scripts(tmp_path):
    told = json.loads(plan("recipes/paper-llama3-8b.yaml", f"output={tmp_path}", "--json"))
    training = told["training"]
    reward = next(step for step in training["steps"] if step["step"] == "reward")
    assert reward["flops"] == pytest.approx(FLOPS)
    assert reward["hours"] == pytest.approx(HOURS)
    assert reward["memory_gib"] == pytest.approx(MEMORY, abs=0.01)
    assert reward["fits"] is True
    rounds = [step for step in training["steps"] if step["step"].startswith("round: ")]
    assert [(step["step"], step["times"]) for step in rounds] == [
        ("round: generate", 16), ("round: score", 16), ("round: dpo", 16),
    ]  # fmt: skip
    assert training["counted"]["told_by"]["pairs"] == "expected"
    assert "no such file" in told["calls_left_out"]
    assert told["calls"] == []


def test_a_machine_that_is_too_small_is_told_how_to_mend_it(tmp_path):
    said = " ".join(plan("recipes/paper-llama3-8b.yaml", f"output={tmp_path}", "machine.gpus=1").split())
    assert "align/dpo does not fit: 167 GiB of 73 usable" in said
    assert "machine.gpus=2 align.dpo.checkpointing=true (69 GiB)" in said


def test_plan_loads_neither_torch_nor_transformers():
    """The command answers in a second; a model's shape is read from YAML or JSON."""
    code = (
        "import sys; from psychocounsel.cli.main import app; from typer.testing import CliRunner; "
        "done = CliRunner().invoke(app, ['plan', 'recipes/paper-llama3-8b.yaml', 'output=/nonexistent/run']); "
        "assert done.exit_code == 0, done.output; assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
