"""A round's candidates: kept in parts as they are drawn, and chosen with an eye on their length."""

from __future__ import annotations

import math

from psychocounsel.align.rounds import Candidate, _draw, _kept, _with_roles
from psychocounsel.backends import Completion
from psychocounsel.hyperparameters import Iterate
from psychocounsel.records import ClientSpeech


def candidates(*told):
    return [Candidate("s", k, text, reward, "", error) for k, (text, reward, error) in enumerate(told)]


def roles(section, *told):
    return [c.role for c in _with_roles(candidates(*told), section)]


def test_a_length_penalty_takes_reward_for_each_word():
    told = (("one two three four five six", 3.0, ""), ("one", 2.0, ""), ("one two", 0.5, ""))
    assert roles(Iterate(candidates=3), *told) == ["best", "", "worst"]
    assert roles(Iterate(candidates=3, length_penalty=0.5), *told) == ["", "best", "worst"]
    assert roles(Iterate(candidates=3, length_penalty=1.0), *told) == ["worst", "best", ""]


def test_failures_and_ties_make_no_pair():
    lost = ("", math.nan, "no whole sentence")
    assert roles(Iterate(candidates=2), ("a", 1.0, ""), lost) == ["", ""]
    assert roles(Iterate(candidates=2), ("a", 1.0, ""), ("b", 1.0, "")) == ["", ""]
    assert roles(Iterate(candidates=3), ("a", 1.0, ""), lost, ("b", 2.0, "")) == ["worst", "", "best"]


class Says:
    """In place of a policy, to count how often it is asked."""

    spec = "says"
    asked = 0

    def candidates(self, conversations, seeds, max_words=None):
        self.asked += len(conversations)
        return [
            [Completion(f"{c[0].text} {seed}") for seed in group] for c, group in zip(conversations, seeds, strict=True)
        ]


def test_a_part_that_was_drawn_is_not_drawn_again(tmp_path):
    speeches, policy = [ClientSpeech.make("tired"), ClientSpeech.make("sad")], Says()
    parts = [
        _kept(tmp_path / "new" / "drawn-0.parquet", lambda: _draw(policy, speeches, [[1, 2], [3, 4]], 50)) for _ in "ab"
    ]
    assert policy.asked == 2
    assert [(c.speech_id, c.draw, c.text, c.max_words) for c in parts[0]] == [
        (speeches[0].id, 0, "tired 1", 50), (speeches[0].id, 1, "tired 2", 50),
        (speeches[1].id, 0, "sad 3", 50), (speeches[1].id, 1, "sad 4", 50),
    ]  # fmt: skip
    assert [c.text for c in parts[1]] == [c.text for c in parts[0]]
