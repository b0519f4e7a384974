"""Weights in the products' arithmetic, made once a step and not once a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_ATTRIBUTE = "_psychocounsel_cast"


def cast(weights: Sequence[Tensor], dtype: torch.dtype, make: Callable[[], Tensor]) -> Tensor:
    """Return `make()`, which depends on `weights` alone; what was made is kept until one of them changes.

    Kept on the first weight itself, so that it goes when the weight goes.
    """
    state: Any = (dtype, *((id(w), w._version) for w in weights))
    known = getattr(weights[0], _ATTRIBUTE, None)
    if known is not None and known[0] == state:
        kept: Tensor = known[1]
        return kept
    with torch.no_grad():
        made = make()
    setattr(weights[0], _ATTRIBUTE, (state, made))
    return made
