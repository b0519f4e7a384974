"""LoRA and QLoRA: small trained matrices beside weights that stay as they are."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from psychocounsel.errors import BackendError, MissingExtraError
from psychocounsel.hyperparameters import Lora


def frozen_in(lora: Lora | None) -> dict[str, Any]:
    """Return how `from_pretrained` is to load weights: float32 to be trained, bf16 or four bits to stay.

    Raises BackendError or MissingExtraError where four bits are asked for and cannot be had.
    """
    import torch

    if lora is None:
        return {"dtype": torch.float32}
    if not lora.quantised:
        return {"dtype": torch.bfloat16}
    if not torch.cuda.is_available():
        raise BackendError("lora.quantised needs a GPU, and there is none; lora without it runs anywhere.")
    if find_spec("bitsandbytes") is None:
        raise MissingExtraError("lora.quantised needs: pip install 'psychocounsel[qlora]'")
    from transformers import BitsAndBytesConfig

    four = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=["lm_head", "score"],  # its name from before four bits
    )
    return {"quantization_config": four, "dtype": torch.bfloat16, "device_map": {"": torch.cuda.current_device()}}


def with_adapter(model: Any, lora: Lora | None) -> Any:
    """Return the model with a new adapter on its linear layers, or as it is where `lora` is None.

    Heads of ours (score, levels) are trained whole: they start random, so that a low rank would hold them back.
    """
    if lora is None:
        return model
    from peft import LoraConfig, get_peft_model

    heads = [name for name in ("score", "levels") if hasattr(model, name)]
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        exclude_modules=heads or None,
        modules_to_save=heads or None,
    )
    return get_peft_model(merged(model), config)


def merged(model: Any) -> Any:
    """Return the model with its adapter, if any, added to its weights."""
    return model.merge_and_unload() if hasattr(model, "peft_config") else model
