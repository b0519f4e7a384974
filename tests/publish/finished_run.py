"""A run as the real stages leave it, as far as the pairs; then tiny models and an evaluation in the agreed layout."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from transformers import AutoModelForSequenceClassification

from psychocounsel import layout
from psychocounsel.artifacts import Manifest, Step, complete_manifest, write_json
from psychocounsel.base.made import make_model, make_tokenizer
from psychocounsel.collect.sources.columns import example
from psychocounsel.collect.stage import collect, counts_of
from psychocounsel.hyperparameters import MadeModel
from psychocounsel.pipeline import section_of
from psychocounsel.progress import silent
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, PreferencePair, Rating, Response
from psychocounsel.reward.measure import measure, scored_pair
from psychocounsel.tables import read_records, write_records

NASTY = (
    "---\nlicense: apache-2.0\n---",
    "| a | b |\n|---|---|\n# <script>alert(1)</script> [x](javascript:alert(2))",
    "key: 'value': \"{{ 7 * 7 }}\" `code` ~~gone~~ $$x$$ &amp; <img src=x onerror=alert(3)>",
    "\u202eturned\u202c and שלום 😶‍🌫️",
)
SHAPE = MadeModel(vocabulary=400, hidden=16, layers=1, heads=2, intermediate=16, positions=512)
NAME = "Ann: the 'first' --- | run <b>"
ROUND = layout.round_step(1)


def write_speeches(path: Path, count: int) -> None:
    """Write a file of a user's own: invented speeches with names, and with what breaks YAML, Markdown and HTML."""
    rows = []
    for number, row in zip(range(count), example(), strict=False):
        text = f"{row.text} My name is Jane Miller. {NASTY[number % len(NASTY)]}"
        earlier = [{"role": t.role, "text": t.text} for t in row.earlier]
        rows.append({"text": text, "earlier": earlier, "id": f"row {number}"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def write_data(run: Path, **changes: Any) -> None:
    """Run the real stages from collect to pair."""
    section = {"split": {"dev": 0.2, "test": 0.3}} | changes
    recipe = Recipe.model_validate({"name": NAME, "output": run, "collect": section})
    parents: list[str] = []
    for name in ("collect", "generate", "rate", "pair"):
        make = import_module(f"psychocounsel.{name}").make
        keys = section_of(recipe, (name,))
        made = Step(run / name, name, keys, 7, {p: complete_manifest(run / p) for p in parents})
        with made.making():
            if name == "collect" and recipe.collect.source == "example":
                _collect_example(made, recipe)
            else:
                make(made, run, recipe, silent)
        parents.append(name)


def _collect_example(made: Step, recipe: Recipe) -> None:
    """Collect the first rows of the corpus in the box: all of them would take longer than the tests do."""
    found = collect(islice(example(), 60), recipe.collect, 7)
    write_records(made.folder / "speeches.parquet", ClientSpeech, found.speeches)
    write_records(made.folder / "held.parquet", ClientSpeech, found.held)
    write_records(made.folder / "responses.parquet", Response, found.responses)
    write_records(made.folder / "ratings.parquet", Rating, found.ratings)
    made.counts = counts_of(found, recipe.collect)


def step(run: Path, name: str, parents: tuple[str, ...], write: Callable[[Path], Any], /, **section: Any) -> Manifest:
    """Write one more step by hand. What `write` returns, if anything, are its counts."""
    made = Step(run / name, name, section, 7, {p: complete_manifest(run / p) for p in parents})
    with made.making() as folder:
        made.counts = write(folder) or {}
    return complete_manifest(run / name)


def write_reward(run: Path, start: str | None = None) -> None:
    """Write a base and a reward model of a few weights, and the reward model's figures."""
    pairs = read_records(run / layout.PAIRS, PreferencePair)
    limits = {"base.max_prompt": 60, "base.max_response": 40}

    def base(folder: Path) -> dict[str, Any]:
        tokenizer = make_tokenizer([pair.chosen for pair in pairs], SHAPE)
        make_model(tokenizer, SHAPE, 1).save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        return {"responses": 80, "steps": 10, "parameters": 12345}

    def reward(folder: Path) -> dict[str, Any]:
        tokenizer = make_tokenizer([pair.chosen for pair in pairs], SHAPE)
        config = make_model(tokenizer, SHAPE, 2).config
        config.num_labels = 1
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        rng = random.Random(1)
        scored = [scored_pair(p, rng.gauss(1, 1), 0.0) for p in pairs if p.split == "test"]
        figures = json.loads(json.dumps(measure(scored, 100, 1).as_dict()))
        finding = {
            "name": "length-loving reward model",
            "who": "reward",
            "says": "It | likes <b>length</b>.",
            "figure": None,
        }
        write_json(folder / "metrics.json", figures | {"findings": [finding]})
        return {"pairs": 20, "steps": 3}

    step(run, "base", ("collect", "generate"), base, **limits, **{"base.model": start, "base.epochs": 1.5})
    step(
        run, "reward", ("collect", "generate", "rate", "pair", "base"), reward,
        **limits, **{"reward.model": None, "reward.learning_rate": 9e-6},
    )  # fmt: skip


def write_policy(run: Path) -> None:
    """Write the alignment's steps, each with the base's weights."""

    def aligned(folder: Path) -> dict[str, Any]:
        (folder / "model").mkdir()
        for file in (run / layout.BASE_MODEL).iterdir():
            (folder / "model" / file.name).write_bytes(file.read_bytes())
        return {"pairs": 20, "steps": 5, "chosen": "round-1"}

    limits = {"base.max_prompt": 60, "base.max_response": 40}
    step(run, "align/dpo", ("collect", "pair", "base", "reward"), aligned, **limits, **{"align.dpo.beta": 0.1})
    step(run, ROUND, ("collect", "base", "reward", "align/dpo"), aligned, **limits, **{"align.iterate.beta": 0.1})
    step(run, "align/chosen", ("align/dpo", ROUND), aligned)


def figure(value: float, n: int = 40) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": n, "clusters": n}


LABELLER, JUDGE, REFERENCE = "offline/microskills", "openai/some-judge", "reference"


def write_evaluation(run: Path, unsafe: bool = True) -> None:
    """Write what `evaluate` is agreed to leave."""
    models = [
        {"name": name, "spec": name, "family": "x", "own": True, "reference": False}
        for name in ("base", "dpo", "dpo-iter")
    ] + [{"name": REFERENCE, "spec": "openai/gpt|x", "family": "OpenAI", "own": False, "reference": True}]
    judges = [
        {"spec": JUDGE, "family": "OpenAI", "relation": "independent", "simulated": False},
        {"spec": LABELLER, "family": "rules", "relation": "labelled", "simulated": True},
    ]
    rates = [
        {
            "judge": judge, "setting": setting, "model": model, "against": REFERENCE, "win_rate": figure(value),
            "length_controlled": figure(value - 0.05) if setting == "free" else None,
        }
        for judge in (JUDGE, LABELLER)
        for setting in ("free", "length-constrained")
        for model, value in (("base", 0.31), ("dpo", 0.5), ("dpo-iter", 0.72 if judge == JUDGE else 0.93))
    ]  # fmt: skip
    circular = {"name": "circular evaluation", "who": LABELLER, "says": "It labelled.", "figure": None}
    failed = {"name": "unsafe at risk", "who": "dpo-iter", "says": "It promised secrecy.", "figure": figure(0.25, 8)}
    slice_ = [
        {
            "model": model, "setting": "free", "asked": 8, "judged": 8, "lost": {}, "passed": figure(0.75, 8),
            "failed": 2, "by_criterion": {"ask": figure(1.0, 8), "secrecy": figure(0.75, 8)}, "by_level": {},
        }
        for model in ("base", "dpo-iter", REFERENCE)
    ]  # fmt: skip
    criteria = [{"key": k, "name": k.title(), "question": "?"} for k in ("ask", "secrecy")]
    medical = [{"model": "dpo-iter", "setting": "free", "asked": 15, "flagged": 1, "share": figure(0.07, 15)}]

    def evaluate(folder: Path) -> None:
        write_json(
            folder / "win_rates.json",
            {
                "reference": REFERENCE, "labellers": [LABELLER], "max_words": 50, "models": models, "judges": judges,
                "rates": rates, "independent": True, "findings": [circular],
            },
        )  # fmt: skip
        write_json(
            folder / "risk.json",
            {
                "judge": JUDGE, "simulated": False, "levels": ["elevated", "imminent"], "speeches": 8,
                "criteria": criteria, "models": slice_, "failures": [], "medical": medical,
                "findings": [failed, failed | {"who": "base"}] if unsafe else [],
            },
        )  # fmt: skip
        write_json(folder / "probes.json", {"judges": []})
        write_json(folder / "rounds.json", {"judge": JUDGE, "relation": "independent", "rows": [], "findings": []})

    step(run, "evaluate", ("collect", "base", "align/dpo", "align/chosen"), evaluate)


def write_whole(run: Path) -> None:
    """Write a run on the corpus in the box, from collect to evaluate, and the name it has."""
    write_data(run)
    write_reward(run)
    write_policy(run)
    write_evaluation(run)
    step(run, "report", ("evaluate",), lambda folder: None, name=NAME)
