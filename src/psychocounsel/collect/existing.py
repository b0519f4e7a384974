"""Responses and ratings that a source carries, as records."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable

from psychocounsel.collect.sources import SourceResponse, SourceRow
from psychocounsel.principles import HIGHEST, LOWEST, Rubric, default_rubric
from psychocounsel.records import ClientSpeech, Rating, Response, content_id


def existing(
    rows_with_speeches: Iterable[tuple[SourceRow, ClientSpeech]], rubric: Rubric | None = None
) -> tuple[list[Response], list[Rating]]:
    """Turn what sources carry into records, joined to the speeches that their rows became.

    A response that comes more than once for a speech is one record. The judge of a rating is SOURCE/RATER, or SOURCE
    where no rater is known; other ratings of the same response by the same judge are those of judge SOURCE/RATER#2.
    A response without words or with broken Unicode, and ratings that are not whole numbers from 1 to 5 on every
    principle of `rubric` (the seven, if None) and no other, are rows with `error`.
    """
    rubric = rubric or default_rubric()
    responses: dict[str, Response] = {}
    ratings: dict[str, Rating] = {}
    drawn: dict[tuple[str, str], dict[str, int]] = {}
    for row, speech in rows_with_speeches:
        for given in row.responses:
            broken = any("\ud800" <= c <= "\udfff" for c in given.text)
            text = "" if broken or _blank(given.text) else given.text
            draws = drawn.setdefault((speech.id, given.model), {})
            draw = draws.setdefault(text, len(draws))
            error = "" if text else "half of a surrogate pair" if broken else "the source gives no words"
            response = Response.make(speech.id, given.model, text, draw, error)
            responses.setdefault(response.id, response)
            if given.ratings is not None and text:
                known = {k: v for k, v in given.ratings.items() if k in rubric.keys or not given.derived}
                _add(ratings, response, given, known, speech.source, rubric)
    return list(responses.values()), list(ratings.values())


def _add(
    ratings: dict[str, Rating],
    response: Response,
    given: SourceResponse,
    scores: dict[str, float],
    source: str,
    rubric: Rubric,
) -> None:
    judge = first = "/".join(part for part in (source or "source", given.rater) if part)
    error = _fault(scores, rubric)
    whole = {} if error else {key: float(scores[key]) for key in rubric.keys}
    overall = math.nan if error else rubric.overall(whole)
    again = 1
    while True:
        identity = content_id("rating", response.id, judge)
        made = Rating(identity, response.id, response.speech_id, judge, whole, {}, overall, error)
        known = ratings.setdefault(identity, made)
        if known is made or (known.scores, known.error) == (whole, error):
            return
        again += 1
        judge = f"{first}#{again}"


def _fault(scores: dict[str, float], rubric: Rubric) -> str:
    """Say what is wrong with ratings: principles that the rubric lacks, that are absent, or that are out of range."""
    unknown = sorted(key for key in scores if key not in rubric.keys)
    if unknown:
        return f"the rubric has no principle {', '.join(k if len(k) <= 40 else '(a long name)' for k in unknown)}"
    absent = [key for key in rubric.keys if key not in scores]
    if absent:
        return f"no rating on {', '.join(absent)}"
    wrong = [
        f"{key}={value:g}"
        for key, value in scores.items()
        if not (math.isfinite(value) and float(value).is_integer() and LOWEST <= value <= HIGHEST)
    ]
    return f"not a whole number from {LOWEST} to {HIGHEST}: {', '.join(wrong)}" if wrong else ""


def _blank(text: str) -> bool:
    # Some answers hold nothing but a zero-width space, which strip() leaves.
    return all(c.isspace() or unicodedata.category(c) in ("Cf", "Cc") for c in text)
