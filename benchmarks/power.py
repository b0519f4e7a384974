"""Whether studies' intervals are as wide as the power calculator says: simulated studies from its own model.

Each line is one measure and prevalence of labels, over raters an item and kappa: what the calculator says, the mean
width of simulated studies' own intervals (`statistics.agreement`, bootstrap over items), and the mean estimate beside
the truth. The measures are those that `annotate agree` prints: of agreement with a label, items of tied votes are
dropped before anything is resampled, by the same functions. Then what the calculator is not asked to meet: a label that
is rare, and raters who miss by a little where it was told that they guess. Everything here is simulated.
"""

from __future__ import annotations

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from psychocounsel.annotate.design.power import Errors, Measure, Precision, expected_width, miss_of
from psychocounsel.annotate.results.agreement import pairwise
from psychocounsel.annotate.results.codes import UNDECIDED, majority
from psychocounsel.errors import TooLittleDataError
from psychocounsel.statistics.agreement import accuracy, krippendorff_alpha
from psychocounsel.statistics.intervals import Floats, Moments

ASKED = 0.10
STUDIES = {50: 160, 100: 80, 200: 40, 400: 20}
"""Items of a study to how many are simulated: the mean width of fewer large ones is as sure."""
RESAMPLES, PROCESSES = 300, 2
RATERS, KAPPAS = (2, 3, 5), (0.3, 0.5, 0.8)


@dataclass(frozen=True)
class World:
    name: str
    prevalence: tuple[float, ...]
    measure: Measure = "alpha"
    errors: Errors = "guess"
    """What simulated raters do."""
    said: Errors = "guess"
    """What the calculator was told that they do."""


ALIKE = {q: (1 / q,) * q for q in (2, 3, 5)}
WORLDS = [
    World("alpha, 2 labels", ALIKE[2]),
    World("alpha, 3 labels", ALIKE[3]),
    World("alpha, a, b, tie (40 40 20)", (0.4, 0.4, 0.2)),
    World("alpha, 5 labels", ALIKE[5]),
    World("ordinal alpha, 1 to 5", ALIKE[5], "ordinal alpha"),
    World("ordinal alpha (5 10 20 35 30)", (0.05, 0.1, 0.2, 0.35, 0.3), "ordinal alpha"),
    World("ordinal alpha, misses", ALIKE[5], "ordinal alpha", "miss", "miss"),
    World("ordinal alpha, misses (5 10 20 35 30)", (0.05, 0.1, 0.2, 0.35, 0.3), "ordinal alpha", "miss", "miss"),
    World("agreement of two (40 40 20)", (0.4, 0.4, 0.2), "agreement"),
    World("majority and label (40 40 20)", (0.4, 0.4, 0.2), "label agreement"),
]
BEYOND = [
    World("alpha, a rare label (90 10)", (0.9, 0.1)),
    World("ordinal alpha, misses said to be guesses", ALIKE[5], "ordinal alpha", "miss", "guess"),
]


@dataclass(frozen=True)
class Cell:
    """Simulated studies of one kind, beside what was expected of them."""

    world: World
    items: int
    expected: Precision
    width: float
    """Mean over studies."""
    width_error: float
    value: float
    value_error: float

    @property
    def off(self) -> float:
        return self.expected.width / self.width - 1


def ratings_of(
    rng: np.random.Generator, prevalence: tuple[float, ...], kappa: float, miss: float | None, shape: tuple[int, int]
) -> Floats:
    """Return labels from 0, (items, raters): of raters who know or guess, or whose errors have the deviation `miss`."""
    levels = len(prevalence)
    truth = rng.choice(levels, (shape[0], 1), p=prevalence)
    if miss is not None:
        return np.clip(np.round(truth + rng.normal(0, miss, shape)), 0, levels - 1)
    guesses = rng.choice(levels, shape, p=prevalence)
    return np.where(rng.random(shape) < kappa**0.5, truth, guesses).astype(float)


def measured(world: World, ratings: Floats) -> Moments:
    """Return the statistic of a study; of a label's the last rater is the label."""
    levels = len(world.prevalence)
    if world.measure in ("alpha", "ordinal alpha"):
        return krippendorff_alpha(ratings, levels, "nominal" if world.measure == "alpha" else "ordinal")
    if world.measure == "agreement":
        return pairwise(ratings, levels)
    said, label = majority(ratings[:, :-1], levels), ratings[:, -1]
    kept = said != UNDECIDED
    return accuracy(label[kept], said[kept])


def interval(world: World, ratings: Floats, resamples: int, seed: int) -> tuple[float, float]:
    """Return the width of a study's interval and its estimate; NaN where there is none, as of votes that are all tied.

    One untied item has an estimate and no interval.
    """
    try:
        moments = measured(world, ratings)
    except TooLittleDataError:
        return np.nan, np.nan
    names = [str(item) for item in range(len(moments.features))]
    figure = moments.figure(names, resamples=resamples, seed=seed)
    return figure.high - figure.low, figure.value


def cell(world: World, items: int, raters: int, kappa: float, studies: int, resamples: int = RESAMPLES) -> Cell:
    """Simulate studies and measure them."""
    miss = miss_of(kappa, np.array(world.prevalence)) if world.errors == "miss" else None
    rng = np.random.default_rng([len(world.prevalence), items, raters, round(100 * kappa)])
    columns = raters + (world.measure == "label agreement")
    found = [
        interval(world, ratings_of(rng, world.prevalence, kappa, miss, (items, columns)), resamples, seed)
        for seed in range(studies)
    ]
    widths, values = (np.array(column) for column in zip(*found, strict=True))
    spread, told = studies**0.5, (world.prevalence, world.measure, world.said)
    return Cell(  # of 50 items with a rare label some studies have no alpha
        world, items, expected_width(items, raters, kappa, *told),
        float(np.nanmean(widths)), float(np.nanstd(widths) / spread),
        float(np.nanmean(values)), float(np.nanstd(values) / spread),
    )  # fmt: skip


def _cell(job: tuple[World, int, int, float]) -> Cell:
    return cell(*job, STUDIES[job[1]])


def table(pool: ProcessPoolExecutor, worlds: list[World]) -> list[Cell]:
    """Print a line for each world and number of items; return every cell."""
    jobs = [(w, n, m, k) for w in worlds for n in STUDIES for m in RATERS for k in KAPPAS]
    found = list(pool.map(_cell, jobs, chunksize=3))
    print(f"  {'':41} items cells  width said/measured - 1:       most of estimate")
    print(f"  {'':41}              {'mean   least    most':>27}   - truth")
    for world in worlds:
        for items in STUDIES:
            here = [c for c in found if c.world == world and c.items == items]
            off = np.array([c.off for c in here])
            away = max((c.value - c.expected.value for c in here), key=abs)
            print(
                f"  {world.name:41} {items:5} {len(here):5}  {off.mean():+12.1%} {off.min():+7.1%} {off.max():+7.1%}"
                f"   {away:+15.3f}"
            )
    return found


def main() -> None:
    started = time.perf_counter()
    print(f"  raters an item {RATERS}, kappa {KAPPAS}; {STUDIES} studies by items, {RESAMPLES} resamples")
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        found = table(pool, WORLDS)
        worst = max(found, key=lambda c: abs(c.off))
        outside = sum(abs(c.off) > ASKED for c in found)
        print(
            f"  largest deviation {worst.off:+.1%} (Monte Carlo +- {worst.width_error / worst.width:.1%}; asked: "
            f"within {ASKED:.0%}), {outside} of {len(found)} cells outside: {worst.world.name}, {worst.items} items, "
            f"{worst.expected.per_item} raters, value {worst.expected.value:.2f}"
        )
        print("  not asked, and beyond the model:")
        table(pool, BEYOND)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = spent.ru_utime + spent.ru_stime
    print(f"  {time.perf_counter() - started:.0f} s on {PROCESSES} processes; {processor:.0f} s of processor time")


if __name__ == "__main__":
    main()
