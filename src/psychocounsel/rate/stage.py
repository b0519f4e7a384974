"""The stage: responses to ratings, by a judge that is shown texts and never who wrote them."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json
from psychocounsel.backends import (
    Connections,
    Judge,
    PrincipleScore,
    check_egress,
    open_judge,
    rate_all,
)
from psychocounsel.backends.llm_judge import prompts
from psychocounsel.errors import PsychocounselError
from psychocounsel.principles import HIGHEST, LOWEST, Rubric, load_rubric
from psychocounsel.progress import Tick
from psychocounsel.rate.agreement import agreement
from psychocounsel.recipe import SOURCE, Recipe
from psychocounsel.records import ClientSpeech, Rating, Response, content_id
from psychocounsel.tables import read_records, write_records


def rate(
    speeches: list[ClientSpeech], responses: list[Response], judge: Judge, rubric: Rubric, tick: Tick
) -> list[Rating]:
    """Rate every response. A response that has an error, or whose rating is out of bounds, keeps a row that says so."""
    return rate_by([judge], speeches, responses, rubric, tick)[0]


def rate_by(
    judges: list[Judge],
    speeches: list[ClientSpeech],
    responses: list[Response],
    rubric: Rubric,
    tick: Tick,
    told: Callable[[], str] = str,
) -> list[list[Rating]]:
    """Return each judge's rating of every response, in the order of the responses."""
    speech_of = {speech.id: speech for speech in speeches}
    out = []
    for number, judge in enumerate(judges):
        given: dict[int, dict[str, PrincipleScore] | PsychocounselError] = {}
        items = (
            (place, speech_of[response.speech_id].conversation, response.text)
            for place, response in enumerate(responses)
            if not response.error
        )
        for place, rating in rate_all(judge, items):
            if len(given) % 64 == 0:
                tick(number * len(responses) + len(given), len(judges) * len(responses), told())
            given[place] = rating
        out.append([_rating(r, judge.spec, given.get(place), rubric) for place, r in enumerate(responses)])
    tick(len(judges) * len(responses), len(judges) * len(responses))
    return out


def _rating(
    response: Response, judge: str, given: dict[str, PrincipleScore] | PsychocounselError | None, rubric: Rubric
) -> Rating:
    identity = content_id("rating", response.id, judge)

    def failed(why: str) -> Rating:
        return Rating(identity, response.id, response.speech_id, judge, {}, {}, math.nan, why)

    if given is None:
        return failed(f"no response: {response.error}")
    if isinstance(given, PsychocounselError):
        return failed(f"judge failed: {given}")
    scores = {key: score.score for key, score in given.items()}
    if sorted(scores) != sorted(rubric.keys):
        return failed(f"rated {', '.join(sorted(scores)) or 'nothing'} where the rubric has {', '.join(rubric.keys)}")
    outside = [f"{key}={score:g}" for key, score in scores.items() if not LOWEST <= score <= HIGHEST]
    if outside:
        return failed(f"out of 1 to 5: {', '.join(outside)}")
    reasons = {key: score.reason for key, score in given.items()}
    return Rating(identity, response.id, response.speech_id, judge, scores, reasons, rubric.overall(scores))


def together(name: str, ratings: list[list[Rating]], rubric: Rubric) -> list[Rating]:
    """Return the panel's rating of each response: the mean over its judges. One that a judge did not rate has none."""
    out = []
    for same in zip(*ratings, strict=True):
        first = same[0]
        identity = content_id("rating", first.response_id, name)
        lost = [rating for rating in same if rating.error]
        if lost:
            why = lost[0].error if len(lost) == len(same) else f"{len(lost)} of {len(same)} judges: {lost[0].error}"
            out.append(Rating(identity, first.response_id, first.speech_id, name, {}, {}, math.nan, why))
            continue
        scores = {key: math.fsum(r.scores[key] for r in same) / len(same) for key in rubric.keys}
        reasons = {key: " | ".join(r.reasons[key] for r in same if r.reasons.get(key)) for key in rubric.keys}
        out.append(Rating(identity, first.response_id, first.speech_id, name, scores, reasons, rubric.overall(scores)))
    return out


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `ratings.parquet`, `further.parquet` (empty unless the recipe wants it) and, as used, `rubric.json`."""
    rubric = load_rubric(recipe.rate.rubric)
    if recipe.rate.judge == SOURCE:
        _from_source(step, run, rubric)
        return
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    check_egress(recipe, recipe.labellers, speeches)
    connections = Connections.of(recipe)
    judges = [open_judge(spec, rubric, connections, recipe.rate.judging) for spec in recipe.labellers]
    responses = read_records(run / layout.RESPONSES, Response)
    by_judge = rate_by(judges, speeches, responses, rubric, tick, connections.told)
    further = read_records(run / layout.FURTHER, Response) if recipe.rate.further else []
    further_by_judge = rate_by(judges, speeches, further, rubric, tick, connections.told)
    ratings, further_ratings = by_judge[0], further_by_judge[0]
    if len(judges) > 1:
        name = f"panel({', '.join(recipe.labellers)})"
        ratings = together(name, by_judge, rubric)
        further_ratings = together(name, further_by_judge, rubric)
        write_records(run / layout.PANEL_RATINGS, Rating, [rating for each in by_judge for rating in each])
    write_records(run / layout.RATINGS, Rating, ratings)
    write_records(run / layout.FURTHER_RATINGS, Rating, further_ratings)
    write_json(run / layout.RUBRIC, rubric.model_dump(mode="json"))
    step.simulated = any(judge.simulated for judge in judges)
    step.backends = [judge.spec for judge in judges]
    step.prompts = {"rubric": content_id(rubric.model_dump(mode="json")), "rating": str(prompts.VERSION)}
    step.counts = _counts(ratings, further_ratings, rubric)
    if len(judges) > 1:
        step.counts["agreement"] = agreement(by_judge, rubric)
    if spent := connections.spent():
        step.counts["calls"] = spent


def _from_source(step: Step, run: Path, rubric: Rubric) -> None:
    """Write the ratings that the source carries; a response that it does not rate keeps a row that says so."""
    given: dict[str, list[Rating]] = defaultdict(list)
    for rating in read_records(run / layout.SOURCE_RATINGS, Rating):
        if not rating.error:
            given[rating.response_id].append(rating)
    ratings = []
    for response in read_records(run / layout.RESPONSES, Response):
        identity, mine = content_id("rating", response.id, SOURCE), given[response.id]
        if mine:
            # The lower of two middle ratings: a whole number, and cautious.
            scores: dict[str, float] = {key: statistics.median_low(r.scores[key] for r in mine) for key in rubric.keys}
            ratings.append(
                Rating(identity, response.id, response.speech_id, SOURCE, scores, {}, rubric.overall(scores))
            )
        else:
            why = f"no response: {response.error}" if response.error else "the source does not rate it"
            ratings.append(Rating(identity, response.id, response.speech_id, SOURCE, {}, {}, math.nan, why))
    write_records(run / layout.RATINGS, Rating, ratings)
    write_records(run / layout.FURTHER_RATINGS, Rating, [])
    write_json(run / layout.RUBRIC, rubric.model_dump(mode="json"))
    step.backends = [SOURCE]
    step.counts = _counts(ratings, [], rubric)


def _counts(ratings: list[Rating], further_ratings: list[Rating], rubric: Rubric) -> dict[str, Any]:
    rated = [r for r in ratings if not r.error]
    return {
        "asked": len(ratings),
        "rated": len(rated),
        "further_rated": sum(1 for r in further_ratings if not r.error),
        "lost": dict(sorted(Counter(r.error for r in ratings + further_ratings if r.error).items())),
        "mean": {k: round(math.fsum(r.scores[k] for r in rated) / len(rated), 3) for k in rubric.keys} if rated else {},
        "mean_overall": round(math.fsum(r.overall for r in rated) / len(rated), 3) if rated else None,
    }
