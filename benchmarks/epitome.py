"""Real labels: the encoder reward model of recipes/epitome-encoder.yaml against TF-IDF on the same folds.

Skips, saying so, where EPITOME or the encoder is not here. The folds and the figures are the recipe's own, in its own
folder: what is finished there and current is not computed again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

DATA = Path("../shared/data/epitome.jsonl")
ASKED = {
    "ranking": 0.74,
    "ranking_apart": 0.91,
    "macro_f1/emotional_reactions": 0.72,
    "macro_f1/interpretations": 0.54,
    "macro_f1/explorations": 0.60,
}


def baseline(run: Path) -> dict[str, dict[str, float]]:
    """Logistic regression on words and pairs of words of both texts, a model a mechanism, on the recipe's folds."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer

    from psychocounsel.reward.folds import Predicted, figures

    with np.load(run / "reward" / "folds.npz") as kept:
        groups, folds, ratings = kept["groups"], kept["folds"], kept["ratings"]
        texts = np.stack([kept["prompts"], kept["responses"]], 1)

    def column(number: int) -> FunctionTransformer:
        return FunctionTransformer(lambda rows, n=number: [row[n] for row in rows])

    levels, expected = np.zeros_like(ratings), np.zeros_like(ratings)
    for fold in np.unique(folds):
        out = folds == fold
        for k in range(ratings.shape[1]):
            words = {"ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True}
            model = make_pipeline(
                make_union(*(make_pipeline(column(n), TfidfVectorizer(**words)) for n in (0, 1))),
                LogisticRegression(C=10, class_weight="balanced", max_iter=500),
            ).fit(texts[~out], ratings[~out, k])
            shares = model.predict_proba(texts[out])
            levels[out, k] = model.classes_[shares.argmax(1)]
            expected[out, k] = shares @ model.classes_
    keys = [name.partition("/")[2] for name in ASKED if "/" in name]
    return figures(Predicted(groups, folds, ratings, levels, expected), keys, np.ones(len(keys)), 200, 0)


def main() -> None:
    from psychocounsel.backends.sentence_encoder import packaged

    if not DATA.is_file() or packaged() is None:
        print(f"  skipped: {'no ' + str(DATA) if not DATA.is_file() else 'the encoder extra is not installed'}")
        return
    start = time.perf_counter()
    command = [sys.executable, "-m", "psychocounsel", "run", "recipes/epitome-encoder.yaml", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])["folds"]["figures"]
    print(f"  {time.perf_counter() - start:.0f} s for five folds and the model itself", flush=True)
    base = baseline(Path("runs/epitome-encoder"))
    for name, asked in ASKED.items():
        ours, theirs = found[name], base[name]
        met = "met" if ours["low"] > max(asked, theirs["value"]) else "NOT MET, by its interval"
        print(
            f"  {name:30} {ours['value']:.3f} ({ours['low']:.3f}-{ours['high']:.3f}), n={ours['n']}; "
            f"TF-IDF here {theirs['value']:.3f} ({theirs['low']:.3f}-{theirs['high']:.3f}); asked > {asked:g}: {met}"
        )
