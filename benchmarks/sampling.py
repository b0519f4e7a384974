"""Eight candidates a prompt in the quickstart's shape: our sampler against `generate(num_return_sequences=8)`.

The peer's best setting is searched for: prompts sorted by length, and the batch size and arithmetic that are fastest.
Both sample until the end token or 90 tokens; weights are random, so that nearly all rows run to the limit for both.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from psychocounsel.hyperparameters import MadeModel
from psychocounsel.models import runtime
from psychocounsel.models.sampling import sample

PROMPTS, EACH, NEW, END, PAD = 64, 8, 90, 1, 0


def peer(model: object, prompts: list[list[int]], batch: int, dtype: torch.dtype) -> float:
    """Return responses a second of `generate` at one setting."""
    ordered = sorted(prompts, key=len)
    start = time.perf_counter()
    for i in range(0, len(ordered), batch):
        part = ordered[i : i + batch]
        longest = max(map(len, part))
        ids = torch.tensor([[PAD] * (longest - len(p)) + p for p in part])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in part])
        with torch.inference_mode():
            model.to(dtype).generate(  # type: ignore[attr-defined]
                ids, attention_mask=mask, do_sample=True, top_k=0, max_new_tokens=NEW, num_return_sequences=EACH,
                eos_token_id=END, pad_token_id=PAD,
            )  # fmt: skip
    return PROMPTS * EACH / (time.perf_counter() - start)


def ours(model: object, prompts: list[list[int]]) -> float:
    seeds = [[i * EACH + k for k in range(EACH)] for i in range(len(prompts))]
    start = time.perf_counter()
    sample(model, prompts, seeds, max_tokens=NEW, temperature=1.0, end=END, pad=PAD)
    return PROMPTS * EACH / (time.perf_counter() - start)


def main() -> None:
    runtime.prepare()
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = MadeModel()
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.heads,
            intermediate_size=shape.intermediate,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=END,
            pad_token_id=PAD,
        )
    ).eval()
    rng = np.random.default_rng(0)
    prompts = [rng.integers(4, shape.vocabulary, rng.integers(30, 180)).tolist() for _ in range(PROMPTS)]
    ours(model, prompts[:8])
    found = {
        (batch, str(dtype)): peer(model, prompts, batch, dtype)
        for dtype in (torch.float32, torch.bfloat16)
        for batch in (4, 16, 32, 64)
    }
    setting, best = max(found.items(), key=lambda item: item[1])
    mine = max(ours(model.float(), prompts) for _ in range(2))
    for (batch, dtype), rate in found.items():
        print(f"  generate, {batch:2d} prompts a batch, {dtype:14}  {rate:6.1f} responses/s")
    print(f"  ours                                          {mine:6.1f} responses/s")
    print(f"  ratio to its best ({setting[0]} prompts, {setting[1]}): {mine / best:.2f}")
