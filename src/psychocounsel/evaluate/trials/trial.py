"""A judge on trial: it rates responses that people labelled, and its figures stand beside theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from psychocounsel.backends import Judge, rate_all
from psychocounsel.errors import BackendError, PsychocounselError, TooLittleDataError
from psychocounsel.evaluate.trials.baselines import BASELINES
from psychocounsel.evaluate.trials.measures import RANKING, Line, Trial, Who, many_raters, matched_levels, two_raters
from psychocounsel.outside.catalogue import catalogue
from psychocounsel.outside.people import BEHAVIOURS, MECHANISMS, Labelled, annomi, epitome, raters
from psychocounsel.principles import default_rubric
from psychocounsel.progress import Tick
from psychocounsel.records import content_seed
from psychocounsel.statistics.intervals import Moments, mean_of
from psychocounsel.statistics.orders import concordance

RESAMPLES = 1000
MAPPED = {"emotional_reactions": "empathy", "interpretations": "empathy", "explorations": "exploration"}
"""EPITOME's mechanisms to the principle that speaks of the same. Fixed before any figure was seen."""
FEW_WORDS = 4
"""AnnoMI utterances of fewer words ("Mm-hmm.") say nothing of a transcript's quality and are not rated for it."""
REPEATED = {"emotional_reactions": (50, 60), "interpretations": (50, 60), "explorations": (55, 60)}
"""EPITOME posts that were labelled more than once: how many labels were the same, of how many (the data's notes)."""
TWICE, TEN, ONE = "people, twice", "ten raters", "one of ten"
ROUNDED, CODES = "rounded", "by codes"
"""Other readings of the same judge. How codes become EPITOME's levels was written after the figures by ratings were
known, from the published definitions, and run once."""
_CUT = ("longest", "most empathy words", "most questions")
"""Baselines that can be cut into levels and are not another's mirror image."""
Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rated:
    """What a judge gave, item by item."""

    items: list[Labelled]
    """Items with a rating, in the set's order."""
    ratings: list[Scores]
    """Of each, principle key to rating, as the judge hands it out."""
    values: list[Scores] | None
    """The same before rounding; None where the judge has only ratings."""
    lost: dict[str, int]
    """How many items have none, by reason."""

    def scores(self, of: Callable[[Scores], float], *, rounded: bool = False) -> list[float]:
        """Return a number an item: before rounding where that is known, as a rule judge's pairwise verdicts are."""
        return [of(each) for each in (self.ratings if rounded or self.values is None else self.values)]


def rated(judge: Judge, items: Sequence[Labelled], tick: Tick) -> Rated:
    """Let a judge rate every item. Raises TooLittleDataError where it rates none."""
    found: dict[int, Scores] = {}
    lost: Counter[str] = Counter()
    asked = ((place, item.conversation, item.response) for place, item in enumerate(items))
    for done, (place, given) in enumerate(rate_all(judge, asked), 1):
        tick(done, len(items))
        if isinstance(given, PsychocounselError):
            lost[str(given)] += 1
        else:
            found[place] = {key: score.score for key, score in given.items()}
    if not found:
        raise TooLittleDataError(f"judge {judge.spec} rated nothing: {'; '.join(lost) or 'there is nothing to rate'}")
    kept = [items[place] for place in sorted(found)]
    grade = getattr(judge, "grade", None)  # rule judges alone have it
    values: list[Scores] | None = None
    if grade:
        values = [{key: g.value for key, g in grade(i.conversation, i.response).items()} for i in kept]
    return Rated(kept, [found[place] for place in sorted(found)], values, dict(lost))


class Tried:
    """Collects the lines of a trial: judge, baselines and people on each measure, resampled alike."""

    def __init__(self, judge: Judge, on: str) -> None:
        self.judge, self.lines = judge, list[Line]()
        self.seed = content_seed("trial", on)

    def add(self, measure: str, label: str, who: Who, name: str, moments: Moments, clusters: Sequence[str]) -> None:
        figure = moments.figure(clusters, resamples=RESAMPLES, seed=self.seed)
        self.lines.append(Line(measure, label, who, name, figure))

    def _who(self, name: str) -> Who:
        return "judge" if name.startswith(self.judge.spec) else "baseline"

    def rank(
        self, label: str, targets: Sequence[float], scores: Mapping[str, Sequence[float]], clusters: Sequence[str]
    ) -> None:
        """Add how well each puts items in the order of `targets`."""
        for name, given in scores.items():
            figure = concordance(targets, given, clusters, resamples=RESAMPLES, seed=self.seed)
            self.lines.append(Line(RANKING, label, self._who(name), name, figure))

    def agree(
        self,
        label: str,
        truth: Sequence[int],
        given: Mapping[str, Sequence[int]],
        clusters: Sequence[str],
        levels: int,
        ordered: bool,
    ) -> None:
        """Add every statistic of agreement with the labels, for each."""
        for name, predicted in given.items():
            for measure, moments in two_raters(truth, predicted, levels, ordered).items():
                self.add(measure, label, self._who(name), name, moments, clusters)


def _own(judge: Judge, found: Rated, of: Callable[[Scores], float]) -> dict[str, list[float]]:
    """Return the judge's scores, and beside them those of its ratings where it knows more than it hands out."""
    rounded = {f"{judge.spec}, {ROUNDED}": found.scores(of, rounded=True)} if found.values else {}
    return {judge.spec: found.scores(of)} | rounded


def _baselines(items: Sequence[Labelled]) -> dict[str, list[float]]:
    return {name: [score(item.response) for item in items] for name, score in BASELINES.items()}


def _commonest(truth: Sequence[int]) -> dict[str, list[int]]:
    return {"commonest label": [Counter(truth).most_common(1)[0][0]] * len(truth)}


def on_epitome(judge: Judge, everything: Sequence[Labelled], path: Path, tick: Tick) -> Trial:
    """Rate EPITOME's peer responses: order by the sum of the three labels, and agreement on each label.

    Raises BackendError where the judge's rubric lacks the principles that the labels are compared with.
    """
    found = rated(judge, everything, tick)
    if missing := sorted({key for key in MAPPED.values() if key not in found.ratings[0]}):
        raise BackendError(
            f"judge {judge.spec} rates no {' and no '.join(missing)}, which EPITOME's labels are compared with. "
            "Use a rubric that has it, such as the default one."
        )
    items, tried = found.items, Tried(judge, "epitome")
    clusters, baselines = [item.cluster for item in items], _baselines(items)
    sums = [float(sum(item.labels.values())) for item in items]
    own = _own(judge, found, lambda s: sum(s[MAPPED[m]] for m in MECHANISMS))
    names = getattr(judge, "mechanisms", None)
    coded = [names(item.conversation, item.response) for item in items] if names else []
    by_codes = f"{judge.spec}, {CODES}"
    own |= {by_codes: [float(sum(each.values())) for each in coded]} if names else {}
    tried.rank("sum of the three", sums, own | baselines, clusters)
    for mechanism in MECHANISMS:
        truth = [item.labels[mechanism] for item in items]
        named = {by_codes: [each[mechanism] for each in coded]} if names else {}
        scores = {judge.spec: found.scores(itemgetter(MAPPED[mechanism]))} | named | baselines
        if len(set(truth)) > 1:
            tried.rank(mechanism, [float(t) for t in truth], scores, clusters)
        cut = {n: matched_levels(each, truth, 3).tolist() for n, each in scores.items() if n in (judge.spec, *_CUT)}
        tried.agree(mechanism, truth, cut | named | _commonest(truth), clusters, 3, ordered=True)
        same, asked = REPEATED[mechanism]
        people = mean_of(np.repeat([1, 0], [same, asked - same]), (0, 1))
        tried.add("accuracy", mechanism, "people", TWICE, people, [str(n) for n in range(asked)])
    return _trial(judge, EPITOME, len(everything), found, tried, [])


def on_annomi(judge: Judge, everything: Sequence[Labelled], path: Path, tick: Tick) -> Trial:
    """Rate AnnoMI's therapist utterances: high- against low-quality transcripts by mean rating, and behaviours."""
    long = [item for item in everything if BASELINES["longest"](item.response) >= FEW_WORDS]
    found = rated(judge, long, tick)
    tried = Tried(judge, "annomi")
    clusters = [item.cluster for item in found.items]
    names, index = np.unique(clusters, return_inverse=True)
    quality = [float(item.labels["quality"]) for item in found.items]

    def by_transcript(values: Sequence[float]) -> list[float]:
        means: list[float] = (np.bincount(index, values) / np.bincount(index)).tolist()
        return means

    rubric = getattr(judge, "rubric", default_rubric())
    scores = _own(judge, found, rubric.overall) | _baselines(found.items)
    means = {name: by_transcript(given) for name, given in scores.items()}
    tried.rank("transcripts", by_transcript(quality), means, names.tolist())
    tried.rank("utterances", quality, scores, clusters)
    high = int(sum(by_transcript(quality)))
    notes = [f"{high} transcripts are of high and {len(names) - high} of low quality."]
    if not _behaviours(tried, everything):
        notes.append(f"{judge.spec} does not say what a therapist does, so it has no figures on behaviours.")
    beside = path.with_name("annomi_raters.jsonl")
    if beside.exists():
        _people(tried, beside)
    else:
        notes.append(f"There is no {beside.name} beside the file: how far ten raters agree is not shown.")
    return _trial(judge, ANNOMI, len(long), found, tried, notes)


def _behaviours(tried: Tried, items: Sequence[Labelled]) -> bool:
    """Add how well the judge names what the therapist does, where it can."""
    if not (name := getattr(tried.judge, "behaviour", None)):
        return False
    truth = [item.labels["behaviour"] for item in items]
    own = [BEHAVIOURS.index(name(item.conversation, item.response)) for item in items]
    asks = [BEHAVIOURS.index("question" if "?" in item.response else "other") for item in items]
    given = {tried.judge.spec: own, "a question mark": asks} | _commonest(truth)
    tried.agree("behaviour", truth, given, [item.cluster for item in items], len(BEHAVIOURS), ordered=False)
    return True


def _people(tried: Tried, path: Path) -> None:
    """Add how far the ten raters agree with each other, and each of them with the commonest code of the others."""
    for task, label in (("main_therapist_behaviour", "behaviour"), ("client_talk_type", "client talk")):
        found = raters(path).get(task)
        if found is None:
            continue
        names, table = found
        ratings = np.array(table, dtype=np.float64)
        items = [str(n) for n in range(len(ratings))]
        for measure, moments in many_raters(ratings, len(names), ordered=False).items():
            tried.add(measure, label, "people", TEN, moments, items)
        one, rest = each_against_rest(table, len(names))
        repeated = [item for item, row in zip(items, table, strict=True) for label_ in row if label_ >= 0]
        for measure, moments in two_raters(one, rest, len(names), ordered=False).items():
            tried.add(measure, label, "people", ONE, moments, repeated)


def each_against_rest(table: Sequence[Sequence[int]], levels: int) -> tuple[list[int], list[int]]:
    """Return each rater's label of each item, and the commonest of the other raters' (of equals, the first).

    `table`: items by raters, labels from 0, -1 where missing.
    """
    one, rest = [], []
    for row in table:
        given = [label for label in row if label >= 0]
        counts = np.bincount(given, minlength=levels)
        for label in given:
            counts[label] -= 1
            one.append(label)
            rest.append(int(counts.argmax()))
            counts[label] += 1
    return one, rest


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A set of responses with people's labels, and how a judge is tried on it."""

    name: str
    """As in `--on NAME=PATH`."""
    title: str
    cluster: str
    """What its intervals resample, in the plural."""
    citation: str
    licence: str
    notes: tuple[str, ...]
    """What a reader of any figure on it must know."""
    read: Callable[[Path], list[Any]]
    hold: Callable[[Judge, Sequence[Any], Path, Tick], Trial]
    """From a judge, items, the file they are from and who is told how far it is."""


def _set(name: str, cluster: str, notes: tuple[str, ...], read: Any, hold: Any) -> LabelledSet:
    card = catalogue()[name]
    return LabelledSet(name, card.title, cluster, card.citation, card.licence, notes, read, hold)


EPITOME = _set(
    "epitome",
    "seekers",
    (
        "Peers answer, no therapists. The sum of the three labels is a convenience and no published scale.",
        "A judge's empathy stands for emotional reactions and interpretations, its exploration for explorations. A "
        "rubric for counsellors gives nothing for a like experience of one's own, which EPITOME calls strong "
        "interpretation.",
        f"`{CODES}`: the levels that the judge's codes of behaviour are by EPITOME's own definitions. That mapping was "
        "written after the figures by ratings were known, and run once.",
        "Where no level is named, scores are cut into levels so that their shares are the labels', for judges and "
        "baselines alike: agreement compares the order, not where a scale of 1 to 5 turns from weak to strong.",
        "Ceiling: of 60 posts labelled twice the share of equal labels; nothing else of them is known. Its authors "
        "give a mean pairwise Cohen's kappa of .69 between their annotators over all data, without an interval.",
        "A reward model that was trained on these labels is not tried on them: `recipes/epitome-encoder.yaml` has its "
        "cross-validated figure.",
    ),
    epitome,
    on_epitome,
)
ANNOMI = _set(
    "annomi",
    "transcripts",
    (
        f"A transcript's score is the mean over its therapist utterances of {FEW_WORDS} words or more. Quality is one "
        "label for a whole transcript: demonstrations of good and bad practice, not ordinary sessions. Nobody labelled "
        "it twice, so no ceiling is known.",
        "Behaviours: every utterance that answers a client. Ceiling: ten raters on seven transcripts (216 utterances, "
        "and 212 of clients); `one of ten` is each rater against the commonest code of the other nine.",
    ),
    annomi,
    on_annomi,
)
SETS = {each.name: each for each in (EPITOME, ANNOMI)}


def _trial(judge: Judge, on: LabelledSet, asked: int, found: Rated, tried: Tried, notes: list[str]) -> Trial:
    return Trial(
        on.name, on.citation, on.licence, judge.spec, judge.simulated, asked, len(found.items), found.lost,
        len({item.cluster for item in found.items}), tried.lines, [*on.notes, *notes],
    )  # fmt: skip
