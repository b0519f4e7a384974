"""Studies with raters whose answers are known: each says the truth with a chance of their own, else anything."""

from __future__ import annotations

import random
from collections import Counter

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer, Assignment, Design, Expected, Item, StudyPlan, item_id
from psychocounsel.principles import default_rubric
from psychocounsel.records import Turn, content_seed

KEYS = default_rubric().keys
VERDICTS = ("a", "b", "tie")
CLIENT_WORDS = "my uncle Ferdinand drinks"
"""What must be on no terminal and in no file of label errors."""


def an_item(n, kind="pairs", role="main", topic="Work", expected=None, **more):
    """The n-th item; its gap grows with n, and its label is a for even n."""
    turns = (Turn("client", f"Since spring {CLIENT_WORDS} on day {n} and I cannot rest."),)
    texts = (f"What is it like for you, on day {n}?", f"You should simply leave him, on day {n}.")
    texts = texts[: 2 if kind == "pairs" else 1]
    label = ("a" if n % 2 == 0 else "b") if kind == "pairs" else ""
    high, low = dict.fromkeys(KEYS, 4.0), dict.fromkeys(KEYS, 2.0)
    scores = {"a": high if label != "b" else low, "b": low if label != "b" else high}
    values = {
        "speech_id": f"speech-{n}", "response_ids": (f"r{n}a", f"r{n}b")[: len(texts)],
        "models": ("model-one", "model-two")[: len(texts)], "topic": topic, "risk": "none", "gap": 1.0 + n / 100,
        "label": label, "label_scores": scores if kind == "pairs" else {"a": high}, "labeller": "offline/microskills",
        "rewards": {"a": 1.0, "b": 0.0 if n % 3 else 2.0} if kind == "pairs" else {"a": float(n)},
        "split": ("train", "dev", "test")[n % 3], "expected": expected,
    }  # fmt: skip
    return Item(item_id(turns, texts, role), role, turns, texts, **(values | more))


def design(items, raters, kind="pairs", repeats=0, skip=0, **plan):
    """Every rater judges every item, but each leaves out `skip` of the main ones; the first `repeats` come twice."""
    assignments = []
    for place, rater in enumerate(raters):
        left = [i for n, i in enumerate(items) if i.role != "main" or not skip or (n + place) % len(raters) >= skip]
        twice = [i for i in left if i.role == "main"][:repeats]
        order = [(i, 0) for i in left] + [(i, 1) for i in twice]
        flips = [kind == "pairs" and (n + place) % 2 == 1 for n in range(len(order))]
        assignments += [
            Assignment(rater, i.id, n, flips[n], repeat) for n, (i, repeat) in enumerate(order)
        ]  # fmt: skip
    return Design(StudyPlan(name="A study", kind=kind, **plan), tuple(items), tuple(raters), tuple(assignments))


def make(path, *arguments, **options):
    return Store.make(path / "study.sqlite", design(*arguments, **options))


def compared(verdict, verdicts=None, **more):
    if verdict == "cannot":
        return Answer(verdict="cannot", done=True, **more)
    return Answer(verdict=verdict, verdicts=verdicts or dict.fromkeys(KEYS, verdict), done=True, **more)


def rated(score, scores=None, **more):
    return Answer(overall=score, scores=scores or dict.fromkeys(KEYS, score), done=True, **more)


def save(store, rater, item, answer, repeat=0):
    number = next(
        n for n, a in store.assignments.items() if (a.rater, a.item, a.repeat) == (rater, item.id, repeat)
    )  # fmt: skip
    store.save(number, answer, f"{rater}-{number}-{content_seed(answer.as_payload())}")


def answer_all(store, accuracy=0.7, seed=0, cannot=0.0, skipped=0.0, levels=VERDICTS):
    """Let every rater answer everything; returns what was said, by (rater, item, repeat, task), None where missing."""
    said = {}
    for number, each in store.assignments.items():
        item = store.items[each.item]
        dice = random.Random(content_seed(seed, each.rater, each.item, each.repeat))
        lots = random.Random(content_seed(seed, each.item))
        truth = {task: lots.choice(levels) for task in ("overall", *KEYS)}
        got = {t: (v if dice.random() < accuracy else dice.choice(levels)) for t, v in truth.items()}
        kind, seconds = store.plan.kind, 10 + number % 7
        if dice.random() < skipped:
            answer, got = Answer(skipped=True, done=True), {}
        elif dice.random() < cannot:
            answer = Answer(verdict="cannot", done=True) if kind == "pairs" else Answer(cannot=True, done=True)
            got = {}
        else:
            rest = {key: got[key] for key in KEYS}
            make = compared if kind == "pairs" else rated
            answer = make(got["overall"], rest, seconds=seconds)
        store.save(number, answer, f"key-{number}")
        if item.role == "main":
            for task in truth:
                said[each.rater, each.item, each.repeat, task] = got.get(task)
    return said


def most(votes):
    """The one vote that is most, or None."""
    ranked = Counter(v for v in votes if v is not None).most_common()
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def checks(kind="pairs"):
    """One attention and one calibration item."""
    known = Expected("a") if kind == "pairs" else Expected(None, dict.fromkeys(KEYS, 5))
    return [an_item(900, kind, "attention", expected=known), an_item(901, kind, "calibration", expected=known)]
