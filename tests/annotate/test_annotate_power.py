"""The power calculator, beside simulated studies, the krippendorff package and what can be worked out by hand."""

from __future__ import annotations

import json
import math

import krippendorff
import numpy as np
import pytest
import typer
from benchmarks.power import ALIKE, World, cell, interval, measured
from scipy.stats import norm
from typer.testing import CliRunner

from psychocounsel.annotate.design import expected_width, items_needed
from psychocounsel.annotate.design.power import MEASURES, miss_of, shares_of
from psychocounsel.annotate.results.against import ACCURACY, against_people
from psychocounsel.annotate.results.agreement import RESAMPLES
from psychocounsel.annotate.results.codes import Codes
from psychocounsel.annotate.results.given import Given
from psychocounsel.cli import annotate_design
from psychocounsel.errors import InputError

SKEWED = (0.05, 0.1, 0.2, 0.35, 0.3)
VERDICTS = (0.4, 0.4, 0.2)
LABEL = World("", VERDICTS, "label agreement")


def simulated(rng, prevalence, kappa, items, raters, miss=None):
    """The model as its docstring says it, label by label."""
    labels = np.arange(len(prevalence))
    ratings = np.empty((items, raters))
    for item in range(items):
        truth = rng.choice(labels, p=prevalence)
        for rater in range(raters):
            if miss is not None:
                ratings[item, rater] = min(max(round(truth + rng.normal(0, miss)), 0), labels[-1])
            else:
                ratings[item, rater] = truth if rng.random() < math.sqrt(kappa) else rng.choice(labels, p=prevalence)
    return ratings


@pytest.mark.parametrize(
    ("world", "items", "raters", "kappa"),
    [
        (World("", ALIKE[2]), 50, 2, 0.8),
        (World("", ALIKE[3]), 100, 3, 0.3),
        (World("", (0.4, 0.4, 0.2)), 50, 5, 0.5),
        (World("", ALIKE[5]), 200, 2, 0.5),
        (World("", SKEWED, "ordinal alpha"), 50, 3, 0.5),
        (World("", ALIKE[5], "ordinal alpha", "miss", "miss"), 100, 3, 0.6),
        (World("", (0.4, 0.4, 0.2), "agreement"), 50, 3, 0.5),
        (LABEL, 200, 2, 0.3),
        (LABEL, 100, 4, 0.5),
        (World("", ALIKE[5], "label agreement"), 60, 2, 0.3),
    ],
)
def test_intervals_of_simulated_studies_are_as_wide_as_was_said(world, items, raters, kappa):
    found = cell(world, items, raters, kappa, studies=60, resamples=300)
    assert abs(found.off) < 0.1
    assert abs(found.value - found.expected.value) < 4 * found.value_error + 0.02  # alpha's bias is of order 1/n


@pytest.mark.parametrize(("measure", "level"), [("alpha", "nominal"), ("ordinal alpha", "ordinal")])
@pytest.mark.parametrize("kappa", [0.3, 0.8])
def test_the_models_alpha_is_what_was_asked_for(measure, level, kappa):
    rng = np.random.default_rng(1)
    for prevalence in (SKEWED, (0.2,) * 5):
        assert expected_width(100, 3, kappa, prevalence, measure).value == pytest.approx(kappa, abs=1e-6)
        ratings = simulated(rng, prevalence, kappa, 4000, 3)
        theirs = krippendorff.alpha(ratings.T, level_of_measurement=level, value_domain=list(range(5)))
        assert theirs == pytest.approx(kappa, abs=0.04)


def test_raters_who_miss_by_a_little_have_the_alpha_that_was_asked_for():
    rng = np.random.default_rng(2)
    for prevalence, kappa in ((SKEWED, 0.7), ((0.2,) * 5, 0.4)):
        ratings = simulated(rng, prevalence, kappa, 4000, 3, miss_of(kappa, shares_of(prevalence)))
        theirs = krippendorff.alpha(ratings.T, level_of_measurement="ordinal", value_domain=list(range(5)))
        assert theirs == pytest.approx(kappa, abs=0.03)
        assert expected_width(100, 3, kappa, prevalence, "ordinal alpha", "miss").value == pytest.approx(
            kappa, abs=1e-6
        )


def test_the_standard_error_is_the_spread_of_estimates():
    rng = np.random.default_rng(3)
    values = [krippendorff.alpha(simulated(rng, (0.5, 0.3, 0.2), 0.5, 100, 3).T, level_of_measurement="nominal")
              for _ in range(150)]  # fmt: skip
    assert np.std(values) == pytest.approx(expected_width(100, 3, 0.5, (0.5, 0.3, 0.2)).error, rel=0.2)


def test_agreement_of_two_is_a_share_like_any_other():
    same = 0.5 + 0.5 * (0.4**2 + 0.4**2 + 0.2**2)
    found = expected_width(1000, 2, 0.5, (2, 2, 1), "agreement")
    assert found.value == pytest.approx(same)
    assert found.error == pytest.approx((same * (1 - same) / 1000) ** 0.5, rel=1e-4)
    assert found.width == pytest.approx(2 * norm.ppf(0.975) * found.error, rel=0.01)
    alone = expected_width(1000, 1, 0.5, (2, 2, 1), "label agreement")  # a majority of one is a pair with the label
    assert (alone.value, alone.error) == pytest.approx((found.value, found.error))


def test_items_of_tied_votes_are_no_part_of_agreement_with_the_label():
    rng = np.random.default_rng(4)
    for raters in (2, 4):
        votes = simulated(rng, VERDICTS, 0.3, 6000, raters + 1).astype(int)
        counted = [np.bincount(row[:raters], minlength=3) for row in votes]
        clear = [n for n, counts in enumerate(counted) if (counts == counts.max()).sum() == 1]
        right = np.mean([counted[n].argmax() == votes[n, raters] for n in clear])
        found = expected_width(6000, raters, 0.3, VERDICTS, "label agreement")
        assert found.untied == pytest.approx(len(clear), rel=0.04)
        assert found.value == pytest.approx(right, abs=0.03)
        assert found.error == pytest.approx((right * (1 - right) / len(clear)) ** 0.5, rel=0.05)


def test_the_untied_of_two_raters_are_the_items_on_which_they_agree():
    agree = 0.3 + 0.7 * 0.36
    found = expected_width(200, 2, 0.3, VERDICTS, "label agreement")
    assert found.untied == pytest.approx(200 * agree, abs=0.05)
    know = math.sqrt(0.3)  # all three alike: all know, two know, one knows or none does
    cubes = 2 * 0.4**3 + 0.2**3
    alike = know**3 + 3 * know**2 * (1 - know) * 0.36 + 3 * know * (1 - know) ** 2 * cubes
    alike += (1 - know) ** 3 * cubes
    assert found.value == pytest.approx(alike / agree)


def test_the_benchmark_measures_what_annotate_agree_prints():
    ratings = simulated(np.random.default_rng(5), VERDICTS, 0.3, 120, 3)
    names = [f"{item:03}" for item in range(120)]
    said = [(names[i], f"r{r}", ratings[i, r]) for i in range(120) for r in range(2)]
    codes = Codes.of("overall", said, ("a", "b", "tie"), {name: name for name in names})
    label = Given("label", "", dict(zip(names, ratings[:, 2], strict=True)))
    line = next(each for each in against_people(codes, [label], 0)[0].lines if each.measure == ACCURACY).figure
    moments = measured(LABEL, ratings)
    assert (line.n, line.value) == (len(moments.features), moments.value)
    assert interval(LABEL, ratings, RESAMPLES, 0) == (line.high - line.low, line.value)


def test_a_study_whose_votes_are_all_tied_has_no_interval():
    tied = np.array([[0.0, 1.0, 0.0]] * 20)
    assert all(map(math.isnan, interval(LABEL, tied, 100, 0)))
    tied[0, 1] = 0.0
    width, value = interval(LABEL, tied, 100, 0)
    assert (math.isnan(width), value) == (True, 1.0)


def test_twenty_untied_items_are_the_least():
    needed = items_needed(2.0, 2, 0.3, VERDICTS, "label agreement")
    assert needed.items > 30
    assert needed.untied == pytest.approx(20, abs=0.6)
    with pytest.raises(InputError, match=f"Take {needed.items} items"):
        expected_width(needed.items - 1, 2, 0.3, VERDICTS, "label agreement")
    assert items_needed(2.0, 1, 0.3, VERDICTS, "label agreement").items == 20


def test_more_items_or_raters_make_it_narrower_and_fewest_are_found():
    for measure in MEASURES:
        needed = items_needed(0.15, 3, 0.5, 3, measure)
        assert needed.width <= 0.15 < expected_width(needed.items - 1, 3, 0.5, 3, measure).width
    widths = [expected_width(n, m, 0.5, 3).width for n, m in ((50, 3), (100, 3), (400, 3), (400, 5))]
    assert widths == sorted(widths, reverse=True)
    assert items_needed(2.0, 3, 0.5, 3).items == 20  # the least that is told of


def test_near_misses_are_narrower_than_guesses_and_are_of_ordered_labels_alone():
    guess, miss = (expected_width(100, 3, 0.6, 5, "ordinal alpha", errors) for errors in ("guess", "miss"))
    assert miss.width < guess.width
    with pytest.raises(InputError, match="ordered"):
        expected_width(100, 3, 0.6, 5, "alpha", "miss")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((100, 3, 1.0, 3), "kappa"),
        ((100, 3, -0.1, 3), "kappa"),
        ((100, 3, math.nan, 3), "kappa"),
        ((100, 1, 0.5, 3), "two raters"),
        ((10, 3, 0.5, 3), "20 items"),
        ((100, 3, 0.5, 1), "prevalence"),
        ((100, 3, 0.5, (0.5, 0.0)), "prevalence"),
        ((100, 40, 0.5, 5), "1,500 ways"),
        ((100, 3, 0.5, 3, "kappa"), "no measure"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        expected_width(*arguments)


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan, 1e-6])
def test_a_width_that_cannot_be_is_refused(width):
    with pytest.raises(InputError, match="width"):
        items_needed(width, 3, 0.5, 3)


def run(*arguments):
    app = typer.Typer()
    app.command("power")(annotate_design.power)
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "80"})


def test_the_command_tells_items_and_hours_of_each():
    found = json.loads(run("--width", 0.2, "--kappa", 0.5, "--raters", 6, "--json").stdout)
    assert found["items"] == items_needed(0.2, 3, 0.5, 3).items
    assert found["items_each"] == pytest.approx(found["items"] * 3 / 6, abs=0.1)
    assert found["hours_each"] == pytest.approx(found["items"] * 3 / 6 * 75 / 3600, abs=0.01)
    assert [each["per_item"] for each in found["beside"]] == [2, 3, 4, 5]
    page = run("--items", 200, "--ordinal", "--kappa", 0.6).stdout
    assert f"{expected_width(200, 3, 0.6, 5, 'ordinal alpha').width:.3f}" in page
    assert f"{expected_width(200, 3, 0.6, 5, 'ordinal alpha', 'miss').width:.3f}" in page
    assert max(map(len, page.splitlines())) <= 80


def test_the_command_tells_how_many_items_are_untied():
    asked = ("--items", 200, "--measure", "label-agreement", "--per-item", 2, "--kappa", 0.3, "--prevalence", "2,2,1")
    found = json.loads(run(*asked, "--json").stdout)
    expected = expected_width(200, 2, 0.3, VERDICTS, "label agreement")
    assert (found["untied"], found["value"]) == (expected.untied, expected.value)
    assert [each["untied"] < each["items"] for each in found["beside"]] == [False, True, True, True]
    page = run(*asked).stdout
    assert {"110", "untied"} <= set(page.split())
    assert max(map(len, page.splitlines())) <= 80
    assert "untied" not in json.loads(run("--items", 200, "--json").stdout)


def test_raters_beside_who_cannot_be_reckoned_are_told_and_stop_nothing():
    asked = ("--items", 24, "--measure", "label-agreement", "--per-item", 3)
    assert [each["per_item"] for each in json.loads(run(*asked, "--json").stdout)["beside"]] == [1, 3, 4, 5]
    assert "No figure for 2 raters" in run(*asked).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--measure", "kappa"), ("alpha, agreement, label-agreement",)),
        (("--ordinal", "--measure", "agreement"), ("--ordinal", "no order")),
        (("--prevalence", "0.5,0.5", "--categories", 3), ("--prevalence", "--categories")),
    ],
)
def test_the_command_refuses_options_that_do_not_go_together(arguments, words):
    found = run("--items", 100, *arguments)
    said = " ".join(found.output.replace("│", " ").split())
    assert found.exit_code == 2
    assert all(word in said for word in words)


def test_the_command_refuses_what_it_cannot_reckon():
    assert run().exit_code == 2
    assert run("--items", 100, "--width", 0.2).exit_code == 2
    assert run("--items", 100, "--raters", 2).exit_code == 2
    assert isinstance(run("--items", 100, "--prevalence", "many").exception, InputError)
    assert isinstance(run("--items", 100, "--categories", 0).exception, InputError)
