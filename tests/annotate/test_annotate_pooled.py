"""How reliable the ratings of several raters together are, against two groups of raters of the same items."""

from __future__ import annotations

import numpy as np
import pytest

from psychocounsel.annotate.results.agreement import ORDINAL, POOLED, agree
from psychocounsel.annotate.results.answers import SCALE
from psychocounsel.annotate.results.codes import Codes


def codes(table):
    said = [(f"i{n}", f"r{m}", float(place)) for n, row in enumerate(table) for m, place in enumerate(row)]
    speeches = {f"i{n}": f"s{n}" for n in range(len(table))}
    return Codes.of("overall", said, [str(n) for n in SCALE], speeches, ordered=True, numbers=SCALE)


@pytest.mark.parametrize(("raters", "spread"), [(2, 0.7), (3, 1.0), (5, 1.5)])
def test_it_is_how_far_the_means_of_two_groups_of_raters_go_together(raters, spread):
    rng = np.random.default_rng(raters)
    truth = rng.integers(0, 5, 4000)[:, None]
    table = np.clip(np.round(truth + rng.normal(0, spread, (4000, 2 * raters))), 0, 4)
    one, other = table[:, :raters].mean(1), table[:, raters:].mean(1)
    found = agree(codes(table[:800, :raters]), 1)
    together = found.figure(POOLED)
    assert together.value == pytest.approx(np.corrcoef(one, other)[0, 1], abs=0.025)
    assert together.low < together.value < together.high
    assert found.figure(ORDINAL).value < together.value


def test_raters_who_agree_less_than_by_chance_have_none_together():
    opposed = [[0, 4, 0, 4, 0, 4][:6], [4, 0, 4, 0, 4, 0]] * 6
    (line,) = [line for line in agree(codes(opposed), 1).lines if line.measure == POOLED]
    assert line.figure is None or line.figure.value < 0.1
