from __future__ import annotations

import json

import pytest

from psychocounsel.report import words
from psychocounsel.report.paper import met
from psychocounsel.statistics.intervals import finite

NAN = float("nan")


def test_what_is_absent_is_a_dash():
    for absent in (None, NAN, float("inf"), "0.5", True):
        assert words.number(absent) == words.percent(absent) == words.count(absent) == words.signed(absent) == "–"


def test_numbers():
    assert words.number(-0.001) == "0.00"
    assert words.number(-1.5, 1) == "\N{MINUS SIGN}1.5"
    assert words.number(12345.678, 1) == "12,345.7"
    assert words.percent(0.98054) == "98.1"
    assert words.signed(3.04) == "+3.0"
    assert words.signed(-3.04) == "\N{MINUS SIGN}3.0"


def test_intervals():
    assert words.interval({"low": 0.1, "high": 0.25}) == "10.0–25.0"
    assert words.interval({"low": -0.1, "high": 0.25}) == "\N{MINUS SIGN}10.0 to 25.0"
    assert words.interval({"low": NAN, "high": 0.25}) == "no interval"
    assert words.interval({"value": 0.1}) == words.interval(None) == "no interval"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1 min 0 s"), (3725, "1 h 2 min")]
)
def test_durations(seconds: float, said: str):
    assert words.duration(seconds) == said


def test_lists_in_words():
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b"]) == "a and b"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_plain_is_json_for_every_reader():
    value = {"a": [NAN, 1.0, (float("-inf"), "x")], 3: None}
    assert json.loads(json.dumps(finite(value), allow_nan=False)) == {"a": [None, 1.0, [None, "x"]], "3": None}


def test_met():
    assert met(0.9805, 0.981, "higher") is (round(0.9805, 3) >= 0.981)
    assert met(0.045, 0.045, "lower")
    assert met(0.0454, 0.045, "lower")
    assert not met(0.0456, 0.045, "lower")
    assert not met(0.97, 0.981, "higher")
