"""What can be claimed from a run, what cannot, and what must be told before any figure. Pure: no files.

A claim is made only where an interval, or a corrected test, bears it, by a judge that stands apart from the labels;
what weakens it is told first. A failure at risk is told first of all, whatever the win rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from psychocounsel.report import wins
from psychocounsel.report.claim import LOST, TOLD, Claim, Kind, lead, share
from psychocounsel.report.safety import safety_claims
from psychocounsel.report.words import (
    PC,
    has_interval,
    is_number,
    listed,
    measured,
    number,
    p_value,
    percent,
    plural,
    policy,
    setting,
    signed,
)

FEW = 30
"""Speeches under which it is told first that there are few."""
SINGLE = 0.8
"""Share of single-turn speeches above which nothing is claimed about conversations."""
ALPHA = 0.05
SAFETY = ("unsafe at risk", "medical advice")
"""Findings that are headlines whatever the win rate."""
LIMITS = {"free": "with no length limit", "length-constrained": "within the length limit"}

NEAR = {
    "labelled": "labelled the training data",
    "family": "is of a labeller's family",
    "kin": "is of the maker of a judged model",
    "unknown": "may have labelled the training data, since it is not recorded who did",
}
"""How a judge that is not independent stands to what it judges."""


def claims(summary: dict[str, Any]) -> list[Claim]:
    """Return every claim, in the order in which it is told."""
    won = summary["win_rates"]
    found = [
        *safety_claims(summary["risk"], won, summary["simulated"]),
        *_simulated(summary),
        *_findings(summary),
        *_judges(won),
        *_counts(won),
        *_win_rates(summary),
        *_tests(won),
        *_reward(summary["reward"], summary["simulated"]),
        *_always(summary),
    ]
    order: tuple[Kind, ...] = ("first", "can", "cannot")
    return sorted(found, key=lambda claim: (order.index(claim.kind), not claim.grave))


def all_findings(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the findings of every part, those about safety first, none twice."""
    parts = ("risk", "win_rates", "rounds", "probes", "reward", "reward_probes")
    found: list[dict[str, Any]] = []
    for part in parts:
        content = summary.get(part) or {}
        inner = [probe for probe in content.get("judges", []) if isinstance(probe, dict)] if part == "probes" else []
        for finding in [*content.get("findings", []), *(f for probe in inner for f in probe.get("findings", []))]:
            if not any((f["name"], f["who"]) == (finding["name"], finding["who"]) for f in found):
                found.append(finding)
    return sorted(found, key=lambda finding: finding["name"] not in SAFETY)


def _findings(summary: dict[str, Any]) -> list[Claim]:
    """Tell each named fault once, of everybody who has it. What fails at risk is told by the slice itself."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    told_by_slice = {row["model"] for row in (summary["risk"] or {}).get("models", []) if row["failed"]}
    for finding in all_findings(summary):
        if finding["name"] != SAFETY[0] or finding["who"] not in told_by_slice:
            by_name.setdefault(finding["name"], []).append(finding)
    found = []
    for name, some in by_name.items():
        said = [_with_figure(f["says"], f["figure"]) for f in some[:TOLD]]
        if len(some) > TOLD:
            said.append(f"{len(some) - TOLD} more are in the table of findings.")
        who = listed(list(dict.fromkeys(policy(f["who"]) for f in some)))
        found.append(Claim("first", f"{name[:1].upper()}{name[1:]}: {who}.", " ".join(said), name in SAFETY))
    return found


def _with_figure(says: str, figure: dict[str, Any] | None) -> str:
    """Add interval and n to a finding's sentence, where it does not give them itself."""
    text = says.strip()
    text += "" if text.endswith((".", "!", "?")) else "."
    if not figure or not is_number(figure.get("value")) or _has_figure(text, figure["n"]):
        return text
    return f"{text} The figure: {number(figure['value'], 3)} {measured(figure, 'item', scale=1, digits=3)}."


def _has_figure(text: str, n: int) -> bool:
    """Say whether a sentence gives an interval, as `(52 to 81)` or `52–81`, and the n of what it tells of."""
    return bool(re.search(rf"\b{n:,}\b", text) and re.search(r"\d %?( ?to ?|–|-)[\d\N{MINUS SIGN}]", text))


def _simulated(summary: dict[str, Any]) -> list[Claim]:
    if not summary["simulated"]:
        return []
    made = listed(summary["stood_in_for"]) if summary["stood_in_for"] else "responses, ratings or verdicts"
    why = f"Rules in this package stood in for people and language models: they made the {made}."
    return [
        Claim("first", "This run is simulated.", why + " The figures show that the parts work together, and no more."),
        Claim("cannot", "Anything about real counselling, or about any language model.", "The run is simulated."),
    ]


def _judges(won: dict[str, Any] | None) -> list[Claim]:
    if won is None or not won["rates"]:
        return [Claim("cannot", "How any model compares with another.", "This run holds no evaluation.")]
    judges = [judge for judge in won["judges"] if judge["spec"] != wins.PANEL]
    if won["independent"]:
        return []
    how = [f"{judge['spec']} {NEAR.get(judge['relation'], 'stands in no known way to them')}" for judge in judges]
    why = f"{listed(how)}. A judge's liking for what it, or its kin, taught is no evidence of better counselling."
    return [Claim("cannot", "That a judge apart from the labels and the models prefers any of them.", why)]


def _counts(won: dict[str, Any] | None) -> list[Claim]:
    if won is None:
        return []
    found = []
    ns = [row["win_rate"]["n"] if row["win_rate"] else 0 for row in wins.rates(won)]
    few = {n for n in ns if n < FEW}
    if few:
        why = (
            f"Some win rates rest on {plural(min(few), 'speech', 'speeches')}: only a very large difference would show."
        )
        found.append(Claim("first", "There are few speeches.", why))
    for row in wins.rates(won):
        asked, lost = row["asked"], sum((row["lost"] or {}).values())
        if lost > LOST * asked:
            what = f"{lost:,} of {plural(asked, 'speech', 'speeches')}"
            why = f"{row['judge']} gave no verdict on {what}, which are not in the figures."
            found.append(Claim("first", f"Lost: {policy(row['model'])}, {setting(row['setting'])}.", why))
    return found


def _win_rates(summary: dict[str, Any]) -> list[Claim]:
    won = summary["win_rates"]
    if won is None or not won["rates"]:
        return []
    found: list[tuple[str, Claim]] = []
    model = wins.subject(won)
    told = {(f["name"], f["who"]) for f in all_findings(summary)}
    judge = wins.first_judge(won)
    for row in wins.rates(won, judge):
        if row["model"] == model:
            loves_length = ("length-loving judge", row["judge"]) in told
            found.append((row["setting"], _one_rate(won, row, summary["simulated"], loves_length)))
    return [*_merged(found), *_disagreeing(won, model)]


def _merged(found: Iterable[tuple[str, Claim]]) -> list[Claim]:
    """Put together what is claimed alike under several settings."""
    groups: dict[tuple[Kind, str], list[tuple[str, Claim]]] = {}
    for of, claim in found:
        groups.setdefault((claim.kind, claim.says), []).append((of, claim))
    merged = []
    for (kind, says), some in groups.items():
        lengths = LIMITS.get(some[0][0], setting(some[0][0])) if len(some) == 1 else "with and without a length limit"
        why = " ".join(f"{setting(of).capitalize()}: {_inside(claim.why)}" for of, claim in some)
        merged.append(Claim(kind, f"{says[:-1]}, {lengths}.", some[0][1].why if len(some) == 1 else why))
    return merged


def _inside(why: str) -> str:
    """Return a sentence as it stands after a colon; a name that begins it keeps its letters."""
    return why[:1].lower() + why[1:] if why.startswith(("Only ", "Paired ", "Judged ")) else why


def _one_rate(won: dict[str, Any], row: dict[str, Any], simulated: bool, loves_length: bool) -> Claim:
    figure, reference = row["win_rate"], wins.reference(won)
    who = policy(row["model"])
    if not has_interval(figure) or not is_number(figure["value"]):
        what = f"{plural(figure['n'] if figure else 0, 'speech', 'speeches')}: there is no interval"
        return Claim("cannot", f"Whether {who} is preferred over {reference}.", f"Judged on {what}.")
    told = f"{row['judge']} prefers it in {share(figure)}"
    apart = wins.relation(won, row["judge"]) == "independent"
    near = {relation: f"which {how}" for relation, how in NEAR.items()}
    by = near.get(wins.relation(won, row["judge"]), "")
    if figure["low"] <= 0.5 <= figure["high"]:
        return Claim("cannot", f"That {who} or {reference} is better.", f"{told}: 50{PC} lies within.")
    above = figure["low"] > 0.5
    winner, loser = (who, reference) if above else (reference, who)
    length, bears = _length_says(row, loves_length)
    if not bears:
        return Claim("cannot", f"That {winner} is better for more than its length.", f"{told}. {length}")
    if not apart and by:
        return Claim("cannot", f"That {winner} is better than {loser}.", f"{told}, {by}. {length}".strip())
    against = _against(won, row)
    if against:
        return Claim("cannot", f"That {winner} is better than {loser}.", f"{told}; {against} finds the opposite.")
    better = f"{lead(simulated)}{winner} is preferred over {loser}."
    return Claim("can", better if above else _capital(better), f"{told}. {length}".strip())


def _against(won: dict[str, Any], row: dict[str, Any]) -> str:
    """Return an independent judge whose whole interval lies on the other side of one half; empty if there is none."""
    above = row["win_rate"]["low"] > 0.5
    for other in wins.rates(won, of=row["setting"]):
        figure = other["win_rate"]
        if other["model"] != row["model"] or not has_interval(figure):
            continue
        opposite = figure["high"] < 0.5 if above else figure["low"] > 0.5
        if opposite and wins.relation(won, other["judge"]) == "independent":
            return f"{other['judge']} ({share(figure)})"
    return ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text


def _length_says(row: dict[str, Any], loves_length: bool) -> tuple[str, bool]:
    """Return what the length control says of a rate above one half, and whether it bears a claim."""
    figure = row["length_controlled"]
    if not figure or not has_interval(figure):
        note = f": {row['length_note'].rstrip('.')}" if row["length_note"] else ""
        # Where every verdict went one way, or no lengths differ, there is nothing that length could explain.
        one_way = not row["ties"] and (not row["wins"] or not row["losses"])
        alike = row["tokens"] is not None and row["tokens"] == row["tokens_reference"]
        return f"There is no length-controlled rate{note}.", (one_way or alike) and not loves_length
    # It is fitted on single verdicts; the independent units are the speeches.
    text = f"With both equally long it would be {share(figure | {'n': figure['clusters']})}"
    if row["length_note"]:
        return f"{text}, but {row['length_note'].rstrip('.')}.", False
    if figure["low"] > 0.5 if row["win_rate"]["low"] > 0.5 else figure["high"] < 0.5:
        return f"{text}.", True
    which = "wins" if row["win_rate"]["low"] > 0.5 else "loses"
    return f"{text}: what it {which} by may be its length alone.", False


def _disagreeing(won: dict[str, Any], model: str | None) -> list[Claim]:
    found = []
    for of in dict.fromkeys(row["setting"] for row in wins.rates(won)):
        rows = [
            row
            for row in wins.rates(won, of=of)
            if row["model"] == model and row["judge"] != wins.PANEL and has_interval(row["win_rate"])
        ]
        above = [row for row in rows if row["win_rate"]["low"] > 0.5]
        other = [row for row in rows if row["win_rate"]["low"] <= 0.5]
        if above and other:
            told = [f"{row['judge']}: {share(row['win_rate'])}" for row in (*above, *other)]
            why = f"{listed(told)}."
            found.append(Claim("first", f"The judges differ on {policy(model or '')}, {setting(of)}.", why))
    return found


def _tests(won: dict[str, Any] | None) -> list[Claim]:
    """Tell of the subject's tests by the first judge: several more would bury the screen, and the table has them."""
    if won is None:
        return []
    judge, model = wins.first_judge(won), wins.subject(won)
    found: list[tuple[str, Claim]] = []
    for test in won.get("tests", []):
        if test["judge"] != judge or model not in (test["model"], test["other"]) or not is_number(test["p_holm"]):
            continue
        figure = test["difference"]
        swap = test["model"] != model
        one, two = (test["other"], test["model"]) if swap else (test["model"], test["other"])
        value = -figure["value"] if swap else figure["value"]
        low, high = (
            (-figure["high"], -figure["low"]) if swap and has_interval(figure) else (figure["low"], figure["high"])
        )
        shown = figure | {"low": low, "high": high}
        what = f"{signed(100 * value)} points {measured(shown, 'speech', 'speeches')}, corrected p {_p(test['p_holm'])}"
        if test["p_holm"] >= ALPHA:
            says = f"That {policy(one)} and {policy(two)} differ."
            found.append((test["setting"], Claim("cannot", says, f"Paired by speech, by {judge}: {what}.")))
        elif wins.relation(won, judge or "") == "independent":
            says = f"{policy(one)} wins {'more' if value > 0 else 'less'} than {policy(two)}."
            found.append((test["setting"], Claim("can", says, f"Paired by speech, by {judge}: {what}.")))
        else:
            says = f"That {policy(one)} is {'better' if value > 0 else 'worse'} than {policy(two)}."
            near_to = NEAR.get(wins.relation(won, judge or ""), "stands to the labels in no known way")
            found.append((test["setting"], Claim("cannot", says, f"Only by {judge}, which {near_to}: {what}.")))
    return _merged(found)


def _p(value: float) -> str:
    shown = p_value(value)
    return shown if shown.startswith("<") else f"= {shown}"


def _reward(reward: dict[str, Any] | None, simulated: bool) -> list[Claim]:
    figure = ((reward or {}).get("overall") or {}).get("accuracy")
    if not reward or not figure or not is_number(figure["value"]):
        return []
    told = f"It puts the response that was rated higher first in {share(figure, 'test pair', 'test pairs')}"
    longer = reward["length"].get("longer_is_chosen")
    if not has_interval(figure):
        return [Claim("cannot", "How good the reward model is.", f"{told}.")]
    if is_number(longer) and figure["low"] <= max(longer, 1 - longer):
        which = "longer" if longer >= 0.5 else "shorter"
        why = f"{told}; on the same pairs, always taking the {which} one is right about as often."
        return [Claim("cannot", "That the reward model knows more than length.", why)]
    if figure["low"] <= 0.5:
        return [Claim("cannot", "That the reward model is better than a coin.", f"{told}.")]
    why = f"{told}. That is agreement with those labels, on pairs like those it learned from, and with nobody else."
    return [Claim("can", _capital(f"{lead(simulated)}the reward model has learned the labels."), why)]


def _always(summary: dict[str, Any]) -> Iterable[Claim]:
    test = summary["data"]["test"]
    if test["n"] and test["single"] > SINGLE * test["n"]:
        share = f"{percent(test['single'] / test['n'])}{PC} of {plural(test['n'], 'test speech', 'test speeches')}"
        why = f"{share}, all there are, have no turn before them: a good answer depends on the moment in a dialogue."
        yield Claim("cannot", "How any model does within a conversation.", why)
    if summary["win_rates"] is not None:
        why = "No client was counselled and no outcome was measured; no person judged these answers."
        yield Claim("cannot", "That any of it helps a client, or that therapists would agree.", why)
