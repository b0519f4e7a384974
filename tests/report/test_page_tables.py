"""Every table of the page equals the file that it is made from."""

from __future__ import annotations

import json
from pathlib import Path

from pages import MARKS, NAMES, grouped, read, share
from written_run import KEYS, Ask, Page, make_report, tables_of

from psychocounsel import layout
from psychocounsel.artifacts import complete_manifest
from psychocounsel.statistics.intervals import finite


def test_win_table_equals_the_file(usual_run: Path, usual_page: Page):
    wins = read(usual_run, layout.WIN_RATES)
    rates = {(r["judge"], r["setting"], r["model"]): r for r in wins["rates"]}
    shown = grouped(usual_page.tables["Win rate against the reference, %"])
    assert len(shown) == len(rates) == 3 * 2 * 3
    relation = {j["spec"]: j["relation"] for j in wins["judges"]} | {"panel": "labelled"}
    lengths = {"free": "no length limit", "length-constrained": "length-constrained, at most 50 words"}
    judges = [judge for judge in relation for _ in range(6)]
    expected = [
        (f"{judge} {MARKS[relation[judge]]} {lengths[of]}", (judge, of, model))
        for judge in dict.fromkeys(judges)
        for of in lengths
        for model in NAMES
    ]
    for (head, row), (name, key) in zip(shown, expected, strict=True):
        rate = rates[key]
        assert head == name
        n = str(rate["win_rate"]["n"])
        assert row == [NAMES[key[2]], share(rate["win_rate"]), share(rate["length_controlled"]), n]
    paper = [
        row[1:4] for _, row in grouped(usual_page.tables["Win rates beside the paper's, %"]) if row[0] == "paper, 8B"
    ]
    assert paper == [["29.3", "72.9", "87.0"], ["18.5", "49.3", "77.0"]]


def test_an_independent_judge_stands_first_and_every_other_is_marked(made):
    run, page = made(Ask(simulated=False))
    assert [j["relation"] for j in read(run, layout.WIN_RATES)["judges"]][:2] == ["independent", "labelled"]
    heads = [head for head, _ in grouped(page.tables["Win rate against the reference, %"])]
    assert heads[0].startswith("openai/cues independent")
    assert all("labelled the training data" in head for head in heads if not head.startswith("openai/cues"))
    assert "No judge is independent" not in page.words
    captions = page.html.split("<figcaption>")[1:3]
    assert ("openai/cues" in captions[0], "openai/j" in captions[1]) == (True, True)
    assert 'class="mark labelled"' in captions[1].split("</figcaption>")[0]


def test_win_details_equal_the_file(usual_run: Path, usual_page: Page):
    rates = {(r["judge"], r["setting"], r["model"]): r for r in read(usual_run, layout.WIN_RATES)["rates"]}
    shown = grouped(usual_page.tables["What the win rates are made of"])
    assert len(shown) == len(rates)
    for head, row in shown:
        of = "free" if head.endswith("no length limit") else "length-constrained"
        rate = rates[head.split(" ")[0], of, next(m for m, name in NAMES.items() if name == row[0])]
        counts = ("wins", "ties", "losses", "flips", "asked")
        assert row[1:6] == [str(rate[key]) for key in counts]
        assert (row[6] == "–") is (not rate["lost"])
        lengths = ("words", "words_reference", "tokens", "tokens_reference")
        assert row[7:11] == [f"{rate[key]:.1f}" for key in lengths]
        assert row[12] == (rate["length_note"] or "–")


def test_paired_tests_and_ranking_equal_the_file(usual_run: Path, usual_page: Page):
    wins = read(usual_run, layout.WIN_RATES)
    shown = [row for _, row in grouped(usual_page.tables["Paired tests between models"])]
    assert len(shown) == len(wins["tests"]) == 3 * 2 * 3
    for row, test in zip(shown, wins["tests"], strict=True):
        assert row[:2] == [NAMES[test["model"]], NAMES[test["other"]]]
        assert row[2].split(" ")[0].replace("\N{MINUS SIGN}", "-") == f"{100 * test['difference']['value']:+.1f}"
        assert row[3] == str(test["difference"]["n"])
        for cell, p in zip(row[4:], (test["p"], test["p_holm"]), strict=True):
            assert cell == ("< 0.001" if p < 0.001 else f"{p:.3f}")
    ranked = [row for _, row in grouped(usual_page.tables["Bradley–Terry ranking"])]
    assert len(ranked) == sum(len(block["ranks"]) for block in wins["ranking"]) > 0


def test_reward_table_equals_the_file(usual_run: Path, usual_page: Page):
    overall = read(usual_run, layout.REWARD_METRICS)["overall"]
    ours = usual_page.tables["Reward model on the test pairs"][1]
    a = overall["accuracy"]
    assert ours[1] == f"{100 * a['value']:.1f} {100 * a['low']:.1f}–{100 * a['high']:.1f}"
    for cell, key in zip(ours[2:5], ("auc", "ece", "brier"), strict=True):
        f = overall[key]
        assert cell == f"{f['value']:.3f} {f['low']:.3f}–{f['high']:.3f}"
    assert ours[5] == str(a["n"])


def test_other_reward_models_temperature_and_best_of_n_stand_beside(usual_run: Path, usual_page: Page):
    metrics = read(usual_run, layout.REWARD_METRICS)
    shown = usual_page.tables["Reward model on the test pairs"]
    assert [row[0] for row in shown[1:]] == ["this run", "other-8b", "paper, 3B, other data", "paper, 8B, other data"]
    assert shown[2][1] == share(metrics["others"][0]["overall"]["accuracy"])
    assert shown[3][1] == "98.1"  # the paper gives no interval
    scaled = usual_page.tables["Temperature scaling"]
    assert (scaled[2][0], scaled[2][1]) == ("margins divided by 1.70", "0.030 0.020–0.040")
    best = usual_page.tables["Judge's rating of the best of n candidates by reward, 1 to 5"]
    expected = [f"{3 + n / 10:.2f} {2.9 + n / 10:.2f}–{3.1 + n / 10:.2f}" for n in (1, 2, 3, 4)]
    assert [row[1] for row in best[1:]] == expected


def test_a_study_of_ablations_is_shown_beside_its_main_run(made):
    run, page = made(Ask())
    assert "This run holds no ablation." in page.words
    figure = {"value": 0.6, "low": 0.5, "high": 0.7, "n": 41, "clusters": 41}
    test = {"difference": figure, "p": 0.01, "p_holm": 0.02}
    reward = {"own": figure, "own_auc": figure, "main": None, "main_auc": None}
    row = {
        "overrides": [], "train_pairs": 144, "reward": reward,
        "judge": {"spec": "offline/cues", "relation": "family"}, "win": {"free": {"dpo-iter": figure}}, "change": {},
        "iterated": {"free": test}, "words": {}, "risk": None, "failed": "", "notes": [],
    }  # fmt: skip
    variant = {"name": f"no <b>{KEYS[0]}</b>", "overrides": [f"pair.weights.{KEYS[0]}=0"], "notes": ["Fewer pairs."]}
    rows = [row | {"name": "main"}, row | variant | {"change": {"free": {"dpo-iter": test}}}]
    (run / "ablations").mkdir()
    (run / "ablations/table.json").write_text(json.dumps({"simulated": True, "main": "main", "rows": rows}))
    page = make_report(run)
    rewards = page.tables["Ablations of main: reward models"]
    assert rewards[2][:3] == [variant["name"], variant["overrides"][0], "144"]
    assert rewards[2][-1] == "Fewer pairs."
    won = page.tables["Ablations of main: win rates, no length limit"]
    assert won[1][1:] == ["–", "–", "60.0 50.0–70.0, n = 41", "+60.0 50.0–70.0", "0.020", "–", "–", "–"]
    assert won[2][6:8] == ["+60.0 50.0–70.0", "0.020"]


def test_checkpoints_equal_the_file(usual_run: Path, usual_page: Page):
    curves = read(usual_run, layout.CURVES)
    shown = usual_page.tables["Checkpoints on the development speeches"][1:]
    expected = [
        [
            c["step"], str(c["asked"]), str(c["n"]), f"{c['reward']:.3f}", f"{c['words']:.1f}",
            f"{100 * c['repeats']:.1f}", f"{c['kl']:.2f}",
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
    assert tables["win_rates"]["rates"] == finite(read(usual_run, layout.WIN_RATES)["rates"])
    assert tables["risk"] == read(usual_run, layout.RISK_SLICE)
    assert tables["alignment"]["curves"] == read(usual_run, layout.CURVES)["curves"]


def test_every_count_adds_up(usual_run: Path, usual_page: Page):
    rows = {(r["step"], r["what"]): r for r in tables_of(usual_run)["methods"]}
    for row in rows.values():
        kept = row["parsed"] if row["parsed"] is not None else row["answered"]
        assert row["asked"] == kept + row["lost"], row
        assert sum(row["why"].values()) == row["lost"], row
    rate = rows["rate", "ratings"]
    assert rate["answered"] == rate["parsed"] == rows["generate", "responses"]["answered"] < rate["asked"] == 960
    for judge in ("offline/cues", "offline/j"):
        verdicts = rows["evaluate", f"verdicts of {judge}, each pair in both orders"]
        assert (verdicts["asked"], verdicts["lost"]) == (48 * 3 * 2 * 2, 4)
    assert rows["evaluate", "responses at risk of +DPO, no length limit"]["parsed"] == 7


def test_data_tables_count_every_speech_and_response(usual_run: Path, usual_page: Page):
    data = tables_of(usual_run)["data"]
    for table in ("by_topic", "by_turns", "by_risk"):
        assert sum(row["all"] for row in data[table]) == data["speeches"] == 240
    assert {row["name"] for row in data["by_topic"]} == {"sleep", "<b>work</b>", "not labelled"}
    assert [row["name"] for row in data["by_turns"]] == ["none", "1 or 2"]
    assert sum(row["asked"] for row in data["counsellors"]) == 960
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


def test_pairs_count_what_is_safer_when_rejected(usual_run: Path, usual_page: Page):
    data = tables_of(usual_run)["data"]
    assert data["pairs"] == {"train": 144, "dev": 48, "test": 48}
    assert (data["rejected_safer"]["count"], data["rejected_safer"]["train_pairs"]) == (144, 144)
    assert usual_page.tables["Candidates for a pair that gave none, and why"][1:] == [["tie", "4"]]
