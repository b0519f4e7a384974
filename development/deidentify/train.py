"""Train the linear model of `psychocounsel.deidentify.tagger` on the marked sets beside this file.

    python development/deidentify/train.py            # cross-validation: what it adds to the rules
    python development/deidentify/train.py --write    # the weights, from all lines

Every line stands in several copies, its names exchanged for others of their type (from the package's lists and from
other training lines), so that the model learns what stands around a name and not the name. Nothing of
benchmarks/data is read here.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

import psychocounsel
from psychocounsel.deidentify import redact, redaction, tagger
from psychocounsel.deidentify.lists import FIRST, LAST, MAYBE_NAME, MOSTLY_NAME, lists, read

HERE = Path(__file__).parent
MARK = re.compile(r"\[\[([A-Z]+):(.*?)\]\]")
COPIES = 8
SEEN = 24
"""Times that a word must have stood outside of names, and never in one, to be passed over."""
Marked = tuple[str, list[tuple[int, int, str]]]


def parse(source: str) -> Marked:
    text, spans, at = "", [], 0
    for found in MARK.finditer(source):
        text += source[at : found.start()]
        spans.append((len(text), len(text) + len(found[2]), found[1]))
        text += found[2]
        at = found.end()
    return text + source[at:], spans


def sources() -> list[str]:
    rows = []
    for path in sorted(HERE.glob("*.jsonl")):
        rows += [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    return rows


def pools(rows: list[str]) -> dict[str, list[str]]:
    """Names to exchange, by type: those of `rows` and of the package's lists."""
    ls = lists()
    found: dict[str, list[str]] = {kind: [] for kind in tagger.KINDS}
    for row in rows:
        for kind, value in MARK.findall(row):
            if kind in found:
                found[kind].append(value)
    first = sorted(n for n, k in ls.flags.items() if k & FIRST and not k & (MAYBE_NAME | MOSTLY_NAME))
    word_first = sorted(n for n, k in ls.flags.items() if k & (MAYBE_NAME | MOSTLY_NAME) and n in ls.words)
    last = sorted(n for n, k in ls.flags.items() if k & LAST and n not in ls.words)
    towns = [line.split("\t")[0] for line in read("lists/towns.txt").splitlines()]
    draw = random.Random(0)
    names = [draw.choice(first).title() for _ in range(600)] + [draw.choice(word_first).title() for _ in range(120)]
    names += [f"{draw.choice(first)} {draw.choice(last)}".title() for _ in range(300)]
    found["PERSON"] = found["PERSON"] + names
    firms = sorted(ls.employers)
    found["EMPLOYER"] = found["EMPLOYER"] + [draw.choice(firms).title() for _ in range(300)]
    found["PLACE"] = found["PLACE"] + [draw.choice(towns).title() for _ in range(500)]
    return found


def copies(row: str, pool: dict[str, list[str]], count: int, draw: random.Random) -> list[str]:
    """`row` itself and `count` - 1 copies with other names in it, one in three of them in lower-case."""
    out = [row]
    for copy in range(count - 1):

        def other(found: re.Match[str]) -> str:
            kind, value = found[1], found[2]
            if kind not in pool or draw.random() < 0.15:
                return found[0]
            new = draw.choice(pool[kind])
            return f"[[{kind}:{new.lower() if value.islower() else new[:1].upper() + new[1:]}]]"

        made = MARK.sub(other, row)
        if copy % 3 == 2:
            made = "".join(
                part.lower()
                if not part.startswith("[[")
                else re.sub(r":(.*)\]\]", lambda m: ":" + m[1].lower() + "]]", part)
                for part in re.split(r"(\[\[.*?\]\])", made)
            )
        out.append(made)
    return out


def table(rows: list[Marked]) -> tuple[list[list[str]], list[int], list[str]]:
    """Features, label (0 none, 1 and more: KINDS) and word of each word of `rows`."""
    xs, ys, lows = [], [], []
    ls = lists()
    for text, spans in rows:
        w = redaction.shaped(text)
        beside, classes = tagger.looks(w, ls)
        shouted = not any(w.caps)
        for i in range(w.size):
            kind = next((k for a, b, k in spans if a < w.ends[i] and w.starts[i] < b), None)
            if kind is not None and kind not in tagger.KINDS:
                continue
            xs.append(tagger.features(w, i, beside, classes, shouted))
            ys.append(0 if kind is None else 1 + tagger.KINDS.index(kind))
            lows.append(w.lows[i])
    return xs, ys, lows


def fit(rows: list[Marked], strength: float, heavier: float) -> tagger.Model:
    xs, ys, lows = table(rows)
    y = np.array(ys)
    count, inside = Counter(lows), Counter(low for low, label in zip(lows, ys, strict=True) if label)
    skipped = frozenset(w for w, n in count.items() if n >= SEEN and not inside[w] and w in lists().words)
    kept = [k for k, low in enumerate(lows) if low not in skipped]
    often = Counter(name for k in kept for name in set(xs[k]))
    names = sorted(name for name, n in often.items() if n >= 6)
    index = {name: k for k, name in enumerate(names)}
    cols = [[index[name] for name in xs[k] if name in index] for k in kept]
    data = csr_matrix(
        (np.ones(sum(map(len, cols)), dtype=np.float32), np.concatenate(cols), np.cumsum([0, *map(len, cols)])),
        shape=(len(cols), len(names)),
    )
    y = y[kept]
    binary = LogisticRegression(C=strength, solver="liblinear", class_weight={0: 1.0, 1: heavier}, max_iter=300)
    binary.fit(data, y > 0)
    kinds = LogisticRegression(C=strength, max_iter=300).fit(data[y > 0], y[y > 0])
    weights = {n: round(float(v), 2) for n, v in zip(names, binary.coef_[0], strict=True) if abs(v) >= 0.02}
    of_kinds = {
        n: tuple(round(float(v), 2) for v in row)
        for n, row in zip(names, kinds.coef_.T, strict=True)
        if abs(row).max() >= 0.1
    }
    return tagger.Model(skipped, weights, of_kinds, float(binary.intercept_[0]), tuple(kinds.intercept_.tolist()))


def measure(rows: list[Marked], floor: float, m: tagger.Model) -> dict[str, float]:
    """Recall and precision over all types of rules and model together, as redact() would do it."""
    tagger.model.cache_clear()
    was = tagger.model
    tagger.model = lambda: tagger.Model(m.skipped, m.weights, m.kinds, m.bias - floor, m.kind_bias)  # type: ignore[assignment]
    wanted: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    made = right = 0
    for text, gold in rows:
        found = [(f.start, f.end) for f in redact(text).spans]
        covered = {at for start, end in found for at in range(start, end)}
        for a, b, k in gold:
            wanted[k] += 1
            whole[k] += all(at in covered for at in range(a, b) if text[at].isalnum())
        made += len(found)
        right += sum(any(a < end and start < b for a, b, _ in gold) for start, end in found)
    tagger.model = was
    return {"recall": sum(whole.values()) / sum(wanted.values()), "precision": right / made} | {
        k: whole[k] / n for k, n in sorted(wanted.items())
    }


def plain_text() -> list[Marked]:
    """The example corpus, where the rules find the few names that are there: what running text is mostly made of."""
    folder = Path(psychocounsel.__file__).parent / "collect" / "corpus"
    texts = [
        json.loads(line)["text"] for path in sorted(folder.glob("*.jsonl")) for line in path.open(encoding="utf-8")
    ]
    was, tagger.scan = tagger.scan, lambda w: []
    try:
        return [(text, [(f.start, f.end, f.type) for f in redact(text).spans]) for text in texts]
    finally:
        tagger.scan = was


def augmented(train: list[str], seed: int) -> list[Marked]:
    draw = random.Random(seed)
    pool = pools(train)
    made = [parse(made) for row in train for made in copies(row, pool, COPIES, draw)]
    running = plain_text()
    return made + running + [(text.lower(), spans) for text, spans in running]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--folds", type=int, default=5)
    arguments.add_argument("--strength", type=float, default=1.0)
    arguments.add_argument("--heavier", type=float, default=2.0)
    arguments.add_argument("--floor", type=float, default=-0.5)
    given = arguments.parse_args()
    rows = sources()
    if given.write:
        m = fit(augmented(rows, 0), given.strength, given.heavier)
        lines = ["\t".join(["", f"{m.bias - given.floor:.3f}", *(f"{b:.3f}" for b in m.kind_bias)])]
        lines += sorted(m.skipped)
        for name in sorted(set(m.weights) | set(m.kinds)):
            of_kinds = [f"{v:g}" if v else "" for v in m.kinds.get(name, ())]
            lines.append("\t".join([name, f"{m.weights[name]:g}" if name in m.weights else "", *of_kinds]))
        target = Path(tagger.__file__).parent / "lists" / "tagger.txt"
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{len(lines)} lines, {target.stat().st_size / 1e6:.1f} MB")
        return
    order = list(range(len(rows)))
    random.Random(1).shuffle(order)
    none = tagger.Model(frozenset(), {}, {}, -1e9, (0.0,) * len(tagger.KINDS))
    for floor in (None, -1.0, 0.0, 1.0, 2.0):
        totals: list[dict[str, float]] = []
        for fold_number in range(given.folds):
            held = [parse(rows[k]) for k in order[fold_number :: given.folds]]
            if floor is None:
                totals.append(measure(held, 0.0, none))
                continue
            if fold_number not in MODELS:
                train = [rows[k] for n, k in enumerate(order) if n % given.folds != fold_number]
                MODELS[fold_number] = fit(augmented(train, fold_number), given.strength, given.heavier)
            totals.append(measure(held, floor, MODELS[fold_number]))
        keys = sorted({key for each in totals for key in each})
        print(
            "rules alone" if floor is None else f"with the model above {floor:+.1f}",
            " ".join(f"{key} {np.mean([each[key] for each in totals if key in each]):.3f}" for key in keys),
            flush=True,
        )


MODELS: dict[int, tagger.Model] = {}

if __name__ == "__main__":
    main()
