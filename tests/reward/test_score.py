"""A reward model as a filter: order, ids, turns, and lines that cannot be read."""

from __future__ import annotations

import json

import pytest

from psychocounsel.backends.reward_model import Scored
from psychocounsel.reward.score import AT_ONCE, scored


class Counts:
    """In place of a model, so that an answer can be told from its neighbours: the real one is tested beside this."""

    principles = ("empathy",)

    def score_all(self, conversations, responses):
        return [
            Scored(len(c) * 1000 + len(r), {"empathy": 1 + len(r) % 5} if len(r) % 2 else {})
            for c, r in zip(conversations, responses, strict=True)
        ]


def lines(*rows):
    return [json.dumps(row).encode() if not isinstance(row, bytes) else row for row in rows]


def test_rewards_come_back_in_order_with_their_ids():
    rows = [{"id": f"x{i}", "prompt": "tired", "response": "h" * (1 + i % 37)} for i in range(2 * AT_ONCE + 3)]
    out = [json.loads(line) for line, good in scored(lines(*rows), Counts()) if good]
    assert [row["id"] for row in out] == [row["id"] for row in rows]
    assert [row["reward"] for row in out] == [1000 + len(row["response"]) for row in rows]
    for row, asked in zip(out, rows, strict=True):
        length = len(asked["response"])
        assert row.get("principles") == ({"empathy": 1 + length % 5} if length % 2 else None)


def test_earlier_turns_are_read():
    earlier = [{"role": "client", "text": "a"}, {"role": "counsellor", "text": "b"}]
    rows = [
        {"prompt": "c", "earlier": earlier, "response": "d"},
        {"earlier": [*earlier, {"role": "client", "text": "c"}], "response": "d"},
    ]
    assert [json.loads(line)["reward"] for line, _ in scored(lines(*rows), Counts())] == [3001, 3001]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (b"{", "line 2 is not JSON"),
        (b"\xff\xfe", "line 2 is not UTF-8"),
        (b"[]", "line 2: no object"),
        ({"prompt": "a"}, "line 2: needs a `response`"),
        ({"prompt": "a", "response": " "}, "line 2: needs a `response`"),
        ({"response": "a"}, "line 2: needs a `prompt`, or `earlier` turns that end with the client's"),
        ({"prompt": 3, "response": "a"}, "line 2: `prompt` must be a text"),
        ({"earlier": [{"role": "x", "text": "y"}], "response": "a"}, "line 2: each of `earlier` needs a role"),
    ],
)
def test_a_line_that_cannot_be_read_says_why_and_costs_no_other(row, why):
    good = {"id": 1, "prompt": "a secret", "response": "b"}
    out = list(scored(lines(good, row, good), Counts()))
    assert [ok for _, ok in out] == [True, False, True]
    assert json.loads(out[1][0])["error"].startswith(why)
    assert "secret" not in out[1][0]
