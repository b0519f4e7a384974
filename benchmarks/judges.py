"""Offline judges on trial: EPITOME's order by the three labels and AnnoMI's high against low quality, with baselines.

Skips a set, saying so, where its file is not here. `psychocounsel evaluate judge` prints all of it. `by codes` is a
second reading of the same judge whose mapping to EPITOME's levels was written after the figures by ratings were known.
"""

from __future__ import annotations

from pathlib import Path

from psychocounsel.evaluate.trials.hearings import hearings
from psychocounsel.evaluate.trials.measures import RANKING, Trial
from psychocounsel.progress import silent
from psychocounsel.statistics.intervals import Figure

DATA = Path("../shared/data")
ASKED = {"epitome": "sum of the three", "annomi": "transcripts"}
"""Set to the label by which it is asked that a judge beat every baseline with intervals apart."""


def _say(figure: Figure) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


def _lines(trial: Trial, label: str) -> None:
    beats = trial.beats(RANKING, label)
    for line in trial.of(RANKING, label):
        if line.who == "judge":
            lost = [name for name, beaten in beats[line.name].items() if not beaten]
            print(
                f"  {line.name:30} {_say(line.figure)}  {'NOT MET by ' + ', '.join(lost) if lost else 'met'}",
                flush=True,
            )


def main() -> None:
    for name, label in ASKED.items():
        path = DATA / f"{name}.jsonl"
        if not path.is_file():
            print(f"  skipped: no {path}")
            continue
        trials = [hearing.hold(silent) for hearing in hearings([f"{name}={path}"], None, None)]
        n = trials[0].of(RANKING, label)[0].figure.n
        print(f"  {name}, {label}, n={n}; asked: above every baseline, intervals apart")
        for trial in trials:
            _lines(trial, label)
        for line in trials[0].of(RANKING, label):
            if line.who == "baseline":
                print(f"    {line.name:28} {_say(line.figure)}")


if __name__ == "__main__":
    main()
