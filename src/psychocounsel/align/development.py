"""A policy on the development speeches: reward, length and KL from the base."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.errors import TooLittleDataError
from psychocounsel.models import runtime
from psychocounsel.models.encoding import encode_prompt, encode_response
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, DevelopmentAnswer, content_seed
from psychocounsel.tables import read_records

REPEATED = 4
"""Words in a row that, said twice, are counted as repetition."""


def repeats(text: str, words: int) -> bool:
    """Whether a text says as many words in a row twice."""
    said = re.findall(r"[\w']+", text.lower())
    runs = [tuple(said[i : i + words]) for i in range(len(said) - words + 1)]
    return len(set(runs)) < len(runs)


def measure_policy(
    policy: Path, run: Path, recipe: Recipe, step: str
) -> tuple[dict[str, Any], list[DevelopmentAnswer]]:
    """Sample one response (temperature 1) to each development speech and measure it.

    Returns the answers, and as figures n, mean reward, mean words, the share that say REPEATED words in a row twice,
    and the KL from the base policy in nats a response: the mean over samples of log p(response) - log p_base(response),
    an unbiased estimate that can be slightly below 0 by chance.
    """
    from psychocounsel.backends.reward_model import RewardModel
    from psychocounsel.backends.transformers_local import LocalPolicy, load_causal
    from psychocounsel.models.attention import for_rows
    from psychocounsel.models.reference import response_logprobs

    limits = recipe.base
    speeches = [s for s in read_records(run / layout.SPEECHES, ClientSpeech) if s.split == "dev"]
    speeches = sorted(speeches, key=lambda s: s.id)[: recipe.align.dev_speeches]
    local = LocalPolicy(policy, temperature=1.0, max_prompt=limits.max_prompt, max_tokens=limits.max_response)
    conversations = [s.conversation for s in speeches]
    completions = local.generate(conversations, [content_seed("development", recipe.seed, s.id) for s in speeches])
    answered = [(c, x.text) for c, x in zip(conversations, completions, strict=True) if not x.error]
    of = [s.id for s, x in zip(speeches, completions, strict=True) if not x.error]
    if not answered:
        raise TooLittleDataError(
            f"align: the policy in {policy} gave no answer to any of {len(speeches)} dev speeches."
        )
    prompts = [encode_prompt(local.tokenizer, c, limits.max_prompt)[0] for c, _ in answered]
    responses = [encode_response(local.tokenizer, t) for _, t in answered]
    pad = local.tokenizer.pad_token_id
    own = response_logprobs(for_rows(local.model), prompts, responses, pad)
    del local  # one model at a time is in memory
    runtime.give_back_memory()
    rewards = RewardModel(run / layout.REWARD_MODEL, max_prompt=limits.max_prompt).score(
        [c for c, _ in answered], [t for _, t in answered]
    )
    base = response_logprobs(for_rows(load_causal(run / layout.BASE_MODEL)), prompts, responses, pad)
    kept = [
        DevelopmentAnswer(step, speech_id, text, reward)
        for speech_id, (_, text), reward in zip(of, answered, rewards, strict=True)
    ]
    return {
        "asked": len(speeches),
        "n": len(answered),
        "reward": math.fsum(rewards) / len(rewards),
        "words": sum(len(t.split()) for _, t in answered) / len(answered),
        "repeats": sum(repeats(t, REPEATED) for _, t in answered) / len(answered),
        "kl": math.fsum(o - b for o, b in zip(own, base, strict=True)) / len(own),
    }, kept
