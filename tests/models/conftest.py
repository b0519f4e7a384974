from __future__ import annotations

import pytest

from psychocounsel.models import runtime

runtime.prepare()


@pytest.fixture(scope="session")
def tokenizer():
    from psychocounsel.base.made import make_tokenizer
    from psychocounsel.hyperparameters import MadeModel

    texts = ["I feel so tired of work and my sister.", "What would you like to change?", "It sounds heavy."] * 5
    return make_tokenizer(texts, MadeModel(vocabulary=400))


@pytest.fixture(scope="session")
def llama():
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=80,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
        initializer_range=0.3,  # peaked enough that a wrong mask shows
    )
    return LlamaForCausalLM(config).eval()
