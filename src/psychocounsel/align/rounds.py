"""DPO-Iter: each round the policy answers k times, the reward model picks best and worst, DPO learns from them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.align.development import measure_policy, repeats
from psychocounsel.align.dpo import train_dpo
from psychocounsel.artifacts import Step, write_json
from psychocounsel.backends.protocols import Completion
from psychocounsel.errors import TooLittleDataError
from psychocounsel.models import runtime
from psychocounsel.models.encoding import EncodedPair, EncodedPairs, encode_prompt, encode_response
from psychocounsel.progress import Tick
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, content_seed
from psychocounsel.tables import read_records, write_records


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
    candidates = _sample(policy, number, run, recipe)
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
    counts = train_dpo(policy, reference, EncodedPairs(pairs, 0, 0), section, step.scratch, seed, into, tick)
    development = measure_policy(into, run, recipe)
    write_json(step.folder / "development.json", development)
    step.counts = counts | {
        "speeches": len({c.speech_id for c in candidates}),
        "candidates": len(candidates),
        "lost": dict(sorted(Counter(c.error for c in candidates if c.error).items())),
        "development": development,
    }


def _sample(policy: Path, number: int, run: Path, recipe: Recipe) -> list[Candidate]:
    from psychocounsel.backends.reward_model import RewardModel
    from psychocounsel.backends.transformers_local import LocalPolicy

    section, limits = recipe.align.iterate, recipe.base
    speeches = [s for s in read_records(run / layout.SPEECHES, ClientSpeech) if s.split == "train"]
    speeches.sort(key=lambda s: content_seed("round speeches", recipe.seed, number, s.id))
    speeches = speeches[: section.speeches]
    local = LocalPolicy(
        policy, temperature=section.temperature, max_prompt=limits.max_prompt, max_tokens=limits.max_response
    )
    seeds = [
        [content_seed("candidate", recipe.seed, number, s.id, k) for k in range(section.candidates)] for s in speeches
    ]
    brief = round(section.limited * len(speeches))
    flat: list[tuple[ClientSpeech, int, Completion, int | None]] = []
    for part, max_words in ((slice(None, brief), recipe.max_words), (slice(brief, None), None)):
        groups = local.candidates([s.conversation for s in speeches[part]], seeds[part], max_words)
        for speech, group in zip(speeches[part], groups, strict=True):
            flat += [(speech, k, completion, max_words) for k, completion in enumerate(group)]
    good = [(s, c.text) for s, _, c, _ in flat if not c.error]
    scorer = RewardModel(run / layout.REWARD_MODEL, max_prompt=limits.max_prompt)
    rewards = iter(scorer.score([s.conversation for s, _ in good], [t for _, t in good]))
    scored = [
        Candidate(s.id, k, c.text, float("nan") if c.error else next(rewards), "", c.error, words)
        for s, k, c, words in flat
    ]
    return _with_roles(scored, section.candidates, section.repeat)


def _with_roles(candidates: list[Candidate], group: int, repeat: int) -> list[Candidate]:
    result = []
    for start in range(0, len(candidates), group):
        rows = candidates[start : start + group]
        answered = [i for i, c in enumerate(rows) if not c.error]
        choice = best_and_worst([rows[i].text for i in answered], [rows[i].reward for i in answered], repeat)
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
