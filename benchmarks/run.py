"""`make bench`: every benchmark, one after the other; each prints its figures beside what was asked for.

`python -m benchmarks.run sampling` runs one.
"""

from __future__ import annotations

import sys

from benchmarks import (
    annotate_load,
    calls,
    collect,
    epitome,
    evaluation,
    gpu_training,
    judges,
    planted_faults,
    power,
    quickstart,
    risk_responses,
    sampling,
    scoring,
    screens,
    statistics,
    topics,
    training,
)

BENCHMARKS = {
    "collect": collect.main,
    "screens": screens.main,
    "topics": topics.main,
    "calls": calls.main,
    "statistics": statistics.main,
    "judges": judges.main,
    "risk-responses": risk_responses.main,
    "planted-faults": planted_faults.main,
    "evaluation": evaluation.main,
    "power": power.main,
    "annotate-load": annotate_load.main,
    "training": training.main,
    "scoring": scoring.main,
    "sampling": sampling.main,
    "gpu": gpu_training.main,
    "epitome": epitome.main,
    "quickstart": quickstart.main,
}


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in wanted:
        print(f"== {name}", flush=True)
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
