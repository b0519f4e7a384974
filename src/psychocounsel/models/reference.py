"""Log-probabilities of responses under a model that does not change, each computed once.

The cache is keyed by content: the model's weights, the prompt's tokens and the response's. It is written row by row, so
that a kill costs a row, and neither a new learning rate nor another batch size makes anything be computed again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from array import array
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import torch

from psychocounsel.models.attention import autocast
from psychocounsel.models.branches import Group, branch_logprobs, pack, rows_of
from psychocounsel.models.casting import weights_stay
from psychocounsel.progress import Tick, silent


def weights_digest(folder: Path, how: str = "") -> str:
    """Return a digest of a model folder's weights and configuration, and of `how` it computes."""
    digest = hashlib.sha256(how.encode())
    for file in sorted(
        p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin") or p.name.endswith("config.json")
    ):
        with file.open("rb") as handle:
            digest.update(file.name.encode() + hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


@weights_stay()
def cached_logprobs(
    model: Any,
    groups: Sequence[Group],
    pad: int,
    row_tokens: int,
    store: Path,
    digest: str,
    tick: Tick = silent,
    *,
    precise: bool = False,
) -> list[list[float]]:
    """Return log p(branch | prompt) in nats for every branch of every group, in order.

    `digest` names the model and how it computes (`precise`: float32, else bf16); what `store` (SQLite) has under it is
    not computed again.
    """
    keys = [[_key(digest, g.prompt, b) for b in g.branches] for g in groups]
    store.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(store, timeout=60)) as base:
        base.execute("create table if not exists logprobs (key blob primary key, nats real not null) without rowid")
        known = dict(base.execute("select key, nats from logprobs"))
        # Rows are made of all groups, so that a run which goes on after a kill rounds as one that was left alone.
        for count, part in enumerate(rows := list(rows_of([g.tokens for g in groups], row_tokens)), 1):
            if all(k in known for i in part for k in keys[i]):
                continue
            found = logprobs_of(model, [groups[i] for i in part], pad, precise=precise)
            new = {k: v for i, values in zip(part, found, strict=True) for k, v in zip(keys[i], values, strict=True)}
            with base:
                base.executemany("insert or ignore into logprobs values (?, ?)", new.items())
            known = new | known  # what the store has, so that a run that goes on has it too
            tick(count, len(rows), "reference")
    return [[known[k] for k in group] for group in keys]


def _key(digest: str, prompt: Sequence[int], branch: Sequence[int]) -> bytes:
    tokens = array("q", [len(prompt), *prompt, *branch])
    return hashlib.blake2b(tokens.tobytes(), key=digest.encode()[:64], digest_size=16).digest()


@torch.no_grad()
def logprobs_of(model: Any, groups: Sequence[Group], pad: int, *, precise: bool = False) -> list[list[float]]:
    """Return the same for one row of groups, without a cache."""
    with nullcontext() if precise else autocast(model):
        flat = iter(branch_logprobs(model, pack(groups, pad).to(model.device)).tolist())
    return [[next(flat) for _ in g.branches] for g in groups]


@weights_stay()
def response_logprobs(
    model: Any, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], pad: int, row_tokens: int = 4096
) -> list[float]:
    """Return log p(response | prompt) in nats for each pair of them, end token included, in order."""
    groups = [Group(p, [r]) for p, r in zip(prompts, responses, strict=True)]
    result = [0.0] * len(groups)
    for row in rows_of([g.tokens for g in groups], row_tokens):
        for i, values in zip(row, logprobs_of(model, [groups[i] for i in row], pad), strict=True):
            result[i] = values[0]
    return result
