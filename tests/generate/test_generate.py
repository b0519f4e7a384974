"""Who is asked what: the responses that pairs are made of, and the further ones that only teach."""

from __future__ import annotations

import pytest

from psychocounsel.backends import expand_pool, open_generator
from psychocounsel.endpoints import PoolMember
from psychocounsel.errors import BackendError
from psychocounsel.generate.stage import answer, draw, further_asks, rated_asks
from psychocounsel.progress import silent
from psychocounsel.recipe import Generate
from psychocounsel.records import ClientSpeech

POOL = expand_pool([PoolMember(spec="simulated/*")])


def speech(text, split):
    return ClientSpeech.make(text, split=split)


TRAIN, TEST = speech("My sister will not talk to me since the funeral.", "train"), speech("I cannot sleep.", "test")


def test_four_are_drawn_by_the_speech_and_not_by_its_place():
    asks = rated_asks([TRAIN, TEST], POOL, 4, 7)
    assert [(a.speech, a.spec) for a in asks[4:]] == [(a.speech, a.spec) for a in rated_asks([TEST], POOL[::-1], 4, 7)]
    assert len({a.spec for a in asks[:4]}) == 4
    assert rated_asks([TRAIN], POOL, 4, 8) != rated_asks([TRAIN], POOL, 4, 7)


def test_further_answers_are_by_others_and_to_train_speeches_alone():
    section = Generate(further=3, limited=2)
    asks = further_asks([TRAIN, TEST], POOL, section, 50, 7)
    assert {a.speech for a in asks} == {TRAIN}
    assert [a.max_words for a in asks] == [None] * 3 + [50] * 2
    rated = {a.spec for a in rated_asks([TRAIN], POOL, section.per_speech, 7)}
    assert not rated & {a.spec for a in asks if a.max_words is None}
    assert further_asks([TRAIN], POOL, Generate(), 50, 7) == []


def test_the_rated_draw_does_not_change_with_how_many_more_are_asked():
    assert draw("x", POOL, 4, 7) == draw("x", POOL, 12, 7)[:4]


def test_too_small_a_pool_is_an_error():
    with pytest.raises(BackendError, match=r"asks 5 counsellors .* the pool has 4"):
        draw("x", POOL[:4], 5, 7)


def test_a_limited_answer_keeps_the_limit_and_says_so():
    asks = further_asks([TRAIN], POOL, Generate(limited=10), 30, 7)
    responses = answer(asks, {m.spec: open_generator(m.spec) for m in POOL}, 7, silent)
    assert len(responses) == 10
    assert all(r.max_words == 30 and 0 < len(r.text.split()) <= 30 for r in responses)
    assert len({r.id for r in responses}) == 10
