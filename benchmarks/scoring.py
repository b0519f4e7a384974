"""Rewards of eight candidates a prompt: prompts computed once, against length-sorted batches of `transformers`.

The same Llama of 23 M parameters, as a sequence classifier in bf16 by autocast; responses log-normal about 215 tokens.
The peer's batch size and attention are searched for, on a third of the prompts.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from benchmarks.training import PAD, VOCABULARY, model
from psychocounsel.models import runtime

EACH, MEDIAN = 8, 215


def groups(prompt: int, count: int) -> list[tuple[list[int], list[list[int]]]]:
    rng = np.random.default_rng(1)

    def text(median: int) -> list[int]:
        return rng.integers(2, VOCABULARY, max(2, round(rng.lognormal(np.log(median), 0.35)))).tolist()

    return [(text(prompt), [text(MEDIAN) for _ in range(EACH)]) for _ in range(count)]


@torch.inference_mode()
def peer(ready: Any, asked: list[tuple[list[int], list[list[int]]]], batch: int) -> float:
    """Return responses a second of plain batches, rows of like length together."""
    rows = sorted((prompt + branch for prompt, branches in asked for branch in branches), key=len)
    start = time.perf_counter()
    for at in range(0, len(rows), batch):
        part = rows[at : at + batch]
        longest = max(map(len, part))
        ids = torch.tensor([r + [PAD] * (longest - len(r)) for r in part])
        mask = torch.tensor([[1] * len(r) + [0] * (longest - len(r)) for r in part])
        with torch.autocast("cpu", torch.bfloat16):
            ready(input_ids=ids, attention_mask=mask, use_cache=False)
    return len(rows) / (time.perf_counter() - start)


def ours(ready: Any, asked: list[tuple[list[int], list[list[int]]]]) -> float:
    from psychocounsel.models.scoring import score_groups

    start = time.perf_counter()
    score_groups(ready, asked, PAD, 4096)
    return sum(len(branches) for _, branches in asked) / (time.perf_counter() - start)


def main() -> None:
    runtime.prepare()
    from psychocounsel.models.attention import by_segments

    for prompt, count, least in ((90, 24, 1.6), (1000, 12, 3.0)):
        asked = groups(prompt, count)
        found = {}
        for attention in ("sdpa", "eager"):
            ready = model("reward").eval()
            ready.set_attn_implementation(attention)
            for batch in (1, 4, 16):
                found[attention, batch] = max(peer(ready, asked[: count // 3], batch) for _ in range(2))
        packed = by_segments(model("reward").eval())
        ours(packed, asked[:4])
        mine = max(ours(packed, asked) for _ in range(3))
        (attention, batch), _ = max(found.items(), key=lambda item: item[1])
        ready = model("reward").eval()
        ready.set_attn_implementation(attention)
        best = max(peer(ready, asked, batch) for _ in range(3))
        print(f"  prompts of {prompt}: transformers {best:6.1f} responses/s at its best ({attention}, {batch} a batch)")
        met = "met" if mine / best >= least else "NOT MET"
        print(
            f"  prompts of {prompt}: ours         {mine:6.1f} responses/s, {mine / best:.2f} x, asked {least:g}: {met}"
        )


if __name__ == "__main__":
    main()
