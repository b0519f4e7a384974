"""Any reward model that `transformers` loads as a sequence classifier with one label, asked in its own template."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from psychocounsel.artifacts import MANIFEST
from psychocounsel.backends.reward_model import RewardModel
from psychocounsel.backends.transformers_local import on_device
from psychocounsel.errors import BackendError, InputError
from psychocounsel.models import runtime
from psychocounsel.models.encoding import ROLES, encode_prompt, encode_response, plain
from psychocounsel.records import Conversation

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
ENCODERS = ("bert",)
"""Model types of ours that keep their head beside the encoder and not in a classifier's class."""
_BATCH_TOKENS = 16_384
"""Tokens of a batch, padding included."""
_SHORTEST_PROMPT = 16
"""Fewer tokens of a prompt than this are no prompt."""


class Own:
    """A reward model that `reward` made, asked as it was trained, with as much of the prompt as it can hold."""

    def __init__(self, folder: Path, max_tokens: int) -> None:
        self.model = RewardModel(folder)
        self.spec = self.model.spec
        self.limit = _limit(self.model.model.config, max_tokens)
        self.cut = 0
        """Prompts of which the oldest tokens were left out."""

    def score(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        """Return one reward for each response, in order. Raises InputError where a response leaves no room."""
        tokenizer = self.model.tokenizer
        longest = max((len(encode_response(tokenizer, response)) for response in responses), default=0)
        room = self.limit - longest
        if room < _SHORTEST_PROMPT:
            raise InputError(
                f"a response of {longest} tokens leaves no room for a prompt in {self.limit}. Raise --max-tokens, or "
                "use a model that reads more."
            )
        self.model.max_prompt = room
        self.cut += sum(encode_prompt(tokenizer, each, room)[1] for each in conversations)
        return self.model.score(conversations, responses)


class External:
    """A classifier with one label, from a folder or the hub.

    The whole conversation is rendered by the tokenizer's own chat template. A reward does not depend on what else is in
    its batch: rows are padded with a token that none of them holds, so that the last token is the response's own.
    """

    def __init__(self, name: str, max_tokens: int) -> None:
        runtime.prepare()
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.spec = name
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError, KeyError) as error:
            raise BackendError(f"no tokenizer can be loaded from {name}: {_why(error)}") from None
        if not self.tokenizer.chat_template:
            raise BackendError(
                f"{name} has no chat template, so nobody can tell how it reads a conversation. Save one with its "
                "tokenizer (tokenizer.chat_template), or test a model that has one."
            )
        kind = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        try:
            model, loaded = AutoModelForSequenceClassification.from_pretrained(
                name, dtype=kind, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise BackendError(f"no sequence classifier can be loaded from {name}: {_why(error)}") from None
        if model.config.num_labels != 1:
            raise BackendError(f"{name} has {model.config.num_labels} labels; a reward model has one.")
        if missing := sorted(loaded["missing_keys"]):
            raise BackendError(
                f"{name} holds no weights for {', '.join(missing[:3])}, which would be random: it is no reward model, "
                "or one whose head transformers does not know."
            )
        self.model: Any = on_device(model.eval())
        self.limit = _limit(model.config, max_tokens)
        self.cut = 0
        """Conversations of which the oldest tokens were left out."""

    def score(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[float]:
        """Return one reward for each response, in order."""
        encoded = [self._encode(c, r) for c, r in zip(conversations, responses, strict=True)]
        order = sorted(range(len(encoded)), key=lambda n: (-len(encoded[n]), n))
        found = [0.0] * len(encoded)
        start = 0
        while start < len(order):
            size = max(1, _BATCH_TOKENS // len(encoded[order[start]]))
            members = order[start : start + size]
            for n, reward in zip(members, self._forward([encoded[n] for n in members]), strict=True):
                found[n] = reward
            start += size
        return found

    def _encode(self, conversation: Conversation, response: str) -> list[int]:
        messages = [{"role": ROLES[turn.role], "content": plain(self.tokenizer, turn.text)} for turn in conversation]
        messages.append({"role": ROLES["counsellor"], "content": plain(self.tokenizer, response)})
        try:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False)
        except TemplateError as error:
            raise BackendError(f"{self.spec}'s chat template refuses a conversation: {_why(error)}") from None
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        longest = len(self.tokenizer(messages[-1]["content"], add_special_tokens=False)["input_ids"])
        if len(ids) > self.limit and longest + _SHORTEST_PROMPT > self.limit:
            raise InputError(
                f"a response of {longest} tokens leaves no room for a prompt in {self.limit}. Raise --max-tokens, or "
                "use a model that reads more."
            )
        self.cut += len(ids) > self.limit
        return ids[-self.limit :]

    def _forward(self, rows: Sequence[Sequence[int]]) -> list[float]:
        import torch

        used = {token for row in rows for token in row}
        own = self.tokenizer.pad_token_id
        pad = own if own is not None and own not in used else next(n for n in range(len(used) + 1) if n not in used)
        width = max(map(len, rows))
        ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        self.model.config.pad_token_id = pad
        self.model.config.get_text_config().pad_token_id = pad
        device = self.model.device
        with torch.inference_mode():
            logits = self.model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        rewards: list[float] = logits.float().squeeze(-1).cpu().tolist()
        return rewards


def _why(error: Exception) -> str:
    return str(error).splitlines()[0]


def _limit(config: Any, max_tokens: int) -> int:
    return min(max_tokens, int(getattr(config, "max_position_embeddings", 0) or max_tokens))


def made_here(folder: Path) -> bool:
    """Whether `reward` made the model in a folder: its step's manifest is beside it, or it has heads of our own kind.

    A decoder of ours without either is a plain classifier, and either way of asking it gives the same tokens.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    bare = config.get("model_type") in ENCODERS and "SequenceClassification" not in str(config.get("architectures"))
    return bare or "principles" in config or (folder.parent / MANIFEST).is_file()


def open_reward_model(name: str, max_tokens: int) -> Own | External:
    """Open a reward model of ours, or any other, from a folder or by its hub name. Raises BackendError."""
    folder = Path(name)
    if folder.is_dir():
        return Own(folder, max_tokens) if made_here(folder) else External(name, max_tokens)
    if not _HUB_NAME.fullmatch(name):
        raise BackendError(f"there is no folder {name}, and it is no OWNER/NAME of a hub either.")
    return External(name, max_tokens)
