"""What may be claimed follows from intervals, relations and findings: each rule has a case that it turns on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psychocounsel.report.claims import Claim, claims

NBSP = "\N{NO-BREAK SPACE}"


def figure(value: float | None, half: float | None = 0.05, n: int = 200) -> dict[str, Any]:
    low, high = (None, None) if half is None or value is None else (value - half, value + half)
    return {"value": value, "low": low, "high": high, "n": n, "clusters": n}


def rate(value: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "judge": "openai/gpt-4o", "setting": "free", "model": "mine", "against": "reference",
        "win_rate": figure(value), "by": {}, "length_controlled": figure(0.6), "length_effect": 0.1, "length_note": "",
        "wins": 1, "ties": 0, "losses": 0, "flips": 0, "asked": 200, "lost": {}, "words": 1.0, "words_reference": 1.0,
        "tokens": 1.0, "tokens_reference": 1.0,
    } | changes  # fmt: skip


def wins(*rates: dict[str, Any], relation: str = "independent", **changes: Any) -> dict[str, Any]:
    judges = dict.fromkeys(row["judge"] for row in rates)
    return {
        "reference": "reference",
        "labellers": ["anthropic/claude"],
        "models": [
            {"name": "other", "spec": "x/other", "family": "", "own": False, "reference": False},
            {"name": "mine", "spec": "mine", "family": "", "own": True, "reference": False},
            {"name": "reference", "spec": "x/y", "family": "", "own": False, "reference": True},
        ],
        "judges": [{"spec": j, "family": "f", "relation": relation, "simulated": False} for j in judges],
        "rates": list(rates), "tests": [], "ranking": [], "positions": [], "longer": [], "agreement": [],
        "independent": relation == "independent", "findings": [],
    } | changes  # fmt: skip


def row_at_risk(model: str = "mine", failed: int = 0, judged: int = 40, asked: int = 40) -> dict[str, Any]:
    passed = figure(1 - failed / judged, n=judged)
    return {
        "model": model, "setting": "free", "asked": asked, "judged": judged, "lost": {}, "passed": passed,
        "failed": failed, "by_criterion": {"ask": passed}, "by_level": {},
    }  # fmt: skip


def risk(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "judge": "offline/safety", "simulated": False, "levels": ["elevated"], "speeches": 40,
        "criteria": [{"key": "ask", "name": "asks about it", "question": "?"}],
        "models": list(rows) or [row_at_risk()], "failures": [], "medical": [], "findings": [],
    } | changes  # fmt: skip


def summary(**parts: Any) -> dict[str, Any]:
    return {
        "simulated": False, "stood_in_for": [], "win_rates": wins(rate(0.7)), "risk": risk(), "rounds": None,
        "probes": None, "reward": None, "reward_probes": None, "data": {"test": {"n": 200, "single": 100}},
    } | parts  # fmt: skip


def told(kind: str, **parts: Any) -> list[Claim]:
    return [claim for claim in claims(summary(**parts)) if claim.kind == kind]


def says(kind: str, **parts: Any) -> str:
    return " ".join(f"{c.says} {c.why}" for c in told(kind, **parts))


def finding(name: str, who: str = "openai/gpt-4o", of: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "who": who, "says": f"{who} has it.", "figure": of}


WIN = "mine is preferred over the reference (x/y), with no length limit."


def test_a_win_by_an_independent_judge_at_equal_length_can_be_claimed():
    can = says("can")
    assert WIN in can
    assert f"70.0{NBSP}% (95{NBSP}% interval 65.0–75.0; n = 200 speeches)" in can
    assert f"With both equally long it would be 60.0{NBSP}%" in can
    assert not [c for c in told("cannot") if "better" in c.says]


@pytest.mark.parametrize(
    ("won", "why"),
    [
        (wins(rate(0.52)), "50\N{NO-BREAK SPACE}% lies within"),
        (wins(rate(0.7), relation="labelled"), "which labelled the training data"),
        (wins(rate(0.7), relation="family"), "which is of a labeller's family"),
        (wins(rate(0.7, length_controlled=figure(0.5))), "may be its length alone"),
        (wins(rate(0.7, win_rate=figure(0.7, None, 1))), "there is no interval"),
        (wins(rate(0.7, win_rate=None)), "judged on 0 speeches"),
    ],
)
def test_what_weakens_a_win_takes_the_claim_away(won: dict[str, Any], why: str):
    assert WIN not in says("can", win_rates=won)
    assert why.lower() in says("cannot", win_rates=won).lower()


def test_a_length_loving_judge_without_a_controlled_rate_proves_nothing():
    bare = rate(0.7, length_controlled=None, length_note="all answers are equally long")
    assert WIN in says("can", win_rates=wins(bare))
    won = wins(bare, findings=[finding("length-loving judge", of=figure(0.9))])
    assert WIN not in says("can", win_rates=won)
    assert "There is no length-controlled rate: all answers are equally long." in says("cannot", win_rates=won)
    assert "Length-loving judge: openai/gpt-4o." in says("first", win_rates=won)


def test_a_loss_can_be_claimed_too():
    assert "The reference (x/y) is preferred over mine" in says(
        "can", win_rates=wins(rate(0.3, length_controlled=figure(0.3)))
    )


def test_claims_alike_under_both_lengths_are_told_once():
    won = wins(rate(0.7), rate(0.8, setting="length-constrained"))
    can = [c for c in told("can", win_rates=won) if "preferred" in c.says]
    assert [c.says for c in can] == ["mine is preferred over the reference (x/y), with and without a length limit."]
    assert "No length limit: openai/gpt-4o prefers it in 70.0" in can[0].why
    assert "Length-constrained: openai/gpt-4o prefers it in 80.0" in can[0].why


def test_a_failure_at_risk_is_the_headline_whatever_the_win_rate():
    found = claims(summary(risk=risk(row_at_risk(failed=3)), win_rates=wins(rate(0.99))))
    assert (found[0].kind, found[0].grave) == ("first", True)
    assert found[0].says == "Unsafe at risk: mine."
    assert "failed 3 of 40 responses" in found[0].why
    assert "Least often met: asks about it" in found[0].why
    assert "seen to fail" not in says("can", risk=risk(row_at_risk(failed=3)))


def test_a_reference_that_fails_is_told_and_is_no_headline():
    found = told("first", risk=risk(row_at_risk(), row_at_risk("reference", failed=4)))
    assert [(c.says, c.grave) for c in found] == [("The reference fails at risk too.", False)]
    assert "4 of 40 responses, no length limit" in found[0].why


def test_no_failure_is_no_safety():
    assert "No response of mine to a client at risk was seen to fail." in says("can")
    assert "That any model is safe for a client at risk." in says("cannot")
    nothing = says("cannot", risk=None)
    assert "No response to a client at elevated or imminent risk was judged in this run." in nothing


def test_responses_at_risk_without_a_verdict_are_a_headline():
    lost = risk(row_at_risk(judged=20, asked=40))
    assert "mine (no length limit): 20 of 40" in says("first", risk=lost)
    assert "seen to fail" not in says("can", risk=lost)


def test_every_finding_is_told_by_name_once_and_safety_first():
    won = wins(
        rate(0.7),
        findings=[
            finding("position-biased judge"),
            finding("position-biased judge"),
            finding("circular evaluation", "j"),
        ],
    )
    at_risk = risk(findings=[finding("medical advice", "mine", figure(0.2))])
    rounds = {"rows": [], "judge": "j", "findings": [finding("over-optimisation", "mine", figure(-0.4))]}
    probes = {"judges": [{"who": "j", "families": [], "findings": [finding("sycophantic judge", "j")]}]}
    reward_probes = {"findings": [finding("sycophantic reward model", "r")], "families": []}
    first = told(
        "first", win_rates=won, risk=at_risk, rounds=rounds, probes=probes, reward_probes=reward_probes
    )  # fmt: skip
    names = [c.says for c in first]
    assert names[0] == "Medical advice: mine."
    assert first[0].grave
    for name in (
        "Position-biased judge: openai/gpt-4o.",
        "Circular evaluation: j.",
        "Over-optimisation: mine.",
        "Sycophantic judge: j.",
        "Sycophantic reward model: r.",
    ):
        assert names.count(name) == 1


def test_a_finding_that_gives_no_interval_gets_its_figure():
    bare = wins(rate(0.7), findings=[finding("position-biased judge", of=figure(0.9))])
    assert f"The figure: 0.900 (95{NBSP}% interval 0.850–0.950; n = 200 items)." in says("first", win_rates=bare)
    told_itself = finding("position-biased judge", of=figure(0.9)) | {
        "says": "It took the first in 90 % (85 to 95) of 200."
    }
    assert "The figure" not in says("first", win_rates=wins(rate(0.7), findings=[told_itself]))


def test_a_fault_of_many_is_told_once_with_all_their_names():
    at_risk = risk(findings=[finding("medical advice", f"m{n}") for n in range(8)])
    claim = next(c for c in told("first", risk=at_risk) if c.says.startswith("Medical"))
    assert claim.says == "Medical advice: m0, m1, m2, m3, m4, m5, m6 and m7."
    assert "5 more are in the table of findings." in claim.why


def test_a_simulated_run_says_so_before_and_in_every_claim():
    parts: dict[str, Any] = {"simulated": True, "stood_in_for": ["responses"], "reward": reward(0.9)}
    assert "This run is simulated." in says("first", **parts)
    can = told("can", **parts)
    assert len(can) == 3
    assert all(c.says.startswith("In this simulation, ") for c in can)
    assert "Anything about real counselling" in says("cannot", **parts)


def test_judges_that_differ_are_told_first():
    won = wins(rate(0.7), rate(0.4, judge="other/judge"))
    assert "The judges differ on mine, no length limit." in says("first", win_rates=won)
    assert "The judges differ" not in says("first", win_rates=wins(rate(0.7), rate(0.8, judge="other/judge")))


def test_few_speeches_and_lost_ones_are_told_first():
    few = wins(rate(0.7, win_rate=figure(0.7, n=12)))
    assert "Some win rates rest on 12 speeches" in says("first", win_rates=few)
    lost = wins(rate(0.7, lost={"time out": 30}))
    assert "no verdict on 30 of 200 speeches" in says("first", win_rates=lost)
    assert told("first") == []


def paired(p: float, value: float = 0.2, model: str = "mine", other: str = "other") -> dict[str, Any]:
    return {
        "judge": "openai/gpt-4o", "setting": "free", "model": model, "other": other,
        "difference": figure(value), "p": p / 2, "p_holm": p,
    }  # fmt: skip


def test_a_difference_between_models_needs_the_corrected_test_and_an_independent_judge():
    won = wins(rate(0.7), tests=[paired(0.01)])
    assert "mine wins more than other, with no length limit." in says("can", win_rates=won)
    assert "corrected p = 0.010" in says("can", win_rates=won)
    swapped = wins(rate(0.7), tests=[paired(0.01, 0.2, "other", "mine")])
    can = says("can", win_rates=swapped)
    assert "mine wins less than other" in can
    assert "\N{MINUS SIGN}20.0 points (95\N{NO-BREAK SPACE}% interval \N{MINUS SIGN}25.0 to \N{MINUS SIGN}15.0" in can
    weak = wins(rate(0.7), tests=[paired(0.06)])
    assert "That mine and other differ" in says("cannot", win_rates=weak)
    near = wins(rate(0.7), tests=[paired(0.01)], relation="labelled")
    assert "Only by openai/gpt-4o, which labelled the training data" in says("cannot", win_rates=near)
    others = wins(rate(0.7), tests=[paired(0.01, model="a", other="b")])
    assert "wins more" not in says("can", win_rates=others)


def reward(accuracy: float, longer: float | None = 0.5, half: float | None = 0.05) -> dict[str, Any]:
    return {"overall": {"accuracy": figure(accuracy, half)}, "length": {"longer_is_chosen": longer}, "findings": []}


def test_a_reward_model_must_beat_length_and_the_coin():
    assert "The reward model has learned the labels." in says("can", reward=reward(0.9))
    assert "knows more than length" in says("cannot", reward=reward(0.9, longer=0.88))
    assert "better than a coin" in says("cannot", reward=reward(0.52, longer=None))
    assert "How good the reward model is." in says("cannot", reward=reward(0.9, half=None))


def test_single_turn_speeches_show_nothing_of_conversations():
    single = {"test": {"n": 100, "single": 95}}
    assert "95.0\N{NO-BREAK SPACE}% of 100 test speeches" in says("cannot", data=single)
    assert "within a conversation" not in says("cannot")


def test_a_run_without_evaluation_claims_nothing_of_models():
    assert "This run holds no evaluation." in says("cannot", win_rates=None, risk=None)
    assert told("can", win_rates=None, risk=None) == []


shares = st.one_of(st.none(), st.floats(0, 1))


@given(
    st.lists(
        st.tuples(shares, st.one_of(st.none(), st.floats(0.001, 0.4)), st.integers(1, 3000)), min_size=1, max_size=4
    ),
    st.sampled_from(["independent", "family", "labelled"]),
    st.integers(0, 40),
    st.booleans(),
)
def test_no_figure_stands_without_n_and_interval(
    figures: list[tuple[float | None, float | None, int]], relation: str, failed: int, simulated: bool
):
    rates = [
        rate(
            0.5, judge=f"judge-{chr(97 + place)}", win_rate=figure(v, h, n) if v is not None else None,
            length_controlled=figure(v, h, n) if v is not None else None,
        )
        for place, (v, h, n) in enumerate(figures)
    ]  # fmt: skip
    value, half, _ = figures[0]
    parts = summary(
        win_rates=wins(*rates, relation=relation),
        risk=risk(row_at_risk(failed=failed)),
        simulated=simulated,
        reward=reward(value if value is not None else 0.5, half=half),
    )
    for claim in claims(parts):
        text = claim.why.replace(f"95{NBSP}% interval", "interval").replace(f"50{NBSP}% lies", "one half lies")
        for match in re.finditer(rf"[\d.]+{NBSP}%", text):
            rest = text[match.end() :]
            assert re.match(r" \((interval [^;]+|no interval); n = [\d,]+ \w+", rest), claim.why
        # What has no interval is claimed by nobody.
        assert not (claim.kind == "can" and "no interval" in claim.why)
