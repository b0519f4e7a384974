from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from judging import SPEECHES, FirstWins, LongerWins, answers, judged, table
from sklearn.metrics import cohen_kappa_score

from psychocounsel.artifacts import Manifest, write_json
from psychocounsel.backends import PairVerdict
from psychocounsel.errors import TooLittleDataError
from psychocounsel.evaluate.lineage import Lineage, circular, in_order, judge_of, lineage_of
from psychocounsel.evaluate.panel import PANEL, agreement_of_judges, leanings, with_panel


class ShorterWins(LongerWins):
    spec = "test/shorter"

    def compare(self, conversation, first, second):
        verdict = "tie" if len(first) == len(second) else "a" if len(first) < len(second) else "b"
        return PairVerdict(verdict, {"clarity": verdict})


ROWS = answers(dpo=lambda i: "word " * (2 + i % 3), reference=lambda i: "word " * (1 + i % 4))


def test_the_panel_is_the_mean_of_its_judges():
    verdicts = with_panel(judged(ROWS, LongerWins(), ShorterWins()), ["test/longer", "test/shorter"])
    rate = {r.judge: r for r in table(verdicts).rates}
    assert rate[PANEL].win_rate.value == pytest.approx(0.5)  # what one gives the other takes
    assert rate[PANEL].by["principle"]["clarity"].value == pytest.approx(0.5)
    mixed = with_panel(judged(ROWS, LongerWins(), FirstWins()), ["test/longer", "test/first"])
    rate = {r.judge: r for r in table(mixed).rates}
    assert rate[PANEL].win_rate.value == pytest.approx((rate["test/longer"].win_rate.value + 0.5) / 2)


def test_a_panel_of_one_is_none_and_judges_of_other_pairs_make_none():
    verdicts = judged(ROWS, LongerWins())
    assert with_panel(verdicts, ["test/longer"]) is verdicts
    fewer = judged(ROWS, LongerWins(), ShorterWins()).where(np.arange(240) < 239)
    with pytest.raises(TooLittleDataError, match="same pairs"):
        with_panel(fewer, ["test/longer", "test/shorter"])


def test_what_one_judge_lost_the_panel_lost():
    verdicts = judged(ROWS, LongerWins(), ShorterWins())
    verdicts.points[:4] = np.nan
    panel = with_panel(verdicts, ["test/longer", "test/shorter"])
    mine = panel.where(panel.judge.at(PANEL))
    assert np.isnan(mine.points).sum() == 4
    assert (~mine.error.at("")).sum() == 4


def test_leanings_are_shares_of_the_decided_verdicts():
    found = leanings(judged(ROWS, FirstWins(), LongerWins(), ShorterWins()), resamples=100, seed=1)
    first = {row["judge"]: row["first"] for row in found["positions"]}
    longer = {row["judge"]: row["longer"] for row in found["longer"]}
    assert first["test/first"].value == 1.0
    assert first["test/longer"].value == 0.5
    assert longer["test/longer"].value == 1.0
    assert longer["test/shorter"].value == 0.0
    assert longer["test/longer"].n == 2 * sum(2 + i % 3 != 1 + i % 4 for i in range(60))


def test_agreement_between_judges_is_scikit_learns_kappa_over_speeches():
    found = agreement_of_judges(judged(ROWS, LongerWins(), ShorterWins(), FirstWins()), resamples=100, seed=1)
    assert {(row["a"], row["b"]) for row in found} == {
        ("test/longer", "test/shorter"), ("test/longer", "test/first"), ("test/shorter", "test/first"),
    }  # fmt: skip
    longer = [int(np.sign((2 + i % 3) - (1 + i % 4))) for i in range(60)]
    (row,) = [row for row in found if row["b"] == "test/shorter"]
    assert row["kappa"].value == pytest.approx(cohen_kappa_score(longer, [-x for x in longer], labels=[-1, 0, 1]))
    assert row["accuracy"].n == len(SPEECHES)


def write_lineage(run, labellers, generators):
    for stage, backends in (("rate", labellers), ("generate", generators)):
        made = Manifest(stage=stage, fingerprint="f", section={}, seed=1, simulated=True, backends=backends)
        write_json(run / stage / "manifest.json", asdict(made))


def test_lineage_is_read_from_the_run_that_a_model_lies_in(tmp_path):
    write_lineage(tmp_path / "run", ["openai/gpt-4o"], ["local/llama-3"])
    (tmp_path / "run/align/chosen/model").mkdir(parents=True)
    found = lineage_of(tmp_path / "run/align/chosen/model")
    assert (found.labellers, found.generators) == (("openai/gpt-4o",), ("local/llama-3",))
    (tmp_path / "elsewhere/a/b/c").mkdir(parents=True)
    assert lineage_of(tmp_path / "elsewhere/a/b/c").labellers == ()


def test_a_judge_that_labelled_or_whose_family_did_is_named_and_shown_last(tmp_path):
    write_lineage(tmp_path, ["openai/gpt-4o"], [])
    lineage = lineage_of(tmp_path)
    judges = in_order(judge_of(s, False, lineage) for s in ("openai/gpt-4o", "openai/gpt-4.1-mini", "lab/claude-x"))
    assert [j.relation for j in judges] == ["independent", "family", "labelled"]
    findings = circular(judges, lineage)
    assert [(f.name, f.who) for f in findings] == [
        ("circular evaluation", "openai/gpt-4.1-mini"), ("circular evaluation", "openai/gpt-4o"),
    ]  # fmt: skip
    assert "same family (OpenAI)" in findings[0].says
    assert judge_of("lab/claude-x", False, lineage, ["Meta Llama"]).relation == "independent"
    assert judge_of("lab/claude-x", False, lineage, ["Anthropic"]).relation == "kin"
    written = Lineage(generators=("simulated/warm-novice",))
    assert judge_of("offline/cues", True, written).relation == "kin"


def test_a_published_model_says_who_labelled(tmp_path):
    write_json(tmp_path / "psychocounsel.json", {"generators": ["lab/llama"], "labellers": ["openai/gpt-4o"]})
    assert lineage_of(tmp_path).labellers == ("openai/gpt-4o",)
    (tmp_path / "psychocounsel.json").write_text("[]", "utf-8")
    assert lineage_of(tmp_path).labellers == ()


def test_where_nobody_recorded_who_labelled_no_judge_is_independent(tmp_path):
    write_lineage(tmp_path, ["source"], [])
    assert judge_of("openai/gpt-4o", False, lineage_of(tmp_path)).relation == "unknown"
    (tmp_path / "rate/manifest.json").write_text('{"schema_version": 99}', "utf-8")
    assert judge_of("openai/gpt-4o", False, lineage_of(tmp_path)).relation == "unknown"
