"""What training costs, from a model's shape alone: parameters, FLOPs, bytes. Pure arithmetic; nothing is loaded.

One multiply-add is two FLOPs, and only matrix products are counted. Memory is in bytes, for each GPU; how the figures
come about is said at each function, so that a reader can disagree with one of them.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from psychocounsel.errors import BackendError
from psychocounsel.hyperparameters import Lora, MadeModel, Training

GIB = 1 << 30
FITS = 0.92
"""Share of a GPU's memory that a step may take; the rest is the CUDA context's and lost between blocks."""
KEPT = 1 << 30
"""Probabilities of the head kept for backward at most, in bytes: `models.head.KEEP_BYTES`."""
AT_ONCE = 256
"""Responses sampled at once on a GPU, where their keys and values fit: vLLM's default."""
STREAMED = 0.6
"""Share of the memory bandwidth that sampling reaches: a rough figure, since kernels start and batches run out."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One entry of `gpus.yaml`."""

    gib: float
    bf16: float | None
    """TFLOP/s, dense; None where it has none."""
    float32: float
    """TFLOP/s."""
    bandwidth: float
    """GB/s."""

    def rate(self, precision: str) -> float:
        """FLOP/s of matrix products."""
        return 1e12 * (self.float32 if precision == "float32" or self.bf16 is None else self.bf16)


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides a transformer's cost; the names are those of config.json, shortened."""

    vocab: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    tied: bool
    """Whether the head's weights are the embedding's."""
    gated: bool = True
    """Three matrices in the feed-forward part, not two."""
    bias: Literal["none", "qkv", "all"] = "none"
    encoder: bool = False
    """Every token sees the whole text, so that a prompt cannot be shared."""
    positions: int = 0
    """Learned positions; 0 for rotary ones."""

    @property
    def queries(self) -> int:
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """The linear layers of one block, (in, out)."""
        h, i = self.hidden, self.intermediate
        attention = [(h, self.queries), (h, self.keys), (h, self.keys), (self.queries, h)]
        return [*attention, *([(h, i)] * (2 if self.gated else 1)), (i, h)]

    @property
    def linear(self) -> int:
        """Weights that multiply every token: all linear layers but the head."""
        return self.layers * sum(a * b for a, b in self.matrices)

    @property
    def embedding(self) -> int:
        return self.vocab * self.hidden


@cache
def _catalogue(name: str) -> dict[str, dict[str, Any]]:
    text = resources.files("psychocounsel").joinpath(name).read_text("utf-8")
    entries: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return entries


def _near(name: str, known: Sequence[str]) -> str:
    lower = {k.lower(): k for k in known}
    near = [lower[k] for k in difflib.get_close_matches(name.lower(), lower, n=3)]
    return f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(known)}."


def gpu_named(name: str) -> Gpu:
    """Return a GPU of `gpus.yaml`. Raises BackendError with near names for any other."""
    known = _catalogue("gpus.yaml")
    if name.lower() not in known:
        raise BackendError(f"machine.gpu={name}: no such GPU in psychocounsel/gpus.yaml; {_near(name, list(known))}")
    return Gpu(**known[name.lower()])


def shape_of(name: str) -> Shape:
    """Return the shape of a model: a folder with a config.json, or a name of `shapes.yaml`, with any owner before it.

    Raises BackendError for one that is neither.
    """
    config = Path(name) / "config.json"
    if config.is_file():
        return _configured(config)
    known = _catalogue("shapes.yaml")
    by_last = {key.rsplit("/", 1)[-1].lower(): key for key in known}
    key = by_last.get(name.rstrip("/").rsplit("/", 1)[-1].lower())
    if key is None:
        raise BackendError(
            f"{name}: unknown shape. Name a folder that holds its config.json, or a model of shapes.yaml; "
            f"{_near(name, list(known))}"
        )
    return Shape(**known[key])


def made_shape(made: MadeModel) -> Shape:
    """Return the shape of a model that `base` makes."""
    size = made.hidden // made.heads
    heads = (made.heads, made.heads, size)
    return Shape(made.vocabulary, made.hidden, made.layers, *heads, made.intermediate, tied=True)


def _configured(path: Path) -> Shape:
    """Read the config.json of a model that `transformers` saved."""
    try:
        config = json.loads(path.read_text("utf-8"))
        kind, heads = config.get("model_type", ""), config["num_attention_heads"]
        encoder = kind == "bert"
        return Shape(
            vocab=config["vocab_size"],
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            intermediate=config["intermediate_size"],
            tied=encoder or bool(config.get("tie_word_embeddings", False)),
            gated=not encoder,
            bias="all" if encoder else "qkv" if kind == "qwen2" or config.get("attention_bias") else "none",
            encoder=encoder,
            positions=config["max_position_embeddings"] if encoder else 0,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(f"{path}: unknown shape, it lacks or garbles {error}. Save the model again.") from None


def parameters(shape: Shape) -> int:
    """Return how many numbers the model holds, its head included; of an encoder, its pooler."""
    h = shape.hidden
    if shape.encoder:
        biases = sum(out for _, out in shape.matrices)
        blocks = shape.linear + shape.layers * (biases + 4 * h)
        return shape.embedding + (shape.positions + 2) * h + 2 * h + blocks + h * h + h
    biases = 0 if shape.bias == "none" else shape.queries + 2 * shape.keys
    return shape.embedding * (1 if shape.tied else 2) + shape.linear + shape.layers * (2 * h + biases) + h


def adapter_parameters(shape: Shape, rank: int) -> int:
    """Return the numbers of LoRA's two matrices beside every linear layer but the head."""
    return shape.layers * sum(rank * (a + b) for a, b in shape.matrices)


@dataclass(frozen=True, slots=True)
class Load:
    """What goes through a model once; means may be broken numbers."""

    tokens: float = 0
    seen: float = 0
    """Pairs of positions of which one attends to the other."""
    wanted: float = 0
    """Tokens that the language-model head predicts."""

    def __add__(self, other: Load) -> Load:
        return Load(self.tokens + other.tokens, self.seen + other.seen, self.wanted + other.wanted)

    def __mul__(self, times: float) -> Load:
        return Load(self.tokens * times, self.seen * times, self.wanted * times)


def group(shape: Shape, prompt: float, response: float, branches: float, *, head: bool = True) -> Load:
    """Return the load of a prompt and its branches, all of mean length.

    A branch's token sees the prompt, itself and what is before it in its branch: the prompt is computed once. In an
    encoder nothing is shared, and every token of prompt and response sees every other. Means stand for lengths that
    vary, which takes attention's share (a few per cent at such lengths) for a little less than it is.
    """
    if shape.encoder:
        whole = prompt + response
        return Load(branches * whole, branches * whole**2, 0)
    seen = prompt * (prompt + 1) / 2 + branches * (response * prompt + response * (response + 1) / 2)
    return Load(prompt + branches * response, seen, branches * response if head else 0)


def _parts(shape: Shape, load: Load) -> tuple[float, float, float]:
    """Return the forward FLOPs of linear layers, of attention, and of the head."""
    attention = 4 * shape.layers * shape.queries * load.seen  # queries times keys, weights times values
    return 2 * shape.linear * load.tokens, attention, 2 * shape.embedding * load.wanted


def forward_flops(shape: Shape, load: Load) -> float:
    """Return the FLOPs of a forward pass: 2 a weight and token, attention on what is seen, the head where wanted."""
    return sum(_parts(shape, load))


def training_flops(shape: Shape, load: Load, section: Training, row: Load | None = None) -> float:
    """Return the FLOPs of forward and backward: 3 times the forward ones, 4 times with checkpointing.

    With LoRA the frozen weights have no gradient: 2 times (3), and the adapters 3 times (4) their own. The head is
    never checkpointed, but is computed once more where the probabilities of a `row` are too many to be kept.
    """
    linear, attention, head = _parts(shape, load)
    again = 1 if section.checkpointing else 0
    if section.lora:
        adapters = 2 * adapter_parameters(shape, section.lora.rank) * load.tokens
        return (2 + again) * linear + (3 + again) * (attention + adapters) + 2 * head
    kept = row is None or _probabilities(shape, row) <= KEPT
    return (3 + again) * (linear + attention) + (3 if kept else 4) * head


def _probabilities(shape: Shape, row: Load) -> float:
    return 2 * shape.vocab * row.wanted


def state_bytes(shape: Shape, lora: Lora | None, gpus: int, *, bf16: bool = True) -> float:
    """Return what weights, gradients and the optimizer's state take on each GPU.

    All weights: 4 bytes a weight, 4 its gradient, 8 Adam's moments, and 2 for the copy that autocast keeps. LoRA: 2 a
    frozen weight (QLoRA: 0.55 in linear layers, its scales included), and the 18 for adapters. FSDP divides all of it
    by the GPUs, and holds embedding, head and two blocks whole, those with their gradients, in place of the copy.
    """
    everything = parameters(shape)
    copy = 2 if bf16 else 0
    if lora:
        frozen = 0.55 * shape.linear + 2 * (everything - shape.linear) if lora.quantised else 2.0 * everything
        whole = frozen + (16 + copy) * adapter_parameters(shape, lora.rank)
    else:
        whole = float((16 + copy) * everything)
    if gpus == 1:
        return whole
    ends = everything - shape.linear
    gathered = (2 if bf16 else 4) * (ends + 4 * shape.linear / shape.layers)
    return (whole if lora else 16 * everything) / gpus + gathered


def activation_bytes(shape: Shape, tokens: float, *, checkpointing: bool, bf16: bool = True) -> float:
    """Return what a row's forward keeps for its backward in all blocks, attention being blockwise (no T x T matrix).

    A token keeps in each block: of two norms their input and result in float32 (16 hidden), the five inputs of
    products that autocast casts one by one (10 hidden), queries, attended values, keys and values in bf16 (4 queries +
    4 keys), and of the feed-forward part four tensors in bf16 (8 intermediate; two, so 4, where it is not gated). One
    block more is for the gradients on their way. Checkpointing keeps each block's input in float32 (4 hidden), and two
    blocks' worth for the one in hand.
    """
    block = _block_bytes(shape, bf16)
    if checkpointing:
        return tokens * (4 * shape.hidden * shape.layers + 2 * block)
    return tokens * block * (shape.layers + 1)


def _block_bytes(shape: Shape, bf16: bool) -> float:
    wide = 4 * shape.queries + 4 * shape.keys + (8 if shape.gated else 4) * shape.intermediate
    return 26 * shape.hidden + wide if bf16 else 24 * shape.hidden + 2 * wide


def head_bytes(shape: Shape, row: Load, *, learns: bool = True) -> float:
    """Return what the head takes on a row: its probabilities in bf16 while they are few enough to be kept, hidden
    states and their slopes of the wanted tokens, and the gradient of its weights before that is added up."""
    if not row.wanted:
        return 0
    kept = _probabilities(shape, row)
    hidden, weights = 4 * shape.hidden * row.wanted, shape.embedding if learns else 0
    return kept + hidden + 2 * weights if kept <= KEPT else hidden + 6 * weights + 4096 * shape.vocab


def training_bytes(shape: Shape, section: Training, row: Load, gpus: int) -> float:
    """Return the most that training takes on each GPU at one `row`."""
    bf16 = section.precision == "bf16"
    states = state_bytes(shape, section.lora, gpus, bf16=bf16)
    activations = activation_bytes(shape, row.tokens, checkpointing=section.checkpointing, bf16=bf16)
    return states + activations + head_bytes(shape, row, learns=section.lora is None)


def scoring_bytes(shape: Shape, tokens: float) -> float:
    """Return what a forward without backward takes: weights in float32, their bf16 copy, and a block's tensors."""
    return 6 * parameters(shape) + tokens * _block_bytes(shape, bf16=True)


def without_head(shape: Shape) -> Shape:
    """Return the shape of a reward model made of it: a scalar in place of the language-model head."""
    return replace(shape, tied=True)


@dataclass(frozen=True, slots=True)
class Sampling:
    """What it takes to sample responses."""

    flops: float
    seconds: float
    memory: float
    """Bytes on each GPU."""
    at_once: int
    """Responses."""


def sampling(
    shape: Shape, gpu: Gpu, prompt: float, response: float, branches: int, prompts: float, mfu: float, gpus: int
) -> Sampling:
    """Return what it takes to answer `prompts` prompts `branches` times each, every GPU with the whole model in bf16.

    The FLOPs are those of one forward over prompt and branches: a prompt is read once, and every token decoded once.
    A step of decoding reads all weights and the keys and values of what its AT_ONCE responses see (halfway through a
    response), at STREAMED of the bandwidth. The time is the larger of the two.
    """
    flops = prompts * forward_flops(shape, group(shape, prompt, response, branches))
    weights, cached = 2 * parameters(shape), 4 * shape.layers * shape.keys
    each = cached * (prompt / branches + response)
    at_once = max(1, min(AT_ONCE, int((FITS * gpu.gib * GIB - weights) / each)))
    decoded = prompts * branches * response
    moved = decoded * (weights / at_once + cached * (prompt + response / 2))
    slowest = max(flops / (gpu.rate("bf16") * mfu), moved / (gpu.bandwidth * 1e9 * STREAMED))
    return Sampling(flops, slowest / gpus, weights + at_once * each, at_once)
