"""De-identification on a planted set and the risk screen on a labelled one, each made apart from what it measures."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

from benchmarks import planted
from psychocounsel.collect.cores import over_cores
from psychocounsel.collect.sources import read_source
from psychocounsel.deidentify import redact
from psychocounsel.recipe import Collect
from psychocounsel.records import RISK_LEVELS
from psychocounsel.safety import at_least, screen
from psychocounsel.statistics.intervals import Figure, mean_figure

RISK_SET = Path(__file__).parent / "data" / "risk_test.jsonl"
PLANTED = 3_000
SPED = 40_000
SEED = 1


def main() -> None:
    deidentification()
    risk()


def deidentification() -> None:
    speeches = planted.make(PLANTED, SEED)
    scores = planted.score(
        [[(f.start, f.end, f.type) for f in redact(speech.text).spans] for speech in speeches], speeches
    )
    print(f"  de-identification of {PLANTED:,} planted speeches (95 % intervals by speech)")
    print("    type       recall                 right type   precision                n")
    for kind, score in scores.items():
        n = score.recall.n if score.recall else 0
        print(f"    {kind:9} {_say(score.recall)}   {_say(score.typed)[:5]}        {_say(score.precision)}  {n:6}")
    overall = scores["ALL"]
    assert overall.recall is not None
    assert overall.precision is not None
    _line("recall, direct identifiers", overall.recall.value, ">=", 0.97)
    _line("precision", overall.precision.value, ">=", 0.95)
    # Real sentences cut to the mean length that is asked for: word salad would be faster.
    words = " ".join(row.text for row in read_source(Collect())).split()
    texts = [" ".join(words[i : i + 60]) for i in range(0, len(words) - 60, 60)]
    many = texts * (SPED // len(texts) + 1)
    start = time.perf_counter()
    done = sum(1 for _ in over_cores(many, redacted))  # as collect does it; starting the processes counts
    _line("speeches a second, two cores", done / (time.perf_counter() - start), ">=", 2000, ".0f")


def redacted(texts: list[str]) -> list[str]:
    return [redact(text).text for text in texts]


def risk() -> None:
    rows = [json.loads(line) for line in RISK_SET.read_text("utf-8").splitlines()]
    found = [screen(row["text"]) for row in rows]
    told = [at_least(risk.level, "elevated") for risk in found]
    danger = [at_least(row["level"], "elevated") for row in rows]
    recall = _figure([t for t, d in zip(told, danger, strict=True) if d])
    alarms = _figure([t for t, d in zip(told, danger, strict=True) if not d])
    print(f"  risk screen on {len(rows)} statements; rows: as labelled, columns: as screened")
    print("    " + " " * 10 + "".join(f"{level:>10}" for level in RISK_LEVELS))
    for level in RISK_LEVELS:
        times = Counter(r.level for r, row in zip(found, rows, strict=True) if row["level"] == level)
        print(f"    {level:10}" + "".join(f"{times[given]:10}" for given in RISK_LEVELS))
    print(f"    elevated or imminent found {_say(recall)}, n = {recall.n}; false alarms {_say(alarms)}, n = {alarms.n}")
    _line("recall, elevated or imminent", recall.value, ">=", 0.95)
    _line("false alarms", alarms.value, "<=", 0.05)
    print("    every error of elevated or imminent against the rest:")
    for row, risk_found, t, d in zip(rows, found, told, danger, strict=True):
        if t != d:
            print(f"      {row['id']} {row['level']} ({row['kind']}), screened {risk_found.level}: {row['text']}")


def _figure(values: list[bool]) -> Figure:
    clusters = [str(i) for i in range(len(values))]
    return mean_figure(values, clusters, resamples=1000, seed=1, bounds=(0, 1))


def _say(figure: Figure | None) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})" if figure else "    -"


def _line(name: str, value: float, sign: str, asked: float, form: str = ".3f") -> None:
    met = value >= asked if sign == ">=" else value <= asked
    print(f"    {name:32} {value:8{form}}   asked {sign} {asked:<6g} {'met' if met else 'NOT MET'}", flush=True)


if __name__ == "__main__":
    main()
