from __future__ import annotations

import numpy as np
import pytest
import torch

from psychocounsel.models import sampling
from psychocounsel.models.sampling import LlamaDecoder, sample


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """bf16 rounds differently in differently shaped products; equality is tested where arithmetic is exact enough."""
    monkeypatch.setattr(sampling, "LlamaDecoder", lambda model: LlamaDecoder(model, torch.float32))


def random_prompts(rng, count):
    return [rng.integers(2, 97, rng.integers(1, 23)).tolist() for _ in range(count)]


def test_logits_equal_those_of_transformers(llama):
    decoder = LlamaDecoder(llama, torch.float32)
    rng = np.random.default_rng(0)
    prompts, each = random_prompts(rng, 5), 3
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    real = torch.tensor([[False] * (longest - len(p)) + [True] * len(p) for p in prompts])
    more = torch.from_numpy(rng.integers(2, 97, (15, 6)))
    slots = torch.arange(15)
    with torch.inference_mode():
        logits, prefix = decoder.prefill(ids, real)
        ours = [logits[slots // each]]
        suffix = decoder.new_suffix(15, 6)
        for t in range(6):
            position = real.sum(-1)[slots // each] + t
            ours.append(decoder.step(more[:, t], position, prefix, slots, each, suffix))
        for row in range(15):
            whole = torch.tensor([prompts[row // each] + more[row].tolist()])
            theirs = llama(whole).logits[0, -7:]
            torch.testing.assert_close(torch.stack([o[row] for o in ours]), theirs, rtol=1e-4, atol=1e-4)


def test_greedy_answers_equal_those_of_generate(llama):
    prompts = random_prompts(np.random.default_rng(1), 30)
    ours = sample(llama, prompts, [[0]] * 30, max_tokens=12, temperature=0, end=1, pad=0, rows=7)
    for prompt, group in zip(prompts, ours, strict=True):
        out = llama.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False, eos_token_id=1, pad_token_id=0)
        theirs = out[0, len(prompt) :].tolist()
        finished = 1 in theirs
        assert group[0].tokens == (theirs[: theirs.index(1)] if finished else theirs)
        assert group[0].finished == finished


def test_a_sample_depends_on_its_prompt_and_seed_and_not_on_its_batch(llama):
    prompts = random_prompts(np.random.default_rng(2), 20)
    seeds = [[100 * i + k for k in range(4)] for i in range(20)]
    how = {"max_tokens": 15, "temperature": 1.0, "end": 1, "pad": 0}
    together = sample(llama, prompts, seeds, **how, rows=80)
    for i in (0, 7, 19):
        assert sample(llama, [prompts[i]], [seeds[i]], **how)[0] == together[i]
    assert sample(llama, prompts[::-1], seeds[::-1], **how, rows=9)[::-1] == together


def test_samples_follow_the_models_distribution(llama):
    prompt = [5, 9, 33]
    draws = sample(llama, [prompt], [list(range(4000))], max_tokens=1, temperature=1.3, end=-1, pad=0, rows=4000)[0]
    counts = np.bincount([s.tokens[0] for s in draws], minlength=97) / 4000
    with torch.inference_mode():
        p = torch.softmax(llama(torch.tensor([prompt])).logits[0, -1] / 1.3, -1).numpy()
    assert np.abs(counts - p).max() < 0.03
    assert np.abs(counts - p).sum() < 0.25


def test_another_architecture_goes_through_generate():
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=2, eos_token_id=1, pad_token_id=0))
    groups = sample(model.eval(), [[3, 4], [5]], [[1, 2, 3], [4, 5, 6]], max_tokens=6, temperature=1.0, end=1, pad=0)
    assert [len(g) for g in groups] == [3, 3]
    assert all(len(s.tokens) == 6 or s.finished for g in groups for s in g)
