"""The table against figures worked out by hand."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import permutation_test
from studies import HIGH, IDS, LOW, MODELS, SPEECHES, figure, written

from psychocounsel import layout
from psychocounsel.ablations import tabulate, write_table
from psychocounsel.ablations.figures import correct, difference, wins_of
from psychocounsel.cli.ablate import print_table
from psychocounsel.evaluate.verdicts import read_verdicts
from psychocounsel.evaluate.winrate import labels_of, win_rates
from psychocounsel.records import Comparison
from psychocounsel.statistics.comparisons import holm
from psychocounsel.tables import read_records, write_records


def test_figures_of_every_run_stand_in_its_row(tmp_path):
    main = written(tmp_path / "m", "main", LOW, margins=[1, 1, 1, -1])
    table = tabulate([main, written(tmp_path / "v", "v", HIGH, margins=[1, -1, -1, 0])])
    assert table["main"] == "main"
    first, second = table["rows"]
    assert (first["train_pairs"], second["overrides"]) == (11, ["pair.min_gap=2"])
    assert first["reward"]["own"]["value"] == second["reward"]["own"]["value"] == 0.7
    assert (first["reward"]["main"]["value"], second["reward"]["main"]["value"]) == (0.75, 0.375)
    assert first["reward"]["main"]["n"] == 4
    assert first["reward"]["main"]["low"] < 0.75 < first["reward"]["main"]["high"]
    assert second["win"]["free"]["dpo-iter"]["value"] == second["win"]["length-constrained"]["dpo-iter"]["value"] == 1.0
    assert second["words"]["length-constrained"]["base"] == 20.0
    assert second["risk"] == {
        "judge": "rules",
        "speeches": 1,
        "passed": {"free": {"dpo": figure(0.5)}},
        "failed": {"free": {"dpo": 2}},
    }
    assert second["judge"] == {"spec": "offline/cues", "relation": "independent"}


def test_the_change_is_paired_by_speech_and_leaves_speeches_at_risk_out(tmp_path):
    main, variant = written(tmp_path / "m", "main", LOW), written(tmp_path / "v", "v", HIGH)
    row = tabulate([main, variant])["rows"][1]
    change = row["change"]["free"]["dpo-iter"]
    assert change["difference"]["value"] == pytest.approx(
        0.5
    )  # the tenth speech, where both differ by -0.5, is at risk
    assert change["difference"]["n"] == change["difference"]["clusters"] == 9
    assert change["p"] == pytest.approx(2 / 2**9)
    assert tabulate([main, variant])["rows"][0]["change"] == {}


def test_a_speech_without_a_verdict_in_one_run_is_left_out_of_the_pairing(tmp_path):
    high = HIGH | {"dpo": [None, None, *HIGH["dpo"][2:]]}
    row = tabulate([written(tmp_path / "m", "main", LOW), written(tmp_path / "v", "v", high)])["rows"][1]
    expected = [HIGH["dpo"][n] - LOW["dpo"][n] for n in range(2, 9)]
    assert row["change"]["free"]["dpo"]["difference"]["n"] == 7
    assert row["change"]["free"]["dpo"]["difference"]["value"] == pytest.approx(np.mean(expected))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=10, max_size=10).filter(lambda p: any(p[:9])))
def test_the_points_that_are_paired_are_those_that_evaluate_takes_its_win_rates_from(points):
    with TemporaryDirectory() as folder:
        made = written(Path(folder), "main", {"dpo": points})
        wins = wins_of(made)
        verdicts = read_verdicts(Path(folder) / layout.COMPARISONS)
    rates = win_rates(verdicts, labels_of(SPEECHES), reference="reference", resamples=100, seed=1).rates
    for rate in rates:
        if (rate.judge, rate.against) != (wins.judge, "reference"):
            continue
        mine = wins.points[rate.setting, rate.model]
        assert (np.mean(list(mine.values())), len(mine)) == (pytest.approx(rate.win_rate.value), rate.win_rate.n)
        assert len(wins.asked[rate.setting, rate.model]) == rate.asked


def test_holm_runs_over_the_variants_for_each_model_and_setting(tmp_path):
    rng = random.Random(5)
    runs = [written(tmp_path / "m", "main", LOW)]
    for n in range(4):
        points = {m: [rng.choice([0.0, 0.5, 1.0]) for _ in range(10)] for m in MODELS}
        runs.append(written(tmp_path / f"v{n}", f"v{n}", points))
    rows = tabulate(runs)["rows"]
    for setting in ("free", "length-constrained"):
        for model in MODELS:
            tests = [row["change"][setting][model] for row in rows[1:]]
            assert [t["p_holm"] for t in tests] == pytest.approx(list(holm([t["p"] for t in tests])))
        tests = [row["iterated"][setting] for row in rows]
        assert [t["p_holm"] for t in tests] == pytest.approx(list(holm([t["p"] for t in tests])))


def test_dpo_iter_is_tested_against_dpo_within_each_run(tmp_path):
    row = tabulate([written(tmp_path / "m", "main", LOW)])["rows"][0]
    apart = [LOW["dpo-iter"][n] - LOW["dpo"][n] for n in range(9)]
    assert row["iterated"]["free"]["difference"]["value"] == pytest.approx(np.mean(apart))
    assert row["iterated"]["free"]["p_holm"] == row["iterated"]["free"]["p"]


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({"judge": "offline/microskills"}, "judge offline/microskills"),
        ({"reference": "simulated/y"}, "reference simulated/y"),
    ],
)
def test_another_judge_or_reference_has_no_test_and_says_why(tmp_path, changed, note):
    main = written(tmp_path / "m", "main", LOW)
    row = tabulate([main, written(tmp_path / "v", "v", HIGH, **changed)])["rows"][1]
    assert row["change"] == {}
    assert note in row["notes"][0]
    assert row["win"]["free"]["dpo"]["value"] == pytest.approx(8 / 9)


def test_another_word_limit_leaves_the_free_answers_comparable(tmp_path):
    main = written(tmp_path / "m", "main", LOW)
    row = tabulate([main, written(tmp_path / "v", "v", HIGH, words=80)])["rows"][1]
    assert list(row["change"]) == ["free"]
    assert row["notes"] == ["no test of length-constrained: at most 80 words here, 50 there"]


def test_other_test_speeches_have_no_test(tmp_path):
    main, variant = written(tmp_path / "m", "main", LOW), written(tmp_path / "v", "v", HIGH)
    rows = [r for r in read_records(variant.output / layout.COMPARISONS, Comparison) if r.speech_id != IDS[0]]
    write_records(variant.output / layout.COMPARISONS, Comparison, rows)
    row = tabulate([main, variant])["rows"][1]
    assert row["change"] == {}
    assert row["notes"] == ["no test against the main run: its test speeches are others"]


def test_a_model_that_is_the_main_runs_own_is_not_tested(tmp_path):
    """All weights here are the same; base has the same verdicts, the other two have not."""
    row = tabulate([written(tmp_path / "m", "main", LOW), written(tmp_path / "v", "v", HIGH)])["rows"][1]
    assert sorted(row["change"]["free"]) == ["dpo", "dpo-iter"]
    main = written(tmp_path / "m2", "main", LOW)
    other = written(tmp_path / "v2", "v", LOW, other=("base",))
    row = tabulate([main, other])["rows"][1]
    assert row["change"]["free"] == {"base": row["change"]["free"]["base"]}  # another model with the same verdicts
    assert row["change"]["free"]["base"]["p"] == 1.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from([0.0, 0.5, 1.0])] * 2), min_size=2, max_size=10))
def test_the_paired_test_is_the_exact_randomisation_test(pairs):
    one, other = ({str(n): p[i] for n, p in enumerate(pairs)} for i in (0, 1))
    found = difference(one, other, 100, "x")
    apart = np.array([a - b for a, b in pairs])
    expected = 1.0
    if apart.any():
        expected = permutation_test(
            (apart,), lambda x, axis: np.abs(x.sum(axis)), permutation_type="samples", alternative="greater"
        ).pvalue
    assert found["p"] == pytest.approx(expected)
    assert found["difference"]["value"] == pytest.approx(apart.mean())
    reverse = difference(other, one, 100, "x")
    assert reverse["p"] == pytest.approx(found["p"])


def test_nothing_is_corrected_where_nothing_was_tested():
    correct([])
    assert difference({"a": 1.0}, {"b": 1.0}, 100, "x") is None


def test_files_hold_every_figure_and_obey_nobody(tmp_path):
    main = written(tmp_path / "m", "main", LOW, margins=[1, 1, 1, -1])
    variant = written(tmp_path / "v", "a_b", HIGH, margins=[1, 1, 1, 1])
    variant.overrides = ("pair.weights.empathy=0", 'evaluate.reference="50% & $x_1#"')
    variant.failed = "=1+1 \\input{x}"
    other = written(tmp_path / "w", "w", HIGH, judge="offline/microskills")
    table = tabulate([main, variant, other])
    write_table(tmp_path, table)
    with (tmp_path / "ablations/table.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["run"] for row in rows] == ["main", "a_b", "w"]
    assert rows[1]["overrides"] == " ".join(variant.overrides)
    assert rows[1]["failed"] == "'=1+1 \\input{x}"
    assert float(rows[0]["reward accuracy, the main run's pairs"]) == 0.75
    assert float(rows[1]["win rate of +DPO-Iter, no length limit"]) == 100.0
    assert float(rows[1]["change of +DPO-Iter, no length limit"]) == 50.0
    assert float(rows[1]["p (Holm): change of +DPO-Iter, no length limit"]) == pytest.approx(2 / 2**9)
    assert rows[0]["change of +DPO-Iter, no length limit"] == ""
    assert rows[0]["simulated"] == "yes"
    latex = (tmp_path / "ablations/table.tex").read_text()
    assert r"a\_b" in latex
    assert "Simulated run" in latex
    assert latex.count("w is judged by offline/microskills, the main run by offline/cues.") == 2
    assert latex.count(r"\begin{tabular}") == 4


def test_the_printed_table_has_every_run_and_goes_into_80_columns(tmp_path):
    main = written(tmp_path / "m", "main", LOW, margins=[1, 1, 1, -1])
    variants = [
        written(tmp_path / "v", "a-variant-with-a-long-name", HIGH, margins=[1, 1, 1, 1]),
        written(tmp_path / "w", "[bold]x", HIGH, judge="offline/microskills"),
    ]
    out = io.StringIO()
    print_table(Console(file=out, width=80), tabulate([main, *variants]))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(out.getvalue().split())
    assert text.count("[bold]x") == 5  # four blocks and a note
    assert "+50.0" in text
    assert "0.004" in text
    assert "no test against the main run" in text
