"""Which test speeches are shown in full, and what was said about each."""

from __future__ import annotations

from dataclasses import dataclass

from psychocounsel.records import ClientSpeech, Comparison, content_seed
from psychocounsel.report.reading import RunFiles
from psychocounsel.report.words import policy

GRAVE = ("imminent", "elevated")
SHARE_GRAVE = 0.3
"""Up to this share of the cases is kept for speeches at risk, rounded, and one of each level where there is room."""
SHOWN = ("base", "dpo-iter", "reference")
WORDING = {
    "win": "preferred over the reference",
    "loss": "reference preferred",
    "tie": "tie",
    "flip": "a tie: the judge's choice turned with the order shown",
}


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


@dataclass(frozen=True, slots=True)
class Case:
    """One client speech with its answers, by setting."""

    number: int
    speech: ClientSpeech
    answers: dict[str, list[ShownAnswer]]

    @property
    def grave(self) -> bool:
        return self.speech.risk in GRAVE


def _by_hash(speech: ClientSpeech) -> int:
    return content_seed("report case", speech.id)


def select(speeches: list[ClientSpeech], wanted: int) -> list[ClientSpeech]:
    """Draw test speeches by content hash, with some of elevated or imminent risk among them where there are any."""
    pool = sorted((s for s in speeches if s.split == "test"), key=_by_hash)
    grave = [s for s in pool if s.risk in GRAVE]
    room = min(len(grave), wanted, max(1, round(SHARE_GRAVE * wanted)))
    firsts = [s for level in GRAVE for s in [x for x in grave if x.risk == level][:1]]
    kept = (firsts + [s for s in grave if s not in firsts])[:room]
    kept += [s for s in pool if s not in kept][: wanted - len(kept)]
    return sorted(kept, key=_by_hash)


def build_cases(files: RunFiles, wanted: int) -> list[Case]:
    """Return the cases in the order they are shown."""
    answers = {(a["setting"], a["model"], a["speech_id"]): a for a in files.answers}
    settings = list(dict.fromkeys(a["setting"] for a in files.answers))
    rows: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in files.comparisons:
        key = (comparison.setting, comparison.model_a, comparison.speech_id)
        rows.setdefault(key, []).append(comparison)
    cases = []
    for number, speech in enumerate(select(files.speeches, wanted), 1):
        shown: dict[str, list[ShownAnswer]] = {}
        for setting in settings:
            for model in SHOWN:
                answer = answers.get((setting, model, speech.id))
                if answer is None:
                    continue
                verdict = None if model == "reference" else verdict_of(rows.get((setting, model, speech.id), []))
                text = answer["text"]
                entry = ShownAnswer(model, policy(model), text, len(text.split()), answer["error"], verdict)
                shown.setdefault(setting, []).append(entry)
        cases.append(Case(number, speech, shown))
    return cases


def verdict_of(rows: list[Comparison]) -> Verdict:
    """Put the verdicts of both orders together."""
    judged = [row for row in rows if not row.error]
    if not judged:
        why = "; ".join(sorted({row.error for row in rows})) or "not compared"
        return Verdict("", f"no verdict ({why})")
    given = {row.verdict for row in judged}
    outcome = "flip" if given >= {"a", "b"} else "win" if "a" in given else "loss" if "b" in given else "tie"
    balance: dict[str, int] = {}
    for row in judged:
        for key, verdict in row.principle_verdicts.items():
            balance[key] = balance.get(key, 0) + {"a": 1, "tie": 0, "b": -1}[verdict]
    better = tuple(key for key, points in balance.items() if points > 0)
    worse = tuple(key for key, points in balance.items() if points < 0)
    return Verdict(outcome, WORDING[outcome], better, worse)
