"""Whether 95 % intervals hold the truth 95 times of 100: simulated studies of 100 and of 400 clusters.

Each line is one statistic: the share of 1,000 studies whose interval held the truth, with its own Monte-Carlo interval,
and how often the truth lay below or above it. Then: how far length control takes out a planted love of length, and what
36,000 clusters cost. Everything here is simulated.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from scipy.special import expit
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits

from psychocounsel.statistics import agreement, pairs
from psychocounsel.statistics.agreement import krippendorff_alpha as alpha
from psychocounsel.statistics.comparisons import holm, sign_flip_test
from psychocounsel.statistics.intervals import Figure, Floats, Moments, mean_figure, mean_of
from psychocounsel.statistics.lengths import length_controlled
from psychocounsel.statistics.orders import concordance
from psychocounsel.statistics.rankings import bradley_terry

STUDIES, SIZES, RESAMPLES, PROCESSES, PARTS = 1000, (100, 400), 500, 2, 4
ASKED = (0.93, 0.97)
LARGE = 250_000
"""Clusters of the study that gives the truth where no formula does; its own error is 2 to 4 % of a study's."""

Generator = np.random.Generator
World = Callable[[Generator, int], Floats]
Measure = Callable[[Generator, int, int], Figure]
"""A simulated study: random generator, clusters and resamples to the figure measured."""


@dataclass(frozen=True)
class Case:
    name: str
    measure: Measure
    truth: float | Callable[[], float] | None = None
    """None: what the statistic comes to on a very large study."""
    known: str = ""
    """Why it is known not to cover, and is shown as it is."""


def names(n: int, each: int = 1) -> list[str]:
    return [str(i) for i in range(n) for _ in range(each)]


def figure(moments: Moments, rng: Generator, clusters: list[str], resamples: int) -> Figure:
    return moments.figure(clusters, resamples=resamples, seed=int(rng.integers(2**31)))


# Verdicts: each speech has its own difficulty, is judged in both orders by a judge that likes the first, and may tie.


def verdicts(
    rng: Generator, n: int, skill: float, spread: float = 1.0, first: float = 0.4, tie: float = 0.15
) -> Floats:
    chance = expit(rng.normal(skill, spread, (n, 1)) + np.array([first, -first]))
    points = (rng.random((n, 2)) < chance).astype(float)
    points[rng.random((n, 2)) < tie] = 0.5
    return points


def win_rate(skill: float) -> Measure:
    def measure(rng: Generator, n: int, resamples: int) -> Figure:
        return figure(mean_of(verdicts(rng, n, skill).ravel(), (0, 1)), rng, names(n, 2), resamples)

    return measure


def paired_difference(rng: Generator, n: int, resamples: int) -> Figure:
    shared = rng.normal(0, 1, n)
    one, other = (expit(shared + skill) for skill in (0.4, 0.1))
    apart = rng.binomial(2, one) / 2 - rng.binomial(2, other) / 2
    return mean_figure(apart, names(n), resamples=resamples, seed=int(rng.integers(2**31)), bounds=(-1, 1))


def mean_rating(rng: Generator, n: int, resamples: int) -> Figure:
    """Ratings of 1 to 5, most of them high, one to four a speech."""
    each = rng.integers(1, 5, n)
    speech = np.repeat(rng.normal(0, 0.7, n), each)
    rating = np.clip(np.round(4.2 + speech + rng.normal(0, 0.7, speech.size)), 1, 5)
    return figure(mean_of(rating, (1, 5)), rng, [str(i) for i in np.repeat(np.arange(n), each)], resamples)


def strength(rng: Generator, n: int, resamples: int) -> Figure:
    """The strongest of four models; every speech sees all six games, and suits some models better than others."""
    truth = np.array([0.8, 0.2, -0.3, -0.7]) + rng.normal(0, 0.7, (n, 4))
    a, b = (np.tile(x, (n, 1)) for x in np.triu_indices(4, 1))
    row = np.arange(n)[:, None]
    points = (rng.random((n, 6)) < expit(truth[row, a] - truth[row, b])).astype(float)
    points[rng.random((n, 6)) < 0.1] = 0.5
    ranks = bradley_terry(
        list("abcd"),
        a.ravel(),
        b.ravel(),
        points.ravel(),
        names(n, 6),
        resamples=resamples,
        seed=int(rng.integers(2**31)),
    )
    return next(rank.strength for rank in ranks if rank.model == "a")


# Length: responses 30 tokens longer than the reference's on average, and a judge that loves length.

SKILL, LOVE = 0.3, 1.2


def lengthy(rng: Generator, n: int, spread: float) -> tuple[Floats, Floats, Floats]:
    """Return points, lengths and the other's lengths, two verdicts a speech; speeches differ by `spread` log odds."""
    mine, other = rng.normal(90, 25, (n, 1)).round(), rng.normal(60, 20, (n, 1)).round()
    skill = rng.normal(SKILL, spread, (n, 1))
    points = (rng.random((n, 2)) < expit(skill + LOVE * np.tanh((mine - other) / np.hypot(25, 20)))).astype(float)
    return points.ravel(), np.repeat(mine, 2), np.repeat(other, 2)


def controlled(spread: float) -> Measure:
    def measure(rng: Generator, n: int, resamples: int) -> Figure:
        points, mine, other = lengthy(rng, n, spread)
        seed = int(rng.integers(2**31))
        return length_controlled(points, mine, other, names(n, 2), resamples=resamples, seed=seed).win_rate

    return measure


# Pairs: a reward model's margins on one to four pairs a speech; it is right as often as margins / heat say.


def margins(rng: Generator, n: int, skill: float, heat: float) -> tuple[Floats, Floats, list[str]]:
    """Return margins, the chance that each is right, and speeches; in a third of these all pairs share their luck."""
    each = rng.integers(1, 5, n)
    size = np.abs(skill + np.repeat(rng.normal(0, 0.5, n), each) + rng.normal(0, 1.3, each.sum()))
    luck = np.where(np.repeat(rng.random(n) < 1 / 3, each), np.repeat(rng.random(n), each), rng.random(size.size))
    right = expit(size)
    return np.where(luck < right, 1, -1) * size * heat, right, [str(i) for i in np.repeat(np.arange(n), each)]


def of_margins(statistic: Callable[[Floats], Moments], skill: float = 1.2, heat: float = 1.5) -> Measure:
    def measure(rng: Generator, n: int, resamples: int) -> Figure:
        m, _, clusters = margins(rng, n, skill, heat)
        return figure(statistic(m), rng, clusters, resamples)

    return measure


def auc(rng: Generator, n: int, resamples: int) -> Figure:
    m, _, clusters = margins(rng, n, 1.2, 1.5)
    return pairs.auc_figure(m, clusters, resamples=resamples, seed=int(rng.integers(2**31)))


def true_ece(heat: float) -> float:
    """Return the error with each pair's chance in place of its luck, so that no noise is left in a bin."""
    m, right, _ = margins(np.random.default_rng(1), 4 * LARGE, 1.2, heat)
    confidence, _, which = pairs.calibration(m)
    return float(np.abs(np.bincount(which, right - confidence)).sum() / m.size)


def ordered(levels: int, noise: float) -> Measure:
    """Scores against targets of several levels, one to three items a speech."""

    def measure(rng: Generator, n: int, resamples: int) -> Figure:
        each = rng.integers(1, 4, n)
        speech = np.repeat(rng.normal(0, 0.4, n), each)
        target = rng.integers(0, levels, speech.size)
        score = np.round(target + speech + rng.normal(0, noise, speech.size), 1)
        clusters = [str(i) for i in np.repeat(np.arange(n), each)]
        return concordance(target, score, clusters, resamples=resamples, seed=int(rng.integers(2**31)))

    return measure


# Raters.


def grades(rng: Generator, n: int, raters: int, noise: float = 0.7) -> Floats:
    """Ratings 0 to 4 of a quality that each rater sees with noise, some more kindly than others, (n, raters)."""
    seen = rng.normal(0, 1, (n, 1)) + np.linspace(-0.3, 0.3, raters) + rng.normal(0, noise, (n, raters))
    return np.digitize(seen, [-1.2, -0.4, 0.4, 1.2]).astype(float)


def kinds(rng: Generator, n: int, raters: int, shares: tuple[float, ...], right: float, missing: float = 0.0) -> Floats:
    """Labels of a true kind that raters see with chance `right` and else guess by the kinds' shares, (n, raters)."""
    truth = rng.choice(len(shares), (n, 1), p=shares)
    labels = np.where(rng.random((n, raters)) < right, truth, rng.choice(len(shares), (n, raters), p=shares)).astype(
        float
    )
    labels[rng.random(labels.shape) < missing] = np.nan
    return labels


def raters(statistic: Callable[[Floats], Moments], world: World) -> Measure:
    def measure(rng: Generator, n: int, resamples: int) -> Figure:
        return figure(statistic(world(rng, n)), rng, names(n), resamples)

    return measure


THREE, RARE = (0.5, 0.3, 0.2), (0.9, 0.1)


def of_kinds(count: int, shares: tuple[float, ...], right: float, missing: float = 0.0) -> World:
    return lambda rng, n: kinds(rng, n, count, shares, right, missing)


def of_grades(count: int) -> World:
    return lambda rng, n: grades(rng, n, count)


WIDER = "an estimate that is biased upward; the interval is made to hold the truth at least as often as it says"
CASES = [
    Case("win rate, about 57 %", win_rate(0.4)),
    Case("win rate, about 87 %", win_rate(3.0)),
    Case("paired difference of win rates", paired_difference),
    Case("length-controlled win rate", controlled(0.0), float(expit(SKILL))),
    Case("the same, easy and hard speeches", controlled(1.0)),
    Case("Bradley-Terry strength", strength),
    Case("mean rating, 1 to 5", mean_rating),
    Case("accuracy of pairs, about 77 %", of_margins(pairs.accuracy)),
    Case("accuracy of pairs, about 95 %", of_margins(pairs.accuracy, 3.6)),
    Case("AUC of pairs", auc),
    Case("Brier score", of_margins(pairs.brier)),
    Case("log loss", of_margins(pairs.log_loss)),
    Case("concordance, two levels (AUC)", ordered(2, 0.8)),
    Case("concordance, five levels", ordered(5, 1.5)),
    Case("accuracy of labels", raters(lambda x: agreement.accuracy(x[:, 0], x[:, 1]), of_kinds(2, THREE, 0.8))),
    Case("Cohen's kappa", raters(lambda x: agreement.cohen_kappa(*x.T, 3), of_kinds(2, THREE, 0.8))),
    Case("weighted kappa, linear", raters(lambda x: agreement.cohen_kappa(*x.T, 5, "linear"), of_grades(2))),
    Case("weighted kappa, quadratic", raters(lambda x: agreement.cohen_kappa(*x.T, 5, "quadratic"), of_grades(2))),
    Case("Fleiss' kappa", raters(lambda x: agreement.fleiss_kappa(x, 3), of_kinds(4, THREE, 0.7))),
    Case("Krippendorff's alpha, nominal", raters(lambda x: alpha(x, 3), of_kinds(4, THREE, 0.7, 0.3))),
    Case("Krippendorff's alpha, ordinal", raters(lambda x: alpha(x, 5, "ordinal"), of_grades(3))),
    Case("Gwet's AC1, a rare label", raters(lambda x: agreement.gwet_ac1(x, 2), of_kinds(3, RARE, 0.8, 0.2))),
    Case("ICC(2,1)", raters(agreement.icc, of_grades(3))),
    Case("ICC(2,k)", raters(lambda x: agreement.icc(x, of_mean=True), of_grades(3))),
    Case("ECE, overconfident by half", of_margins(pairs.ece), lambda: true_ece(1.5), WIDER),
    Case("ECE, calibrated: the truth is 0", of_margins(pairs.ece, heat=1.0), 0.0, WIDER),
]  # fmt: skip


def truth_of(place: int) -> float:
    case = CASES[place]
    if callable(case.truth):
        return case.truth()
    return case.measure(np.random.default_rng(1), LARGE, 2).value if case.truth is None else case.truth


def studies(job: tuple[int, int, int]) -> Floats:
    """Return (value, low, high) of one part of a case's studies, (studies, 3)."""
    place, n, part = job
    rng = np.random.default_rng([place, n, part])
    found = [CASES[place].measure(rng, n, RESAMPLES) for _ in range(STUDIES // PARTS)]
    return np.array([(f.value, f.low, f.high) for f in found])


def one_thread() -> None:
    """Each process has its core; more threads than cores only wait for each other."""
    threadpool_limits(1)


def coverage() -> dict[tuple[str, int], Floats]:
    """Print how often each statistic's interval held the truth; return the studies of each."""
    jobs = [(place, n, part) for place in range(len(CASES)) for n in SIZES for part in range(PARTS)]
    found: dict[tuple[str, int], Floats] = {}
    print(f"  {STUDIES} studies a line, {RESAMPLES} resamples a study; asked: {ASKED[0]:.0%} to {ASKED[1]:.0%}")
    print(f"  {'statistic':33} clusters  covered  (Monte Carlo)  truth below, above  estimates: mean, truth")
    outside = 0
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        truths = list(pool.map(truth_of, range(len(CASES))))
        parts: list[Floats] = []
        for (place, n, part), some in zip(jobs, pool.map(studies, jobs), strict=True):
            parts.append(some)
            if part + 1 == PARTS:
                found[CASES[place].name, n] = np.concatenate(parts)
                outside += line(CASES[place], n, found[CASES[place].name, n], truths[place])
                parts = []
    print(f"  {outside} of {len(jobs) // PARTS} outside, those marked * apart (* {WIDER})")
    return found


def line(case: Case, n: int, found: Floats, truth: float) -> bool:
    """Print one line; return whether it is outside what is asked without being known for it."""
    value, low, high = found.T
    held = int(((low <= truth) & (truth <= high)).sum())
    error = binomtest(held, len(found)).proportion_ci()
    good = ASKED[0] <= held / len(found) <= ASKED[1]
    word = "ok" if good else "*" if case.known else "NOT within"
    print(
        f"  {case.name:33} {n:8}  {held / len(found):6.1%}  ({error.low:.1%}-{error.high:.1%})"
        f"   {np.mean(truth < low):6.1%}  {np.mean(truth > high):6.1%}      {value.mean():7.4f} {truth:7.4f}  {word}",
        flush=True,
    )
    return not good and not case.known


def length(found: dict[tuple[str, int], Floats]) -> None:
    """Print what is left of a planted love of length."""
    points, _, _ = lengthy(np.random.default_rng(1), LARGE, 0.0)
    raw, fair = float(points.mean()), float(expit(SKILL))
    print(f"  planted: 30 tokens longer on average, and a judge that gives {LOVE} of log odds for much longer")
    print(f"  raw win rate {raw:.1%}; at equal length, the truth, {fair:.1%}")
    for n in SIZES:
        value, low, high = found["length-controlled win rate", n].T
        print(
            f"  {n:3} speeches: controlled {value.mean():.1%} on average (standard deviation {value.std():.1%}); its "
            f"interval holds the truth in {np.mean((low <= fair) & (fair <= high)):.1%} of studies, the raw rate in "
            f"{np.mean((low <= raw) & (raw <= high)):.1%}"
        )


def cost(speeches: int = 36_000, models: int = 8, resamples: int = 1000) -> None:
    """Print what a report's statistics take: every model against a reference, sliced, controlled, tested, ranked."""
    rng = np.random.default_rng(0)
    ids = [f"{number:016x}" for number in rng.integers(0, 2**60, speeches)]
    topic, risk, stage = (rng.integers(0, kinds_, speeches) for kinds_ in (42, 4, 6))
    points = rng.choice([0, 0.5, 1], (models, 8, speeches, 2))  # overall and seven principles, both orders
    mine, other = rng.normal(90, 25, (models, speeches)).round(), rng.normal(60, 20, speeches).round()
    pairs_ = rng.normal(1, 1, speeches)
    started = begun = time.perf_counter()

    def told(what: str) -> None:
        nonlocal begun
        print(f"  {what:52} {time.perf_counter() - begun:6.2f} s")
        begun = time.perf_counter()

    def rate(values: Floats, of: list[str]) -> Figure:
        return mean_figure(values, of, resamples=resamples, seed=1, bounds=(0, 1))

    scores = points.mean(axis=3)
    for of_model in scores:
        for values in of_model:
            rate(values, ids)
    told(f"{models * 8} win rates: {models} models, overall and 7 principles")
    for of_model in scores:
        for slices in (topic, risk, stage):
            for key in np.unique(slices):
                here = np.flatnonzero(slices == key)
                rate(of_model[0][here], [ids[i] for i in here])
    told(f"{models * 52} slices: topic, risk, stage of change")
    twice = [speech for speech in ids for _ in range(2)]
    for model in range(models):
        lengths = np.repeat(mine[model], 2), np.repeat(other, 2)
        length_controlled(points[model, 0].ravel(), *lengths, twice, resamples=resamples, seed=1)
    told(f"{models} length-controlled win rates")
    tests = [sign_flip_test(scores[a, 0] - scores[b, 0], seed=1) for a in range(models) for b in range(a)]
    for a in range(models):
        for b in range(a):
            mean_figure(scores[a, 0] - scores[b, 0], ids, resamples=resamples, seed=1, bounds=(-1, 1))
    holm(tests)
    told(f"{len(tests)} paired tests with their differences")
    first, second = np.tile(np.arange(1, models + 1), speeches), np.zeros(models * speeches, dtype=int)
    games = scores[:, 0].T.ravel()
    names_ = [str(model) for model in range(models + 1)]
    bradley_terry(names_, first, second, games, list(np.repeat(ids, models)), resamples=resamples, seed=1)
    told(f"Bradley-Terry ranking of {models + 1}")
    pairs.auc_figure(pairs_, ids, resamples=resamples, seed=1)
    told("AUC of a reward model, all margins different")
    concordance(pairs_ > 0, pairs_ + rng.normal(size=speeches), ids, resamples=resamples, seed=1)
    told("concordance, all scores different")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  together {time.perf_counter() - started:.1f} s; peak memory {peak:.2f} GB (asked: under 60 s, 2 GB)")


def main() -> None:
    started = time.perf_counter()
    length(coverage())
    print(f"  {time.perf_counter() - started:.0f} s for the studies, on {PROCESSES} processes")
    print("  36,000 speeches and 8 models, 1,000 resamples:")
    cost()


if __name__ == "__main__":
    main()
