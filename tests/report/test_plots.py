from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psychocounsel.report import plots, svg
from psychocounsel.report.plots import frame
from psychocounsel.statistics.pairs import ece as calibration_error

MARGINS = st.lists(st.floats(-50, 50, allow_nan=False), min_size=1, max_size=60)


def drawn(markup: str) -> ElementTree.Element:
    """Parse a drawing; anything not escaped or not closed fails here."""
    return ElementTree.fromstring(str(markup))


def numbers(root: ElementTree.Element) -> list[float]:
    found = []
    for element in root.iter():
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
            if name in element.attrib:
                found.append(float(element.attrib[name]))
    return found


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(2, 6))
def test_ticks_cover_the_data_in_round_steps(low: float, spread: float, wanted: int):
    ticks = svg.nice_ticks(low, low + spread, wanted)
    assert 2 <= len(ticks) <= 3 * wanted + 3
    slack = 1e-6 * max(1.0, abs(low), spread)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + spread - slack
    assert ticks == sorted(set(ticks))


def test_tick_labels_are_distinct_and_have_a_real_minus():
    ticks = svg.nice_ticks(-0.02, 0.013)
    labels = [svg.tick_label(t, ticks) for t in ticks]
    assert len(set(labels)) == len(labels)
    assert labels[0].startswith("\N{MINUS SIGN}")


@given(MARGINS)
def test_histogram_counts_every_pair_on_its_side_of_zero(margins: list[float]):
    root = drawn(plots.margin_histogram(margins))
    assert all(math.isfinite(n) for n in numbers(root))
    unit = _unit(root)
    for css, expected in (
        ("bar-right", sum(m >= 0 for m in margins)),
        ("bar-wrong", sum(m < 0 for m in margins)),
    ):
        heights = sum(float(e.attrib["height"]) for e in root.iter("rect") if e.attrib["class"] == css)
        assert heights / unit == pytest.approx(expected, abs=0.51 * (1 + 0.02 * len(margins)))


def _unit(root: ElementTree.Element) -> float:
    """Height of one pair, from the y axis: its top tick stands at 24 and 0 at 190."""
    ticks = [e.text for e in root.iter("text") if e.attrib.get("class") == "tick" and e.attrib["text-anchor"] == "end"]
    top = max(int((t or "0").replace(",", "")) for t in ticks if (t or "").replace(",", "").isdigit())
    return (190 - 24) / top


@given(MARGINS)
def test_reliability_bins_are_those_of_the_calibration_error(margins: list[float]):
    bins = plots.reliability(margins)
    assert sum(b.n for b in bins) == len(margins)
    ece = sum(abs(b.accuracy - b.confidence) * b.n for b in bins) / len(margins)
    assert ece == pytest.approx(calibration_error(margins).value, abs=1e-9)
    for b in bins:
        assert 0 <= b.low <= b.accuracy <= b.high <= 1 or b.low <= b.accuracy + 1e-9


@pytest.mark.parametrize("margins", [[0.0], [1.0], [-1.0], [2.0] * 500, list(np.linspace(-1e-6, 1e-6, 9)), [1e4, -1e4]])
def test_plots_of_extreme_margins_stay_in_their_frame(margins: list[float]):
    for plot in (plots.margin_histogram, plots.reliability_plot):
        values = numbers(drawn(plot(margins)))
        assert all(math.isfinite(v) and -1 <= v <= 345 for v in values)


def curve(step: str, value: float | None) -> dict:
    return {"step": step, "asked": 3, "n": 2, "reward": value, "words": 20.0, "kl": 0.0}


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_curves_of_any_number_of_rounds(count: int):
    curves = [curve("base", 0.0), curve("dpo", None), *(curve(f"round-{n}", 0.1 * n) for n in range(1, count + 1))]
    chosen = curves[-1]["step"]
    root = drawn(plots.curve_plot(curves, "reward", "Mean reward", "logits", chosen))
    points = [e for e in root.iter("circle") if e.attrib["class"] != "ring"]
    assert len(points) == len(curves) - 1  # a value that is absent has no point
    labels = [
        e for e in root.iter("text") if "tick" in e.attrib.get("class", "") and e.attrib["text-anchor"] == "middle"
    ]
    assert len(labels) <= 8
    assert any("chosen" in e.attrib["class"] for e in labels)


def rate(setting: str, model: str, controlled: float | None = None, **figure: float | None) -> dict:
    of = {"value": controlled, "low": controlled, "high": controlled, "n": 5} if controlled is not None else None
    win = {"n": 5, **figure} if figure else None
    by = {"principle": {"empathy": win} if win else {}}
    return {"setting": setting, "model": model, "win_rate": win, "length_controlled": of, "by": by}


def test_win_plot_draws_intervals_and_marks_what_it_can():
    rates = [
        rate("free", "base", value=0.2, low=0.1, high=0.3),
        rate("free", "dpo", value=0.5, low=None, high=None),
        rate("free", "dpo-iter", value=None, low=None, high=None),
        rate("free", "all at risk"),
        rate("<i>other</i>", "dpo-iter", controlled=0.6, value=1.0, low=1.0, high=1.0),
    ]
    root = drawn(plots.win_rate_plot(rates, "<b>reference</b>"))
    assert sum(e.attrib["class"] == "s-dpo" for e in root.iter("circle")) == 1 + 3  # the legend, and what has a value
    assert sum(e.attrib["class"] == "s-paper" for e in root.iter("polygon")) == 1 + 1
    assert sum("whisker" in e.attrib["class"] for e in root.iter("line")) == 3 * 3
    title, description = root.find("title"), root.find("desc")
    assert title is not None
    assert "<b>reference</b>" in (title.text or "")
    assert description is not None
    assert "base, no length limit, as judged: 20.0 (10.0–30.0, n = 5)" in (description.text or "")
    assert "all at risk, no length limit, as judged: no figure" in (description.text or "")


def test_no_model_s_name_becomes_a_class():
    evil = 'x" onload="alert(1)'
    rows = [rate("free", evil, value=0.2, low=0.1, high=0.3), rate("free", "met", value=0.2, low=0.1, high=0.3)]
    root = drawn(plots.slice_plot(rows, "principle", ["empathy"], {}))
    classes = {name for e in root.iter() for name in e.attrib.get("class", "").split()}
    assert classes <= {"s-dpo", "s-dpo-iter", "whisker", "half", "grid", "rule", "tick", "axis", "label"}
    assert not [e for e in root.iter() if "onload" in e.attrib]


def test_series_of_one_drawing_can_be_told_apart():
    names = ["base", "dpo", "dpo-iter", "reference"]
    for models in (names, ["a", "b", "c", "d"], ["a", "dpo", "b", "base"], ["reference", "x", "y"]):
        assert len(set(frame.styles(models).values())) == len(models)
        assert len({css for _, css in frame.styles(models).values()}) == len(models)
    assert plots.chosen_series(["a", "b", "c", "d", "e", "mine"], "mine")[0] == "mine"


def figure(value: float | None, low: float | None = None, high: float | None = None) -> dict:
    return {"value": value, "low": low, "high": high, "n": 7}


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_the_plot_of_reward_beside_judge_holds_any_number_of_rounds(count: int):
    rows = [{"step": f"round-{n}", "reward": figure(n, n - 1.0, n + 1.0), "judge": figure(3.0)} for n in range(count)]
    if rows:
        rows[0]["judge"] = figure(None)
    root = drawn(plots.parted_plot(rows))
    assert all(math.isfinite(n) for n in numbers(root))
    assert sum(1 for _ in root.iter("polygon")) == count
    assert sum(1 for _ in root.iter("circle")) == max(0, count - 1)


def test_best_of_n_is_drawn_in_order_and_without_what_is_absent():
    rows = [
        {"n": n, "mean": figure(3 + n / 10, 3.0, 4.0), "random": figure(3.0), "best": figure(None)} for n in (8, 1, 2)
    ]
    root = drawn(plots.best_of_plot(rows))
    ticks = [e.text for e in root.iter("text") if e.attrib.get("text-anchor") == "middle"]
    assert ticks[:3] == ["1", "2", "8"]
    assert sum(1 for _ in root.iter("polygon")) == 1 + 3
    assert sum(1 for e in root.iter("rect")) == 1  # of the judge's own best only the legend


def test_a_ranking_is_drawn_around_the_average_model():
    ranks = [{"model": "a", "strength": figure(0.4, 0.1, 0.7)}, {"model": "b", "strength": figure(-0.4)}]
    root = drawn(plots.ranking_plot(ranks))
    assert all(math.isfinite(n) for n in numbers(root))
    assert sum(e.attrib["class"] == "half" for e in root.iter("line")) == 1
    assert sum("whisker" in e.attrib["class"] for e in root.iter("line")) == 3


def test_labels_are_escaped_and_shortened():
    markup = plots.rating_plot([{"key": "a<b>very long principle", "n": 1, "mean": 3.0, "counts": [0, 0, 1, 0, 0]}])
    root = drawn(markup)
    assert any((e.text or "") == "a<b>very lo…" for e in root.iter("text"))


def test_every_plot_leaves_letters_legible_on_a_phone():
    # 12 units of 340 on a page 320 px wide, less its padding of 16 px on each side, is not below 10 px; at 360, 11.5.
    assert 12 * (360 - 32) / svg.WIDTH >= 11
