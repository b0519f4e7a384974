"""Packed rows of prompts and the responses to each, so that a prompt is computed once and not once a response.

A row is [prompt, branch 1, ..., branch k], and then the next prompt with its branches. A token sees itself, earlier
tokens of its own branch, and its prompt; position ids go on from the prompt's end in every branch. There is no padding
but a filler that rounds the row's length up. The head runs on the positions that predict a wanted token only, and the
first token of every branch is predicted by the prompt's last position.

In an encoder, whose prompt sees the response as well, nothing can be shared: there a branch is the whole text, prompt
and response, and rows are packed only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any

import torch
from torch import Tensor

from psychocounsel.errors import BackendError
from psychocounsel.models.attention import NAME, Segment, Segments, round_up
from psychocounsel.models.head import picked_logprobs
from psychocounsel.models.trunk import states, suits

_DECODERS = ("llama", "mistral", "qwen2", "qwen3")
"""Model types whose layers take any attention as it is given. In others (sliding windows, state space, convolution) a
branch could leak into the next."""
_ENCODERS = ("bert",)
ROUND = 128
"""A row's length, and its number of wanted tokens, are multiples of this."""


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt and its branches, as tokens; none is empty."""

    prompt: Sequence[int]
    branches: Sequence[Sequence[int]]

    @property
    def tokens(self) -> int:
        return len(self.prompt) + sum(map(len, self.branches))


@dataclass(frozen=True, slots=True)
class Row:
    """Groups one after the other, as tensors. T tokens, N wanted tokens."""

    ids: Tensor
    """[1, T]."""
    positions: Tensor
    """[1, T]."""
    segments: tuple[Segment, ...]
    predictors: Tensor
    """[N]: places that predict a wanted token; those of fillers are 0."""
    places: Tensor
    """[N]: where the wanted tokens themselves stand."""
    targets: Tensor
    """[N]: the wanted tokens; fillers are 0."""
    branch: Tensor
    """[N]: which branch a wanted token belongs to, counted through the row; a filler has the next number."""
    lasts: Tensor
    """[branches]: place of each branch's last token, which the scalar head reads."""
    lengths: Tensor
    """[branches]: tokens of each branch."""
    causal: bool

    @property
    def branches(self) -> int:
        return len(self.lasts)

    @property
    def wanted(self) -> int:
        return int(self.lengths.sum())

    def to(self, device: torch.device, **_: Any) -> Row:
        names = ("ids", "positions", "predictors", "places", "targets", "branch", "lasts", "lengths")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def check_architecture(config: Any) -> None:
    """Refuse a model in which branches could see one another. Raises BackendError."""
    windows = getattr(config, "use_sliding_window", config.model_type == "mistral") and getattr(
        config, "sliding_window", None
    )
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if config.model_type not in (*_DECODERS, *_ENCODERS) or windows or kinds != {"full_attention"}:
        raise BackendError(
            f"a {config.model_type} model cannot be trained on shared prompts here: its layers may let one response "
            f"see another. Models of type {', '.join((*_DECODERS, *_ENCODERS))} with full attention can."
        )

    if getattr(config, "attention_dropout", 0):
        raise BackendError(
            f"attention_dropout is {config.attention_dropout} in the model's config.json, and packed rows have none: "
            "set it to 0."
        )


def is_encoder(config: Any) -> bool:
    """Whether a prompt's tokens see the response, so that it cannot be shared."""
    return config.model_type in _ENCODERS


def pack(groups: Sequence[Group], pad: int = 0, *, causal: bool = True) -> Row:
    """Pack groups into one row. With `causal` False (encoders) every branch stands by itself, prompt in front of it."""
    ids: list[int] = []
    positions: list[int] = []
    segments: list[Segment] = []
    predictors: list[int] = []
    places: list[int] = []
    targets: list[int] = []
    branch: list[int] = []
    lasts: list[int] = []
    lengths: list[int] = []
    for group in groups:
        if not len(group.prompt) or not group.branches or not all(len(b) for b in group.branches):
            raise ValueError("a group needs a prompt and branches that are not empty")
        first, size = len(ids), len(group.prompt)
        if causal:
            ids += group.prompt
            positions += range(size)
            segments.append(Segment(first, first + size, first, first))
        for tokens in group.branches:
            start = len(ids)
            if causal:
                segments.append(Segment(start, start + len(tokens), first, first + size))
                predictors += [first + size - 1, *range(start, start + len(tokens) - 1)]
                places += range(start, start + len(tokens))
                targets += tokens
                branch += [len(lasts)] * len(tokens)
                ids += tokens
                positions += range(size, size + len(tokens))
            else:
                segments.append(Segment(start, start + size + len(tokens), start, start))
                ids += [*group.prompt, *tokens]
                positions += range(size + len(tokens))
            lasts.append(len(ids) - 1)
            lengths.append(len(tokens))
    filler = round_up(len(ids), ROUND) - len(ids)
    surplus = round_up(len(targets), ROUND) - len(targets)
    return Row(
        torch.tensor([ids + [pad] * filler]),
        torch.tensor([positions + [0] * filler]),
        tuple(segments),
        torch.tensor(predictors + [0] * surplus, dtype=torch.long),
        torch.tensor(places + [0] * surplus, dtype=torch.long),
        torch.tensor(targets + [0] * surplus, dtype=torch.long),
        torch.tensor(branch + [len(lasts)] * surplus, dtype=torch.long),
        torch.tensor(lasts),
        torch.tensor(lengths),
        causal,
    )


def rows_of(sizes: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Share groups of the given sizes out over as few rows of at most `tokens` as go, of like length.

    Yields the positions of each row's groups, in order. A group that is larger than a row has one to itself.
    """
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    count = max(1, -(-sum(sizes) // tokens))
    while True:
        rows: list[list[int]] = [[] for _ in range(count)]
        filled = [(0, row) for row in range(count)]  # a heap: the emptiest row takes the next largest group
        for i in order:
            used, row = heappop(filled)
            rows[row].append(i)
            heappush(filled, (used + sizes[i], row))
        if all(len(row) <= 1 or used <= tokens for used, row in ((u, rows[r]) for u, r in filled)):
            break
        count += 1
    yield from (sorted(row) for row in rows if row)


def dense_mask(row: Row) -> Tensor:
    """Return who sees whom [1, 1, T, T]: the plainest form, against which the others are tested."""
    length = row.ids.shape[1]
    mask = torch.eye(length, dtype=torch.bool, device=row.ids.device)
    for start, end, p0, p1 in row.segments:
        own = torch.ones((end - start, end - start), dtype=torch.bool, device=mask.device)
        mask[start:end, start:end] = own.tril() if row.causal else own
        mask[start:end, p0:p1] = True
    return mask[None, None]


def block_mask(row: Row) -> Any:
    """Return the same for FlexAttention, which leaves blocks that nobody sees out."""
    from torch.nn.attention.flex_attention import create_block_mask

    length, device = row.ids.shape[1], row.ids.device
    own = torch.arange(len(row.segments), length + len(row.segments), device=device)  # a filler is a segment by itself
    prompt = torch.zeros((2, length), dtype=torch.long, device=device)
    for number, (start, end, p0, p1) in enumerate(row.segments):
        own[start:end] = number
        prompt[0, start:end], prompt[1, start:end] = p0, p1
    causal = row.causal

    def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        inside = own[q] == own[k]
        if causal:
            inside = inside & (k <= q)
        return inside | ((k >= prompt[0, q]) & (k < prompt[1, q]))

    return create_block_mask(sees, None, None, length, length, device=str(device))


def hidden_states(model: Any, row: Row) -> Tensor:
    """Return the backbone's last layer at every place [T, width]. The model attends by segments, or by flex or sdpa."""
    model = model.get_base_model() if hasattr(model, "peft_config") else model
    backbone = model.base_model
    how = backbone.config._attn_implementation
    inputs: dict[str, Any] = {"input_ids": row.ids, "position_ids": row.positions}
    if how == NAME:
        device = row.ids.device.type
        inside = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else backbone.dtype
        segments = Segments(row.segments, row.ids.shape[1], row.causal, inside)
        if suits(backbone):
            return states(backbone, row.ids, row.positions, segments, inside)
        inputs["segments"] = segments
        inputs["attention_mask"] = torch.ones((1, 1, 1, 1))  # transformers leaves one of four dimensions as it is
    elif how == "flex_attention":
        inputs["attention_mask"] = block_mask(row)
    elif how in ("sdpa", "eager"):
        mask = dense_mask(row)
        low = torch.finfo(backbone.dtype).min
        inputs["attention_mask"] = mask if how == "sdpa" else torch.where(mask, 0.0, low).to(backbone.dtype)
    else:
        raise BackendError(f"attention {how} would let branches see each other; use sdpa or flex_attention.")
    inputs |= {"use_cache": False} if row.causal else {"token_type_ids": _types(row, backbone.config)}
    hidden: Tensor = backbone(**inputs).last_hidden_state
    return hidden[0]


def _types(row: Row, config: Any) -> Tensor:
    """Return token types [1, T] as an encoder's tokenizer gives them to two texts: 1 for the second, if it can."""
    types = torch.zeros_like(row.ids)
    if getattr(config, "type_vocab_size", 1) > 1:
        for segment, length in zip(row.segments, row.lengths.tolist(), strict=True):
            types[:, segment.end - length : segment.end] = 1
    return types


def token_logprobs(model: Any, row: Row) -> Tensor:
    """Return the log-probability of every wanted token [N], in nats, in float32; fillers have one too."""
    return picked_logprobs(hidden_states(model, row)[row.predictors], model.lm_head, row.targets)


def branch_sums(values: Tensor, row: Row) -> Tensor:
    """Return the sum over each branch's tokens [branches] of values of wanted tokens [N]."""
    values = values.float()
    return values.new_zeros(row.branches + 1).index_add(0, row.branch, values)[: row.branches]


def branch_logprobs(model: Any, row: Row) -> Tensor:
    """Return log p(branch | prompt) of every branch [branches], in nats, summed over its tokens."""
    return branch_sums(token_logprobs(model, row), row)
