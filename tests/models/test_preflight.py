"""Silent mistakes of today's trainers, each planted, each refused by name before a step is made."""

from __future__ import annotations

from copy import deepcopy

import pytest

from psychocounsel.errors import BackendError, InputError
from psychocounsel.models.attention import by_segments
from psychocounsel.models.branches import Group
from psychocounsel.models.encoding import EncodedPair, Limits, check_tokenizer, encode_pairs, encode_prompt, end_of
from psychocounsel.models.preference import Example
from psychocounsel.models.preflight import check_encoded, check_first_step, check_template
from psychocounsel.models.reference import logprobs_of
from psychocounsel.records import PreferencePair, Turn


def pair(chosen="What would you like to change?", rejected="It sounds heavy.", said="I feel so tired of work."):
    rated = {"empathy": 4.0}
    return PreferencePair(
        "id", "s", "c", "r", (Turn("client", said),), chosen, rejected, "a", "b", rated, {"empathy": 2.0}, 2.0
    )


def test_what_the_encoder_makes_passes(tokenizer):
    encoded = encode_pairs(tokenizer, [pair()], Limits(100, 100))
    check_encoded(tokenizer, encoded.pairs)
    assert encoded.counts == {"pairs": 1, "dropped_too_long": 0, "prompts_truncated": 0, "dropped_equal": 0}


@pytest.mark.parametrize(
    ("policy", "pairs", "truncated"), [("truncate-prompt", 1, 1), ("drop", 0, 0)], ids=["truncate", "drop"]
)
def test_one_stated_policy_for_what_is_too_long(tokenizer, policy, pairs, truncated):
    long = pair(said="I feel so tired of work and my sister. " * 20)
    encoded = encode_pairs(tokenizer, [long], Limits(20, 100, policy))
    assert (len(encoded.pairs), encoded.truncated, encoded.dropped) == (pairs, truncated, 1 - pairs)
    kept = encode_pairs(tokenizer, [pair(chosen="work " * 200)], Limits(20, 100, policy))
    assert (len(kept.pairs), kept.dropped) == (0, 1)  # a response is never cut


def test_the_run_stops_at_what_is_too_long_where_it_is_told_to(tokenizer):
    with pytest.raises(InputError, match=r"base\.max_prompt"):
        encode_pairs(tokenizer, [pair(said="tired " * 50)], Limits(20, 100, "error"))
    with pytest.raises(InputError, match=r"base\.max_response"):
        encode_pairs(tokenizer, [pair(chosen="work " * 200)], Limits(20, 100, "error"))


def test_equal_responses_are_dropped_and_counted(tokenizer):
    encoded = encode_pairs(tokenizer, [pair(rejected=" What would you like to change? ")], Limits(100, 100))
    assert (encoded.equal, encoded.pairs) == (1, [])


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (lambda p, _: EncodedPair([], p.chosen, p.rejected), "empty prompt"),
        (lambda p, _: EncodedPair(p.prompt, p.chosen[:-1], p.rejected), "has 0 end tokens"),
        (lambda p, e: EncodedPair(p.prompt, [*p.chosen, e], p.rejected), "has 2 end tokens"),
        (lambda p, e: EncodedPair(p.prompt, p.chosen, [e, *p.rejected[:-1]]), "at its end"),
        (lambda p, _: EncodedPair(p.prompt, p.chosen, p.chosen), "the same response twice"),
    ],
    ids=["empty prompt", "no end", "two ends", "end in front", "equal"],
)
def test_tokens_that_would_teach_something_else_are_refused(tokenizer, broken, why):
    good = encode_pairs(tokenizer, [pair()], Limits(100, 100)).pairs[0]
    with pytest.raises(BackendError, match=why):
        check_encoded(tokenizer, [broken(good, end_of(tokenizer))])


def test_a_template_whose_prompt_is_no_prefix_is_refused(tokenizer):
    other = deepcopy(tokenizer)
    other.chat_template = (
        "{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"
    )
    with pytest.raises(BackendError, match="does not begin with its own prompt"):
        check_template(other)


def test_a_tokenizer_without_what_is_needed_is_refused(tokenizer):
    for name, why in (("chat_template", "chat template"), ("eos_token", "end-of-sequence"), ("pad_token", "pad token")):
        other = deepcopy(tokenizer)
        setattr(other, name, None)
        with pytest.raises(BackendError, match=why):
            check_tokenizer(other)
    same = deepcopy(tokenizer)
    same.pad_token = same.eos_token
    with pytest.raises(BackendError, match="differ"):
        check_tokenizer(same)


def test_a_policy_that_is_not_its_reference_is_refused_before_the_first_step(llama):
    model = by_segments(deepcopy(llama))
    groups = [Group([5, 6, 7], [[8, 9, 1], [10, 1]]), Group([4], [[5, 1], [6, 1]])]
    known = [Example(g, {"reference": found}) for g, found in zip(groups, logprobs_of(model, groups, 0), strict=True)]
    check_first_step(model, known, 0)
    stale = [Example(e.group, {"reference": [v - 3 for v in e.numbers["reference"]]}) for e in known]
    with pytest.raises(BackendError, match=r"reference\.sqlite"):
        check_first_step(model, stale, 0)


def test_a_prompt_is_a_prefix_of_prompt_and_response(tokenizer):
    ids, _ = encode_prompt(tokenizer, (Turn("client", "tired"),), 50)
    whole = tokenizer.apply_chat_template(
        [{"role": "user", "content": "tired"}, {"role": "assistant", "content": "work"}], tokenize=False
    )
    assert tokenizer(whole, add_special_tokens=False)["input_ids"][: len(ids)] == ids
