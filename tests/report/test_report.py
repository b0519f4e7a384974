from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from written_run import KEYS, NASTY, Ask, Page, make_report, tables_of, write_run

from psychocounsel import layout
from psychocounsel.artifacts import complete_manifest
from psychocounsel.records import ClientSpeech
from psychocounsel.tables import read_records

SIMULATED = "SIMULATED RUN"
FELL_SHORT = "fell short"


def read(run: Path, name: str) -> Any:
    return json.loads((run / name).read_text("utf-8"))


def headline_of(page: Page) -> str:
    """The headline's source, with plain spaces."""
    return " ".join(page.html.split('<section id="headline"')[1].split("</section>")[0].split())


@pytest.fixture
def made(tmp_path: Path):
    def make(ask: Ask, **changes: Any) -> tuple[Path, Page]:
        write_run(tmp_path / "run", ask)
        return tmp_path / "run", make_report(tmp_path / "run", rounds=ask.rounds, **changes)

    return make


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


def test_headline_says_what_fell_short(usual_run: Path, usual_page: Page):
    text = headline_of(usual_page)
    assert FELL_SHORT in text
    short = [t for t in tables_of(usual_run)["targets"] if not t["met"]]
    assert len(short) == 6
    assert "fell short in 6 of 6" in text
    assert "the interval includes 50 %" in text
    assert "The checkpoint chosen is round-2" in text
    assert "45 % longer" in text


def test_headline_of_a_run_that_meets_the_paper(made):
    run, page = made(Ask(good=True))
    text = headline_of(page)
    assert FELL_SHORT not in text
    assert "not met" not in text
    assert "All 6 figures that the paper also gives are met" in text
    assert "the whole interval lies above 50" in text
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


def test_headline_gives_the_figures_of_the_files(usual_run: Path, usual_page: Page):
    text = headline_of(usual_page)
    for row in read(usual_run, layout.WIN_RATES)["rates"]:
        if row["model"] == "dpo-iter":
            figure = row["win_rate"]
            assert f"{100 * figure['value']:.1f} %" in text
            assert f"{100 * figure['low']:.1f}–{100 * figure['high']:.1f}; n = {figure['n']} speeches" in text


# The tables


def test_win_table_equals_the_file(usual_run: Path, usual_page: Page):
    rates = {(r["setting"], r["model"]): r for r in read(usual_run, layout.WIN_RATES)["rates"]}
    ours = [row for row in usual_page.tables["Win rate against the reference, %"] if row[0] == "this run"]
    for setting, row in zip(("free", "length-constrained"), ours, strict=True):
        for model, cell in zip(("base", "dpo", "dpo-iter"), row[1:4], strict=True):
            f = rates[setting, model]["win_rate"]
            assert cell == f"{100 * f['value']:.1f} {100 * f['low']:.1f}–{100 * f['high']:.1f}"
    paper = [row[1:4] for row in usual_page.tables["Win rate against the reference, %"] if row[0] == "paper, 8B"]
    assert paper == [["29.3", "72.9", "87.0"], ["18.5", "49.3", "77.0"]]


def test_win_details_equal_the_file(usual_run: Path, usual_page: Page):
    rates = read(usual_run, layout.WIN_RATES)["rates"]
    shown = usual_page.tables["What the win rates are made of"][1:]
    assert len(shown) == len(rates) == 6
    by_name = {(row[0], row[1]): row for row in shown}
    names = {"free": "no length limit", "base": "base", "dpo": "+DPO", "dpo-iter": "+DPO-Iter"}
    for rate in rates:
        row = by_name[names.get(rate["setting"], rate["setting"]), names[rate["model"]]]
        assert row[3] == f"{rate['win_rate']['n']} of {rate['asked']}"
        assert row[4] == f"{rate['wins']}–{rate['ties']}–{rate['losses']}"
        assert row[5:8] == [str(rate["flips"]), f"{rate['words']:.1f}", f"{rate['words_reference']:.1f}"]
        assert ("none lost" in row[9]) is (not rate["lost"])


def test_reward_table_equals_the_file(usual_run: Path, usual_page: Page):
    overall = read(usual_run, layout.REWARD_METRICS)["overall"]
    ours = usual_page.tables["Reward model on the test pairs"][1]
    a = overall["accuracy"]
    assert ours[1] == f"{100 * a['value']:.1f} {100 * a['low']:.1f}–{100 * a['high']:.1f}"
    for cell, key in zip(ours[2:5], ("auc", "ece", "brier"), strict=True):
        f = overall[key]
        assert cell == f"{f['value']:.3f} {f['low']:.3f}–{f['high']:.3f}"
    assert ours[5] == str(a["n"])


def test_checkpoints_equal_the_file(usual_run: Path, usual_page: Page):
    curves = read(usual_run, layout.CURVES)
    shown = usual_page.tables["Checkpoints on the development speeches"][1:]
    expected = [
        [
            c["step"], str(c["asked"]), str(c["n"]), f"{c['reward']:.3f}", f"{c['words']:.1f}",
            f"{100 * c['repeats']:.0f}", f"{c['kl']:.2f}",
        ]
        for c in curves["curves"]
    ]  # fmt: skip
    assert [row[:7] for row in shown] == expected
    assert [row[0] for row in shown if row[7] == "chosen"] == [curves["chosen"]]


def test_a_checkpoint_that_repeats_itself_much_more_than_the_base_is_pointed_out(usual_run: Path, usual_page: Page):
    chosen = read(usual_run, layout.CURVES)["curves"][-1]
    assert chosen["repeats"] > 0.2
    said = f"{100 * chosen['repeats']:.0f} % of the chosen checkpoint's answers say four words"
    assert said in "".join(usual_page.text)


def test_tables_json_holds_the_figures_and_only_plain_numbers(usual_run: Path, usual_page: Page):
    text = (usual_run / "report" / "tables.json").read_text("utf-8")
    assert "NaN" not in text
    tables = json.loads(text)
    assert tables["reward"]["overall"] == read(usual_run, layout.REWARD_METRICS)["overall"]
    key = lambda r: (r["setting"], r["model"])  # noqa: E731
    assert sorted(tables["win_rates"]["rates"], key=key) == sorted(read(usual_run, layout.WIN_RATES)["rates"], key=key)
    assert tables["alignment"]["curves"] == read(usual_run, layout.CURVES)["curves"]


def test_every_count_adds_up(usual_run: Path, usual_page: Page):
    rows = {(r["step"], r["what"]): r for r in tables_of(usual_run)["methods"]}
    for row in rows.values():
        kept = row["parsed"] if row["parsed"] is not None else row["answered"]
        assert row["asked"] == kept + row["lost"], row
        assert sum(row["why"].values()) == row["lost"], row
    rate = rows["rate", "ratings"]
    assert rate["answered"] == rate["parsed"] == rows["generate", "responses"]["answered"] < rate["asked"] == 240
    verdicts = rows["evaluate", "verdicts, each pair in both orders"]
    assert (verdicts["asked"], verdicts["lost"]) == (144, 4)


def test_data_tables_count_every_speech_and_response(usual_run: Path, usual_page: Page):
    data = tables_of(usual_run)["data"]
    for table in ("by_topic", "by_turns", "by_risk"):
        assert sum(row["all"] for row in data[table]) == data["speeches"] == 60
    assert {row["name"] for row in data["by_topic"]} == {"sleep", "<b>work</b>", "not labelled"}
    assert [row["name"] for row in data["by_turns"]] == ["none", "1 or 2"]
    assert sum(row["asked"] for row in data["counsellors"]) == 240
    assert [row["mean_rating"] for row in data["counsellors"]] == [4.0, 3.0, 2.0, 1.0]
    assert [row["key"] for row in data["ratings"]] == KEYS


def test_provenance_shows_every_artifact(usual_run: Path, usual_page: Page):
    shown = {row[0]: row for row in usual_page.tables["Artifacts"][1:]}
    assert len(shown) == 11
    for step, row in shown.items():
        manifest = complete_manifest(usual_run / step)
        assert row[3:6] == [manifest.fingerprint, manifest.digest, str(manifest.seed)]
        assert row[1] == ("yes" if manifest.simulated else "no")
        assert row[7] == manifest.package_version


def test_change_from_base_is_over_speeches_judged_for_both(usual_run: Path, usual_page: Page):
    changes = tables_of(usual_run)["win_rates"]["change_from_base"]
    assert len(changes) == 4
    # One of the twelve base answers is lost.
    assert {c["change"]["n"] for c in changes} == {11}
    for c in changes:
        assert c["change"]["low"] <= c["change"]["value"] <= c["change"]["high"]


def test_pairs_count_what_is_safer_when_rejected(usual_run: Path, usual_page: Page):
    data = tables_of(usual_run)["data"]
    assert data["pairs"] == {"train": 36, "dev": 12, "test": 12}
    assert (data["rejected_safer"]["count"], data["rejected_safer"]["train_pairs"]) == (36, 36)
    assert usual_page.tables["Candidates for a pair that gave none, and why"][1:] == [["tie", "4"]]


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


def test_the_same_run_gives_the_same_page(usual_run: Path, usual_page: Page):
    assert make_report(usual_run).html == usual_page.html


def test_a_circular_evaluation_is_called_so(made):
    run, _ = made(Ask())
    content = read(run, layout.WIN_RATES)
    content["labeller"] = content["judge"]
    (run / layout.WIN_RATES).write_text(json.dumps(content))
    assert "the evaluation is circular" in make_report(run).words


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
    assert "correlation of reward with words is – (n = 24 responses)" in usual_page.words
    # The judge gave no verdict on the stage of change.
    principles = usual_page.tables["Win rate by principle, %, no length limit"]
    assert "staging" not in {row[0] for row in principles}


@pytest.mark.parametrize("gone", ["collect", "generate", "rate", "pair", "reward", "align", "evaluate"])
def test_a_missing_part_is_said_and_the_rest_shown(gone: str, usual_run: Path, usual_page: Page, tmp_path: Path):
    shutil.copytree(usual_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / gone)
    page = make_report(tmp_path / "run")
    said = page.words.count("This run holds no")
    assert said == 0 if gone == "generate" else said > usual_page.words.count("This run holds no") == 0
    assert "Limits" in page.words
    if gone != "reward":
        assert "Reward model on the test pairs" in page.tables


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path: Path):
    page = make_report(tmp_path / "run")
    for what in ("evaluation", "reward model", "alignment", "client speech", "preference pair", "rubric", "manifest"):
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


def test_win_rates_and_accuracy_are_sliced_by_risk(usual_run: Path, usual_page: Page):
    rates = read(usual_run, layout.WIN_RATES)["rates"]
    assert {level for row in rates for level in row["by_risk"]} >= {"none", "low"}
    assert sum(f["n"] for f in rates[-1]["by_risk"].values()) == rates[-1]["win_rate"]["n"]
    assert len(usual_page.tables["Win rate by risk of the client speech, as screened, %"]) == 1 + len(rates)
    by_risk = read(usual_run, layout.REWARD_METRICS)["by_risk"]
    assert [row[0] for row in usual_page.tables["Accuracy by risk, as screened"][1:]] == list(by_risk)
