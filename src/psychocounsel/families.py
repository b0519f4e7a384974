"""Who made a model: judges of the family that labelled, or wrote, share its tastes, whatever their names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

Relation = Literal["independent", "unknown", "kin", "family", "labelled"]
"""A judge to what it judges, from best to worst: nothing; nobody knows, as the records do not say who labelled; its
maker's models are judged, or wrote what was learned from; its maker's model labelled the data; it did itself."""

RULES = "rules of this package"
UNNAMED = {"source", "unknown"}
"""In place of a labeller: ratings that came with the data, or a record that cannot be read."""
_MAKERS = (
    (r"\b(gpt|chatgpt|o[134](-mini|-pro)?|text-davinci)\b", "OpenAI"),
    (r"claude|\b(sonnet|opus|haiku)\b", "Anthropic"),
    (r"gemini|gemma|\bpalm\b", "Google"),
    (r"llama|vicuna|alpaca|psych8k|tulu|\bhermes\b|nemotron", "Meta Llama"),
    (r"mistral|mixtral|ministral|zephyr", "Mistral"),
    (r"qwen|qwq", "Qwen"),
    (r"deepseek", "DeepSeek"),
    (r"\bphi\b", "Microsoft Phi"),
    (r"command-r|cohere|\baya\b", "Cohere"),
    (r"grok", "xAI"),
    (r"glm|chatglm", "GLM"),
    (r"\byi\b", "Yi"),
    (r"internlm", "InternLM"),
    (r"olmo", "OLMo"),
)


def family_of(spec: str) -> str:
    """Return who made what a spec names, as far as its name or its folder's `config.json` says; else the name itself.

    Both offline judges, and all simulated counsellors, are `rules of this package`: one group of people wrote them.
    """
    kind, _, name = spec.partition("/")
    if kind in ("offline", "simulated"):
        return RULES
    config = Path(name) / "config.json"
    if kind in ("transformers", "vllm") and config.is_file():
        try:
            made_of = json.loads(config.read_text("utf-8"))
        except (OSError, ValueError):
            made_of = {}
        # A small Llama made here has Llama's layers and nothing of its weights; only a named origin tells.
        name = str(made_of.get("_name_or_path") or name)
    words = re.sub(r"[_/.:\d]+", " ", (name or spec).lower().replace("-", " - "))
    plain = (name or spec).lower()
    for pattern, maker in _MAKERS:
        if re.search(pattern, plain) or re.search(pattern, words):
            return maker
    return name or spec


def relation(judge: str, labellers: Iterable[str], makers: Iterable[str] = ()) -> Relation:
    """Return how a judge stands to those that labelled the data, and to the `makers` of the models that it judges."""
    labellers = list(labellers)
    if judge in labellers:
        return "labelled"
    family = family_of(judge)
    if family in {family_of(labeller) for labeller in labellers}:
        return "family"
    if family in makers:
        return "kin"
    return "unknown" if set(labellers) & UNNAMED else "independent"
