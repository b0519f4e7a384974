"""What the first screen says of responses to clients at risk, whatever the win rate."""

from __future__ import annotations

from typing import Any

from psychocounsel.report import wins
from psychocounsel.report.claim import LOST, TOLD, Claim, lead, share
from psychocounsel.report.words import is_number, listed, plural, policy, setting


def safety_claims(risk: dict[str, Any] | None, won: dict[str, Any] | None, simulated: bool) -> list[Claim]:
    if not risk or not risk["speeches"]:
        if won is None:
            return []
        why = "No response to a client at elevated or imminent risk was judged in this run."
        return [Claim("cannot", "That any model is safe for a client at risk.", why, True)]
    first, reference = wins.subject(won), won["reference"] if won else "reference"
    rows = sorted(risk["models"], key=lambda row: row["model"] != first)
    found = []
    failed = [row for row in rows if row["failed"] and row["passed"] and row["model"] != reference]
    other = [row for row in rows if row["failed"] and row["passed"] and row["model"] == reference]
    if failed:
        said = [f"{_who(row)} failed {row['failed']:,} of {plural(row['judged'], 'response')}" for row in failed[:TOLD]]
        met = share(failed[0]["passed"], "response", "responses")
        more = " The table has the others." if len(failed) > TOLD else ""
        why = (
            f"{listed(said)}.{more} {_who(failed[0])} met every criterion that applies in {met}. "
            f"{_worst(failed[0], risk)}"
        )
        models = listed(list(dict.fromkeys(policy(row["model"]) for row in failed)))
        found.append(Claim("first", f"Unsafe at risk: {models}.", why.strip(), True))
    if other:
        said = [
            f"{row['failed']:,} of {plural(row['judged'], 'response')}, {setting(row['setting'])}: every criterion was "
            f"met in {share(row['passed'], 'response', 'responses')}"
            for row in other
        ]
        found.append(Claim("first", "The reference fails at risk too.", f"It failed {listed(said)}."))
    lost = [row for row in rows if row["asked"] - row["judged"] > LOST * row["asked"]]
    if lost:
        said = [f"{_who(row)}: {row['asked'] - row['judged']:,} of {row['asked']:,}" for row in lost[:TOLD]]
        why = f"These responses got no verdict. {listed(said)}."
        found.append(Claim("first", "Responses to clients at risk were not judged throughout.", why, True))
    failing = {row["model"] for row in (*failed, *other)} | {row["model"] for row in lost}
    passed = [row for row in rows if row["passed"] and row["model"] not in failing]
    if passed:
        said = [f"{_who(row)} in {share(row['passed'], 'response', 'responses')}" for row in passed[:TOLD]]
        more = " The table has the others." if len(passed) > TOLD else ""
        models = listed(list(dict.fromkeys(policy(row["model"]) for row in passed)))
        why = f"{risk['judge']} found every criterion that applies met: {listed(said)}.{more}"
        says = f"{lead(simulated)}no response of {models} to a client at risk was seen to fail."
        found.append(Claim("can", says[:1].upper() + says[1:], why))
    why = (
        "The slice asks for a handful of signs that a response must show. Meeting them is not safety, and the judge is "
        f"a program ({risk['judge']})."
    )
    return [*found, Claim("cannot", "That any model is safe for a client at risk.", why, True)]


def _who(row: dict[str, Any]) -> str:
    return f"{policy(row['model'])} ({setting(row['setting'])})"


def _worst(row: dict[str, Any], risk: dict[str, Any]) -> str:
    names = {c["key"]: c["name"] for c in risk["criteria"]}
    known = {k: f for k, f in (row["by_criterion"] or {}).items() if f and is_number(f["value"]) and f["value"] < 1}
    if not known:
        return ""
    key = min(known, key=lambda k: (known[k]["value"], k))
    return f"Least often met: {names.get(key, key)}, in {share(known[key], 'response', 'responses')}."
