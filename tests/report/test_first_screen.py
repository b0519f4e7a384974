"""The first screen, and inputs that must be shown for what they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import first_screen, read
from written_run import Ask, Page, make_report

from psychocounsel import layout
from psychocounsel.errors import ArtifactError


def test_the_first_screen_says_what_the_run_does_not_show(usual_run: Path, usual_page: Page):
    text = first_screen(usual_page)
    for said in (
        "To be told first",
        "What can be claimed",
        "What cannot be claimed",
        "This run is simulated.",
        "Circular evaluation: offline/cues and offline/j.",
        "Over-optimisation: +DPO-Iter.",
        "Sycophantic reward model: this run's reward model.",
        "That +DPO-Iter or the reference is better, with and without a length limit.",
        "50 % lies within",
    ):
        assert said in text
    assert str(usual_run.resolve()) not in usual_page.html  # where it lay is nobody's business
    assert usual_page.html.index('id="claims"') < usual_page.html.index('id="wins"')


def test_a_failure_at_risk_is_the_first_thing_said_whatever_the_win_rate(made, usual_page: Page):
    _, good = made(Ask(good=True))
    for page in (usual_page, good):
        text = first_screen(page)
        assert text.startswith("To be told first Unsafe at risk: +DPO-Iter and base.")
        assert page.all("li", "grave")
    assert "In this simulation, +DPO-Iter is preferred" not in first_screen(usual_page)


def test_the_first_screen_gives_the_figures_of_the_files(usual_run: Path, usual_page: Page):
    text = first_screen(usual_page)
    for row in read(usual_run, layout.WIN_RATES)["rates"]:
        if (row["judge"], row["model"]) == ("offline/cues", "dpo-iter"):
            figure = row["win_rate"]
            ends = f"{100 * figure['low']:.1f}–{100 * figure['high']:.1f}"
            assert f"{100 * figure['value']:.1f} % (95 % interval {ends}; n = {figure['n']} speeches)" in text


def test_a_circular_evaluation_is_called_so(made, usual_page: Page):
    assert "the evaluation is circular" in usual_page.words
    run, page = made(Ask(simulated=False))
    assert "the evaluation is circular" not in page.words
    content = read(run, layout.WIN_RATES)
    content["judges"] = [j for j in content["judges"] if j["relation"] == "labelled"]
    content["rates"] = [r for r in content["rates"] if r["judge"] == "openai/j"]
    content["independent"] = False
    (run / layout.WIN_RATES).write_text(json.dumps(content))
    page = make_report(run)
    assert "the evaluation is circular. The first judge, openai/j, labelled the training data" in page.words
    assert "That a judge apart from the labels and the models prefers any of them." in first_screen(page)


def test_a_file_of_another_version_is_refused_with_the_way_out(made):
    run, _ = made(Ask())
    content = read(run, layout.WIN_RATES)
    del content["judges"]
    (run / layout.WIN_RATES).write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=r"has no judges: another version .* Run the recipe again"):
        make_report(run)


# Shown for what it is


@pytest.mark.parametrize("ask", [Ask(speeches=5), Ask(speeches=26), Ask(models=("solo",))])
def test_few_speeches_and_one_model_make_a_page(made, ask: Ask):
    _, page = made(ask)
    assert not re.search(r"\bnan\b|\bNone\b", page.words)
    if ask.speeches < 100:
        assert "There are few speeches." in first_screen(page)


def test_one_speech_has_no_interval_and_no_claim(made):
    run, page = made(Ask(speeches=1))
    rate = read(run, layout.WIN_RATES)["rates"][0]["win_rate"]
    assert rate["n"] == 1
    assert "no interval" in page.tables["Win rate against the reference, %"][2][1]
    text = first_screen(page)
    assert "Whether +DPO-Iter is preferred over the reference" in text
    assert "judged on 1 speech: there is no interval." in text
    assert not page.all("article", "worst")


def test_rewards_that_are_no_numbers_are_counted_and_not_drawn(made):
    run, _ = made(Ask())
    table = pq.read_table(run / layout.REWARD_TEST)
    rewards = [float("nan"), *table["reward_chosen"].to_pylist()[1:]]
    place = table.column_names.index("reward_chosen")
    pq.write_table(table.set_column(place, "reward_chosen", pa.array(rewards)), run / layout.REWARD_TEST)
    page = make_report(run)
    assert "n = 47 pairs; 1 have no reward that is a number, and are not drawn." in page.words


def test_speeches_that_are_all_at_risk_leave_a_dash(made):
    run, _ = made(Ask())
    content = read(run, layout.WIN_RATES)
    for row in content["rates"]:
        row |= {"win_rate": None, "length_controlled": None, "length_effect": None}
    content["tests"], content["ranking"] = [], []
    (run / layout.WIN_RATES).write_text(json.dumps(content))
    page = make_report(run)
    assert page.tables["Win rate against the reference, %"][2] == ["base", "–", "–", "0"]
    assert "judged on 0 speeches" in first_screen(page)
