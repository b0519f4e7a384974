"""Run by test_launched.py, under torchrun with two processes."""

from __future__ import annotations

import os
import sys
from copy import deepcopy
from types import SimpleNamespace

import torch
import torch.distributed as dist
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

from psychocounsel.models.attention import for_rows
from psychocounsel.models.branches import Group, branch_logprobs, pack
from psychocounsel.models.preference import through
from psychocounsel.models.rewards import rewarded
from psychocounsel.models.training import outputs_in_float32


def some_groups(seed: int, count: int) -> list[Group]:
    draw = torch.Generator().manual_seed(seed)

    def tokens(most: int) -> list[int]:
        size = int(torch.randint(1, most, (), generator=draw))
        return torch.randint(2, 97, (size,), generator=draw).tolist()

    return [Group(tokens(12), [tokens(9) for _ in range(3)]) for _ in range(count)]


def main() -> None:
    dist.init_process_group("gloo")
    for tied, bf16 in ((False, False), (True, False), (False, True), (True, True)):
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2, auto_wrap_policy="transformer_based_wrap", cpu_ram_efficient_loading=False,
            reshard_after_forward=True,
        )  # fmt: skip
        outputs_in_float32(plugin, bf16)
        accelerator = SimpleNamespace(state=SimpleNamespace(fsdp_plugin=plugin), torch_device_mesh=None,
                                      mixed_precision="bf16" if bf16 else "no", device=torch.device("cpu"),
                                      is_main_process=True)  # fmt: skip
        for kind, work in ((LlamaForCausalLM, branch_logprobs), (LlamaForSequenceClassification, rewarded)):
            torch.manual_seed(0)
            config = LlamaConfig(
                vocab_size=97, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
                intermediate_size=80, pad_token_id=0, num_labels=1, initializer_range=0.3, tie_word_embeddings=tied,
            )  # fmt: skip
            whole = for_rows(kind(config))
            model = fsdp2_prepare_model(accelerator, for_rows(through(deepcopy(whole), work)))
            rows = [pack(some_groups(n, n)) for n in (2 + dist.get_rank(), 1)]
            for part in (whole, model):
                for row in rows:
                    found = part(row=row) if part is model else work(whole, row)
                    values = found if work is branch_logprobs else found.rewards
                    assert values.dtype == torch.float32
                    values.square().sum().backward()
            for (name, ours), theirs in zip(model.named_parameters(), whole.parameters(), strict=True):
                mean = theirs.grad.clone()
                dist.all_reduce(mean)
                error = (ours.grad.full_tensor() - mean / 2).norm() / (mean / 2).norm()
                assert ours.grad.dtype == torch.float32
                # Weights as large as these amplify what bf16 rounds.
                assert error < (0.25 if bf16 else 1e-5), (name, float(error))
            if dist.get_rank() == 0:
                print("equal")
    dist.barrier()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # as psychocounsel.models.launched does, and for its reason
