"""The stage: responses to ratings, by a judge that is shown texts and never who wrote them."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from psychocounsel import layout
from psychocounsel.artifacts import Step, write_json
from psychocounsel.backends import Judge, open_judge
from psychocounsel.errors import PsychocounselError
from psychocounsel.principles import HIGHEST, LOWEST, Rubric, load_rubric
from psychocounsel.progress import Tick
from psychocounsel.recipe import SOURCE, Recipe
from psychocounsel.records import ClientSpeech, Rating, Response, content_id
from psychocounsel.tables import read_records, write_records


def rate(
    speeches: list[ClientSpeech], responses: list[Response], judge: Judge, rubric: Rubric, tick: Tick
) -> list[Rating]:
    """Rate every response. A response that has an error, or whose rating is out of bounds, keeps a row that says so."""
    speech_of = {speech.id: speech for speech in speeches}
    ratings = []
    for done, response in enumerate(responses):
        if done % 64 == 0:
            tick(done, len(responses))
        ratings.append(_rate_one(speech_of[response.speech_id], response, judge, rubric))
    tick(len(responses), len(responses))
    return ratings


def _rate_one(speech: ClientSpeech, response: Response, judge: Judge, rubric: Rubric) -> Rating:
    identity = content_id("rating", response.id, judge.spec)

    def failed(why: str) -> Rating:
        return Rating(identity, response.id, speech.id, judge.spec, {}, {}, math.nan, why)

    if response.error:
        return failed(f"no response: {response.error}")
    try:
        given = judge.rate(speech.conversation, response.text)
    except PsychocounselError as error:
        return failed(f"judge failed: {error}")
    scores = {key: score.score for key, score in given.items()}
    if sorted(scores) != sorted(rubric.keys):
        return failed(f"rated {', '.join(sorted(scores)) or 'nothing'} where the rubric has {', '.join(rubric.keys)}")
    outside = [f"{key}={score}" for key, score in scores.items() if not LOWEST <= score <= HIGHEST]
    if outside:
        return failed(f"out of 1 to 5: {', '.join(outside)}")
    reasons = {key: score.reason for key, score in given.items()}
    return Rating(identity, response.id, speech.id, judge.spec, scores, reasons, rubric.overall(scores))


def make(step: Step, run: Path, recipe: Recipe, tick: Tick) -> None:
    """Write `ratings.parquet`, `further.parquet` (empty unless the recipe wants it) and, as used, `rubric.json`."""
    rubric = load_rubric(recipe.rate.rubric)
    if recipe.rate.judge == SOURCE:
        _from_source(step, run, rubric)
        return
    judge = open_judge(recipe.rate.judge, rubric)
    speeches = read_records(run / layout.SPEECHES, ClientSpeech)
    responses = read_records(run / layout.RESPONSES, Response)
    ratings = rate(speeches, responses, judge, rubric, tick)
    write_records(run / layout.RATINGS, Rating, ratings)
    further = read_records(run / layout.FURTHER, Response) if recipe.rate.further else []
    further_ratings = rate(speeches, further, judge, rubric, tick)
    write_records(run / layout.FURTHER_RATINGS, Rating, further_ratings)
    write_json(run / layout.RUBRIC, rubric.model_dump(mode="json"))
    step.simulated = judge.simulated
    step.backends = [judge.spec]
    step.prompts = {"rubric": content_id(rubric.model_dump(mode="json"))}
    step.counts = _counts(ratings, further_ratings, rubric)


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
            scores = {key: int(statistics.median_low(r.scores[key] for r in mine)) for key in rubric.keys}
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
