"""DPO and reward training on a CPU: packed rows that share their prompts, against TRL at its best setting.

A Llama of 23 M parameters with random weights and a vocabulary of 32,000, in bf16 by autocast with float32 weights, on
the same pairs (lengths log-normal about 90, 260 and 170 tokens). TRL's batch size is searched for, on the pairs of
middle length, so that it pads little, and its rate is scaled to the mean pair; both take whole steps, optimizer
included. The share of the processor's rate counts only what must be computed: each token of prompt and responses once,
attention where it looks, the head on completion tokens.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from psychocounsel.hyperparameters import Dpo, Reward
from psychocounsel.models import runtime
from psychocounsel.models.branches import Group, pack

MEDIANS, VOCABULARY, HIDDEN, LAYERS, HEADS, INNER = (90, 260, 170), 32_000, 384, 6, 6, 1024
PAIRS, BATCH, END, PAD = 64, 16, 1, 0


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


class Clock:
    """Times each step of a trainer."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self, done: int, total: int, note: str = "") -> None:
        self.at.append(time.perf_counter())

    def a_step(self) -> float:
        """Mean seconds of a step after the first epoch, in which shapes are compiled; whole epochs, so that every pair
        counts alike."""
        epoch = PAIRS // BATCH
        return (self.at[-1] - self.at[epoch - 1]) / (len(self.at) - epoch)


def ours(groups: list[Group], *, reward: bool, how: str = "both", steps: int = 12) -> float:
    """Return pairs a second of training steps of 16, reference log-probabilities known.

    `how` leaves out one of packing and sharing, to show what each is worth.
    """
    from transformers import TrainingArguments

    from psychocounsel.models.attention import by_segments
    from psychocounsel.models.preference import Example, Packer, SharedDpoTrainer, SharedRewardTrainer
    from psychocounsel.models.training import arguments, train

    kind: Any = Reward if reward else Dpo
    section = kind(epochs=BATCH * steps / len(groups), batch=BATCH, save_every=10**6)
    section = section.model_copy(update={"row_tokens": 1}) if how == "shared only" else section
    numbers = {"gap": 1.0} if reward else {"reference": [-900.0, -600.0]}
    clock = Clock()

    class Apart(Packer):
        """Packs the responses of a prompt as if they had nothing in common."""

        def __call__(self, examples: Any) -> Any:
            parts = super().__call__(examples)
            for number, part in enumerate(parts["parts"]):
                starts = [s for s in part.row.segments if s.prompt_start != s.prompt_end]
                ids = part.row.ids[0].tolist()
                split = [Group(ids[s.prompt_start : s.prompt_end], [ids[s.start : s.end]]) for s in starts]
                parts["parts"][number] = replace(part, row=pack(split, PAD))
            return parts

    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(**arguments(section, Path(folder), 1, len(groups)))
        trainer = (SharedRewardTrainer if reward else SharedDpoTrainer)(
            section=section, model=by_segments(model("reward" if reward else "causal")), args=args,
            examples=[Example(g, numbers) for g in groups], pad=PAD, row_tokens=section.row_tokens,
        )  # fmt: skip
        if how == "packed only":
            trainer.data_collator = Apart(section.row_tokens, PAD, causal=True, by_tokens=False)
        train(trainer, Path(folder), clock)
    return BATCH / clock.a_step()


def reference(groups: list[Group]) -> float:
    """Return pairs a second of the pass that fills the cache."""
    from psychocounsel.models.attention import by_segments
    from psychocounsel.models.branches import branch_logprobs

    ready = by_segments(model()).eval()
    rows = [pack(groups[i : i + 8]) for i in range(0, 32, 8)]
    times = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for row in rows * 2:
            start = time.perf_counter()
            branch_logprobs(ready, row)
            times.append(time.perf_counter() - start)
    return 8 / float(np.median(times[4:]))


def trl(groups: list[Group], *, reward: bool, batch: int, attention: str, precomputed: bool = True) -> float:
    """Return TRL's pairs a second at one setting, from whole steps of as many pairs as ours, accumulated."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

    from psychocounsel.models.training import TickCallback

    class OnTokens:
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    class Dpo(OnTokens, DPOTrainer): ...  # type: ignore[misc]

    class Bt(OnTokens, RewardTrainer): ...  # type: ignore[misc]

    ordered = sorted(groups, key=lambda g: g.tokens)[len(groups) // 2 - 16 : len(groups) // 2 + 16]  # of like length
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
            "output_dir": folder, "per_device_train_batch_size": batch, "gradient_accumulation_steps": BATCH // batch,
            "max_steps": 3, "bf16": True, "use_cpu": True, "report_to": "none", "max_length": None,
            "gradient_checkpointing": False, "disable_tqdm": True, "save_strategy": "no", "logging_steps": 100,
            "dataloader_pin_memory": False, "remove_unused_columns": False,
        }  # fmt: skip
        from tokenizers import Tokenizer, models
        from transformers import PreTrainedTokenizerFast

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
    plain = [np.mean([g.tokens + len(g.prompt) for g in part]) for part in (ordered, groups)]
    return BATCH / float(np.median(np.diff(clock.at))) * plain[0] / plain[1]


def plain(reward: bool, attention: str, batch: int) -> float:
    """Run TRL in a process of its own, as its users do: without what `runtime.prepare` does for memory."""
    command = [sys.executable, "-m", "benchmarks.training", str(int(reward)), attention, str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def one(name: str, groups: list[Group], *, reward: bool, settings: list[tuple[str, int]], asked: float) -> None:
    """Measure one kind of training and print it."""
    found = {setting: plain(reward, *setting) for setting in settings}
    for (attention, batch), rate in found.items():
        print(f"  {name}, TRL {attention:5}, {batch} a batch    {rate:6.2f} pairs/s", flush=True)
    setting, best = max(found.items(), key=lambda item: item[1])
    with redirect_stderr(io.StringIO()):  # its progress bars
        tuned = trl(groups, reward=reward, attention=setting[0], batch=setting[1])
    print(
        f"  {name}, TRL {setting[0]:5}, {setting[1]} a batch    {tuned:6.2f} pairs/s with our memory allocation",
        flush=True,
    )
    flops = 3 * needed(groups, head=not reward) / len(groups)
    for how in ("packed only", "shared only", "both"):
        rates, peaks = [], [processor_rate()]
        for _ in range(1 + (how == "both")):
            rates.append(ours(groups, reward=reward, how=how))
            peaks.append(processor_rate())
        rate, share = max(rates), flops * max(rates) / max(peaks)
        print(
            f"  {name}, ours, {how:12}     {rate:6.2f} pairs/s  {rate / best:5.2f} x TRL's best, {rate / tuned:.2f} x "
            f"with our allocation; {100 * share:3.0f} % of the processor's {max(peaks) / 1e9:.0f} GFLOP/s",
            flush=True,
        )
    met = ("met" if rate / best >= asked else "NOT MET", "met" if share >= 0.6 else "NOT MET")
    print(f"  {name}: asked {asked:g} x TRL's best: {met[0]}; 60 % of the processor's rate: {met[1]}")


def main() -> None:
    runtime.prepare()
    groups = pairs()
    one("DPO", groups, reward=False, settings=[("eager", 1), ("eager", 2), ("sdpa", 1)], asked=6)
    print(f"  the reference's pass, once a pair: {reference(groups):.1f} pairs/s")
    one("reward", groups, reward=True, settings=[("eager", 1), ("eager", 4), ("sdpa", 1)], asked=2.5)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(trl(pairs(), reward=bool(int(sys.argv[1])), attention=sys.argv[2], batch=int(sys.argv[3])))
    else:
        main()
