"""Sources of single questions with answers. Rows of one question are put together by the source's true key."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from psychocounsel.collect.sources.columns import number
from psychocounsel.collect.sources.row import (
    Gather,
    SourceResponse,
    SourceRow,
    clean,
    no_labels,
    table,
    titled,
)
from psychocounsel.records import content_id

_KEYS = ("empathy", "relevance", "clarity", "safety", "exploration", "autonomy", "staging")
_MODES = ("apathetic", "assumptions", "symptoms", "judgmental", "medication", "therapy")
_SCALES = ("overall", "empathy", "specificity", "factual_consistency", "toxicity")


def counsel_chat(path: Path) -> Iterator[SourceRow]:
    """One row an answer. `questionLink` is the key: `questionID` names two questions at times.

    Therapists' names are not read. Upvotes and views are no ratings, since they follow exposure.
    """
    gather = Gather()
    needed = ("questionLink", "questionTitle", "questionText", "topic")
    for where, values, fault in table(path, "counsel-chat", needed, (*needed, "answerText")):
        link = clean(values.get("questionLink"))
        if fault or not link:
            yield SourceRow(where, fault=fault or "questionLink is empty, so the question has no key")
            continue
        text = titled(values["questionTitle"], values["questionText"])
        row = SourceRow(where, text, labels=no_labels(values["topic"]), source_id=link.rstrip("/").rsplit("/", 1)[-1])
        gather.add(row, *_answer("therapist", values.get("answerText")), key=link)
    yield from gather.rows()


def _answer(model: str, text: Any) -> list[SourceResponse]:
    return [SourceResponse(model, clean(text))] if text is not None else []


def psychocounsel_preference(path: Path) -> Iterator[SourceRow]:
    """The released dataset: one row a pair, each side with seven ratings. A response in several pairs comes once."""
    gather = Gather()
    texts = ("question", "chosen", "rejected", "chosen_model", "rejected_model")
    for where, values, fault in table(path, "psychocounsel-preference", ("ID", *texts), texts):
        if fault:
            yield SourceRow(where, fault=fault)
            continue
        text = clean(values["question"])
        sides = []
        for side in ("chosen", "rejected"):
            given = {key: values.get(f"{side}_{key}_rating") for key in _KEYS}
            ratings = {key: number(value) for key, value in given.items() if value is not None}
            model = clean(values[f"{side}_model"]) or "unnamed"
            sides.append(SourceResponse(model, clean(values[side]), ratings or None, "released"))
        # One id for two questions would put answers beside the wrong one, so the words are part of the key.
        row = SourceRow(where, text, labels=no_labels(), source_id=str(values["ID"]))
        gather.add(row, *sides, key=f"{values['ID']}\n{text}")
    yield from gather.rows()


def epitome(path: Path) -> Iterator[SourceRow]:
    """`epitome.jsonl`, or the source's own CSVs (one of them, or their folder).

    Its labels, 0 to 2 for none, weak and strong, become ratings 1, 3 and 5: `emotional_reactions`, `interpretations`
    and `explorations` by those names, and as principles `exploration` from the last and `empathy` from the mean of the
    other two. The source's own CSVs have one label a file and give none. Reddit ids are hashed.
    """
    gather = Gather()
    needed = ("seeker_post", "response_post")
    for where, values, fault in table(path, "epitome", needed, needed):
        if fault:
            yield SourceRow(where, fault=fault)
            continue
        text = clean(values["seeker_post"])
        own = clean(values.get("sp_id"))
        seeker = content_id("epitome", own) if own else clean(values.get("seeker_id"))
        row = SourceRow(where, text, labels=no_labels(), source_id=seeker)
        answers = _answer("peer", values["response_post"])
        gather.add(row, *(replace(a, ratings=_mechanisms(values), rater="epitome", derived=True) for a in answers))
    yield from gather.rows()


MECHANISMS = ("emotional_reactions", "interpretations", "explorations")


def _mechanisms(values: dict[str, Any]) -> dict[str, float] | None:
    """Return ratings from 1 to 5 of the three labels, or None where one of them is not there."""
    levels = {key: 1 + 2 * number(values.get(key)) for key in MECHANISMS}
    if any(math.isnan(level) for level in levels.values()):
        return None
    reactions, interpretations, explorations = levels.values()
    return levels | {"empathy": (reactions + interpretations) / 2, "exploration": explorations}


def counselling_bench(path: Path, languages: list[str]) -> Iterator[SourceRow]:
    """One row a model's response, to questions in English or Chinese (en, zh); no `languages` asks for all.

    The bench's general assistant questions, and those of languages not asked for, are faults with their reason.
    `vicuna-7b-v1.3` is left out: it is `vicuna-7b-v1.3-unlimited` cut off at a token limit.
    """
    gather = Gather()
    needed = ("question_id", "question", "model", "response")
    for where, values, fault in table(path, "counselling-bench", needed, needed):
        if fault:
            yield SourceRow(where, fault=fault)
            continue
        key, language = clean(values["question_id"]), clean(values.get("language")) or "en"
        if values.get("source") == "vicuna_bench":
            why = "vicuna_bench asks a general assistant (coding, writing, arithmetic): no client speech"
            gather.add(SourceRow(where, source_id=key, fault=why, reason="not counselling"), key=key)
        elif languages and language not in languages:
            why = f"the source says {language}; collect.languages=[{', '.join(languages)}]"
            gather.add(SourceRow(where, source_id=key, fault=why, reason="other language"), key=key)
        else:
            cut = values["model"] == "vicuna-7b-v1.3"
            answers = [] if cut else _answer(clean(values["model"]) or "unnamed", values["response"])
            row = SourceRow(where, clean(values["question"]), labels=no_labels(values.get("category")), source_id=key)
            gather.add(row, *answers, key=f"{key}\n{row.text}")
    yield from gather.rows()


def instruction(path: Path) -> Iterator[SourceRow]:
    """Alpaca-style {instruction, input, output}: psych8k and mentalchat16k.

    `input` is the client's speech, and `instruction` what a model was told; where there is no input, the instruction is
    the speech. The answers' writer is not named in the files, so the model is `reference`.
    """
    gather = Gather()
    for where, values, fault in table(
        path, "instruction, input, output", ("output",), ("instruction", "input", "output")
    ):
        text = clean(values.get("input")) or clean(values.get("instruction"))
        if fault:
            yield SourceRow(where, fault=fault)
        else:
            gather.add(SourceRow(where, text, labels=no_labels()), *_answer("reference", values["output"]))
    yield from gather.rows()


def counselbench_eval(path: Path) -> Iterator[SourceRow]:
    """One row an expert's evaluation of one answer to a counsel-chat question; five experts an answer.

    The columns are those that three public readers of the hub's file agree on; the file itself could not be seen. The
    scales are the source's own (`factual_consistency` 1 to 4, `toxicity` 1 for none), not our principles.
    """
    gather = Gather()
    needed = ("questionID", "questionText", "response", "responder")
    for where, values, fault in table(path, "counselbench-eval", needed, needed[1:]):
        if fault:
            yield SourceRow(where, fault=fault)
            continue
        key = clean(values["questionID"])
        text = titled(values.get("questionTitle"), values["questionText"])
        scores = {name: number(values.get(f"{name}_score")) for name in _SCALES if f"{name}_score" in values}
        # An expert may say that they cannot tell.
        ratings = {name: score for name, score in scores.items() if not math.isnan(score)}
        rater = f"expert-{clean(values.get('survey_id'))}".rstrip("-")
        answer = SourceResponse(
            clean(values["responder"]) or "unnamed", clean(values["response"]), ratings or None, rater
        )
        row = SourceRow(where, text, labels=no_labels(values.get("topic")), source_id=key)
        gather.add(row, answer, key=f"{key}\n{text}")
    yield from gather.rows()


def counselbench_adv(path: Path) -> Iterator[SourceRow]:
    """Six columns, one a failure mode, whose cells are adversarial questions; no responses.

    The columns are those that two public readers of the hub's file agree on; the file itself could not be seen.
    """
    for where, values, fault in table(path, "counselbench-adv", _MODES, _MODES):
        if fault:
            yield SourceRow(where, fault=fault)
            continue
        row_number = where.rsplit(" ", 1)[-1]
        for mode in _MODES:
            if clean(values[mode]):
                yield SourceRow(
                    f"{where} {mode}", clean(values[mode]), labels=no_labels(), source_id=f"{mode}-{row_number}"
                )
