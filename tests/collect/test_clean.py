"""What cleaning mends, and whom it takes for no client."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.collect.clean import clean, not_a_client, other_language

SAID = "I can't sleep since the move and my sister won't call me back."


@pytest.mark.parametrize(
    ("text", "expected", "mended"),
    [
        (SAID, SAID, ()),
        ("cafÃ© at night, I canâ€™t go &amp; won't", "café at night, I can’t go & won't", ("encoding",)),
        ("I feel\u200b so \u202etired\u202c today", "I feel so tired today", ("invisible characters",)),
        ("<p>I am sad.</p><p>So <b>very</b> sad</p>", "I am sad.\n\nSo very sad", ("markup", "spaces")),
        ("see https://example.org/a?b=c and help me", "see [link] and help me", ("links",)),
        ("I read [this page](https://example.org) twice", "I read this page [link] twice", ("links",)),
        ("I am so tired\n\nSent from my iPhone", "I am so tired", ("boilerplate", "spaces")),
        ("I am worse\n\nOn Mon, 3 May 2021 at 10:00 Ann wrote:\n> how are you?", "I am worse", ("boilerplate",)),
        ("Subject: help\nI cannot   go on like this", "I cannot go on like this", ("boilerplate", "spaces")),
        ("I\u00a0am here", "I am here", ("spaces",)),
    ],
)
def test_what_is_mended_and_counted(text, expected, mended):
    cleaned = clean(text)
    assert cleaned.text == expected
    assert set(mended) <= set(cleaned.mended)
    assert bool(cleaned.mended) is bool(mended)


def test_emoji_families_and_other_scripts_are_left_alone():
    for text in ("we are a family 👨‍👩‍👧 of three", "mère et père, où êtes-vous", "我睡不着", "می‌خواهم"):
        assert clean(text).text == text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_cleaning_never_fails_and_cleaning_again_changes_little(text):
    once = clean(text).text
    assert clean(once).text.split() == clean(clean(once).text).text.split()
    not_a_client(once)
    other_language(once, ["en"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[deleted]", "no client text"),
        ("N/A", "no client text"),
        ("[link] [link]", "links alone"),
        ("As an AI language model, I do not have feelings.", "not a client"),
        ("Use promo code SAVE20 and click here for 20% off", "not a client"),
        ("def main():\n    print('hello')", "not a client"),
        (
            "Thank you for reaching out. It sounds like you carry a lot. You may want to see a doctor, and I would "
            "encourage you to seek a therapist.",
            "not a client",
        ),
    ],
)
def test_what_is_no_client(text, reason):
    assert not_a_client(text)[0] == reason


@pytest.mark.parametrize(
    "text",
    [
        SAID,
        "My therapist said you may want to consider tablets. I don't know. I am scared of them and my mother is too.",
        "I work in a shop, 20% off everything this week, and I am so tired of smiling.",
        "My sponsor says I would benefit if I tried harder { I hate that }",
        "I deleted his number and removed him from everything.",
    ],
)
def test_clients_who_sound_like_something_else_are_kept(text):
    assert not_a_client(text) is None


def test_languages():
    assert other_language("J'ai peur de tout et je ne dors plus depuis des mois", ["en"]) == "fr"
    assert other_language("J'ai peur de tout et je ne dors plus depuis des mois", ["en", "fr"]) is None
    assert other_language("我最近很难过,不知道怎么办才好,每天都睡不着", ["en"]) == "zh"
    for short in (SAID, "Namaste ji", "ok fine whatever", "Jorge Luis left me", "idk man just tired af rn"):
        assert other_language(short, ["en"]) is None
