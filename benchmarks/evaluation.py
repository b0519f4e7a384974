"""36,000 speeches by 8 models, judged in both orders: from verdicts to figures to report, in time and memory.

The verdicts are drawn here by a coin with a planted skill; the judging itself is not what is timed, and reading answers
for danger (the safety slice) is judging too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from psychocounsel import layout
from psychocounsel.artifacts import Manifest, Step, write_json
from psychocounsel.evaluate.answers import Answer
from psychocounsel.evaluate.lineage import Lineage, judge_of
from psychocounsel.evaluate.stage import wins
from psychocounsel.principles import default_rubric
from psychocounsel.progress import silent
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, Comparison, content_id
from psychocounsel.tables import read_records, schema_of, write_records

SPEECHES, MODELS = 36_000, 8
ASKED_SECONDS, ASKED_GB, ASKED_PAGE = 60, 2.0, 3e6
TOPICS = ("work", "family", "grief", "anxiety", "relationships", "health", "trauma", "self")


def recipe_of(run: Path) -> Recipe:
    models = {f"model-{k}": f"file/{k}.jsonl" for k in range(MODELS)}
    return Recipe.model_validate(
        {
            "name": "36,000 x 8",
            "output": str(run),
            "evaluate": {"models": models, "reference": "simulated/polished-assistant"},
        }
    )


def write_run(run: Path) -> None:
    """Write speeches, answers and verdicts as the stages would."""
    rng = np.random.default_rng(7)
    levels = ("none",) * 16 + ("low", "low", "elevated", "imminent")
    speeches = [
        ClientSpeech.make(
            f"I have felt like this for {k} days and do not know what to do about it.",
            topic=TOPICS[k % len(TOPICS)],
            screened=levels[k % len(levels)],
            stage="contemplation" if k % 3 else "action",
            split="test",
        )
        for k in range(SPEECHES)
    ]
    write_records(run / layout.SPEECHES, ClientSpeech, speeches)
    names = [f"model-{k}" for k in range(MODELS)]
    text = "It sounds as if this has worn you down. What has helped, even a little, in days like these?"
    rows = (Answer(s.id, "free", name, f"{text} ({name})") for s in speeches for name in (*names, "reference"))
    write_records(run / layout.ANSWERS, Answer, rows)
    keys = default_rubric().keys
    ids, count = np.array([s.id for s in speeches]), SPEECHES * 2
    schema = schema_of(Comparison)
    with pq.ParquetWriter(run / layout.COMPARISONS, schema, compression="zstd") as writer:
        for place, name in enumerate(names):
            mine, other = rng.normal(90 + 5 * place, 25, SPEECHES), rng.normal(80, 20, SPEECHES)
            skill = np.repeat(0.2 * place - 0.6 + 0.01 * (mine - other), 2)
            verdict = np.where(rng.random(count) < 1 / (1 + np.exp(-skill)), "a", "b").astype(object)
            verdict[rng.random(count) < 0.1] = "tie"
            by = rng.choice(np.array(["a", "tie", "b"], dtype=object), (count, len(keys)))
            offsets = np.arange(0, (count + 1) * len(keys), len(keys), dtype=np.int32)
            verdicts = pa.MapArray.from_arrays(offsets, pa.array(keys * count), pa.array(by.ravel()))
            lengths = [np.repeat(np.maximum(x, 5), 2).astype(np.int64) for x in (mine, other)]
            columns = {
                "id": pa.array([content_id(name, k) for k in range(count)]),
                "speech_id": pa.array(np.repeat(ids, 2)),
                "setting": pa.array(["free"] * count),
                "model_a": pa.array([name] * count),
                "model_b": pa.array(["reference"] * count),
                "judge": pa.array(["offline/cues"] * count),
                "order": pa.array(["ab", "ba"] * SPEECHES),
                "verdict": pa.array(verdict),
                "principle_verdicts": verdicts,
                "length_a": pa.array(lengths[0]),
                "length_b": pa.array(lengths[1]),
                "tokens_a": pa.array(lengths[0]),
                "tokens_b": pa.array(lengths[1]),
                "error": pa.array([""] * count),
            }
            writer.write_table(pa.Table.from_pydict(columns, schema=schema))
    for step in ("collect", "evaluate"):
        made = Manifest(stage=step, fingerprint="b", section={}, seed=7, simulated=True, backends=["offline/cues"])
        write_json(run / step / "manifest.json", asdict(made))


def evaluate_and_report(run: Path) -> None:
    """What is timed, in a process of its own."""
    from psychocounsel.report import make

    recipe = recipe_of(run)
    start = time.perf_counter()
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    judge = judge_of("offline/cues", True, Lineage(labellers=("offline/microskills",)))
    write_json(run / layout.WIN_RATES, wins(run, recipe, speeches, [judge], Lineage()))
    figures = time.perf_counter() - start
    del speeches
    step = Step(run / "report", "report", {}, 7, {})
    with step.making():
        make(step, run, recipe, silent)
    whole = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    size = (run / layout.REPORT).stat().st_size
    print(json.dumps({"figures": figures, "whole": whole, "peak": peak, "page": size}))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        write_run(run)
        command = [
            sys.executable,
            "-c",
            f"from benchmarks.evaluation import *; evaluate_and_report(Path({str(run)!r}))",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        told = json.loads(done.stdout.splitlines()[-1])
    verdicts = SPEECHES * MODELS * 2
    print(f"{SPEECHES:,} speeches x {MODELS} models, {verdicts:,} verdicts, 1,000 resamples:")
    for what, value, asked, unit in (
        ("figures", told["figures"], None, "s"),
        ("figures and report", told["whole"], ASKED_SECONDS, "s"),
        ("memory", told["peak"] / 1e9, ASKED_GB, "GB"),
        ("page", told["page"] / 1e6, ASKED_PAGE / 1e6, "MB"),
    ):
        beside = "" if asked is None else f"  (asked: under {asked:g}; {'met' if value < asked else 'NOT met'})"
        print(f"  {what:<20} {value:8.2f} {unit}{beside}")


if __name__ == "__main__":
    main()
