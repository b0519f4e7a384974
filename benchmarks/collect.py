"""A million client speeches: cleaning and near duplicates against a datasketch loop; de-identification's speed.

The speeches are made of the example corpus's words, drawn at random: mean 60 words, a tenth near duplicates.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np

PEER_SPEECHES = 20_000
"""The peer's loop is timed on so many and taken to grow linearly, in its favour: its index only gets slower."""


def words_said() -> list[str]:
    """Return every word of the example corpus, as often as it is said there."""
    folder = resources.files("psychocounsel.collect").joinpath("corpus")
    words: list[str] = []
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".jsonl"):
            for line in file.read_text("utf-8").splitlines():
                words += str(json.loads(line)["text"]).split()
    return words


def speeches(count: int, seed: int = 7) -> Iterator[str]:
    """Yield speeches; every tenth is an earlier one with a word changed and a word added."""
    rng = np.random.default_rng(seed)
    words = np.array(words_said(), dtype=object)
    recent: list[str] = []
    for start in range(0, count, 10_000):
        n = min(10_000, count - start)
        lengths = rng.integers(20, 101, n)
        drawn = words[rng.integers(0, len(words), lengths.sum())]
        at = 0
        for i, length in enumerate(lengths):
            text = " ".join(drawn[at : at + length])
            at += length
            if i % 10 == 9:
                twin = recent[i % len(recent)].split()
                twin[len(twin) // 2] = "really"
                text = " ".join([*twin, "again"])
            elif i % 10 == 0:
                recent = [*recent[-500:], text]
            yield text


def clean_part(texts: list[str]) -> list[str | None]:
    from psychocounsel.collect.clean import clean, not_a_client, other_language

    kept: list[str | None] = []
    for text in texts:
        cleaned = clean(text).text
        refused = not_a_client(cleaned) or other_language(cleaned, ("en",))
        kept.append(None if refused else cleaned)
    return kept


def ours(count: int) -> dict[str, float]:
    """Clean, refuse and de-duplicate as the stage does; to be run in a process of its own, for its memory's sake."""
    import resource

    from psychocounsel.collect.cores import over_cores
    from psychocounsel.collect.deduplicate import drop_duplicates
    from psychocounsel.records import ClientSpeech

    texts = list(speeches(count))[::-1]
    words = sum(len(t.split()) for t in texts) / count
    start = time.perf_counter()
    cleaned = over_cores((texts.pop() for _ in range(count)), clean_part)  # a source's rows are not held either
    kept = [ClientSpeech(id=str(i), text=text) for i, text in enumerate(cleaned) if text is not None]
    cleaned_in = time.perf_counter() - start
    _, twins = drop_duplicates(kept, 0.7)
    own, workers = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "clean": cleaned_in,
        "all": time.perf_counter() - start,
        "twins": len(twins),
        "words": words,
        "gb": (own + 2 * workers) * 1024 / 1e9,  # as if every process had its peak at the same moment
    }


def peer(count: int) -> tuple[float, int]:
    """The loop that today's recipes write: a MinHash a text by its fastest call, query, insert."""
    from datasketch import MinHash, MinHashLSH

    texts = list(speeches(count))
    start = time.perf_counter()
    index = MinHashLSH(threshold=0.7, num_perm=128)
    twins = 0
    for i, text in enumerate(texts):
        tokens = text.lower().split()
        shingles = {" ".join(tokens[j : j + 3]).encode() for j in range(max(1, len(tokens) - 2))}
        sketch = MinHash(num_perm=128)
        sketch.update_batch(list(shingles))
        if index.query(sketch):
            twins += 1
        else:
            index.insert(str(i), sketch)
    return time.perf_counter() - start, twins


def _in_a_process(count: int) -> dict[str, float]:
    code = f"import json; from benchmarks.collect import ours; print(json.dumps(ours({count})))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    seconds, found = peer(PEER_SPEECHES)
    rate = PEER_SPEECHES / seconds
    print(f"  datasketch loop, {PEER_SPEECHES:,} speeches      {rate:8.0f} speeches/s ({found:,} twins)", flush=True)
    rates = {}
    for count in (100_000, 1_000_000):
        f = _in_a_process(count)
        rates[count] = count / f["all"]
        print(
            f"  ours, {count:9,} speeches of {f['words']:.0f} words {rates[count]:8.0f} speeches/s "
            f"({f['clean']:.0f} s clean, {f['all'] - f['clean']:.0f} s, {f['twins']:,.0f} found, {f['gb']:.2f} GB)",
            flush=True,
        )
        gb = f["gb"]
    ratio = rates[1_000_000] / rate
    print(f"  ours at 1,000,000 over the loop      {ratio:8.1f}   asked >= 5      {_met(ratio >= 5)}")
    print(f"  resident at 1,000,000, GB            {gb:8.2f}   asked <= 4      {_met(gb <= 4)}")
    growth = rates[100_000] / rates[1_000_000]
    print(f"  time a speech, 1,000,000 to 100,000  {growth:8.2f}   asked linear, <= 1.25  {_met(growth <= 1.25)}")


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
