"""Topics on texts that the taxonomy was not written from: the example corpus, and counsel-chat for the coarse ones."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from psychocounsel.backends.sentence_encoder import open_encoder
from psychocounsel.collect.sources import read_source
from psychocounsel.collect.topics import Topic, assign
from psychocounsel.errors import MissingExtraError
from psychocounsel.recipe import Collect

COUNSEL_CHAT = Path(__file__).parents[2] / "shared" / "data" / "counsel_chat.csv"
COARSE = {
    "depression": {"mood-and-anxiety", "crisis"},
    "anxiety": {"mood-and-anxiety"},
    "anger-management": {"mood-and-anxiety", "crisis"},
    "relationships": {"relationships"},
    "intimacy": {"relationships"},
    "relationship-dissolution": {"relationships"},
    "marriage": {"relationships"},
    "domestic-violence": {"relationships", "trauma-and-loss"},
    "social-relationships": {"relationships", "mood-and-anxiety"},
    "human-sexuality": {"relationships", "self-and-identity"},
    "parenting": {"family"},
    "family-conflict": {"family"},
    "children-adolescents": {"family"},
    "self-esteem": {"self-and-identity"},
    "lgbtq": {"self-and-identity"},
    "spirituality": {"self-and-identity"},
    "trauma": {"trauma-and-loss"},
    "grief-and-loss": {"trauma-and-loss"},
    "military-issues": {"trauma-and-loss"},
    "workplace-relationships": {"work-and-study"},
    "substance-abuse": {"habits-and-health"},
    "addiction": {"habits-and-health"},
    "sleep-improvement": {"habits-and-health"},
    "eating-disorders": {"habits-and-health"},
}
"""counsel-chat's own labels that say something of ours; the others (such as professional-ethics) do not."""
BINS = ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01))


def counsel_chat() -> tuple[list[str], list[set[str]]]:
    texts: dict[str, tuple[str, set[str]]] = {}
    with COUNSEL_CHAT.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            if row["topic"] in COARSE:
                text = f"{row['questionTitle']}\n\n{row['questionText']}"
                texts.setdefault(row["questionLink"], (text, COARSE[row["topic"]]))
    return [text for text, _ in texts.values()], [coarse for _, coarse in texts.values()]


def _bins(topics: list[Topic], right: list[bool]) -> None:
    for low, high in BINS:
        inside = [r for t, r in zip(topics, right, strict=True) if t.fine and low <= t.confidence < high]
        if inside:
            share = sum(inside) / len(inside)
            print(f"      confidence {low:.1f} to {min(high, 1):.1f}: right {share:.2f} (n = {len(inside)})")


def main() -> None:
    rows = list(read_source(Collect()))
    try:
        encoder = open_encoder()
    except MissingExtraError as error:
        print(f"  without the encoder: {error}")
        encoder = None
    for name, used in (("cues", None), ("cues and encoder", encoder)):
        if name != "cues" and used is None:
            continue
        start = time.perf_counter()
        topics = assign([row.text for row in rows], used)
        rate = len(rows) / (time.perf_counter() - start)
        coarse = [t.coarse == row.labels["topic"] for t, row in zip(topics, rows, strict=True)]
        fine = [t.fine == row.labels["subtopic"] for t, row in zip(topics, rows, strict=True)]
        n = len(rows)
        print(
            f"  {name}: example corpus, coarse {sum(coarse) / n:.3f}, fine {sum(fine) / n:.3f} (n = {n}), {rate:.0f}/s"
        )
        _bins(topics, fine)
        if COUNSEL_CHAT.is_file():
            texts, asked = counsel_chat()
            topics = assign(texts, used)
            right = [t.coarse in allowed for t, allowed in zip(topics, asked, strict=True)]
            print(f"  {name}: counsel-chat, coarse {sum(right) / len(right):.3f} (n = {len(right)})")
            _bins(topics, right)
        else:
            print("  counsel-chat: the shared file is not beside the checkout")


if __name__ == "__main__":
    main()
