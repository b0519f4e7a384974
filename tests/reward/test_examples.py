"""What a reward model learns from: ratings beside pairs, and a general set mixed in by share."""

from __future__ import annotations

import json
import math

import pytest

from psychocounsel.errors import InputError, TooLittleDataError
from psychocounsel.hyperparameters import Reward
from psychocounsel.models.encoding import EncodedPair, Limits
from psychocounsel.records import PreferencePair, Turn
from psychocounsel.reward.examples import mix, pair_examples, read_general


@pytest.mark.parametrize(
    ("own", "general", "share", "expected"),
    [(100, 100, 0.5, (100, 100)), (100, 30, 0.5, (30, 30)), (10, 1000, 0.75, (10, 30)), (90, 5, 0.1, (45, 5))],
)
def test_the_mixture_has_its_share_and_nothing_twice(own, general, share, expected):
    mine = [EncodedPair([1], [i, 2], [3]) for i in range(own)]
    others = [EncodedPair([2], [i, 2], [3]) for i in range(general)]
    mixed = mix(mine, others, share, 7)
    counts = (sum(p.prompt == [1] for p in mixed), sum(p.prompt == [2] for p in mixed))
    assert counts == expected
    assert len({(p.prompt[0], p.chosen[0]) for p in mixed}) == len(mixed)
    assert mixed == mix(mine, others, share, 7)
    assert own < 50 or general < 50 or mixed != mix(mine[::-1], others, share, 8)


def test_nothing_to_mix_refuses():
    with pytest.raises(TooLittleDataError, match="cannot be mixed"):
        mix([], [EncodedPair([1], [2], [3])], 0.5, 0)


def test_general_pairs_are_read_and_a_tenth_is_held_out(tokenizer, tmp_path):
    file = tmp_path / "general.jsonl"
    rows = [{"prompt": f"What would {i}?", "chosen": f"work {i}", "rejected": "sister"} for i in range(40)]
    file.write_text("\n".join(json.dumps(r) for r in rows) + "\n")
    general = read_general(tokenizer, file, Limits(100, 100))
    assert (len(general.train), len(general.test)) == (36, 4)
    seen = {tuple(p.prompt) for p in general.train}
    assert not any(tuple(p.prompt) in seen for p in general.test)
    assert not general.simulated
    file.write_text("\n".join(json.dumps(r) for r in rows + [r | {"chosen": "b"} for r in rows]) + "\n")
    general = read_general(tokenizer, file, Limits(100, 100))
    assert not {tuple(p.prompt) for p in general.train} & {tuple(p.prompt) for p in general.test}
    file.write_text("\n".join(json.dumps(r | {"simulated": True}) for r in rows) + "\n")
    general = read_general(tokenizer, file, Limits(100, 100), held_out=[r["prompt"] for r in rows[:20]])
    assert (len(general.train), len(general.test)) == (18, 2)
    assert general.counts["general_held_out_speeches"] == 20
    assert general.simulated
    with pytest.raises(InputError, match="40 are of speeches that are held out"):
        read_general(tokenizer, file, Limits(100, 100), held_out=[r["prompt"] for r in rows])


@pytest.mark.parametrize(
    ("line", "why"),
    [("{", "line 2: is not JSON"), ('{"prompt": "a", "chosen": "b"}', "line 2: needs `chosen` and `rejected`"),
     ('{"chosen": "b", "rejected": "c"}', "line 2: needs a `prompt`")],
)  # fmt: skip
def test_a_bad_general_line_stops_the_run_and_says_where(tokenizer, tmp_path, line, why):
    file = tmp_path / "general.jsonl"
    file.write_text('{"prompt": "secret", "chosen": "b", "rejected": "c"}\n' + line)
    with pytest.raises(InputError, match=why) as caught:
        read_general(tokenizer, file, Limits(100, 100))
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_general(tokenizer, tmp_path / "absent.jsonl", Limits(100, 100))


def test_pairs_carry_their_gap_and_ratings_and_general_ones_none():
    rated = PreferencePair(
        "i", "s", "c", "r", (Turn("client", "x"),), "a", "b", "m", "n", {"empathy": 4.0}, {"empathy": 2.0}, 2.0
    )
    own, other = pair_examples(
        [EncodedPair([1], [2], [3], rated), EncodedPair([1], [2], [3])], ["empathy", "safety"], Reward(principles=1)
    )
    assert own.numbers["gap"] == 2.0
    assert own.numbers["ratings"][0::2] == [4.0, 2.0]
    assert math.isnan(own.numbers["ratings"][1])
    assert other.numbers["gap"] == 0.0
    assert all(math.isnan(r) for r in other.numbers["ratings"])
