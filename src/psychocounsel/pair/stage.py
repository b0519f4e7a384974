"""The stage: ratings to preference pairs.

Train and dev: every two responses of a speech whose preference scores differ by at least `min_gap`. Test: the highest
against the lowest of a speech. Never from a tie, and safety is a veto: a response rated below `safety_floor` on
safety is never chosen, however well it does elsewhere. The preference score is the rubric's, or with `weights` the mean
under other weights.
"""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json
from psychocounsel.errors import RecipeError, TooLittleDataError
from psychocounsel.pair.exchange import write_released, write_trl
from psychocounsel.pair.people import with_people
from psychocounsel.principles import Rubric, default_rubric
from psychocounsel.progress import Tick
from psychocounsel.recipe import Pair, Recipe
from psychocounsel.records import ClientSpeech, PreferencePair, Rating, Response, content_id
from psychocounsel.tables import read_records, write_records

_EPSILON = 1e-9
"""Means of sevenths are compared with this slack, so that a gap of exactly 1 counts as 1."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Preference pairs, and how many candidates for a pair gave none, by reason."""

    pairs: list[PreferencePair]
    refused: dict[str, int]


def weighted(rubric: Rubric, weights: Mapping[str, float]) -> Rubric:
    """Return the rubric with other weights; a principle that is not named keeps its own.

    Raises RecipeError for a principle that the rubric lacks, and where no weight is above 0.
    """
    faults = []
    for key in sorted(set(weights) - set(rubric.keys)):
        near = difflib.get_close_matches(key, rubric.keys, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        faults.append(f"pair.weights.{key}: no such principle; {hint}known: {', '.join(rubric.keys)}")
    principles = [p.model_copy(update={"weight": weights.get(p.key, p.weight)}) for p in rubric.principles]
    if not any(p.weight > 0 for p in principles):
        faults.append("pair.weights: at least one principle must weigh more than 0")
    if faults:
        raise RecipeError("recipe", faults)
    return rubric.model_copy(update={"principles": principles})


def pair(
    speeches: list[ClientSpeech],
    responses: list[Response],
    ratings: list[Rating],
    section: Pair,
    rubric: Rubric | None = None,
) -> Paired:
    """Make the pairs of every speech by the rules of its split.

    `rubric` is the one that was rated on (the default one if None); only `section.weights` asks for it. Raises
    RecipeError as `weighted` does.
    """
    if section.weights:
        scored = weighted(rubric or default_rubric(), section.weights)
        ratings = [r if r.error else replace(r, overall=scored.overall(r.scores)) for r in ratings]
    response_of = {r.id: r for r in responses}
    rated: dict[str, list[Rating]] = defaultdict(list)
    refused: Counter[str] = Counter()
    for rating in ratings:
        if rating.error:
            refused["response without a rating"] += 1
        else:
            rated[rating.speech_id].append(rating)
    pairs = []
    for speech in speeches:
        for high, low in _candidates(speech, rated[speech.id], section):
            why = _refusal(high, low, response_of, speech, section)
            if why:
                refused[why] += 1
            else:
                pairs.append(_build(speech, high, low, response_of))
    return Paired(pairs, dict(sorted(refused.items())))


def _candidates(speech: ClientSpeech, ratings: list[Rating], section: Pair) -> list[tuple[Rating, Rating]]:
    """Return (higher, lower) candidates. A response under the safety floor can only ever be the lower one."""
    ordered = sorted(ratings, key=lambda r: (-r.overall, r.id))
    if speech.split != "test":
        return list(combinations(ordered, 2))
    safe = [r for r in ordered if _safe(r, section)]
    if not safe or len(ordered) < 2:
        return []
    lowest = next((r for r in reversed(ordered) if r.id != safe[0].id), None)
    return [(safe[0], lowest)] if lowest is not None else []


def _safe(rating: Rating, section: Pair) -> bool:
    return rating.scores.get("safety", section.safety_floor) >= section.safety_floor


def _refusal(
    high: Rating, low: Rating, response_of: dict[str, Response], speech: ClientSpeech, section: Pair
) -> str | None:
    gap = high.overall - low.overall
    if gap <= _EPSILON:
        return "tie"
    if speech.split != "test" and gap < section.min_gap - _EPSILON:
        return "gap below min_gap"
    if not _safe(high, section):
        return "safety veto on chosen"
    if response_of[high.response_id].text.strip() == response_of[low.response_id].text.strip():
        return "equal texts"
    return None


def _build(speech: ClientSpeech, high: Rating, low: Rating, response_of: dict[str, Response]) -> PreferencePair:
    chosen, rejected = response_of[high.response_id], response_of[low.response_id]
    return PreferencePair(
        id=content_id("pair", chosen.id, rejected.id),
        speech_id=speech.id,
        chosen_id=chosen.id,
        rejected_id=rejected.id,
        conversation=speech.conversation,
        chosen=chosen.text,
        rejected=rejected.text,
        chosen_model=chosen.model,
        rejected_model=rejected.model,
        chosen_scores=high.scores,
        rejected_scores=low.scores,
        gap=high.overall - low.overall,
        topic=speech.topic or speech.coarse_topic,
        risk=speech.screened,
        split=speech.split,
    )


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `pairs.parquet`, the same in the released layout and in TRL's, and `rubric.json` with the weights used."""
    rubric = Rubric.model_validate_json((run / layout.RUBRIC).read_text("utf-8"))
    used = weighted(rubric, recipe.pair.weights)
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    responses = read_records(run / layout.RESPONSES, Response)
    ratings = read_records(run / layout.RATINGS, Rating)
    result = pair(speeches, responses, ratings, recipe.pair, rubric)
    people: dict[str, int] = {}
    if recipe.pair.people is not None:
        given = with_people(result.pairs, speeches, recipe.pair.people)
        result, people = Paired(given.pairs, result.refused), given.counts
        step.simulated = step.simulated or given.simulated
    splits = Counter(p.split for p in result.pairs)
    absent = [s for s in ("train", "dev", "test") if not splits[s]]
    if absent:
        raise TooLittleDataError(
            f"pair: no pair in {', '.join(absent)} ({len(ratings)} ratings; refused: {result.refused}). "
            "Collect more speeches, or lower pair.min_gap."
        )
    write_records(run / layout.PAIRS, PreferencePair, result.pairs)
    write_json(run / layout.PREFERENCE_RUBRIC, used.model_dump(mode="json"))
    for split in ("train", "dev", "test"):
        of_split = [p for p in result.pairs if p.split == split]
        write_released(step.folder / "released" / f"{split}.parquet", of_split)
        write_trl(step.folder / "trl" / f"{split}.parquet", of_split)
    # The released dataset has 662 of 34,329 train rows like this; ours says how many it has.
    inverted = sum(
        1
        for p in result.pairs
        if p.split == "train" and p.rejected_scores.get("safety", 0) > p.chosen_scores.get("safety", 0)
    )
    step.counts = {
        "pairs": dict(sorted(splits.items())),
        "refused": result.refused,
        "rejected_safer_than_chosen": inverted,
        "mean_gap": round(sum(p.gap for p in result.pairs) / len(result.pairs), 3),
    } | ({"people": people} if people else {})
    tick(1, 1)
