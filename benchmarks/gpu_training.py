"""On a GPU: packed rows that share prompts by FlexAttention, against TRL padded, and TRL with flash attention.

`python -m benchmarks.gpu_training`, by hand: nothing depends on it, and `make bench` runs it only where there is a GPU.
Random weights in the shapes of Llama 3.2 1B and 3.1 8B; prints pairs/s, the share of the GPU's dense bf16 rate that is
spent on what must be computed, and peak memory.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from psychocounsel.hyperparameters import Dpo, Lora
from psychocounsel.models import runtime
from psychocounsel.models.branches import Group

SHAPES = {
    "1B": {"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
           "intermediate_size": 8192, "tie_word_embeddings": True},
    "8B": {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
           "intermediate_size": 14336, "tie_word_embeddings": False},
}  # fmt: skip
VOCABULARY, BATCH, STEPS = 128_256, 64, 6
RATES = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}
"""Dense bf16, from the makers' data sheets."""


def pairs(count: int) -> list[Group]:
    rng = np.random.default_rng(0)

    def text(median: int) -> list[int]:
        return [*rng.integers(2, VOCABULARY, max(2, round(rng.lognormal(np.log(median), 0.35))) - 1).tolist(), 1]

    return [Group(text(90), [text(260), text(170)]) for _ in range(count)]


def model(shape: str) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=VOCABULARY, eos_token_id=1, pad_token_id=0, bos_token_id=None, **SHAPES[shape])
    with torch.device("cuda"):
        return LlamaForCausalLM(config).to(torch.bfloat16)


def needed(shape: str, groups: list[Group]) -> float:
    """FLOPs of a training step's products a pair: forward, and for an adapter backward through activations alone."""
    c = SHAPES[shape]
    narrow = c["hidden_size"] * c["num_key_value_heads"] // c["num_attention_heads"]
    layer = c["hidden_size"] * (2 * c["hidden_size"] + 2 * narrow + 3 * c["intermediate_size"])
    total = 0.0
    for g in groups:
        p, branches = len(g.prompt), [len(b) for b in g.branches]
        seen = p * (p + 1) / 2 + sum(b * p + b * (b + 1) / 2 for b in branches)
        total += 2 * c["num_hidden_layers"] * (layer * (p + sum(branches)) + 2 * c["hidden_size"] * seen)
        total += 2 * c["hidden_size"] * VOCABULARY * sum(branches)
    return 2 * total / len(groups)


def ours(shape: str, groups: list[Group]) -> tuple[float, float]:
    from transformers import TrainingArguments

    from benchmarks.training import Clock
    from psychocounsel.models.adapters import with_adapter
    from psychocounsel.models.attention import for_rows
    from psychocounsel.models.preference import Example, SharedDpoTrainer
    from psychocounsel.models.training import arguments, train

    section = Dpo(epochs=BATCH * STEPS / len(groups), batch=BATCH, row_tokens=16_384, checkpointing=shape == "8B")
    clock = Clock()
    torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        trainer = SharedDpoTrainer(
            section=section, model=with_adapter(for_rows(model(shape)), Lora()), pad=0, row_tokens=section.row_tokens,
            args=TrainingArguments(**arguments(section, Path(folder), 1, len(groups)) | {"save_strategy": "no"}),
            examples=[Example(g, {"reference": [-900.0, -600.0]}) for g in groups],
        )  # fmt: skip
        train(trainer, Path(folder), clock)
    return BATCH / clock.a_step(), torch.cuda.max_memory_allocated() / 2**30


def trl(shape: str, groups: list[Group], attention: str, batch: int) -> tuple[float, float]:
    from datasets import Dataset
    from peft import LoraConfig
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from trl import DPOConfig, DPOTrainer

    from benchmarks.training import Clock
    from psychocounsel.models.training import TickCallback

    class OnTokens(DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<end>": 1}, "<pad>"))
    ready = model(shape)
    ready.set_attn_implementation(attention)
    rows = [{"prompt_ids": g.prompt, "chosen_ids": g.branches[0], "rejected_ids": g.branches[1]} for g in groups]
    clock = Clock()
    torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        args = DPOConfig(
            output_dir=folder, per_device_train_batch_size=batch, gradient_accumulation_steps=BATCH // batch,
            max_steps=STEPS, bf16=True, report_to="none", max_length=None, gradient_checkpointing=shape == "8B",
            precompute_ref_log_probs=True, save_strategy="no", logging_steps=100, remove_unused_columns=False,
        )  # fmt: skip
        trainer = OnTokens(
            ready, None, args, train_dataset=Dataset.from_list(rows),
            peft_config=LoraConfig(target_modules="all-linear"),
            processing_class=PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>"),
        )  # fmt: skip
        trainer.add_callback(TickCallback(clock))
        trainer.train()
    return BATCH / clock.a_step(), torch.cuda.max_memory_allocated() / 2**30


def main() -> None:
    runtime.prepare()
    if not torch.cuda.is_available():
        print("  no GPU here: not run")
        return
    name = torch.cuda.get_device_name()
    rate = next((r for key, r in RATES.items() if key in name), None)
    print(f"  {time.strftime('%Y-%m-%d')}, {name}, LoRA of rank 16, reference known")
    groups = pairs(128)
    for shape in SHAPES:
        found = {("ours", "flex", 0): ours(shape, groups)}
        for attention in ("sdpa", "flash_attention_2"):
            for batch in (2, 4, 8):
                try:
                    found["TRL", attention, batch] = trl(shape, groups, attention, batch)
                except (ImportError, ValueError, torch.OutOfMemoryError) as error:
                    print(f"  {shape} TRL {attention} {batch}: {type(error).__name__}")
        for (who, attention, batch), (speed, memory) in found.items():
            share = f"{100 * needed(shape, groups) * speed / rate:.0f} % MFU" if rate else "rate unknown"
            print(f"  {shape} {who} {attention} {batch or ''}: {speed:.1f} pairs/s, {share}, {memory:.1f} GiB")


if __name__ == "__main__":
    main()
