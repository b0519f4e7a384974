from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import grouped, read, share
from written_run import KEYS, NASTY, Ask, Page, make_report, tables_of

from psychocounsel import layout
from psychocounsel.artifacts import complete_manifest
from psychocounsel.records import ClientSpeech
from psychocounsel.tables import read_records

SIMULATED = "SIMULATED RUN"


# What others wrote cannot act


def test_no_text_becomes_an_element_or_an_attribute(usual_page: Page):
    assert not usual_page.all("script")
    assert not usual_page.all("img")
    assert "<b>work</b>" not in usual_page.html
    handlers = [name for _, attributes in usual_page.tags for name in attributes if name.startswith("on")]
    assert handlers == []
    # The same texts are there to be read, in every part that shows others' words.
    assert usual_page.words.count("<script>alert(1)</script>") >= 10
    for text in NASTY[1:5]:
        assert text in "".join(usual_page.text)
    assert "{{ 7 * 7 }}" in usual_page.words


def test_control_characters_are_replaced(usual_page: Page):
    assert "\x07" not in usual_page.html
    assert "second line\N{REPLACEMENT CHARACTER} with a bell" in usual_page.html


def test_the_page_allows_itself_nothing(usual_page: Page):
    policies = [m["content"] for m in usual_page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    # A policy in a meta tag holds only for what comes after it.
    assert usual_page.html.index("Content-Security-Policy") < usual_page.html.index("<style>")


def test_nothing_is_loaded_from_anywhere(usual_page: Page):
    for tag, attributes in usual_page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "video", "audio", "source")
        for name, value in attributes.items():
            if name in ("href", "src", "xlink:href", "srcset", "action", "data", "poster"):
                assert value.startswith("#"), (tag, name, value)
            assert "url(" not in value
    style = usual_page.html.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_anchors_lead_somewhere_and_ids_are_unique(usual_page: Page):
    ids = [a["id"] for _, a in usual_page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in usual_page.all("a")} <= set(ids)
    for drawing in usual_page.all("svg"):
        assert drawing["role"] == "img"
        assert set(drawing["aria-labelledby"].split()) <= set(ids)


# What stands at the top


def test_banner_of_a_simulated_run_comes_first(usual_page: Page):
    assert usual_page.all("aside", "simulated")
    body = usual_page.html.split("<body>")[1]
    assert body.strip().startswith("<aside")
    assert "Responses, ratings and verdicts in this run were made by rule-based stand-ins" in usual_page.words
    assert SIMULATED in usual_page.html


def test_no_banner_without_simulation(made):
    run, page = made(Ask(simulated=False))
    assert not page.all("aside", "simulated")
    assert SIMULATED not in page.html
    assert "simulated run" not in page.words.lower()
    assert not tables_of(run)["simulated"]
    assert not complete_manifest(run / "report").simulated


def test_the_report_of_a_simulated_run_is_simulated(usual_run: Path, usual_page: Page):
    assert complete_manifest(usual_run / "report").simulated


def test_figures_that_the_paper_also_gives_stand_beside_it(made, usual_run: Path, usual_page: Page):
    shown = usual_page.tables["Beside the paper's best figures"][1:]
    targets = tables_of(usual_run)["targets"]
    assert len(shown) == len(targets) == 6
    assert [row[5].startswith("not met") for row in shown] == [not t["met"] for t in targets] == [True] * 6
    run, page = made(Ask(good=True))
    assert "not met" not in page.words
    assert all(t["met"] for t in tables_of(run)["targets"])


def test_an_interval_of_no_width_is_not_sold_as_certainty(made, usual_page: Page):
    _, page = made(Ask(good=True))  # every pair is right, every comparison won
    assert "cannot show how much doubt is left" in page.words
    assert "cannot show how much doubt is left" not in usual_page.words


def test_a_target_is_met_at_the_papers_own_precision(made):
    run, _ = made(Ask(good=True))
    path = run / layout.WIN_RATES
    content = read(run, layout.WIN_RATES)
    for value, met in ((0.8696, True), (0.8694, False)):
        for row in content["rates"]:
            if (row["setting"], row["model"]) == ("free", "dpo-iter"):
                row["win_rate"]["value"] = value
        path.write_text(json.dumps(content))
        make_report(run)
        target = next(t for t in tables_of(run)["targets"] if t["key"] == "win free")
        assert target["met"] is met


# The rest of the page


def test_rubric_limits_and_crisis_note_are_there(usual_page: Page):
    for words in (
        "Rogers, C. R. (1957)",
        "Every part builds on what this client said",
        "988",
        "116 123",
    ):
        assert words in usual_page.words
    assert "Nothing here is clinical advice" in usual_page.words
    assert "is not to stand in front of a client by itself" in usual_page.words


def test_a_usual_report_is_small(usual_page: Page):
    assert len(usual_page.html.encode("utf-8")) < 1_000_000


def test_texts_of_any_length_keep_the_page_small_and_say_that_they_are_cut(made):
    run, _ = made(Ask())
    table = pq.read_table(run / layout.ANSWERS)
    texts = [f"{text} {'<p>schön & gut</p>' * 3000}" if text else "" for text in table["text"].to_pylist()]
    pq.write_table(table.set_column(table.column_names.index("text"), "text", pa.array(texts)), run / layout.ANSWERS)
    page = make_report(run)
    assert len(page.html.encode("utf-8")) < 3_000_000
    assert page.words.count("more characters are not shown here") > 100


def test_the_same_run_gives_the_same_page(usual_run: Path, usual_page: Page):
    assert make_report(usual_run).html == usual_page.html


# Runs that lack something


def test_zero_rounds(made):
    _, page = made(Ask(rounds=0))
    assert "No online round was run" in page.words
    assert [row[0] for row in page.tables["Checkpoints on the development speeches"][1:]] == ["base", "dpo"]


def test_rounds_of_an_earlier_recipe_are_not_shown(made):
    run, _ = made(Ask(rounds=2))
    page = make_report(run, rounds=1)
    assert "align/round-1" in {row[0] for row in page.tables["Artifacts"]}
    assert "align/round-2" not in {row[0] for row in page.tables["Artifacts"]}


def test_a_figure_without_interval_or_value_is_not_a_zero(usual_page: Page):
    accuracy = usual_page.tables["Accuracy by principle on which the chosen is rated higher"]
    clarity = next(row for row in accuracy if row[0].startswith("Clarity"))
    assert clarity[1].endswith("no interval")
    assert "correlation of reward with words is – (n = 96 responses)" in usual_page.words
    # The judge gave no verdict on the stage of change.
    principles = {row[0] for _, row in grouped(usual_page.tables["Win rate by principle, %"])}
    assert principles == set(KEYS) - {"staging"}


@pytest.mark.parametrize("gone", ["collect", "generate", "rate", "pair", "reward", "align", "evaluate"])
def test_a_missing_part_is_said_and_the_rest_shown(gone: str, usual_run: Path, usual_page: Page, tmp_path: Path):
    shutil.copytree(usual_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / gone)
    page = make_report(tmp_path / "run")
    said = page.words.count("This run holds no")
    usual = usual_page.words.count("This run holds no")
    assert usual == 1  # no ablations
    assert said == usual if gone == "generate" else said > usual
    assert "Limits" in page.words
    if gone != "reward":
        assert "Reward model on the test pairs" in page.tables


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path: Path):
    page = make_report(tmp_path / "run")
    for what in (
        "evaluation",
        "safety slice",
        "judge",
        "reward model",
        "alignment",
        "ablation",
        "client speech",
        "preference pair",
        "rubric",
        "manifest",
    ):
        assert f"This run holds no {what}" in page.words
    assert not page.all("aside")
    assert not re.search(r"\bnan\b|\bNone\b", page.words)


def test_the_corpus_is_told_with_its_coverage_risk_and_what_was_done_to_it(usual_run: Path, usual_page: Page):
    speeches = read_records(usual_run / layout.SPEECHES, ClientSpeech)
    shown = {row[0]: row[-1] for row in usual_page.tables["Client speeches by risk, as screened"][1:]}
    for level in ("none", "low", "elevated", "imminent"):
        assert shown[level] == str(sum(s.screened == level for s in speeches))
    assert usual_page.tables["What cleaning mended"][1:] == [["links", "3"]]
    assert usual_page.tables["Identifiers replaced by surrogates"][1:] == [["PERSON", "7"]]
    for said in ("Coverage of the topics", "2 speeches were held apart", "4 speeches hold details", "Nobody 2020"):
        assert said in usual_page.words
    for topic in ("grief", "<i>money</i>", "never"):
        assert f"family / {topic}: {sum(s.fine_topic == topic for s in speeches)}" in usual_page.words


def test_win_rates_and_accuracy_are_sliced(usual_run: Path, usual_page: Page):
    rates = read(usual_run, layout.WIN_RATES)["rates"]
    titles = {
        "principle": "Win rate by principle, %",
        "topic": "Win rate by topic, %",
        "risk": "Win rate by risk, as screened, %",
        "stage": "Win rate by stage of change, %",
        "turn": "Win rate by turn of the dialogue, %",
    }
    for key, title in titles.items():
        shown = grouped(usual_page.tables[title])
        blocks = {
            (r["judge"], r["setting"]): {v for x in rates if x["judge"] == r["judge"] for v in x["by"][key]}
            for r in rates
        }
        assert len(shown) == sum(map(len, blocks.values())) > 0
        for _, row in shown:
            assert len(row) == 1 + 3
            assert all("n = " in cell or cell == "–" for cell in row[1:])
    levels = [row[0] for _, row in grouped(usual_page.tables[titles["risk"]])]
    assert levels[:4] == ["none", "low", "elevated", "imminent"]
    by_risk = read(usual_run, layout.REWARD_METRICS)["by_risk"]
    assert [row[0] for row in usual_page.tables["Accuracy by risk, as screened"][1:]] == list(by_risk)


def test_the_safety_slice_equals_the_file(usual_run: Path, usual_page: Page):
    risk = read(usual_run, layout.RISK_SLICE)
    shown = grouped(usual_page.tables["Responses to speeches of elevated or imminent risk"])
    assert len(shown) == len(risk["models"]) == 8
    for (_, row), model in zip(shown, risk["models"], strict=True):
        assert row[1] == share(model["passed"])
        assert row[2:5] == [str(model[key]) for key in ("failed", "judged", "asked")]
    for title in ("The safety slice by criterion, %", "The safety slice by level of risk, %", "Medical advice"):
        assert usual_page.tables[title]
    for title in ("Judges on pairs that tempt them", "The reward model on pairs that tempt it"):
        assert usual_page.tables[title]
