"""What a reward model learns from, as tokens: preference pairs, ratings, and pairs of another kind mixed in."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.hyperparameters import Reward
from psychocounsel.models.branches import Group
from psychocounsel.models.encoding import (
    EncodedPair,
    EncodedPairs,
    Limits,
    encode_pairs,
    encode_prompt,
    encode_response,
)
from psychocounsel.models.preference import Example
from psychocounsel.records import ClientSpeech, Conversation, Rating, Response, content_id, content_seed
from psychocounsel.reward.score import conversation_of

HELD_OUT = 10
"""Every so manieth general pair is kept for measuring."""


def pair_examples(pairs: Sequence[EncodedPair], keys: Sequence[str], section: Reward) -> list[Example]:
    """Return pairs as examples; those without ratings have a gap of 0, and NaN for every principle."""
    return [_pair_example(p, keys, section) for p in pairs]


def _pair_example(encoded: EncodedPair, keys: Sequence[str], section: Reward) -> Example:
    group = Group(encoded.prompt, (encoded.chosen, encoded.rejected))
    numbers: dict[str, Any] = {"gap": encoded.pair.gap if encoded.pair else 0.0}
    if section.principles:
        rated = [encoded.pair.chosen_scores, encoded.pair.rejected_scores] if encoded.pair else [{}, {}]
        numbers["ratings"] = [scores.get(key, math.nan) for scores in rated for key in keys]
    return Example(group, numbers)


@dataclass(frozen=True, slots=True)
class Rated:
    """A response with its ratings, as tokens."""

    group: str
    """What it must not be parted from: the dialogue or person that its speech is of."""
    prompt: list[int]
    response: list[int]
    ratings: list[float]
    """One for each principle, 1 to 5."""
    said: str
    """The conversation, as text."""
    text: str
    speech_id: str
    split: str


def rated_responses(
    tokenizer: Any,
    speeches: Sequence[ClientSpeech],
    responses: Sequence[Response],
    ratings: Sequence[Rating],
    keys: Sequence[str],
    limits: Limits,
) -> tuple[list[Rated], dict[str, int]]:
    """Return the rated responses, and counts of those that were left out."""
    speech_of, text_of = {s.id: s for s in speeches}, {r.id: r.text for r in responses}
    found: list[Rated] = []
    counts = {"rated": 0, "dropped_too_long": 0, "prompts_truncated": 0}
    for rating in ratings:
        if rating.error or rating.speech_id not in speech_of:
            continue
        counts["rated"] += 1
        speech, text = speech_of[rating.speech_id], text_of[rating.response_id]
        prompt, cut = encode_prompt(tokenizer, speech.conversation, limits.prompt)
        response = encode_response(tokenizer, text)
        over = len(response) > limits.response
        if limits.too_long == "error" and (over or cut):
            raise InputError(
                f"response {rating.response_id}: it or its prompt is over the limits of base, and "
                "base.too_long is error. Raise base.max_prompt or base.max_response, or let it drop."
            )
        if over or (cut and limits.too_long == "drop"):
            counts["dropped_too_long"] += 1
            continue
        counts["prompts_truncated"] += cut
        levels = [float(rating.scores[k]) for k in keys]
        said = "\n".join(turn.text for turn in speech.conversation)
        found.append(Rated(speech.group, prompt, response, levels, said, text, speech.id, speech.split))
    if not found:
        raise TooLittleDataError("reward: no rated response fits base.max_response; there is nothing to learn from.")
    return found, counts


def rating_examples(rated: Sequence[Rated]) -> list[Example]:
    return [Example(Group(r.prompt, [r.response]), {"ratings": r.ratings}) for r in rated]


@dataclass(frozen=True, slots=True)
class _Plain:
    """A pair without ratings."""

    id: str
    conversation: Conversation
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class General:
    """Pairs of another kind, as tokens."""

    train: list[EncodedPair]
    test: list[EncodedPair]
    """A tenth of the prompts, with all their pairs."""
    counts: dict[str, int]
    simulated: bool = False
    """Whether a line says that its label is by simulated raters."""


def read_general(
    tokenizer: Any, path: Path, limits: Limits, held_out: Collection[str] = ()
) -> General:  # fmt: skip
    """Read JSON lines of `prompt` (or `earlier` turns), `chosen` and `rejected`. Raises InputError at a bad line.

    Pairs whose client speech is one of the texts `held_out` are left out, so that no evaluation sees what was learnt.
    """
    pairs, simulated, left_out = [], False, 0
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"reward.general {path} cannot be read as UTF-8 text: {type(error).__name__}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict) or not all(
                isinstance(row.get(k), str) and row[k].strip() for k in ("chosen", "rejected")
            ):
                raise ValueError("needs `chosen` and `rejected`")
            conversation = conversation_of(row)
        except ValueError as error:
            what = "is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
            raise InputError(f"reward.general {path}, line {number}: {what}") from None
        simulated = simulated or row.get("simulated") is True
        if conversation[-1].text in held_out:
            left_out += 1
            continue
        pairs.append(_Plain(content_id(path.name, number), conversation, row["chosen"], row["rejected"]))
    if not pairs:
        why = f"; {left_out} are of speeches that are held out" if left_out else ""
        raise InputError(f"reward.general {path} has no pair{why}.")
    pairs.sort(key=lambda p: content_seed("general", p.id))
    prompts = list(dict.fromkeys(p.conversation for p in pairs))
    held = set(prompts[::HELD_OUT])
    test = encode_pairs(tokenizer, [p for p in pairs if p.conversation in held], limits)
    train = encode_pairs(tokenizer, [p for p in pairs if p.conversation not in held], limits)
    counts = {f"general_{k}": v for k, v in train.counts.items()} | {"general_held_out_speeches": left_out}
    return General(_bare(train), _bare(test), counts, simulated)


def _bare(encoded: EncodedPairs) -> list[EncodedPair]:
    return [EncodedPair(p.prompt, p.chosen, p.rejected) for p in encoded.pairs]


def mix(own: Sequence[EncodedPair], general: Sequence[EncodedPair], share: float, seed: int) -> list[EncodedPair]:
    """Return as many of both as make `general` its share, drawn by seed, none twice."""
    total = min(len(own) / (1 - share), len(general) / share)
    wanted = (round(total * (1 - share)), round(total * share))
    if not all(wanted):
        raise TooLittleDataError(
            f"reward: {len(own)} pairs and {len(general)} general ones cannot be mixed at {share:g}."
        )

    def drawn(pairs: Sequence[EncodedPair], count: int, name: str) -> list[EncodedPair]:
        order = sorted(range(len(pairs)), key=lambda i: content_seed("mix", seed, name, i))
        return [pairs[i] for i in sorted(order[:count])]

    return drawn(own, wanted[0], "own") + drawn(general, wanted[1], "general")
