"""DPO-Iter: each round the policy answers k times, the reward model picks best and worst, DPO learns from them."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.align.development import measure_policy, repeats
from psychocounsel.align.dpo import train_dpo
from psychocounsel.artifacts import Step, write_json
from psychocounsel.backends.protocols import Policy
from psychocounsel.errors import TooLittleDataError
from psychocounsel.hyperparameters import Iterate
from psychocounsel.models import runtime
from psychocounsel.models.encoding import EncodedPair, EncodedPairs, encode_prompt, encode_response
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, DevelopmentAnswer, content_seed
from psychocounsel.tables import read_records, write_records

AT_ONCE = 256
"""Speeches whose candidates are sampled before they are written down: what a kill can cost."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of a round's k responses to a speech."""

    speech_id: str
    draw: int
    text: str
    reward: float
    """NaN where there is an error."""
    role: str
    """`best`, `worst`, or empty."""
    error: str = ""
    max_words: int | None = None
    """Words it was asked to keep within, and cut to."""


def best_and_worst(texts: list[str], rewards: list[float], repeat: int = 0) -> tuple[int, int] | str:
    """Return the positions of the best and the worst of the answered candidates, or why they make no pair.

    With `repeat`, one that says as many words in a row twice is never best, and worse than one that does not.
    """
    if len(texts) < 2:
        return "fewer than two answers"
    clean = [not (repeat and repeats(text, repeat)) for text in texts]
    if not any(clean):
        return "every answer repeats itself"
    best = max(range(len(texts)), key=lambda i: (clean[i], rewards[i], -i))
    worst = min(range(len(texts)), key=lambda i: (clean[i], rewards[i], i))
    if (clean[best], rewards[best]) <= (clean[worst], rewards[worst]):
        return "tie"
    if texts[best] == texts[worst]:
        return "equal texts"
    return best, worst


def _previous(run: Path, number: int) -> Path:
    return run / (layout.DPO_MODEL if number == 1 else f"{layout.round_step(number - 1)}/model")


def make_round(number: int, step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `candidates.parquet`, `model/` and `development.json` of one round, from 1."""
    runtime.prepare()
    from psychocounsel.backends.transformers_local import load_tokenizer

    section = recipe.align.iterate
    policy = _previous(run, number)
    candidates = _sample(policy, number, run, recipe, step.scratch / "candidates", tick)
    write_records(step.folder / "candidates.parquet", Candidate, candidates)
    tokenizer = load_tokenizer(policy)
    speech_of = {s.id: s for s in read_records(run / layout.SPEECHES, ClientSpeech)}
    picked: dict[tuple[str, int | None], dict[str, str]] = {}
    for candidate in candidates:
        if candidate.role:
            picked.setdefault((candidate.speech_id, candidate.max_words), {})[candidate.role] = candidate.text
    pairs = [
        EncodedPair(
            encode_prompt(tokenizer, speech_of[speech_id].conversation, recipe.base.max_prompt, max_words)[0],
            encode_response(tokenizer, two["best"]),
            encode_response(tokenizer, two["worst"]),
        )
        for (speech_id, max_words), two in picked.items()
    ]
    if not pairs:
        raise TooLittleDataError(f"align: round {number} made no pair from {len(candidates)} candidates.")
    into = step.folder / "model"
    reference = policy if section.reference == "previous" else run / layout.BASE_MODEL
    seed = content_seed("round", recipe.seed, number)
    counts = train_dpo(
        policy, reference, EncodedPairs(pairs), section, step.scratch, seed, into, tick, run / layout.REFERENCE_CACHE
    )
    development, answers = measure_policy(into, run, recipe, f"round-{number}")
    write_records(step.folder / layout.DEVELOPMENT_ANSWERS, DevelopmentAnswer, answers)
    write_json(step.folder / "development.json", development)
    step.counts = counts | {
        "speeches": len({c.speech_id for c in candidates}),
        "candidates": len(candidates),
        "lost": dict(sorted(Counter(c.error for c in candidates if c.error).items())),
        "development": development,
    }


def _sample(folder: Path, number: int, run: Path, recipe: Recipe, scratch: Path, tick: Tick) -> list[Candidate]:
    from psychocounsel.backends import open_policy
    from psychocounsel.backends.reward_model import RewardModel

    section, limits = recipe.align.iterate, recipe.base
    speeches = [s for s in read_records(run / layout.SPEECHES, ClientSpeech) if s.split == "train"]
    speeches.sort(key=lambda s: content_seed("round speeches", recipe.seed, number, s.id))
    speeches = speeches[: section.speeches]
    policy = open_policy(
        folder,
        section.engine,
        temperature=section.temperature,
        max_prompt=limits.max_prompt,
        max_tokens=limits.max_response,
    )
    seeds = [
        [content_seed("candidate", recipe.seed, number, s.id, k) for k in range(section.candidates)] for s in speeches
    ]
    brief = round(section.limited * len(speeches))
    drawn: list[Candidate] = []
    for part, max_words in ((range(brief), recipe.max_words), (range(brief, len(speeches)), None)):
        for start in range(part.start, part.stop, AT_ONCE):
            at = slice(start, min(start + AT_ONCE, part.stop))
            drawn += _kept(
                scratch / f"drawn-{start}.parquet", partial(_draw, policy, speeches[at], seeds[at], max_words)
            )
            tick(at.stop, len(speeches), "sampling")
    del policy  # scoring needs the memory
    conversation_of = {s.id: s.conversation for s in speeches}
    good = [c for c in drawn if not c.error]
    scorer = RewardModel(run / layout.REWARD_MODEL, max_prompt=limits.max_prompt)
    rewards = iter(scorer.score([conversation_of[c.speech_id] for c in good], [c.text for c in good]))
    scored = [c if c.error else replace(c, reward=next(rewards)) for c in drawn]
    return _with_roles(scored, section)


def _draw(
    policy: Policy,
    speeches: Sequence[ClientSpeech],
    seeds: Sequence[Sequence[int]],
    max_words: int | None,
) -> list[Candidate]:
    groups = policy.candidates([s.conversation for s in speeches], seeds, max_words)
    return [
        Candidate(speech.id, k, c.text, math.nan, "", c.error, max_words)
        for speech, group in zip(speeches, groups, strict=True)
        for k, c in enumerate(group)
    ]


def _kept(file: Path, make: Callable[[], list[Candidate]]) -> list[Candidate]:
    """Return what a kill left of a part, or make it."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_records(file, Candidate, make())
    return read_records(file, Candidate)


def _with_roles(candidates: list[Candidate], section: Iterate) -> list[Candidate]:
    result = []
    for start in range(0, len(candidates), section.candidates):
        rows = candidates[start : start + section.candidates]
        answered = [i for i, c in enumerate(rows) if not c.error]
        rewards = [rows[i].reward - section.length_penalty * len(rows[i].text.split()) for i in answered]
        choice = best_and_worst([rows[i].text for i in answered], rewards, section.repeat)
        roles = {} if isinstance(choice, str) else {answered[choice[0]]: "best", answered[choice[1]]: "worst"}
        result += [replace(c, role=roles.get(i, "")) for i, c in enumerate(rows)]
    return result


def make_chosen(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `model/`, the checkpoint with the highest mean reward on the dev speeches, and `curves.json`."""

    def read(name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((run / name / "development.json").read_text("utf-8"))
        return content

    curves = [{"step": name, **figures} for name, figures in read("align/dpo").items()]
    for number in range(1, recipe.align.iterate.rounds + 1):
        curves.append({"step": f"round-{number}", **read(layout.round_step(number))})
    candidates = curves[1:]  # the base is where the KL is measured from, never a choice
    best = max(candidates, key=lambda row: row["reward"])
    folder = run / "align" / best["step"] / "model"
    shutil.copytree(folder, run / layout.CHOSEN_MODEL)
    write_json(run / layout.CURVES, {"curves": curves, "chosen": best["step"]})
    step.counts = {"chosen": best["step"], "curves": curves}
    tick(1, 1)
