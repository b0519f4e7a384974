"""Weights in the products' arithmetic, made once a step and not once a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

_kept: dict[tuple[int, ...], tuple[Sequence[Tensor], Tensor]] | None = None
"""By the weights' ids, with the weights themselves, so that no other tensor takes an id over."""


@contextmanager
def weights_stay() -> Iterator[None]:
    """While this is open no weight changes, so what is made of weights is made once; it is forgotten at the end.

    Said by whoever runs several rows, and not read off the tensors: a fused optimizer does not count its writes.
    """
    global _kept
    before, _kept = _kept, {}
    try:
        yield
    finally:
        _kept = before


def cast(weights: Sequence[Tensor], dtype: torch.dtype, make: Callable[[], Tensor]) -> Tensor:
    """Return `make()`, which depends on `weights` alone and is of type `dtype`."""
    key = (hash(dtype), *(id(w) for w in weights))
    if _kept is not None and key in _kept:
        return _kept[key][1]
    with torch.no_grad():
        made = make()
    if _kept is not None:
        _kept[key] = (weights, made)
    return made
