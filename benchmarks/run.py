"""`make bench`: every benchmark, one after the other; each prints its figures beside what was asked for.

`python -m benchmarks.run sampling` runs one.
"""

from __future__ import annotations

import sys

from benchmarks import calls, collect, quickstart, sampling, screens, topics

BENCHMARKS = {
    "collect": collect.main,
    "screens": screens.main,
    "topics": topics.main,
    "calls": calls.main,
    "sampling": sampling.main,
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
