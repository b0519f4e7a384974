"""De-identification: what is found, what is left, and what must hold for any text."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.deidentify import TYPES, Redacted, Surrogates, quasi_identifiers, redact, redact_turns
from psychocounsel.deidentify.plain import SURROGATE, fold
from psychocounsel.deidentify.quasi import kinds
from psychocounsel.errors import MissingExtraError
from psychocounsel.records import Turn

MARK = re.compile(r"\[\[([A-Z]+):(.*?)\]\]")
HERE = Path(__file__).parents[2] / "development" / "deidentify"
BITS = (
    "Maria Lopez|my brother tom|grace|Will|in Reading|Leeds|07700 900123|anna@mail.com|12/03/2019|st brendans|@sunny|"
    "u/moth|St Mary's School|I'm 93|AB12 CDE|LS6 2AB|Dr.|Mrs|O'Brien|'s|works at|Tesco|new york|my name is|[PERSON_1]|"
    "[PERSON_|case number|CR-2021-77|\n|.| |İ|ß|’s|🙂|university of|County|Street|14 Maple Road|&|and|-|J.|ＭＡＲＩＡ|é"
).split("|")
SPEECHES = st.one_of(st.text(max_size=120), st.lists(st.sampled_from(BITS), max_size=14).map(" ".join))


def marked(name: str) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Return the texts of a marked set with their spans."""
    rows = []
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        text, spans, at = "", [], 0
        source = json.loads(line)["text"]
        for found in MARK.finditer(source):
            text += source[at : found.start()]
            spans.append((len(text), len(text) + len(found[2]), found[1]))
            text += found[2]
            at = found.end()
        rows.append((text + source[at:], spans))
    return rows


def measure(rows: list[tuple[str, list[tuple[int, int, str]]]]) -> tuple[float, float]:
    """Return the share of marked spans wholly taken out, and the share of found spans that touch a marked one."""
    whole = wanted = right = made = 0
    for text, gold in rows:
        found = [(f.start, f.end) for f in redact(text).spans]
        covered = {at for start, end in found for at in range(start, end)}
        wanted += len(gold)
        made += len(found)
        whole += sum(all(at in covered for at in range(a, b) if text[at].isalnum()) for a, b, _ in gold)
        right += sum(any(a < end and start < b for a, b, _ in gold) for start, end in found)
    return whole / wanted, right / made


def types(text: str) -> list[tuple[str, str]]:
    return [(f.type, text[f.start : f.end]) for f in redact(text).spans]


@pytest.mark.parametrize(
    ("name", "recall", "precision"),
    [("own.jsonl", 0.98, 0.95), ("wider.jsonl", 0.95, 0.95), ("shapes.jsonl", 0.97, 0.98)],
)
def test_recall_and_precision_hold(name: str, recall: float, precision: float) -> None:
    """A guard against falling back: rules and model were made on these, so the figures say nothing of other text."""
    got = measure(marked(name))
    assert got[0] >= recall
    assert got[1] >= precision


@settings(max_examples=300, deadline=None)
@given(SPEECHES)
def test_any_text(text: str) -> None:
    redacted = redact(text)
    rebuilt, at = "", 0
    for found in redacted.spans:
        assert at <= found.start < found.end <= len(text)
        assert found.type in TYPES
        assert SURROGATE.fullmatch(found.surrogate)
        rebuilt += text[at : found.start] + found.surrogate
        at = found.end
    assert rebuilt + text[at:] == redacted.text


@settings(max_examples=200, deadline=None)
@given(SPEECHES)
def test_a_second_run_leaves_surrogates_alone(text: str) -> None:
    once = redact(text).text
    kept = [m.span() for m in SURROGATE.finditer(once)]
    twice = redact(once)
    assert not [f for f in twice.spans for a, b in kept if f.start < b and a < f.end]
    before, after = ([m[0] for m in SURROGATE.finditer(one)] for one in (once, twice.text))
    assert set(before) <= set(after)


@given(st.text(max_size=60))
def test_folding_moves_nothing(text: str) -> None:
    assert len(fold(text)) == len(text)


def test_a_person_keeps_a_number() -> None:
    got = redact("maria hit me. Maria Lopez is my aunt and Tom saw maria's ring. Tom cried.")
    assert (
        got.text == "[PERSON_1] hit me. [PERSON_1] is my aunt and [PERSON_2] saw [PERSON_1]'s ring. [PERSON_2] cried."
    )


def test_turns_share_their_numbers() -> None:
    turns = (Turn("client", "Hello, I'm Grace."), Turn("counsellor", "Hello Grace."), Turn("client", "My son is Kofi."))
    redacted, known = redact_turns(turns)
    assert [one.text for one in redacted] == ["Hello, I'm [PERSON_1].", "Hello [PERSON_1].", "My son is [PERSON_2]."]
    assert redact("Kofi again", known).text == "[PERSON_2] again"


def test_numbers_in_use_are_not_given_again() -> None:
    assert redact("[PERSON_4] hit Kofi").text == "[PERSON_4] hit [PERSON_5]"


@pytest.mark.parametrize(
    "text",
    [
        "I will mark my hope and her grace, and my faith may bill me for art and a rose on a sunny day.",
        "In May I left. On Monday, at Christmas, last spring, in 2019, at 6:30.",
        "Parkinson's disease, Asperger's, Down syndrome, CBT, Gestalt, Jung and Rogers.",
        "Netflix, Facebook, a Nokia, sertraline, Prozac, God, Jesus, Allah, Mum and Grandma.",
        "I speak Polish in Poland, Spanish in Mexico and English in England.",
        "I am 89, 95% sure, 100 days sober and weigh 98 kg.",
        "My old high school, the main road, a local hospital, our university and the city council.",
        "I rang 116 123, then 988, then 1-800-273-8255.",
    ],
)
def test_words_stay(text: str) -> None:
    assert redact(text) == Redacted(text, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i live in reading now", [("PLACE", "reading")]),
        ("i like reading in bed", []),
        ("i told will and grace about it", [("PERSON", "will"), ("PERSON", "grace")]),
        ("my brother will said no", [("PERSON", "will")]),
        ("April left me in April", [("PERSON", "April")]),
        ("I'm 93", [("AGE", "93")]),
        ("she is ninety-one years old", [("AGE", "ninety-one years old")]),
        ("born on 3rd of March 1990", [("DATE", "3rd of March 1990")]),
        ("write to anna dot k at mail dot com", [("EMAIL", "anna dot k at mail dot com")]),
        ("my discord is moth#1234", [("HANDLE", "moth#1234")]),
        ("see hisblog.com/me", [("URL", "hisblog.com/me")]),
        ("14 Maple Road, LS6 2AB", [("PLACE", "14 Maple Road"), ("PLACE", "LS6 2AB")]),
        ("I work at Tesco, I shop at Tesco", [("EMPLOYER", "Tesco")]),
        ("I teach at St Brendan's", [("SCHOOL", "St Brendan's")]),
        ("my SSN is 123-45-6789", [("ID", "123-45-6789")]),
        ("call +44 20 7946 0958", [("PHONE", "+44 20 7946 0958")]),
        ("ZOË TOLD ME EVERYTHING AND I HAVE NOT SLEPT SINCE", [("PERSON", "ZOË")]),
    ],
)
def test_what_is_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert types(text) == expected


def test_nothing_found_is_logged_or_shown(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    known = Surrogates()
    with caplog.at_level(logging.DEBUG):
        redact("I'm Oluwaseun, 07700 900123", known)
    assert caplog.text == ""
    assert capsys.readouterr() == ("", "")
    assert "oluwaseun" not in repr(known).lower()


def test_presidio_asked_for_and_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    from psychocounsel.deidentify import presidio

    presidio.analyser.cache_clear()
    with pytest.raises(MissingExtraError, match="pip install presidio-analyzer"):
        redact("I'm Maria", engine="presidio")


def test_quasi_identifiers_grow_with_kinds() -> None:
    texts = [
        "I feel low.",
        "I'm a beekeeper.",
        "I'm a beekeeper in a small fishing village.",
        "I'm a Sikh beekeeper in a small fishing village, youngest of eleven, with huntington's, and won the lottery.",
    ]
    scores = [quasi_identifiers(text).score for text in texts]
    assert scores[0] == 0
    assert scores == sorted(set(scores))
    assert {item.kind for item in quasi_identifiers(texts[-1]).items} == set(kinds()) - {"occupation"}


@settings(max_examples=100, deadline=None)
@given(SPEECHES)
def test_quasi_identifiers_of_any_text(text: str) -> None:
    got = quasi_identifiers(text)
    assert 0 <= got.score <= 1
    assert all(item.kind in kinds() for item in got.items)
    assert all(a.end <= b.start for a, b in zip(got.items, got.items[1:], strict=False))
