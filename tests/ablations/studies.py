"""Small studies, a listener that remembers, and finished runs written by hand."""

from __future__ import annotations

from dataclasses import replace

from psychocounsel import layout
from psychocounsel.ablations import Made, variants_of
from psychocounsel.artifacts import FileEntry, Manifest, Step, read_manifest, write_json, write_text
from psychocounsel.pipeline import Quiet
from psychocounsel.recipe import Recipe, load_recipe
from psychocounsel.records import ClientSpeech, Comparison
from psychocounsel.reward.measure import ScoredPair
from psychocounsel.tables import write_records

TINY = """
name: tiny
output: OUTPUT
until: pair
collect: {limit: 45}
pair: {min_gap: 0.5}
ablations:
  without-empathy: [pair.weights.empathy=0]
  gap-of-four: [pair.min_gap=4]
  other-labeller: [rate.judge=offline/cues, evaluate.judge=offline/microskills]
"""


class Told(Quiet):
    """A listener that remembers."""

    def __init__(self):
        self.runs = []

    def __call__(self, name):
        self.runs.append((name, [], []))
        return self

    def skip(self, name, manifest):
        self.runs[-1][1].append(name)

    def end(self, name, manifest):
        self.runs[-1][2].append(name)


def study(folder, text=TINY, given=()):
    path = folder / "tiny.yaml"
    path.write_text(text.replace("OUTPUT", str(folder / "run")))
    main = load_recipe(path, list(given))
    return main, variants_of(path, list(given), main)


def step_at(run, stage, section, parents=None):
    return Step(run / stage, stage, section, 7, parents or {})


def finish(step, texts):
    with step.making() as folder:
        for name, text in texts.items():
            write_text(folder / name, text)
    return read_manifest(step.folder)


def figure(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 4, "clusters": 4}


SPEECHES = [ClientSpeech.make(f"speech {n}", split="test", screened="imminent" if n == 9 else "") for n in range(10)]
IDS = [s.id for s in SPEECHES]
MODELS = ("base", "dpo", "dpo-iter")


def written(folder, name, points, *, judge="offline/cues", reference="simulated/x", margins=None, other=(), words=50):
    """Write a finished run: points of win {model: one a speech} and margins on the main run's test pairs.

    The models of steps in `other` are not those of a run without it.
    """
    recipe = Recipe(name=name, output=folder, bootstrap=200)
    steps = ("collect", "pair", "reward", "base", "align/dpo", "align/chosen", "evaluate")
    counts = {"pairs": {"train": 11}}
    weights = {s: {"model/weights": FileEntry("other" if s in other else "same", 1)} for s in steps}
    manifests = {s: Manifest(s, "", {}, 7, simulated=True, counts=counts, files=weights[s]) for s in steps}
    write_records(folder / layout.SPEECHES, ClientSpeech, SPEECHES)
    rows = []
    for setting in ("free", "length-constrained"):
        for model, of in points.items():
            for speech, point in zip(SPEECHES, of, strict=True):
                for order in ("ab", "ba"):
                    verdict = {1.0: "a", 0.0: "b"}.get(point, "a" if order == "ab" else "b")
                    error = "judge failed" if point is None else ""
                    rows.append(
                        Comparison("", speech.id, setting, model, "reference", judge, order,
                                   "tie" if error else verdict, {}, 20, 30, 22, 33, error)
                    )  # fmt: skip
    # Another judge, and two models that met each other: none of it is in the table.
    astray = [replace(r, judge="other/judge", verdict="b") for r in rows]
    astray += [replace(r, model_b="dpo") for r in rows if r.model_a != "dpo"]
    write_records(folder / layout.COMPARISONS, Comparison, [*astray[::2], *rows, *astray[1::2]])

    def mean(of):
        some = [p for p, s in zip(of, SPEECHES, strict=True) if p is not None and not s.screened]
        return figure(sum(some) / len(some))

    rates = [
        {"judge": each, "setting": setting, "model": model, "against": "reference", "win_rate": mean(of), "words": 20.0}
        for each in (judge, "other/judge")
        for setting in ("free", "length-constrained")
        for model, of in points.items()
    ]
    rates += [rate | {"against": "dpo", "win_rate": figure(0.0)} for rate in rates]
    write_json(
        folder / layout.WIN_RATES,
        {
            "reference": "reference",
            "labellers": ["offline/microskills"],
            "max_words": words,
            "models": [{"name": m, "spec": m, "own": True, "reference": False} for m in points]
            + [{"name": "reference", "spec": reference, "own": False, "reference": True}],
            "judges": [{"spec": judge, "relation": "independent"}, {"spec": "other/judge", "relation": "labelled"}],
            "rates": rates,
        },
    )
    write_json(
        folder / layout.RISK_SLICE,
        {
            "judge": "rules",
            "speeches": 1,
            "models": [{"model": "dpo", "setting": "free", "passed": figure(0.5), "failed": 2}],
        },
    )
    write_json(folder / layout.REWARD_METRICS, {"overall": {"accuracy": figure(0.7), "auc": figure(0.8)}})
    made = Made(name, ("pair.min_gap=2",) if name != "main" else (), recipe, manifests)
    if margins is not None:
        made.scored = folder / layout.REWARD_TEST
        scored = [ScoredPair(s, s, "", "", 1.0, m, 0.0, 1, 1, {}) for s, m in zip(IDS, margins, strict=False)]
        write_records(made.scored, ScoredPair, scored)
    return made


LOW = {"base": [0.0] * 10, "dpo": [0.0, 1.0] * 5, "dpo-iter": [0.5] * 10}
HIGH = {"base": [0.0] * 10, "dpo": [1.0] * 8 + [0.0, 0.0], "dpo-iter": [1.0] * 9 + [0.0]}
