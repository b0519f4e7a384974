"""The cache of reference log-probabilities: by content, row by row, and never stale."""

from __future__ import annotations

import sqlite3
from copy import deepcopy

import pytest
import torch

import psychocounsel.models.reference as reference
from psychocounsel.models.attention import by_segments
from psychocounsel.models.branches import Group
from psychocounsel.models.reference import cached_logprobs, response_logprobs, weights_digest

GROUPS = [Group([5 + i, 6, 7], [[8, 9, 1], [10, i + 2, 1]]) for i in range(6)]


@pytest.fixture
def model(llama):
    return by_segments(deepcopy(llama))


def counting(monkeypatch):
    seen, plain = [], reference.logprobs_of
    monkeypatch.setattr(reference, "logprobs_of", lambda m, g, p, **how: (seen.extend(g), plain(m, g, p, **how))[1])
    return seen


def test_nothing_is_computed_twice_and_other_weights_are_other_entries(model, tmp_path, monkeypatch):
    seen, store = counting(monkeypatch), tmp_path / "a" / "reference.sqlite"
    first = cached_logprobs(model, GROUPS[:4], 0, 40, store, "one")
    assert len(seen) == 4
    assert cached_logprobs(model, GROUPS[:4], 0, 4096, store, "one") == first
    assert len(seen) == 4
    again = cached_logprobs(model, GROUPS, 0, 10, store, "one")
    assert len(seen) == 6
    for mine, theirs in zip(again[:4], first, strict=True):
        assert mine == theirs
    cached_logprobs(model, GROUPS[:1], 0, 40, store, "two")
    assert len(seen) == 7


def test_weights_that_compute_in_another_way_are_another_model(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    names = {weights_digest(tmp_path, how) for how in ("bf16", "float32", "bf16, weights in four bits")}
    assert len(names) == 3
    assert weights_digest(tmp_path, "bf16") in names


def test_a_kill_costs_the_row_in_flight(model, tmp_path, monkeypatch):
    store, plain, calls = tmp_path / "r.sqlite", reference.logprobs_of, []

    def dies(*args, **how):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(*args, **how)

    monkeypatch.setattr(reference, "logprobs_of", dies)
    with pytest.raises(KeyboardInterrupt):
        cached_logprobs(model, GROUPS, 0, 10, store, "one")
    assert sqlite3.connect(store).execute("select count(*) from logprobs").fetchone() == (4,)
    monkeypatch.setattr(reference, "logprobs_of", plain)
    seen = counting(monkeypatch)
    found = cached_logprobs(model, GROUPS, 0, 10, store, "one")
    assert len(seen) == 4
    alone = [cached_logprobs(model, [g], 0, 10, tmp_path / "other", "one")[0] for g in GROUPS]
    for mine, theirs in zip(found, alone, strict=True):
        assert mine == pytest.approx(theirs, rel=0.01, abs=0.1)


def test_a_model_is_known_by_its_weights(llama, tmp_path):
    for name in ("a", "b", "c"):
        llama.save_pretrained(tmp_path / name)
    other = deepcopy(llama)
    with torch.no_grad():
        next(other.parameters()).add_(1e-3)
    other.save_pretrained(tmp_path / "c")
    a, b, c = (weights_digest(tmp_path / name) for name in "abc")
    assert a == b != c


def test_responses_come_back_in_order(model):
    prompts, responses = [g.prompt for g in GROUPS], [[9] * n + [1] for n in (5, 1, 9, 2, 3, 4)]
    together = response_logprobs(model, prompts, responses, 0, row_tokens=20)
    for one, prompt, response in zip(together, prompts, responses, strict=True):
        assert one == pytest.approx(response_logprobs(model, [prompt], [response], 0)[0], rel=0.01, abs=0.15)
