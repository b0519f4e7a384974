from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from written_run import NASTY, Ask, Page, write_run

from psychocounsel import layout
from psychocounsel.cli.main import app
from psychocounsel.errors import ArtifactError
from psychocounsel.records import Comparison
from psychocounsel.report.compare import compare
from psychocounsel.report.compared import compare_page
from psychocounsel.tables import read_records

JUDGE = "offline/cues"


@pytest.fixture(scope="module")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("other") / "better"
    write_run(run, Ask(good=True, rounds=1, unsafe=False))
    return run


@pytest.fixture
def copy(tmp_path: Path, other_run: Path) -> Path:
    shutil.copytree(other_run, tmp_path / "copy")
    return tmp_path / "copy"


def change(run: Path, name: str, **changes: Any) -> None:
    content = json.loads((run / name).read_text("utf-8"))
    (run / name).write_text(json.dumps(content | changes))


def row(found: dict[str, Any], model: str, setting: str = "free", judge: str = JUDGE) -> dict[str, Any]:
    return next(r for r in found["wins"] if (r["judge"], r["setting"], r["model"]) == (judge, setting, model))


def points(run: Path, model: str) -> dict[str, float]:
    given: dict[str, list[float]] = {}
    for one in read_records(run / layout.COMPARISONS, Comparison):
        if (one.judge, one.setting, one.model_a, one.error) == (JUDGE, "free", model, ""):
            given.setdefault(one.speech_id, []).append({"a": 1.0, "tie": 0.5, "b": 0.0}[one.verdict])
    return {speech: float(np.mean(each)) for speech, each in given.items()}


def test_differences_are_paired_by_speech_without_those_at_risk(usual_run: Path, other_run: Path):
    found = compare(usual_run, other_run)
    assert found["same"]["refused"] == []
    slice_ = json.loads((usual_run / layout.RISK_SLICE).read_text("utf-8"))
    for model in ("base", "dpo", "dpo-iter"):
        one, other = points(usual_run, model), points(other_run, model)
        at_risk = {
            s["id"]
            for s in pq.read_table(usual_run / layout.SPEECHES, columns=["id", "risk", "screened"]).to_pylist()
            if {s["risk"], s["screened"]} & {"elevated", "imminent"}
        }
        kept = sorted(set(one) & set(other) - at_risk)
        made = row(found, model)["difference"]
        assert made["n"] == len(kept) == len(one) - slice_["speeches"]
        assert made["value"] == pytest.approx(np.mean([other[s] - one[s] for s in kept]))
        rates = json.loads((usual_run / layout.WIN_RATES).read_text("utf-8"))["rates"]
        mine = next(r for r in rates if (r["judge"], r["setting"], r["model"]) == (JUDGE, "free", model))
        assert (
            row(found, model)["a"]["value"]
            == mine["win_rate"]["value"]
            == pytest.approx(np.mean([one[s] for s in one if s not in at_risk]))
        )
    tested = [r for r in found["wins"] if r["p"] is not None]
    assert len(tested) == 2 * 2 * 3  # the panel's verdicts are not kept
    assert all(r["p_holm"] >= r["p"] for r in tested)
    assert row(found, "dpo-iter")["p_holm"] < 0.05 < row(found, "dpo")["p_holm"]


def test_a_run_beside_itself_differs_in_nothing(usual_run: Path, tmp_path: Path):
    shutil.copytree(usual_run, tmp_path / "twin")
    found = compare(usual_run, tmp_path / "twin")
    assert found["recipe"] == []
    assert all(r["difference"]["value"] == 0 and r["p"] == 1 for r in found["wins"] if r["judge"] != "panel")
    assert [run["name"] for run in found["runs"]] == ["run", "twin"]


def test_recipes_are_told_by_key(usual_run: Path, copy: Path):
    manifest = json.loads((copy / "reward/manifest.json").read_text("utf-8"))
    manifest["section"]["reward.epochs"] = 9
    manifest["seed"] = 8
    (copy / "reward/manifest.json").write_text(json.dumps(manifest))
    found = compare(usual_run, copy)["recipe"]
    assert {"step": "reward", "key": "reward.epochs", "a": None, "b": 9} in found
    assert {"step": "reward", "key": "seed", "a": 7, "b": 8} in found
    assert {"step": "align/round-2", "key": "made", "a": "yes", "b": "no"} in found


def other_speeches(run: Path) -> None:
    table = pq.read_table(run / layout.ANSWERS)
    ids = [one if one != table["speech_id"][0].as_py() else "f" * 16 for one in table["speech_id"].to_pylist()]
    place = table.column_names.index("speech_id")
    pq.write_table(table.set_column(place, "speech_id", pa.array(ids)), run / layout.ANSWERS)


def other_reference(run: Path) -> None:
    models = json.loads((run / layout.WIN_RATES).read_text("utf-8"))["models"]
    change(run, layout.WIN_RATES, models=[m | {"spec": "x/" + m["spec"]} if m["reference"] else m for m in models])


def other_prompt(run: Path) -> None:
    change(run, "evaluate/manifest.json", prompts={"rubric": "0" * 16})


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (other_speeches, "the speeches are not the same: 48 in run, 48 in copy, 47 in both"),
        (other_reference, "the reference is reference in run and x/reference in copy"),
        (other_prompt, "the judges were asked in other words"),
    ],
)
def test_what_is_not_the_same_is_not_tested_and_the_reason_is_given(usual_run: Path, copy: Path, spoil: Any, why: str):
    spoil(copy)
    found = compare(usual_run, copy)
    assert any(why in said for said in found["same"]["refused"])
    assert all(r["difference"] is None and r["p"] is None for r in found["wins"])
    assert all(r["a"] and r["b"] for r in found["wins"])  # the figures themselves are shown
    assert f"{why[:1].upper()}{why[1:]}" in Page(compare_page(found)).words


def test_another_limit_of_words_refuses_the_constrained_tests_alone(usual_run: Path, copy: Path):
    change(copy, layout.WIN_RATES, max_words=80)
    found = compare(usual_run, copy)
    assert row(found, "dpo")["p"] is not None
    constrained = row(found, "dpo", "length-constrained")
    assert (constrained["p"], constrained["why"]) == (None, "at most 50 words in run, 80 in copy")


def test_a_missing_model_judge_or_part_is_told(usual_run: Path, copy: Path):
    rates = json.loads((copy / layout.WIN_RATES).read_text("utf-8"))["rates"]
    kept = [r for r in rates if r["model"] != "dpo" and r["judge"] != "offline/j"]
    change(copy, layout.WIN_RATES, rates=kept)
    found = compare(usual_run, copy)
    assert row(found, "dpo")["b"] is None
    assert row(found, "dpo")["why"] == "copy has no dpo (no length limit)"
    assert row(found, "base", judge="offline/j")["why"] == "offline/j judged nothing in copy"
    shutil.rmtree(copy / "evaluate")
    found = compare(usual_run, copy)
    assert found["same"]["refused"] == ["copy holds no finished evaluation"]
    assert found["recipe"]
    assert len(found["reward"]) == 4


def test_what_is_no_run_is_refused(usual_run: Path, tmp_path: Path):
    with pytest.raises(ArtifactError, match="holds no finished step of a run"):
        compare(usual_run, tmp_path)
    with pytest.raises(ArtifactError, match="are the same folder"):
        compare(usual_run, usual_run)


def test_the_command_prints_eighty_columns_json_and_a_page(usual_run: Path, other_run: Path, tmp_path: Path):
    page = tmp_path / "two.html"
    done = CliRunner().invoke(app, ["report", "compare", str(usual_run), str(other_run), "--out", str(page)])
    assert done.exit_code == 0, done.output
    printed = done.output.splitlines()
    assert max(len(line) for line in printed if not line.startswith("Page: ")) <= 80
    assert printed[0].startswith("SIMULATED")
    for said in ("A is run, B is better.", "B - A, points", "meet every", "labelled the training data"):
        assert said in done.output
    seen = Page(page.read_text("utf-8"))
    assert not seen.all("script")
    assert seen.all("aside", "simulated")
    assert any("default-src 'none'" in m.get("content", "") for m in seen.all("meta"))
    as_json = CliRunner().invoke(app, ["report", "compare", str(usual_run), str(other_run), "--json"])
    assert json.loads(as_json.output)["wins"]


def test_names_out_of_files_do_not_act_on_the_page(usual_run: Path, copy: Path):
    rates = json.loads((copy / layout.WIN_RATES).read_text("utf-8"))["rates"]
    change(copy, layout.WIN_RATES, rates=[*rates, rates[0] | {"model": NASTY[1], "judge": NASTY[0]}])
    page = Page(compare_page(compare(usual_run, copy)))
    assert not page.all("script")
    assert not page.all("img")
    assert NASTY[0] in "".join(page.text)
