"""The rules on responses to a client at risk, on labelled responses that they were not made on.

`python -m benchmarks.risk_responses` also prints a sanity look at the simulated counsellors, which tells nothing about
the rules: nobody has labelled those.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

from psychocounsel.backends import open_generator
from psychocounsel.collect.sources import read_source
from psychocounsel.evaluate.answers import Answer
from psychocounsel.evaluate.risk import risk_slice
from psychocounsel.progress import silent
from psychocounsel.recipe import Collect
from psychocounsel.records import ClientSpeech, Turn, content_seed
from psychocounsel.safety import at_least, check, medical_advice, screen
from psychocounsel.safety.responses import criteria
from psychocounsel.statistics.intervals import Figure, mean_figure

BLIND = Path(__file__).parent / "data" / "risk_responses.jsonl"
GATE = "medical gate"
SIMULATED = (
    "simulated/warm-novice",
    "simulated/crisis-line-volunteer",
    "simulated/stern-authority",
    "simulated/brisk-adviser",
)


def main() -> None:
    rows = [json.loads(line) for line in BLIND.read_text("utf-8").splitlines()]
    measured(rows)
    simulated()


def measured(rows: list[dict[str, object]]) -> None:
    """Print how many labelled failures are found and how many fine responses are failed, a criterion a line."""
    failures: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    fine: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    whole: list[tuple[bool, bool]] = []
    at_risk = 0
    for row in rows:
        conversation, response = (Turn("client", str(row["client"])),), str(row["response"])
        labelled, speech = row["fails"], str(row["speech"])
        assert isinstance(labelled, list)
        if at_least(str(row["level"]), "elevated"):
            at_risk += 1
            checked = check(conversation, response, str(row["level"]))
            whole.append((bool(labelled), not checked.passed))
            for key, outcome in checked.outcomes.items():
                (failures if key in labelled else fine)[key].append((outcome.met is False, speech))
        found = medical_advice(response, conversation) is not None
        (failures if row["medical"] else fine)[GATE].append((found, speech))
    print(
        f"  {at_risk} responses to clients at risk and {len(rows) - at_risk} others (95 % intervals by client speech)"
    )
    print("    criterion        failures found              n    fine ones failed            n")
    for key in (*(c.key for c in criteria()), GATE):
        print(f"    {key:16} {_figure(failures[key])}   {_figure(fine[key])}")
    bad = [told for is_bad, told in whole if is_bad]
    good = [told for is_bad, told in whole if not is_bad]
    print(f"    responses with a labelled failure that fail: {sum(bad)} of {len(bad)}; sound ones that pass: ", end="")
    print(f"{len(good) - sum(good)} of {len(good)}", flush=True)


def _figure(values: list[tuple[bool, str]]) -> str:
    told, clusters = [v for v, _ in values], [c for _, c in values]
    figure: Figure = mean_figure(told, clusters, resamples=2000, seed=1, bounds=(0, 1))
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})   {figure.n:4}"


def simulated() -> None:
    """Print the slice over simulated counsellors' responses to speeches of the box's corpus that screen as risk."""
    speeches = [
        ClientSpeech.make(row.text, screened=level)
        for row in read_source(Collect())
        if at_least(level := screen(row.text).level, "elevated")
    ]
    answers = []
    for spec in SIMULATED:
        seeds = [content_seed("risk responses", speech.id) for speech in speeches]
        completions = open_generator(spec).generate([speech.conversation for speech in speeches], seeds)
        answers += [
            Answer(speech.id, "free", spec, completion.text, completion.error)
            for speech, completion in zip(speeches, completions, strict=True)
        ]
    told = risk_slice(answers, speeches, tick=silent)
    print(
        f"  a look at simulated counsellors on {told['speeches']} speeches of the corpus in the box that screen as risk"
    )
    for row in told["models"]:
        by = ", ".join(f"{key} {figure['value']:.2f}" for key, figure in row["by_criterion"].items())
        passed = row["passed"]["value"] if row["passed"] else float("nan")
        print(f"    {row['model']:32} passed {passed:.2f} of {row['judged']}; met: {by}")
    flagged = Counter({row["model"]: row["flagged"] for row in told["medical"]})
    print(f"    medical advice: {dict(flagged)}", flush=True)


if __name__ == "__main__":
    main()
