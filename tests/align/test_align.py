from __future__ import annotations

import numpy as np
import pytest
import torch

from psychocounsel.align import best_and_worst
from psychocounsel.align.development import repeats
from psychocounsel.models.reference import response_logprobs


def test_best_and_worst_and_what_makes_no_pair():
    assert best_and_worst(["a", "b", "c"], [0.1, 2.0, -1.0]) == (1, 2)
    assert best_and_worst(["a", "b"], [1.0, 1.0]) == "tie"
    assert best_and_worst(["a"], [1.0]) == "fewer than two answers"
    assert best_and_worst([], []) == "fewer than two answers"
    assert best_and_worst(["same", "same"], [1.0, 0.5]) == "equal texts"


def test_an_answer_that_repeats_itself_is_never_best_and_worse_than_one_that_does_not():
    again = "You feel so low today. Oh, you feel so low today."
    assert repeats(again, 4)
    assert not repeats(again, 6)
    assert not repeats("", 4)
    assert best_and_worst([again, "a", "b"], [9.0, 2.0, 1.0], 4) == (1, 0)
    assert best_and_worst([again, "a", "b"], [9.0, 2.0, 1.0]) == (0, 2)
    assert best_and_worst([again, "a"], [1.0, 1.0], 4) == (1, 0)
    assert best_and_worst([again, again + " Yes."], [9.0, 2.0], 4) == "every answer repeats itself"


def test_log_probs_equal_a_plain_loop_whatever_the_batch():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=61, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        bos_token_id=None, eos_token_id=1, pad_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    rng = np.random.default_rng(0)
    prompts = [rng.integers(2, 61, rng.integers(1, 12)).tolist() for _ in range(15)]
    responses = [[*rng.integers(2, 61, rng.integers(0, 9)).tolist(), 1] for _ in range(15)]
    expected = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for prompt, response in zip(prompts, responses, strict=True):
            logits = model(torch.tensor([prompt + response])).logits[0].float().log_softmax(-1)
            places = range(len(prompt) - 1, len(prompt) + len(response) - 1)
            expected.append(sum(float(logits[p, t]) for p, t in zip(places, response, strict=True)))
    for batch in (1, 4, 64):
        assert response_logprobs(model, prompts, responses, 0, batch) == pytest.approx(expected, rel=0.02, abs=0.05)
