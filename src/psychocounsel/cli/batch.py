"""`--show-batch`: the first training batch as the model reads it, so that a person can see what it will learn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.errors import ArtifactError, TooLittleDataError
from psychocounsel.recipe import Recipe
from psychocounsel.records import PreferencePair, content_seed
from psychocounsel.tables import read_records

SHOWN = 4
"""Pairs that are written out."""


def first_batch(recipe: Recipe, stage: str) -> Iterator[str]:
    """Yield lines about the first batch of `reward` or `align`. It holds client text: mind where it goes.

    The preflight checks run first, and raise what they find.
    """
    from psychocounsel.backends.transformers_local import load_tokenizer
    from psychocounsel.models.encoding import Limits, encode_pairs
    from psychocounsel.models.preflight import check_encoded
    from psychocounsel.models.training import EpochSampler
    from psychocounsel.reward.stage import start_of

    run = recipe.output
    start = start_of(run, recipe) if stage == "reward" else str(run / layout.BASE_MODEL)
    if not (run / layout.PAIRS).is_file() or (start.startswith(str(run)) and not Path(start).is_dir()):
        raise ArtifactError(f"{stage} --show-batch needs the pairs and the base model in {run}; make them first.")
    tokenizer = load_tokenizer(Path(start))
    pairs = [p for p in read_records(run / layout.PAIRS, PreferencePair) if p.split == "train"]
    encoded = encode_pairs(tokenizer, pairs, Limits.of(recipe.base))
    if not encoded.pairs:
        raise TooLittleDataError(f"{stage}: no train pair is left by base.max_prompt and base.max_response.")
    check_encoded(tokenizer, encoded.pairs)
    section, seed = (recipe.reward, "reward") if stage == "reward" else (recipe.align.dpo, "dpo")
    sampler = EpochSampler(len(encoded.pairs), content_seed(seed, recipe.seed) % 2**32)
    batch = [encoded.pairs[i] for i in islice(sampler, section.batch)]
    counts = ", ".join(f"{name} {count}" for name, count in encoded.counts.items())
    yield f"{stage}: {len(batch)} pairs a step of {len(pairs)} train pairs ({counts})"
    for number, pair in enumerate(batch[:SHOWN], 1):
        yield f"\npair {number} of {len(batch)}"
        for name, ids in (("prompt", pair.prompt), ("chosen", pair.chosen), ("rejected", pair.rejected)):
            yield f"{name} ({len(ids)} tokens): {_decoded(tokenizer, ids)}"


def _decoded(tokenizer: Any, ids: list[int]) -> str:
    """Return tokens as text, the special ones among them."""
    return str(tokenizer.decode(ids, skip_special_tokens=False)).replace("\n", "\\n")
