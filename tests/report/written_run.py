"""A small run folder, written by the real writers, with the texts and gaps that a real one may hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from written_evaluation import SCRIPT, figure, probe, risk_file, rounds_file, win_rates_file

from psychocounsel import layout
from psychocounsel.artifacts import Manifest, Step, complete_manifest, write_json
from psychocounsel.evaluate.answers import Answer
from psychocounsel.principles import default_rubric
from psychocounsel.recipe import Recipe
from psychocounsel.records import ClientSpeech, Comparison, Dropped, PreferencePair, Rating, Response, Turn, content_id
from psychocounsel.report import make
from psychocounsel.reward.measure import ScoredPair, measure, scored_pair
from psychocounsel.tables import write_records

NASTY = (
    SCRIPT,
    '" onload="alert(2)" \'><img src=x onerror=alert(3)> {{ 7 * 7 }} {% raw %} &amp; </textarea></svg>',
    "\u202eevil right-to-left override\u202c and שלום, אני לא ישן, and عندي أرق",
    "I feel 😶‍🌫️ and 👩🏽‍⚕️ says it's fine",
    "a" * 900,
    "first line\nsecond line\x07 with a bell",
)
KEYS = default_rubric().keys


@dataclass(frozen=True)
class Ask:
    """What a run should be like."""

    simulated: bool = True
    good: bool = False
    """Whether every figure meets the paper's."""
    rounds: int = 2
    speeches: int = 240
    models: tuple[str, ...] = ("base", "dpo", "dpo-iter")
    """Names of what is compared with the reference."""
    unsafe: bool = True
    """Whether some responses fail the safety slice."""


class Page(HTMLParser):
    """A report as a browser would see it: its elements, their attributes, and the text of its tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] | None = None
        self._caption: list[str] | None = None
        self._name = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag == "table":
            self._rows = []
        elif tag == "caption":
            self._caption = []
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption" and self._caption is not None:
            self._name, self._caption = " ".join("".join(self._caption).split()), None
        elif tag == "table" and self._rows is not None:
            self.tables[self._name] = [[" ".join(c.split()) for c in row] for row in self._rows]
            self._rows = None

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._caption is not None:
            self._caption.append(data)
        elif self._rows and self._rows[-1]:
            self._rows[-1][-1] += data

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())

    def all(self, tag: str, css: str = "") -> list[dict[str, str]]:
        return [a for t, a in self.tags if t == tag and (not css or css in a.get("class", "").split())]


def _speeches(count: int) -> list[ClientSpeech]:
    found = []
    for i in range(count):
        split = ("test", "train", "train", "dev", "train")[i % 5]
        nasty = NASTY[i // 5 % len(NASTY)] if split == "test" else "and more"
        earlier = (Turn("client", f"Before that, {i}. {SCRIPT}"), Turn("counsellor", "Go on.")) if i % 3 == 0 else ()
        found.append(
            ClientSpeech.make(
                f"Speech {i}: I cannot sleep. {nasty}",
                earlier,
                topic=("", "sleep", "<b>work</b>")[i % 3],
                subtopic="nights" if i % 2 else "",
                risk=("", "none", "low", "none", "elevated" if i == 14 else "none")[i % 5] if i != 25 else "imminent",
                screened="imminent" if i == 25 else "elevated" if i % 40 == 10 else ("none", "low")[i % 2],
                stage=("", "action", "contemplation")[i % 3],
                coarse_topic="family" if i % 2 else "",
                fine_topic=("grief", "<i>money</i>")[i % 4 // 2] if i % 2 else "",
                source="fixture",
                group=str(i),
                split=split,
            )
        )
    return found


def _pairs(speeches: list[ClientSpeech]) -> list[PreferencePair]:
    rejected = {**dict.fromkeys(KEYS, 2), "safety": 5}  # safer than the chosen one
    return [
        PreferencePair(
            id=str(place),
            speech_id=speech.id,
            chosen_id="c",
            rejected_id="r",
            conversation=speech.conversation,
            chosen="longer " * (3 + place % 4),
            rejected="short one here",
            chosen_model="a",
            rejected_model="b",
            chosen_scores=dict.fromkeys(KEYS, 4),
            rejected_scores=rejected,
            gap=2.0,
            topic=speech.topic,
            risk=speech.screened,
            split=speech.split,
        )
        for place, speech in enumerate(speeches)
    ]


def _scored(pairs: list[PreferencePair], good: bool) -> list[ScoredPair]:
    rng = np.random.default_rng(3)
    return [scored_pair(p, 9.0 if good else float(rng.normal(1, 2)), 0.0) for p in pairs if p.split == "test"]


def _answers(speeches: list[ClientSpeech], models: tuple[str, ...]) -> list[Answer]:
    rows = []
    for setting in ("free", "length-constrained"):
        for model in (*models, "reference"):
            test = [s for s in speeches if s.split == "test"]
            for place, speech in enumerate(test):
                lost = model == "base" and place == 0 < len(test) - 1
                text = "" if lost else f"{model} says, {setting}: {NASTY[place % len(NASTY)]}"
                rows.append(Answer(speech.id, setting, model, text, f"no whole sentence {SCRIPT}" if lost else ""))
    return rows


def _comparisons(answers: list[Answer], good: bool, judge: str) -> list[Comparison]:
    share = {"base": 0.3, "dpo-iter": 1.0 if good else 0.5}
    of = {(a.setting, a.model, a.speech_id): a for a in answers}
    rows = []
    for (setting, model, speech_id), answer in of.items():
        if model == "reference":
            continue
        other = of[setting, "reference", speech_id]
        wins = int(speech_id, 16) % 100 < 100 * share.get(model, 0.5)
        for order in ("ab", "ba"):
            verdict = "a" if wins else "b"
            if not good and int(speech_id, 16) % 7 == 0 and order == "ba":
                verdict = "b" if wins else "a"
            rows.append(
                Comparison(
                    content_id(setting, model, speech_id, judge, order),
                    speech_id,
                    setting,
                    model,
                    "reference",
                    judge,
                    order,
                    "tie" if answer.error else verdict,
                    {} if answer.error else {k: verdict for k in KEYS if k != "staging"},
                    len(answer.text.split()),
                    len(other.text.split()),
                    len(answer.text.split()) + 1,
                    len(other.text.split()) + 1,
                    answer.error,
                )
            )
    return rows


def _curves(ask: Ask) -> dict[str, Any]:
    names = ["base", "dpo", *(f"round-{n}" for n in range(1, ask.rounds + 1))]
    words = 20.0
    rows = [
        {
            "step": s, "asked": 12, "n": 11, "reward": 0.5 * i, "words": words * (1 + 0.15 * i),
            "repeats": 0.1 * i, "kl": 2.0 * i,
        }
        for i, s in enumerate(names)
    ]  # fmt: skip
    return {"curves": rows, "chosen": names[-1]}


def write_run(run: Path, ask: Ask) -> None:
    speeches = _speeches(ask.speeches)
    manifests: dict[str, Manifest] = {}

    def done(name: str, backends: tuple[str, ...], counts: dict[str, Any], write: Callable[[Path], object]) -> None:
        step = Step(run / name, name, {f"{name}.note": SCRIPT}, 7, dict(manifests))
        with step.making() as folder:
            write(folder)
            step.simulated = ask.simulated and bool(backends)
            step.backends, step.counts = list(backends), counts
        manifests[name] = complete_manifest(run / name)

    kind = ("simulated", "offline") if ask.simulated else ("openai", "openai")

    def collect(_: Path) -> None:
        write_records(run / layout.SPEECHES, ClientSpeech, speeches)
        write_records(run / layout.DROPPED, Dropped, [Dropped("rows.csv row 3", f"too short {SCRIPT}")])
        fine = Counter(s.fine_topic for s in speeches if s.fine_topic)
        rows = [{"coarse": "family", "fine": name, "n": fine[name]} for name in ("grief", "<i>money</i>", "never")]
        write_json(run / layout.TOPICS, {"coverage": rows})

    def generate(_: Path) -> None:
        write_records(run / layout.RESPONSES, Response, responses)

    responses = [
        Response.make(
            s.id,
            f"{kind[0]}/m{d}",
            "" if (i + d) % 9 == 0 else f"I hear you {d}",
            d,
            "time out" if (i + d) % 9 == 0 else "",
        )
        for i, s in enumerate(speeches)
        for d in range(4)
    ]
    ratings = [
        Rating(r.id + "x", r.id, r.speech_id, f"{kind[1]}/j", {}, {}, float("nan"), f"no response: {r.error}")
        if r.error
        else Rating(r.id + "x", r.id, r.speech_id, f"{kind[1]}/j", dict.fromkeys(KEYS, 1 + r.draw), {}, 1.0 + r.draw)
        for r in responses
    ]

    def rate(_: Path) -> None:
        write_records(run / layout.RATINGS, Rating, ratings)
        rubric = default_rubric().model_dump(mode="json")
        rubric["principles"][0]["definition"] += SCRIPT
        write_json(run / layout.RUBRIC, rubric)

    pairs = _pairs(speeches)
    scored = _scored(pairs, ask.good)

    def reward(_: Path) -> None:
        write_records(run / layout.REWARD_TEST, ScoredPair, scored)
        metrics = measure(scored, 100, 1).as_dict()
        metrics["by_principle"]["clarity"] |= {"low": float("nan"), "high": None}
        metrics["length"]["spearman_reward_words"] = float("nan")
        metrics |= {
            "temperature": {
                "value": 1.7, "ece": figure(0.03, 48, 0.01), "brier": figure(0.1, 48), "log_loss": figure(0.3, 48),
                "dev_pairs": 48,
            },
            "others": [{"name": "other-8b", "spec": "x/other-8b", "overall": metrics["overall"]}],
        }  # fmt: skip
        write_json(run / layout.REWARD_METRICS, metrics)
        write_json(run / layout.REWARD_PROBES, probe(f"reward/{run.resolve()}/reward/model", "reward", 0.2))

    answers = _answers(speeches, ask.models)
    judge, labeller = f"{kind[1]}/cues", f"{kind[1]}/j"
    comparisons = [c for j in (judge, labeller) for c in _comparisons(answers, ask.good, j)]
    at_risk = {s.id: s.risk_level for s in speeches if s.split == "test" and s.risk_level in ("elevated", "imminent")}

    def evaluate(_: Path) -> None:
        write_records(run / layout.ANSWERS, Answer, answers)
        write_records(run / layout.COMPARISONS, Comparison, comparisons)
        write_json(run / layout.WIN_RATES, win_rates_file(comparisons, speeches, labeller))
        write_json(run / layout.RISK_SLICE, risk_file(judge, answers, at_risk, ask.unsafe))
        write_json(run / layout.ROUNDS, rounds_file(_curves(ask), judge))
        write_json(run / layout.JUDGE_PROBES, {"judges": [probe(judge, "judge", 0.3), probe(labeller, "judge", 0.8)]})

    card = {"name": "fixture", "title": f"A source {SCRIPT}", "licence": "MIT", "citation": "Nobody 2020"}
    counts = {"rows": ask.speeches + 1, "held": 2, "mended": {"links": 3}, "identifiers": {"PERSON": 7}, "source": card}
    done("collect", (), counts | {"deidentified": True, "for_review": 4, "without_topic": 1}, collect)
    done("generate", tuple(f"{kind[0]}/m{d}" for d in range(4)), {}, generate)
    done("rate", (f"{kind[1]}/j",), {}, rate)
    done(
        "pair",
        (),
        {"refused": {"tie": 4}},
        lambda folder: write_records(run / layout.PAIRS, PreferencePair, pairs),
    )
    done("base", (), {"responses": 30, "dropped_too_long": 2}, lambda folder: None)
    done("reward", (), {"train_pairs": 40, "dropped_too_long": 0}, reward)
    done("align/dpo", (), {"pairs": 38, "dropped_too_long": 2}, lambda folder: None)
    for number in range(1, ask.rounds + 1):
        done(layout.round_step(number), (), {"candidates": 80, "lost": {"empty": 3}}, lambda folder: None)
    done("align/chosen", (), {}, lambda folder: write_json(run / layout.CURVES, _curves(ask)))
    done("evaluate", (judge, labeller, f"{kind[0]}/polished"), {}, evaluate)


def make_report(run: Path, **changes: Any) -> Page:
    """Run the stage and return its page."""
    rounds = changes.pop("rounds", 2)
    recipe = Recipe.model_validate(
        {"name": "fixture <run>", "output": run, "bootstrap": 100, "align": {"iterate": {"rounds": rounds}}} | changes
    )
    step = Step(run / "report", "report", {}, 7, {})
    with step.making():
        make(step, run, recipe, lambda done, total: None)
    return Page((run / layout.REPORT).read_text("utf-8"))


def tables_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "report" / "tables.json").read_text("utf-8"))
    return found
