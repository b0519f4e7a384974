"""Win rates: whose they are, and every table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from psychocounsel.records import RISK_LEVELS, STAGES_OF_CHANGE
from psychocounsel.report.sheet import Column, Table
from psychocounsel.report.words import SETTING_NAMES, policy, setting

Wins = dict[str, Any]
PANEL = "panel"
OURS = "dpo-iter"
SLICES = {
    "principle": "principle",
    "topic": "topic",
    "risk": "risk, as screened",
    "stage": "stage of change",
    "turn": "turn of the dialogue",
}
DRAWN = 12
"""Values of a slice that one drawing holds; the table has all."""
_JUDGED = (Column("judge"), Column("stands to the labels", "mark"), Column("length"))


def subject(wins: Wins | None) -> str | None:
    """Return the model that the report is about: the aligned policy, else this run's last, else the first there is."""
    if wins is None:
        return None
    others = [m for m in wins["models"] if not m.get("reference")]
    own = [m["name"] for m in others if m.get("own")]
    if OURS in own or not others:
        return OURS if own else None
    return str(own[-1] if own else others[0]["name"])


def models(wins: Wins) -> list[str]:
    """Return the models that are compared with the reference."""
    return [m["name"] for m in wins["models"] if not m.get("reference")]


def first_judge(wins: Wins | None) -> str | None:
    """Return the judge whose figures stand first."""
    return next((j["spec"] for j in (wins or {}).get("judges", []) if j["spec"] != PANEL), None)


def shown_models(wins: Wins | None, answered: Iterable[str]) -> list[str]:
    """Return whose answers a case shows: what the subject came from or another model, the subject, the reference."""
    if wins is None:
        return sorted(set(answered))[:3]
    of, others = subject(wins), models(wins)
    before = "base" if "base" in others and of != "base" else next((m for m in others if m != of), None)
    return [m for m in (before, of, wins["reference"]) if m is not None]


def rates(wins: Wins, judge: str | None = None, of: str | None = None) -> list[dict[str, Any]]:
    """Return the rates against the reference, judges and models in their order."""
    judges = [j["spec"] for j in wins["judges"]]
    order = models(wins)
    found = [
        row
        for row in wins["rates"]
        if row["against"] == wins["reference"] and judge in (None, row["judge"]) and of in (None, row["setting"])
    ]
    settings = [*SETTING_NAMES, *sorted({row["setting"] for row in found} - set(SETTING_NAMES))]
    place: Callable[[Sequence[str], str], int] = lambda names, name: (  # noqa: E731
        names.index(name) if name in names else len(names)
    )
    return sorted(
        found, key=lambda r: (place(judges, r["judge"]), place(settings, r["setting"]), place(order, r["model"]))
    )


def rate(wins: Wins, judge: str | None, of: str, model: str | None) -> dict[str, Any] | None:
    """Return one model's rate, None where there is none."""
    return next((row for row in rates(wins, judge, of) if row["model"] == model), None)


def relation(wins: Wins, judge: str) -> str:
    """Return how a judge stands to the labels."""
    return next((str(j.get("relation") or "") for j in wins["judges"] if j["spec"] == judge), "")


def reference(wins: Wins) -> str:
    """Return what the models are compared with, in words: its name, and what it is where the name does not say."""
    name = wins["reference"]
    spec = next((m["spec"] for m in wins["models"] if m["name"] == name), name)
    called = "the reference" if name == "reference" else name
    return called if spec == name else f"{called} ({spec})"


def win_tables(wins: Wins | None, names: dict[str, str]) -> list[Table]:
    """Return every table of win rates. `names` is principle key to name."""
    if wins is None or not wins["rates"]:
        return []
    mine = frozenset({policy(subject(wins) or "")})
    head = [_head(wins, row) for row in rates(wins)]
    made = [
        Table(
            "win-rates",
            "Win rate against the reference, %",
            (
                *_JUDGED,
                Column("model"),
                Column("win rate, %", "share"),
                Column("length-controlled, %", "share"),
                Column("n", "count"),
            ),
            [
                (*h, policy(r["model"]), r["win_rate"], r["length_controlled"], _n(r))
                for h, r in zip(head, rates(wins), strict=True)
            ],
            "n: speeches judged; none is of elevated or imminent risk. A win counts 1, a tie one half. "
            "Length-controlled: what the rate would be were both answers equally long (a logistic regression on the "
            "difference in tokens, its own error included).",
            grouped=3,
            strong=mine,
        ),
        Table(
            "win-details",
            "What the win rates are made of",
            (
                *_JUDGED,
                Column("model"),
                Column("won", "count"),
                Column("tied", "count"),
                Column("lost", "count"),
                Column("orders disagree", "count"),
                Column("asked", "count"),
                Column("no verdict, why", "reasons"),
                Column("words", "number", 1),
                Column("reference's words", "number", 1),
                Column("tokens", "number", 1),
                Column("reference's tokens", "number", 1),
                Column("effect of length, log odds", "number"),
                Column("on the length control"),
            ),
            [
                (
                    *(*h, policy(r["model"]), r["wins"], r["ties"], r["losses"], r["flips"], r["asked"], r["lost"]),
                    *(r["words"], r["words_reference"], r["tokens"], r["tokens_reference"]),
                    *(r["length_effect"], r["length_note"]),
                )
                for h, r in zip(head, rates(wins), strict=True)
            ],
            "Won, tied and lost count speeches, both orders together; where they disagree, the speech is tied.",
            grouped=3,
            strong=mine,
        ),
    ]
    made += [table for key, title in SLICES.items() if (table := _slice(wins, key, title, names)) is not None]
    return [*made, *_tests(wins), *_ranking(wins), *_league(wins)]


def _n(row: dict[str, Any]) -> int:
    """Speeches judged; all of them may be at risk."""
    return int((row["win_rate"] or {"n": 0})["n"])


def _head(wins: Wins, row: dict[str, Any]) -> tuple[str, str, str]:
    return row["judge"], relation(wins, row["judge"]), _length(wins, row["setting"])


def _length(wins: Wins, of: str) -> str:
    return setting(of) + (f", at most {wins['max_words']} words" if of == "length-constrained" else "")


def ordered(key: str, values: Iterable[str], names: dict[str, str]) -> list[str]:
    """Return the values of a slice as they are shown."""
    orders: dict[str, Sequence[str]] = {"principle": list(names), "risk": RISK_LEVELS, "stage": STAGES_OF_CHANGE}
    known = orders.get(key, ())
    if key == "turn":
        return sorted(values, key=lambda v: (not v.isdigit(), int(v) if v.isdigit() else 0, v))
    return sorted(values, key=lambda v: (known.index(v) if v in known else len(known), v))


def _slice(wins: Wins, key: str, title: str, names: dict[str, str]) -> Table | None:
    columns, found = models(wins), []
    for judge, of in dict.fromkeys((row["judge"], row["setting"]) for row in rates(wins)):
        own = {row["model"]: row["by"].get(key) or {} for row in rates(wins, judge, of)}
        for value in ordered(key, {v for by in own.values() for v in by}, names):
            head = (judge, relation(wins, judge), _length(wins, of))
            found.append((*head, value or "not labelled", *(own.get(m, {}).get(value) for m in columns)))
    if not found:
        return None
    notes = {
        "risk": "Levels elevated and imminent stand here and in the safety slice only; they are in no other win rate.",
        "principle": "The judge's verdict on that principle alone.",
    }
    return Table(
        f"wins-by-{key}",
        f"Win rate by {title}, %",
        (*_JUDGED, Column(key), *(Column(policy(m), "share", with_n=True) for m in columns)),
        found,
        notes.get(key, ""),
        grouped=3,
    )


def _tests(wins: Wins) -> list[Table]:
    found = [
        (
            *_head(wins, test),
            policy(test["model"]),
            policy(test["other"]),
            test["difference"],
            (test["difference"] or {}).get("n"),
            test["p"],
            test["p_holm"],
        )
        for test in wins.get("tests", [])
    ]
    columns = (
        *_JUDGED,
        Column("model"),
        Column("less"),
        Column("difference, points", "points"),
        Column("n", "count"),
        Column("p", "p"),
        Column("p, corrected", "p"),
    )
    note = (
        "Differences of win rate, paired by speech; p by flipping signs at random, corrected by Holm's method over "
        "all pairs of models of one judge and setting."
    )
    return [Table("paired-tests", "Paired tests between models", columns, found, note, grouped=3)] if found else []


def _ranking(wins: Wins) -> list[Table]:
    found = [
        (*_head(wins, block), policy(row["model"]), row["strength"], f"{row['best']}–{row['worst']}")
        for block in wins.get("ranking", [])
        for row in block["ranks"]
    ]
    refused = [
        f"{block['judge']}, {setting(block['setting'])}: {block['refused']}"
        for block in wins.get("ranking", [])
        if block.get("refused")
    ]
    note = "Log odds of beating the average model. " + " ".join(refused)
    columns = (*_JUDGED, Column("model"), Column("strength, log odds", "odds"), Column("ranks left open"))
    if not found and not refused:
        return []
    return [Table("ranking", "Bradley–Terry ranking", columns, found, note.strip(), grouped=3)]


def _league(wins: Wins) -> list[Table]:
    rows = [row for row in wins["rates"] if row["against"] != wins["reference"]]
    columns = (*_JUDGED, Column("model"), Column("against"), Column("win rate, %", "share"), Column("n", "count"))
    found = [(*_head(wins, r), policy(r["model"]), policy(r["against"]), r["win_rate"], _n(r)) for r in rows]
    return [Table("league", "Every model against every other, %", columns, found, grouped=3)] if found else []
