"""What a person (progress bars) or a script (JSON lines) is told while a recipe runs."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from psychocounsel.artifacts import Manifest
from psychocounsel.pipeline import Quiet
from psychocounsel.progress import Tick

EVERY = 10.0
"""Seconds between lines on a stage that asks servers."""


class Bars:
    """A bar with the time left for the step that runs, a line for each that is done."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress: Progress | None = None

    def begin(self, name: str, why: str) -> Tick:
        note = "" if why == "not made yet" else f" ({why})"
        self.progress = Progress(
            TextColumn("  {task.description:<14}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.progress.start()
        if note:
            self.console.print(f"  {name}{note}", style="dim", highlight=False)
        bar = self.progress
        task = bar.add_task(name, total=None, note="")

        def tick(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        return tick

    def skip(self, name: str, manifest: Manifest) -> None:
        self.console.print(f"  [dim]=[/] {name:<14} [dim]kept (made {manifest.created})[/]", highlight=False)

    def end(self, name: str, manifest: Manifest) -> None:
        self.close()
        self.console.print(
            f"  [green]+[/] {name:<14} {manifest.wall_seconds:6.1f} s   {gist(manifest)}", highlight=False
        )

    def close(self) -> None:
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


class JsonLines:
    """One JSON object a line on standard output."""

    def _say(self, **event: Any) -> None:
        print(json.dumps(event, ensure_ascii=False), flush=True)

    def begin(self, name: str, why: str) -> Tick:
        self._say(event="begin", step=name, why=why)
        told = time.monotonic()

        def tick(done: int, total: int, note: str = "") -> None:
            nonlocal told
            if note and time.monotonic() - told >= EVERY:
                told = time.monotonic()
                self._say(event="progress", step=name, done=done, total=total, note=note)

        return tick

    def skip(self, name: str, manifest: Manifest) -> None:
        self._say(event="kept", step=name, digest=manifest.digest)

    def end(self, name: str, manifest: Manifest) -> None:
        self._say(
            event="done", step=name, digest=manifest.digest, wall_seconds=manifest.wall_seconds, counts=manifest.counts
        )

    def close(self) -> None:
        """Nothing is open."""


class Silent(Quiet):
    """Says nothing."""

    def close(self) -> None:
        """Nothing is open."""


def listener_for(quiet: bool, as_json: bool) -> Bars | JsonLines | Silent:
    """Return the listener that the options ask for."""
    if as_json:
        return JsonLines()
    return Silent() if quiet else Bars(Console(file=sys.stderr, soft_wrap=True))


def gist(manifest: Manifest) -> str:
    """Return the step's main counts in a few words."""
    counts = manifest.counts
    match manifest.stage.partition("/")[0]:
        case "collect":
            return f"{counts['speeches']} speeches, {sum(counts['dropped'].values())} left out"
        case "generate":
            return f"{counts['answered']} of {counts['asked']} responses"
        case "rate":
            return f"{counts['rated']} of {counts['asked']} rated, mean {counts['mean_overall']}"
        case "pair":
            return ", ".join(f"{n} {split}" for split, n in counts["pairs"].items()) + " pairs"
        case "base":
            return f"{counts['parameters'] / 1e6:.1f} M parameters, {counts['steps']} steps"
        case "reward":
            return _reward_gist(counts)
        case "align" if "chosen" in counts:
            return f"{counts['chosen']} is chosen"
        case "align":
            last = counts["development"].get("dpo", counts["development"])
            return f"dev reward {last['reward']:.2f}, KL {last['kl']:.1f}, {last['words']:.0f} words"
        case "evaluate":
            return f"{counts['comparisons']} comparisons, {counts['lost']} lost"
    return ""


def _reward_gist(counts: dict[str, Any]) -> str:
    if "accuracy" in counts:
        return f"test accuracy {100 * counts['accuracy']['value']:.1f} % (n={counts['accuracy']['n']})"
    ranking = counts.get("folds", {}).get("ranking")
    learnt = f"from {counts['learnt']} rated responses"
    return f"{learnt}, ranking {100 * ranking['value']:.1f} % in cross-validation" if ranking else learnt
