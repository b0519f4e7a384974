"""The bias panel: every probe put to one judge, or to one reward model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from psychocounsel.backends.protocols import Judge, PairVerdict, Scorer, compare_all
from psychocounsel.errors import BackendError, TooLittleDataError
from psychocounsel.findings import Finding
from psychocounsel.probes.items import FAMILIES, ProbePair, probe_pairs
from psychocounsel.probes.rules import Kind, off_half, position_finding, prefers_tempting, probe_finding
from psychocounsel.progress import Tick
from psychocounsel.records import Verdict, content_seed
from psychocounsel.statistics.intervals import Figure, mean_figure

RESAMPLES = 2000
EVERY = 4
"""Every so manieth pair is scored by a reward model once more, in the opposite order."""
ALONE = 16
"""Responses that it scores once more, each by itself."""
_POINTS: dict[Verdict, float] = {"a": 1.0, "tie": 0.5, "b": 0.0}


def probe_judge(judge: Judge, tick: Tick) -> dict[str, Any]:
    """Return a judge's ProbeResult: for each family the share of pairs in which the sound answer is preferred.

    Every pair is shown in both orders and its two verdicts averaged, a tie counting one half; `position` is the share
    of decided verdicts for the answer shown first, where one half is right. A pair counts where both orders were
    judged; others are in `lost` with their reason. Raises TooLittleDataError where nothing was judged.
    """
    pairs = probe_pairs()
    asked = [(place, order) for place in range(len(pairs)) for order in ("sound first", "tempting first")]

    def shown(place: int, order: str) -> tuple[Any, Any, str, str]:
        pair = pairs[place]
        both = (pair.sound, pair.tempting) if order == "sound first" else (pair.tempting, pair.sound)
        return (place, order), pair.conversation, *both

    verdicts: dict[tuple[int, str], Verdict] = {}
    lost: dict[int, str] = {}
    for done, (key, given) in enumerate(compare_all(judge, (shown(*each) for each in asked))):
        if done % 16 == 0:
            tick(done, len(asked))
        if isinstance(given, PairVerdict):
            verdicts[key] = given.overall
        else:
            lost.setdefault(key[0], str(given))
    tick(len(asked), len(asked))
    points, firsts = {}, []
    for place, pair in enumerate(pairs):
        two = [verdicts.get((place, order)) for order in ("sound first", "tempting first")]
        ahead, behind = two
        if ahead is None or behind is None:
            lost.setdefault(place, "the judge gave no verdict")
            continue
        points[place] = (_POINTS[ahead] + 1 - _POINTS[behind]) / 2
        firsts += [(_POINTS[v], pair.id) for v in (ahead, behind) if v != "tie"]
    result = _result(judge.spec, "judge", judge.simulated, pairs, points, lost)
    first = _figure("position", [p for p, _ in firsts], [c for _, c in firsts])
    result["families"].append(
        {
            "name": "position",
            "title": "Position",
            "asks": "Share of decided verdicts for the answer shown first; half is even.",
            "n": len(firsts),
            "asked": len(asked),
            "lost": dict(Counter(lost.values())),
            "wanted": 0.5,
            "right": first.as_dict() if first else None,
            "caught": bool(first and off_half(first)),
        }
    )
    if first and (finding := position_finding(first, judge.spec)):
        result["findings"].append(finding.as_dict())
    return result


def probe_scorer(scorer: Scorer, tick: Tick, *, simulated: bool = False) -> dict[str, Any]:
    """Return a reward model's ProbeResult; equal rewards count one half, rewards that are no number are lost.

    `batch` says how much a reward depends on what it is scored with: some pairs are scored again in another batch, in
    the opposite order, and some responses alone. `largest` is the greatest difference, `spread` the standard deviation
    of all rewards to hold it against, `turned` how many of `pairs` then prefer the other answer. `simulated`: whether
    what it learned from was. Raises TooLittleDataError where no reward is a number, BackendError where there is not one
    for each response.
    """
    pairs = probe_pairs()
    texts = [(pair, text) for pair in pairs for text in (pair.sound, pair.tempting)]
    tick(0, len(pairs))
    rewards = _scored(scorer, texts)
    tick(len(pairs), len(pairs))
    points, lost = {}, {}
    for place in range(len(pairs)):
        margin = rewards[2 * place] - rewards[2 * place + 1]
        if math.isfinite(margin):
            points[place] = (float(np.sign(margin)) + 1) / 2
        else:
            lost[place] = "a reward is not a number"
    result = _result(scorer.spec, "reward", simulated, pairs, points, lost)
    result["batch"] = _batch(scorer, texts, rewards)
    return result


def _batch(scorer: Scorer, texts: Sequence[tuple[ProbePair, str]], rewards: Sequence[float]) -> dict[str, Any]:
    places = [place for first in range(0, len(texts), 2 * EVERY) for place in (first, first + 1)]
    again = _scored(scorer, [texts[place] for place in places[::-1]])[::-1]
    singly = range(0, len(texts), -(-len(texts) // ALONE))
    apart = [abs(rewards[place] - reward) for place, reward in zip(places, again, strict=True)]
    apart += [abs(rewards[place] - _scored(scorer, [texts[place]])[0]) for place in singly]
    turned = sum(
        np.sign(rewards[places[n]] - rewards[places[n + 1]]) != np.sign(again[n] - again[n + 1])
        for n in range(0, len(places), 2)
    )
    return {
        "n": len(apart),
        "largest": max((a for a in apart if math.isfinite(a)), default=None),
        "spread": float(np.std([reward for reward in rewards if math.isfinite(reward)])),
        "pairs": len(places) // 2,
        "turned": int(turned),
    }


def _scored(scorer: Scorer, texts: Sequence[tuple[ProbePair, str]]) -> list[float]:
    rewards = scorer.score([pair.conversation for pair, _ in texts], [text for _, text in texts])
    if len(rewards) != len(texts):
        raise BackendError(f"{scorer.spec} gave {len(rewards)} rewards for {len(texts)} responses; one each is due.")
    return [float(reward) for reward in rewards]


def _result(
    who: str,
    kind: Kind,
    simulated: bool,
    pairs: Sequence[ProbePair],
    points: Mapping[int, float],
    lost: Mapping[int, str],
) -> dict[str, Any]:
    if not points:
        reasons = "; ".join(sorted(set(lost.values())))
        raise TooLittleDataError(f"probes: {who} judged none of {len(pairs)} pairs: {reasons}")
    families, found = [], dict[str, Finding]()
    for family in FAMILIES:
        own = [place for place, pair in enumerate(pairs) if pair.family == family.name]
        judged = [place for place in own if place in points]
        right = _figure(family.name, [points[place] for place in judged], [pairs[place].id for place in judged])
        families.append(
            {
                "name": family.name,
                "title": family.title,
                "asks": family.asks,
                "n": len(judged),
                "asked": len(own),
                "lost": dict(Counter(lost[place] for place in own if place in lost)),
                "wanted": 1.0,
                "right": right.as_dict() if right else None,
                "caught": bool(right and prefers_tempting(right)),
            }
        )
        if right and (finding := probe_finding(family.name, right, who, kind)):
            found.setdefault(finding.name, finding)  # length and verbosity share a name: one finding is enough
    return {
        "who": who,
        "kind": kind,
        "items": len(pairs),
        "simulated": simulated,
        "families": families,
        "findings": [finding.as_dict() for finding in found.values()],
    }


def _figure(name: str, values: Sequence[float], clusters: Sequence[str]) -> Figure | None:
    """Return the mean with its interval by pair; None where there is nothing, which is shown as not measured."""
    if not values:
        return None
    return mean_figure(values, clusters, resamples=RESAMPLES, seed=content_seed("probe", name), bounds=(0, 1))
