"""A small study of pairs or of single responses, with texts that try to run."""

from __future__ import annotations

import re
from contextlib import contextmanager

from fastapi.testclient import TestClient

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Assignment, Design, Expected, Item, StudyPlan, item_id
from psychocounsel.annotate.web import make_app
from psychocounsel.principles import default_rubric
from psychocounsel.records import Turn

KEYS = default_rubric().keys
SCRIPT = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"
SECRETS = ("simulated/warm-novice", "offline/microskills", "secret-model", "speech-of-")
"""What must never reach a rater's browser."""


def items(kind="pairs", count=6):
    found = []
    for n in range(count):
        role = "calibration" if n == 0 else "attention" if n == 3 else "main"
        turns = (
            Turn("client", f"Before {n}."),
            Turn("counsellor", "Go on."),
            Turn("client", f"I feel stuck {n}. {SCRIPT}"),
        )
        texts = (f"What keeps you there, {n}? {SCRIPT}", f"You should just leave {n}. Really.")[
            : 2 if kind == "pairs" else 1
        ]
        expected = None
        if role != "main":
            scores = dict.fromkeys(KEYS, 4) if kind == "responses" else {}
            expected = Expected("a" if kind == "pairs" else None, scores, why=f"The first asks. {SCRIPT}")
        found.append(
            Item(
                item_id(turns, texts, role), role, turns, texts, speech_id=f"speech-of-{n}",
                response_ids=("r-a", "r-b")[: len(texts)],
                models=("secret-model", "simulated/warm-novice")[: len(texts)],
                topic="Work", risk="none", gap=1.5, label="a" if kind == "pairs" else "",
                label_scores={"a": dict.fromkeys(KEYS, 4.0)}, labeller="offline/microskills", expected=expected,
            )
        )  # fmt: skip
    return tuple(found)


def small_design(kind="pairs", raters=("R01", "R02"), count=6, **plan):
    made = items(kind, count)
    assignments = tuple(
        Assignment(code, item.id, position, flipped=kind == "pairs" and (position + place) % 2 == 1)
        for place, code in enumerate(raters)
        for position, item in enumerate(made)
    )
    return Design(StudyPlan(name="A study", kind=kind, **plan), made, tuple(raters), assignments)


@contextmanager
def client(store, **options):
    with TestClient(make_app(store), base_url="http://testserver", follow_redirects=True, **options) as found:
        yield found


def token(page):
    """The token of the page's form."""
    return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)[1]


def enter(who, store, code="R01"):
    """Come in by a link and agree; returns the page that follows."""
    page = who.get(f"/r/{store.access.invite(code)}")
    return who.post("/rate/consent", data={"csrf_token": token(page), "agree": "yes"})


def filled(page, kind="pairs", value=None, **more):
    """All that a rater would send of an item."""
    value = value or ("first" if kind == "pairs" else "4")
    return {f"p_{key}": value for key in KEYS} | {
        "overall": value, "csrf_token": token(page), "action": "done", "seconds": "12", "key": f"key-{value}",
    } | more  # fmt: skip


def made_store(path, *arguments, **options):
    return Store.make(path / "study.sqlite", small_design(*arguments, **options))
