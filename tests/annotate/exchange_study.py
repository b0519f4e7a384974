"""A study whose texts try to run, to break a CSV, a survey and a parser; and raters who answer it by their content."""

from __future__ import annotations

from contextlib import contextmanager

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer, Assignment, Design, Expected, Item, StudyPlan, item_id
from psychocounsel.principles import default_rubric
from psychocounsel.records import Turn, content_seed

KEYS = default_rubric().keys
NASTY = (
    '<script>window.ran=1</script><img src=x onerror="window.ran=1"></script><!--<script>'
    " [[PageBreak]] ${e://Field/x} \u2028 \U0001f642 & é"
)
SECRETS = ("secret-model", "other-model", "speech-of-", "resp-", "the-labeller", "the-source", "Work topic")
NAME = "Dr Ada Person"


def design(kind="pairs", raters=("R01", "R02"), count=5):
    items = []
    for n in range(count):
        role = "attention" if n == 2 else "main"
        turns = (
            Turn("client", f"=Before {n}"),
            Turn("counsellor", "Go on."),
            Turn("client", f"I am stuck {n}. {NASTY}"),
        )
        texts = (f"What keeps you there, {n}? {NASTY}", f"\U0001f642\U0001f642 Just leave {n}. Really.")
        texts = texts if kind == "pairs" else texts[:1]
        items.append(
            Item(
                item_id(turns, texts, role), role, turns, texts, speech_id=f"speech-of-{n}",
                response_ids=(f"resp-a{n}", f"resp-b{n}")[: len(texts)],
                models=("secret-model", "other-model")[: len(texts)], topic="Work topic", risk="low",
                gap=1.5, label="a",
                label_scores={"a": dict.fromkeys(KEYS, 4.0), "b": {}}, labeller="the-labeller", rewards={"a": 0.25},
                expected=Expected("a", {}, "It asks.") if role == "attention" else None,
            )
        )  # fmt: skip
    assignments = []
    for place, code in enumerate(raters):
        order = sorted(items, key=lambda item: content_seed(code, item.id))
        seen = [(item, 0) for item in order] + [(next(i for i in order if i.role == "main"), 1)]
        assignments += [
            Assignment(code, item.id, position, kind == "pairs" and (place + position) % 2 == 1, repeat)
            for position, (item, repeat) in enumerate(seen)
        ]
    return Design(
        StudyPlan(name="A study", kind=kind, source="the-source"), tuple(items), tuple(raters), tuple(assignments)
    )


_FILES = {}
"""Study files that were made once: copying one takes no migration and no waiting for the disk."""


@contextmanager
def made(path, kind="pairs", name="study.sqlite", full=False, **options):
    """A study in a file of its own, opened; `full` where every rater has answered everything."""
    which, file = (kind, full, *sorted(options.items())), path / name
    if which not in _FILES:
        store = Store.make(file, design(kind, **options))
        store.access.invite("R01", NAME)
        for number in store.assignments if full else ():
            store.save(number, answer_of(store, number), key=f"k{number}")
        store.close()
        _FILES[which] = file.read_bytes()
    file.write_bytes(_FILES[which])
    with Store.open(file) as store:
        yield store


def answer_of(store, number):
    """An answer that depends on rater, item and repeat alone: of every kind that there is."""
    each = store.assignments[number]
    item, pairs = store.items[each.item], store.plan.kind == "pairs"

    def pick(choices, *of):
        return choices[content_seed(each.rater, each.item, each.repeat, *of) % len(choices)]

    seconds = float(pick(range(5, 90), "seconds")) + 0.5
    comment = ('=HYPERLINK("x")', "'=1", '-3 points, "quoted"\nand a second line', "@x", "", NASTY)[each.position]
    if each.position == 1:
        return Answer(skipped=True, comment=comment, done=True, seconds=seconds)
    if each.position == 2:
        overall = {"verdict": "cannot"} if pairs else {"cannot": True}
        return Answer(**overall, risk=True, comment=comment, done=True, seconds=seconds)
    side = pick("ab", "side") if pairs else "a"
    length = len(item.texts["ab".index(side)])
    spans = ({"side": side, "start": 1, "end": min(length, 9), "kind": "harmful"},) if each.position == 3 else ()
    judged = (
        {
            "verdict": pick(("a", "b", "tie"), "whole"),
            "verdicts": {k: pick(("a", "b", "tie", "cannot"), k) for k in KEYS},
        }
        if pairs
        else {"overall": pick(range(1, 6), "whole"), "scores": {k: pick(range(1, 6), k) for k in KEYS}}
    )
    return Answer(**judged, spans=spans, comment=comment, done=True, seconds=seconds)


def without_time(annotations):
    """Annotations as they should be in any copy of the study: when they were saved differs."""
    return [{name: getattr(a, name) for name in a.__dataclass_fields__ if name != "at"} for a in annotations]
