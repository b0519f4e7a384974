"""Train the second reader of the risk screen on the statements beside this file; writes its weights.

    python development/safety/train.py            # trained on the first four sets, measured on the fifth
    python development/safety/train.py --write    # trained on all of them

Nothing of benchmarks/data is read here.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from psychocounsel.safety import at_least, reader, rules_alone

HERE = Path(__file__).parent
OWN, OTHER = ("first", "second", "later", "pairs"), "third_writer"
"""The first three were written with the rules, `pairs` by another writer, dangerous and harmless side by side."""


def rows(*names: str) -> tuple[list[str], np.ndarray]:
    lines = [json.loads(line) for n in names for line in (HERE / f"{n}.jsonl").open(encoding="utf-8")]
    return [line["text"] for line in lines], np.array([at_least(line["level"], "elevated") for line in lines])


def fit(texts: list[str], danger: np.ndarray) -> tuple[TfidfVectorizer, LogisticRegression]:
    table = TfidfVectorizer(analyzer=reader.terms, sublinear_tf=True)
    return table, LogisticRegression(C=20, max_iter=3000).fit(table.fit_transform(texts), danger)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--write", action="store_true")
    if arguments.parse_args().write:
        table, model = fit(*rows(*OWN, OTHER))
        lines = [f"{model.intercept_[0]:.4f}"]
        for term, place in sorted(table.vocabulary_.items()):
            lines.append(f"{term}\t{table.idf_[place]:.3f}\t{model.coef_[0][place]:.3f}")
        target = Path(reader.__file__).with_name("reader.txt")
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{len(lines) - 1} terms, {target.stat().st_size / 1e3:.0f} kB")
        return
    table, model = fit(*rows(*OWN))
    texts, danger = rows(OTHER)
    p = model.predict_proba(table.transform(texts))[:, 1]
    ruled = np.array([at_least(rules_alone(text).level, "elevated") for text in texts])
    print(f"AUC of the reader {roc_auc_score(danger, p):.3f} on {len(texts)} statements of another writer")
    for floor in (2.0, 0.85, 0.8, 0.75, 0.7, 0.6):
        told = ruled | (p >= floor)
        print(f"floor {floor:.2f}  recall {told[danger].mean():.2f}  false alarms {told[~danger].mean():.2f}")


if __name__ == "__main__":
    main()
