"""DPO and reward training on a CPU: packed rows that share their prompts, against TRL at its best setting.

A Llama of 23 M parameters with random weights and a vocabulary of 32,000, in bf16 by autocast with float32 weights, on
the same pairs (lengths log-normal about 90, 260 and 170 tokens). TRL's batch size is searched for, with rows of like
length together; both take whole steps, optimizer included. The share of the processor's rate counts only what must be
computed: each token of prompt and responses once, attention where it looks, the head on completion tokens.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from psychocounsel.hyperparameters import Dpo, Reward
from psychocounsel.models import runtime
from psychocounsel.models.branches import Group, pack

MEDIANS, VOCABULARY, HIDDEN, LAYERS, HEADS, INNER = (90, 260, 170), 32_000, 384, 6, 6, 1024
PAIRS, END, PAD = 64, 1, 0


def model(kind: str = "causal") -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, intermediate_size=INNER, tie_word_embeddings=True, eos_token_id=END,
        pad_token_id=PAD, bos_token_id=None, num_labels=1,
    )  # fmt: skip
    return (LlamaForCausalLM if kind == "causal" else LlamaForSequenceClassification)(config)


def pairs(count: int = PAIRS) -> list[Group]:
    rng = np.random.default_rng(0)

    def text(median: int) -> list[int]:
        return [*rng.integers(2, VOCABULARY, max(2, round(rng.lognormal(np.log(median), 0.35))) - 1).tolist(), END]

    return [Group(text(MEDIANS[0]), [text(MEDIANS[1]), text(MEDIANS[2])]) for _ in range(count)]


def needed(groups: list[Group], *, head: bool) -> float:
    """FLOPs of a forward over what must be computed; a training step takes three times as many."""
    inner = LAYERS * (4 * HIDDEN * HIDDEN + 3 * HIDDEN * INNER)
    total = 0.0
    for group in groups:
        p, branches = len(group.prompt), [len(b) for b in group.branches]
        seen = p * (p + 1) / 2 + sum(b * p + b * (b + 1) / 2 for b in branches)
        total += 2 * inner * (p + sum(branches)) + 4 * HIDDEN * LAYERS * seen
        total += 2 * HIDDEN * VOCABULARY * sum(branches) if head else 0
    return total


def processor_rate() -> float:
    """FLOPs a second of large bf16 products: the best of a few sizes."""
    best = 0.0
    for m, k, n in ((2048, 2048, 2048), (4096, 1024, 1024), (4096, 384, 2048)):
        a, b = torch.randn(m, k).bfloat16(), torch.randn(k, n).bfloat16()
        for _ in range(4):
            start = time.perf_counter()
            a @ b
            best = max(best, 2 * m * k * n / (time.perf_counter() - start))
    return best


def timed(steps: Callable[[], None]) -> float:
    start = time.perf_counter()
    steps()
    return time.perf_counter() - start


class Clock:
    """Times each step of a trainer."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self, done: int, total: int, note: str = "") -> None:
        self.at.append(time.perf_counter())

    def a_step(self) -> float:
        """Median seconds of a step after the first two, in which shapes are compiled."""
        return float(np.median(np.diff(self.at[1:])))


def ours(
    groups: list[Group], *, reward: bool, batch: int = 16, row_tokens: int = 4096, shared: bool = True, steps: int = 8
) -> float:
    """Return pairs a second of training steps, reference log-probabilities known."""
    from transformers import TrainingArguments

    from psychocounsel.models.attention import by_segments
    from psychocounsel.models.preference import Example, SharedDpoTrainer, SharedRewardTrainer
    from psychocounsel.models.training import arguments, train

    section: Any = Reward if reward else Dpo
    section = section(epochs=batch * steps / len(groups), batch=batch, row_tokens=row_tokens, save_every=10**6)
    numbers = {"gap": 1.0} if reward else {"reference": [-900.0, -600.0]}
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(**arguments(section, Path(folder), 1, len(groups)))
        trainer = (SharedRewardTrainer if reward else SharedDpoTrainer)(
            section=section, model=by_segments(model("reward" if reward else "causal")), args=args,
            examples=[Example(g, numbers) for g in groups], pad=PAD, row_tokens=row_tokens,
        )  # fmt: skip
        train(trainer, Path(folder), clock)
    return batch / clock.a_step()


def reference(groups: list[Group]) -> float:
    from psychocounsel.models.attention import by_segments
    from psychocounsel.models.branches import branch_logprobs

    ready = by_segments(model()).eval()
    rows = [pack(groups[i : i + 8]) for i in range(0, 32, 8)]
    times = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for row in rows * 2:
            times.append(timed(lambda row=row: branch_logprobs(ready, row)))
    return 8 / float(np.median(times[4:]))


def trl(groups: list[Group], *, reward: bool, batch: int, attention: str, precomputed: bool = True) -> float:
    """Return TRL's pairs a second at one setting, from whole steps of 8 pairs, accumulated where `batch` is less."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

    from psychocounsel.models.training import TickCallback

    class OnTokens:
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    class Dpo(OnTokens, DPOTrainer): ...  # type: ignore[misc]

    class Bt(OnTokens, RewardTrainer): ...  # type: ignore[misc]

    ordered = sorted(groups, key=lambda g: g.tokens)[len(groups) // 2 - 8 : len(groups) // 2 + 8]  # of like length
    if reward:
        rows = [
            {"chosen_ids": [*g.prompt, *g.branches[0]], "rejected_ids": [*g.prompt, *g.branches[1]]} for g in ordered
        ]
    else:
        rows = [{"prompt_ids": g.prompt, "chosen_ids": g.branches[0], "rejected_ids": g.branches[1]} for g in ordered]
    ready = model("reward" if reward else "causal")
    ready.set_attn_implementation(attention)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        shared: dict[str, Any] = {
            "output_dir": folder, "per_device_train_batch_size": batch, "gradient_accumulation_steps": 8 // batch,
            "max_steps": 4, "bf16": True, "use_cpu": True, "report_to": "none", "max_length": None,
            "gradient_checkpointing": False, "disable_tqdm": True, "save_strategy": "no", "logging_steps": 100,
            "dataloader_pin_memory": False, "remove_unused_columns": False,
        }  # fmt: skip
        from transformers import PreTrainedTokenizerFast
        from tokenizers import Tokenizer, models

        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0, "<end>": 1}, "<pad>")),
            pad_token="<pad>",
            eos_token="<end>",
        )
        data = Dataset.from_list(rows)
        if reward:
            trainer: Any = Bt(model=ready, args=RewardConfig(**shared), train_dataset=data, processing_class=tokenizer)
        else:
            args = DPOConfig(**shared, precompute_ref_log_probs=precomputed)
            trainer = Dpo(model=ready, args=args, train_dataset=data, processing_class=tokenizer)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(TickCallback(clock))
        trainer.train()
    return 8 / float(np.median(np.diff(clock.at)))


if __name__ == "__main__":
    import sys
    runtime.prepare()
    groups = pairs()
    for reward in (False, True):
        for rt in (1024, 2048, 4096, 8192):
            rate = processor_rate()
            v = ours(groups, reward=reward, row_tokens=rt)
            rate = max(rate, processor_rate())
            f = 3 * needed(groups, head=not reward) / len(groups) * v
            print(reward, rt, round(v, 2), "pairs/s", round(f / 1e9), "of", round(rate / 1e9), round(f / rate, 3))
    v = reference(groups); print("reference", v, round(needed(groups, head=True) / len(groups) * v / 1e9))
