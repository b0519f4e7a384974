"""Which speeches are shown in full, and what was said about each: the worst, the best, and some drawn by chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from psychocounsel import layout
from psychocounsel.records import AT_RISK, ClientSpeech, Turn, content_seed, gravest
from psychocounsel.report import wins
from psychocounsel.report.columns import SpeechPoints, rows, speech_points, tally
from psychocounsel.report.reading import RunFiles
from psychocounsel.report.words import policy

SHARE_AT_RISK = 0.3
"""Up to this share of the drawn cases is kept for speeches at risk, rounded, and one of each level where there is
room."""
ENDS = 10
"""Cases shown of the worst, and of the best."""
LONGEST = 3_000
"""Characters of a text that are shown: what keeps the page small whatever a file holds."""
TURNS = 12
"""Earlier turns that are shown, the latest ones."""
FAILURES = 20
"""Failed responses to speeches at risk whose text is shown; all are in the table's files."""
WORDING = {
    "win": "preferred over the reference",
    "loss": "reference preferred",
    "tie": "tie",
    "flip": "a tie: the judge's choice turned with the order shown",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A speech that may be shown."""

    id: str
    level: str
    """The graver of its risk as labelled and as screened; empty where neither was given."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's verdict on one answer, both orders together."""

    outcome: str
    """`win`, `loss`, `tie`, `flip`, or empty where there is none."""
    words: str
    better: tuple[str, ...] = ()
    """Principle keys on which the answer was preferred over the reference."""
    worse: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """One answer as it is shown."""

    model: str
    name: str
    text: str
    words: int
    error: str
    verdict: Verdict | None
    """None for the reference, which is what the others are compared with."""
    role: str
    """`subject`, `reference` or `other`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One client speech with its answers, by setting."""

    number: int
    kind: str
    """`worst`, `best` or `drawn`."""
    speech: ClientSpeech
    answers: dict[str, list[ShownAnswer]]
    level: str
    left_out: int
    """Earlier turns that are not shown."""

    @property
    def grave(self) -> bool:
        return self.level in AT_RISK


@dataclass(frozen=True, slots=True)
class Failure:
    """One response to a speech at risk that failed the safety slice."""

    row: dict[str, Any]
    """The slice's own row: speech_id, model, setting, level, failed, reasons."""
    name: str
    speech: str
    response: str


@dataclass(frozen=True, slots=True)
class Cases:
    """Everything that is shown in full."""

    drawn: list[Case]
    worst: list[Case]
    best: list[Case]
    again: list[str]
    """Ids of drawn speeches that stand among the worst or the best."""
    judge: str
    """Whose verdicts order the worst and the best; empty where there is none."""
    subject: str
    failures: list[Failure]


def _by_hash(speech_id: str) -> int:
    return content_seed("report case", speech_id)


def pool(files: RunFiles) -> list[Candidate]:
    """Return the speeches that were answered, or where none was, those of the test split."""
    if files.speeches is None:
        return []
    answered = {row[0] for row in tally(files.answers, "speech_id")}
    table = files.speeches.select(["id", "split", "risk", "screened"])
    rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    return [
        Candidate(one, gravest(risk, screened))
        for one, split, risk, screened in rows
        if (one in answered if answered else split == "test")
    ]


def select(candidates: Iterable[Candidate], wanted: int) -> list[str]:
    """Draw speeches by content hash, with some of elevated or imminent risk among them where there are any."""
    ranked = sorted(candidates, key=lambda one: _by_hash(one.id))
    grave = [one for one in ranked if one.level in AT_RISK]
    room = min(len(grave), wanted, max(1, round(SHARE_AT_RISK * wanted)))
    firsts = [one for level in reversed(AT_RISK) for one in [x for x in grave if x.level == level][:1]]
    kept = (firsts + [one for one in grave if one not in firsts])[:room]
    chosen = set(kept)
    kept += [one for one in ranked if one not in chosen][: wanted - len(kept)]
    return sorted((one.id for one in kept), key=_by_hash)


def ends(scored: SpeechPoints, wanted: int = ENDS) -> tuple[list[str], list[str]]:
    """Return the ids of the worst and of the best, each at most half of all: none stands in both.

    Ordered by points over both orders, then by principles won minus lost, then by content hash.
    """
    wanted = min(wanted, len(scored.ids) // 2)
    if not wanted:
        return [], []
    hashes = np.array([_by_hash(one) for one in scored.ids.tolist()], dtype=np.uint64)
    order = np.lexsort((hashes, scored.margins, scored.points))
    worst = scored.ids[order[:wanted]].tolist()
    rest = order[wanted:]
    best = rest[np.lexsort((hashes[rest], -scored.margins[rest], -scored.points[rest]))][:wanted]
    return worst, scored.ids[best].tolist()


def build_cases(files: RunFiles, wanted: int) -> Cases:
    """Return the cases in the order they are shown."""
    of = files.figure(layout.WIN_RATES)
    subject, judge = wins.subject(of), wins.first_judge(of)
    reference = of["reference"] if of else "reference"
    worst: list[str] = []
    best: list[str] = []
    settings = list(dict.fromkeys(row[0] for row in sorted(tally(files.answers, "setting"))))
    if of and judge and subject and settings:
        worst, best = ends(speech_points(files.run / layout.COMPARISONS, judge, settings[0], subject, reference))
    candidates = pool(files)
    levels = {one.id: one.level for one in candidates}
    drawn = select(candidates, wanted)
    told = {*worst, *best}
    failed = _failures(files)
    ids = list(dict.fromkeys((*drawn, *worst, *best)))
    speeches = _speeches(files, {*ids, *(row["speech_id"] for row in failed)})
    models = wins.shown_models(of, [row[0] for row in tally(files.answers, "model")])
    answers = _answers(files, ids, models, failed)
    verdicts = _verdicts(files, ids, judge, reference)

    def case(number: int, kind: str, speech_id: str) -> Case:
        speech, left_out = _short(speeches[speech_id])
        shown: dict[str, list[ShownAnswer]] = {}
        for setting in settings:
            for model in models:
                answer = answers.get((setting, model, speech_id))
                if answer is None:
                    continue
                role = "reference" if model == reference else "subject" if model == subject else "other"
                verdict = None if role == "reference" else verdict_of(verdicts.get((setting, model, speech_id), []))
                text = answer["text"]
                entry = ShownAnswer(
                    model, policy(model), short(text), len(text.split()), answer["error"], verdict, role
                )
                shown.setdefault(setting, []).append(entry)
        return Case(number, kind, speech, shown, levels.get(speech_id, ""), left_out)

    def listed(kind: str, chosen: Sequence[str], start: int) -> list[Case]:
        return [case(start + n, kind, one) for n, one in enumerate(chosen, 1) if one in speeches]

    low, high = listed("worst", worst, 0), listed("best", best, len(worst))
    return Cases(
        drawn=listed("drawn", [one for one in drawn if one not in told], len(worst) + len(best)),
        worst=low,
        best=high,
        again=[one for one in drawn if one in told],
        judge=(judge or "") if low else "",
        subject=policy(subject or ""),
        failures=[
            Failure(
                row,
                policy(row["model"]),
                short(speeches[row["speech_id"]].text) if row["speech_id"] in speeches else "",
                short((answers.get((row["setting"], row["model"], row["speech_id"])) or {"text": ""})["text"]),
            )
            for row in failed
        ],
    )


def short(text: str) -> str:
    """Return a text as far as it is shown."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]} [… {len(text) - LONGEST:,} more characters are not shown here]"


def _short(speech: ClientSpeech) -> tuple[ClientSpeech, int]:
    from dataclasses import replace

    kept: list[Turn] = []
    room = LONGEST
    for turn in reversed(speech.earlier[-TURNS:]):
        if room <= 0:
            break
        kept.insert(0, Turn(turn.role, short(turn.text)))
        room -= len(turn.text)
    return replace(speech, text=short(speech.text), earlier=tuple(kept)), len(speech.earlier) - len(kept)


def _speeches(files: RunFiles, ids: set[str]) -> dict[str, ClientSpeech]:
    found = {}
    for row in rows(files.run / layout.SPEECHES, {"id": ids}):
        row["earlier"] = tuple(Turn(t["role"], t["text"]) for t in row["earlier"])
        row["risk_signs"] = tuple(row["risk_signs"])
        found[row["id"]] = ClientSpeech(**row)
    return found


def _answers(
    files: RunFiles, ids: Sequence[str], models: Sequence[str], failed: Sequence[dict[str, Any]]
) -> dict[tuple[str, str, str], dict[str, Any]]:
    wanted = {*ids, *(row["speech_id"] for row in failed)}
    of = {*models, *(row["model"] for row in failed)}
    names = ["setting", "text", "error"]
    found = rows(files.run / layout.ANSWERS, {"speech_id": wanted, "model": of}, names)
    return {(row["setting"], row["model"], row["speech_id"]): row for row in found}


def _verdicts(
    files: RunFiles, ids: Sequence[str], judge: str | None, reference: str
) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    if judge is None:
        return found
    where = {"speech_id": set(ids), "judge": {judge}, "model_b": {reference}}
    names = ["setting", "model_a", "verdict", "principle_verdicts", "error"]
    for row in rows(files.run / layout.COMPARISONS, where, names):
        found.setdefault((row["setting"], row["model_a"], row["speech_id"]), []).append(row)
    return found


def _failures(files: RunFiles) -> list[dict[str, Any]]:
    """Return the failures to show, the gravest first."""
    failures: list[dict[str, Any]] = (files.figure(layout.RISK_SLICE) or {}).get("failures", [])
    return sorted(failures, key=failure_order)[:FAILURES]


def failure_order(row: dict[str, Any]) -> tuple[int, int, int]:
    """Imminent risk first, then what failed most criteria, then by content hash."""
    level = AT_RISK.index(row["level"]) if row["level"] in AT_RISK else -1
    return -level, -len(row["failed"]), content_seed("report failure", row["speech_id"], row["model"], row["setting"])


def verdict_of(given: Sequence[dict[str, Any]]) -> Verdict:
    """Put the verdicts of both orders together."""
    judged = [row for row in given if not row["error"]]
    if not judged:
        why = "; ".join(sorted({row["error"] for row in given})) or "not compared"
        return Verdict("", f"no verdict ({why})")
    verdicts = {row["verdict"] for row in judged}
    outcome = "flip" if verdicts >= {"a", "b"} else "win" if "a" in verdicts else "loss" if "b" in verdicts else "tie"
    balance: dict[str, int] = {}
    for row in judged:
        for key, verdict in row["principle_verdicts"].items():
            balance[key] = balance.get(key, 0) + {"a": 1, "tie": 0, "b": -1}[verdict]
    better = tuple(key for key, points in balance.items() if points > 0)
    worse = tuple(key for key, points in balance.items() if points < 0)
    return Verdict(outcome, WORDING[outcome], better, worse)
