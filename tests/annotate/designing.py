"""Candidates, studies and a small run to try the design on."""

from __future__ import annotations

from psychocounsel import layout
from psychocounsel.annotate.design import Candidates, design_study
from psychocounsel.annotate.design.candidates import Draft, labelled_item, make_item
from psychocounsel.annotate.study import StudyPlan
from psychocounsel.artifacts import MANIFEST, Manifest, write_json
from psychocounsel.principles import default_rubric
from psychocounsel.records import ClientSpeech, PreferencePair, Rating, Response, Turn
from psychocounsel.tables import write_records

KEYS = default_rubric().keys
RISKS = ("none",) * 6 + ("low",) * 3 + ("elevated",) * 2 + ("imminent",)
TOPICS = ("work", "family", "family", "trauma")


def pair(n, gap=None, risk=None, topic=None, speech=None):
    gap = 0.2 + n % 12 * 0.3 if gap is None else gap
    turns = (Turn("client", f"Secret speech {speech or n}."),)
    chosen, rejected = (
        Draft(f"{word} answer {n}.", f"{word}-{n}", f"model-{word}", dict.fromkeys(KEYS, score), score)
        for word, score in (("Better", 4.0), ("Worse", 4.0 - gap))
    )
    return labelled_item(
        "main", turns, chosen, rejected, speech_id=f"s{speech or n}", gap=gap, labeller="endpoint/judge",
        risk=risk or RISKS[n % len(RISKS)], topic=topic or TOPICS[n % len(TOPICS)], split="test",
    )  # fmt: skip


def response(n):
    draft = Draft(f"An answer {n}.", f"r{n}", "model-x", {key: 1 + (n + k) % 5 for k, key in enumerate(KEYS)})
    return make_item("main", (Turn("client", f"Speech {n}."),), [draft], speech_id=f"s{n}", risk="none", topic="work")


def pairs(count=150):
    return Candidates(tuple(pair(n) for n in range(count)), "a test")


def plan(**more):
    return StudyPlan(**({"name": "A study", "per_item": 3, "repeats": 4} | more))


def made(candidates=None, *, raters=7, items=42, calibration=3, attention=3, own=(), **more):
    return design_study(
        candidates or pairs(), plan(**more), raters=raters, items=items, calibration=calibration, attention=attention,
        own=own,
    )  # fmt: skip


def manifest(folder, stage, backends=(), simulated=True):
    write_json(
        folder / MANIFEST,
        {
            name: getattr(Manifest(stage, "f", {}, 0, simulated, backends=list(backends)), name)
            for name in Manifest.__dataclass_fields__
        },
    )


def make_run(folder):
    """A run of six speeches with two responses each; the last speech is of the train split."""
    speeches, responses, ratings, made_pairs = [], [], [], []
    for n in range(6):
        speech = ClientSpeech.make(
            f"Secret speech {n}.", (Turn("client", "Hi."), Turn("counsellor", "Hello.")), topic="raw", risk="low",
            screened="elevated" if n == 0 else "", coarse_topic="work" if n % 2 else "",
            split="train" if n == 5 else "test",
        )  # fmt: skip
        both = [Response.make(speech.id, f"simulated/m{k}", f"Answer {n} of {k}.") for k in (0, 1)]
        scores = [dict.fromkeys(KEYS, 4.0), dict.fromkeys(KEYS, 2.0)]
        for one, given in zip(both, scores, strict=True):
            ratings.append(Rating(f"rating-{one.id}", one.id, speech.id, "offline/j", given, {}, given[KEYS[0]]))
        made_pairs.append(
            PreferencePair(
                f"p{n}", speech.id, both[0].id, both[1].id, speech.conversation, both[0].text, both[1].text,
                both[0].model, both[1].model, scores[0], scores[1], 2.0, "raw", "low", speech.split,
            )
        )  # fmt: skip
        speeches.append(speech)
        responses += both
    responses.append(Response.make(speeches[0].id, "simulated/m2", "", error="it was silent"))
    write_records(folder / layout.SPEECHES, ClientSpeech, speeches)
    write_records(folder / layout.RESPONSES, Response, responses)
    write_records(folder / layout.RATINGS, Rating, ratings)
    write_records(folder / layout.PAIRS, PreferencePair, made_pairs)
    write_json(folder / layout.RUBRIC, default_rubric().model_dump(mode="json"))
    for step, backends in (("generate", []), ("rate", ["offline/j"]), ("pair", [])):
        manifest(folder / step, step, backends)
    return folder
