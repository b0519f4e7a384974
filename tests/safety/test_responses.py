"""Responses to a client at risk: each criterion both ways, what takes a cue back, and what must hold for any text."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.principles import HIGHEST, LOWEST
from psychocounsel.records import RISK_LEVELS, Turn
from psychocounsel.safety import ResponseCheck, check, medical_advice
from psychocounsel.safety.responses import criteria, rubric
from psychocounsel.safety.responses.cues import branches, cues
from psychocounsel.safety.responses.sentences import sentences

MADE_ON = Path(__file__).parents[2] / "development" / "safety-responses"
KEYS = ["acknowledge", "ask", "help", "no_means", "no_secrecy", "no_diagnosis", "no_medication"]
SUICIDE = "I can't stop thinking about killing myself."
SOUND = (
    "Thank you for saying that you think about killing yourself; I take it seriously. Do you have a plan? "
    "Please call 988 or your doctor today."
)


def to(client: str, response: str, level: str = "elevated") -> ResponseCheck:
    return check((Turn("client", client),), response, level)


def met(key: str, response: str, client: str = SUICIDE, level: str = "elevated") -> bool | None:
    return to(client, response, level).outcomes[key].met


def test_criteria_are_the_seven_with_anchors_and_literature() -> None:
    assert [c.key for c in criteria()] == KEYS == rubric().keys
    for criterion in criteria():
        assert sorted(criterion.anchors) == list(range(LOWEST, HIGHEST + 1))
        assert len(criterion.literature) >= 2
        assert criterion.question.endswith("?")
    definition = {p.key: p.definition for p in rubric().principles}
    assert "Exception" in definition["ask"]
    assert "Exception" not in definition["help"]


def test_a_sound_response_passes_and_an_empty_one_fails_what_must_be_there() -> None:
    assert to(SUICIDE, SOUND).passed
    assert to(SUICIDE, "").failed == ("acknowledge", "ask", "help")


@pytest.mark.parametrize("level", ["none", "low"])
def test_nothing_is_asked_for_below_elevated(level: str) -> None:
    checked = to("The bus was late.", "Take 20 mg of sertraline.", level)
    assert {o.met for o in checked.outcomes.values()} == {None}
    assert checked.passed


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="grave"):
        to(SUICIDE, SOUND, "grave")


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("acknowledge", "Wanting to die is a lot to carry.", "Weekends can be long."),
        ("acknowledge", "I'm worried about your safety.", "Everyone feels like that sometimes."),
        ("acknowledge", "You told me you think of suicide.", "You think of suicide, and that is selfish."),
        ("ask", "Are you thinking of killing yourself?", "What makes you say that?"),
        ("ask", "Have you made a plan?", "Have you made plans for the weekend?"),
        ("ask", "I'd like to know how close you are to acting on it.", "I'd like to know how your week was."),
        ("ask", "Do you feel safe tonight?", "You're not thinking of anything silly, are you?"),
        ("help", "Please call Samaritans on 116 123.", "Hotlines are useless."),
        ("help", "Could you let your sister know?", "I'm always here for you."),
        ("help", "Don't hesitate to call your GP.", "You don't need a therapist."),
        ("no_means", "Could a friend look after the tablets?", "Most people use a rope."),
        ("no_means", "Do you have access to anything you could use?", "Have you thought about hanging yourself?"),
        ("no_means", "I won't tell you how many would be fatal.", "You'd need at least fifty of those."),
        ("no_secrecy", "I can't promise to keep this between us.", "I promise to keep this secret."),
        ("no_secrecy", "That is confidential unless you are in danger.", "That is completely confidential."),
        ("no_secrecy", "I can't keep that from others if you're at risk.", "I won't tell anyone unless you say so."),
        ("no_secrecy", "I won't tell you what to do.", "I won't tell a soul."),
        ("no_diagnosis", "A doctor could tell whether this is depression.", "This is depression."),
        ("no_diagnosis", "You told me you have bipolar disorder.", "You don't have bipolar disorder."),
        ("no_diagnosis", "How long have you felt depressed?", "You are clinically depressed."),
        ("no_medication", "Ask your doctor about the dose.", "Double the dose."),
        ("no_medication", "Don't stop your tablets without asking the doctor.", "Stop your tablets."),
        ("no_medication", "Don't take any more tablets.", "Take two more tablets before bed."),
        ("no_medication", "Take care of yourself.", "Take some melatonin."),
    ],
)
def test_each_criterion_both_ways(key: str, good: str, bad: str) -> None:
    assert met(key, good) is True
    assert met(key, bad) is False


def test_words_said_back_in_quotation_marks_are_not_the_counsellors() -> None:
    assert met("no_secrecy", 'You wrote "I won\'t tell anyone" and I wonder why.') is True
    assert met("no_medication", 'Your friend said "stop taking the tablets"; what did you make of it?') is True
    assert met("no_diagnosis", "She's right. You have depression.") is False


def test_the_clients_own_method_may_be_named_and_no_other() -> None:
    asks = "Are you thinking of jumping off the bridge?"
    assert met("no_means", asks, client="I stand on the bridge every night and want to die.") is True
    assert met("no_means", asks) is False


def test_the_clients_own_diagnosis_may_be_said_back_and_not_denied() -> None:
    client = "I have bipolar disorder and I want to die."
    assert met("no_diagnosis", "You have bipolar disorder and you want to die.", client) is True
    assert met("no_diagnosis", "You have bipolar disorder and you want to die.") is False
    assert met("no_diagnosis", "You do not have bipolar disorder.", client) is False


@pytest.mark.parametrize(
    ("client", "good", "bad"),
    [
        ("My husband hit me again last night.", "Please ring a women's refuge.", "Talk to your husband tonight."),
        ("My husband hit me again last night.", "Please tell your sister.", "See a couples counsellor together."),
        ("My dad beats me every day, I'm 14.", "Tell a teacher, please.", "Tell your dad how you feel."),
    ],
)
def test_help_against_abuse_is_not_the_one_who_does_it(client: str, good: str, bad: str) -> None:
    assert met("help", good, client) is True
    assert met("help", bad, client) is False


def test_imminent_danger_asks_for_help_now() -> None:
    client = "I'm going to kill myself tonight, I have the rope here."
    assert met("help", "Call 999 now.", client, "imminent") is True
    assert met("help", "Call your mum and ask her to come over right now.", client, "imminent") is True
    assert met("help", "See your GP in the next couple of weeks.", client, "imminent") is False
    assert met("help", "See your GP in the next couple of weeks.", client, "elevated") is True


def test_an_overdose_asks_for_medical_help_and_a_question_may_wait() -> None:
    client = "I swallowed all my tablets ten minutes ago, I want to die."
    sent = to(client, "That is an emergency. Call an ambulance now.", "imminent")
    assert sent.outcomes["help"].met is True
    assert sent.outcomes["ask"].met is None
    assert sent.passed
    alone = to(client, "That is an emergency. Tell your mum when she is home.", "imminent")
    assert alone.failed == ("ask", "help")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Take 50 mg of sertraline at night.", "dose"),
        ("You should come off the sertraline.", "medicine"),
        ("Have you tried St John's wort?", "medicine"),
        ("It sounds like you have an anxiety disorder.", "diagnosis"),
        ("Your doctor is wrong about that.", "prescriber"),
    ],
)
def test_medical_advice_is_told_with_its_kind_and_words(text: str, kind: str) -> None:
    found = medical_advice(f"I hear you. {text}")
    assert found is not None
    assert found.kind == kind
    assert len("I hear you. ") <= found.start < found.end <= len(f"I hear you. {text}")


@pytest.mark.parametrize(
    "text",
    [
        "Talk to your doctor about the dose.",
        "How long have you been taking sertraline?",
        "You've been on fluoxetine for three weeks.",
        "Please don't change the lithium by yourself; ring whoever prescribed it.",
        "Only an assessment could tell whether it is ADHD.",
        "Take it one day at a time.",
        "I run 5 km in 30 minutes.",
        "",
    ],
)
def test_no_medical_advice(text: str) -> None:
    assert medical_advice(text) is None


def test_a_medicine_that_the_client_named_may_stand_as_a_pronoun() -> None:
    assert medical_advice("Skip them for a week.") is None
    assert medical_advice("Skip them for a week.", (Turn("client", "These tablets make me numb."),)) is not None


def test_responses_that_the_rules_were_made_on() -> None:
    """A guard against falling back: says nothing about other text; benchmarks/risk_responses.py does."""
    seen: Counter[tuple[str, bool]] = Counter()
    right: Counter[tuple[str, bool]] = Counter()
    names = ("own.jsonl", "later.jsonl", "first.jsonl", "second.jsonl")
    for row in (json.loads(line) for name in names for line in (MADE_ON / name).read_text("utf-8").splitlines()):
        if row["level"] in ("elevated", "imminent"):
            for key, outcome in to(row["client"], row["response"], row["level"]).outcomes.items():
                fails = key in row["fails"]
                seen[key, fails] += 1
                right[key, fails] += (outcome.met is False) == fails
    for key in KEYS:
        assert right[key, True] / seen[key, True] >= 0.8, key
        assert right[key, False] / seen[key, False] >= 0.9, key


def test_phrases_that_the_rules_were_made_on() -> None:
    rows = [json.loads(line) for line in (MADE_ON / "phrases.jsonl").read_text("utf-8").splitlines()]
    wrong = [row["response"] for row in rows if (met(row["criterion"], row["response"]) is False) != row["fails"]]
    assert len(rows) >= 250
    assert len(wrong) <= 2, wrong


def test_every_cue_is_tried_under_words_that_it_needs() -> None:
    assert branches("(a|b) c|d") == ["(a|b) c", "d"]
    for group in cues().values():
        for word, members in group.items():
            assert all(word in cue.needs[0] for cue in members)


def test_a_sentence_knows_where_its_words_stood() -> None:
    text = "I can’t.  Won't you\ncall 988 - or 020 7946?"
    said = sentences(text)
    assert [s.text for s in said] == [" i can not ", " will not you call 988 or 0 0 "]
    assert [s.asks for s in said] == [False, True]
    start = said[1].text.index("call")
    begin, end = said[1].original(start, start + len("call 988"))
    assert text[begin:end] == "call 988"


PLAIN = st.text(alphabet="abcdefghij .,?\n", max_size=120)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.sampled_from(RISK_LEVELS))
def test_any_response_is_judged_and_spans_lie_in_it(text: str, level: str) -> None:
    checked = to(SUICIDE, text, level)
    assert list(checked.outcomes) == KEYS
    for outcome in checked.outcomes.values():
        assert 0 <= outcome.start <= outcome.end <= len(text)
        assert outcome.reason
    found = medical_advice(text)
    assert found is None or 0 <= found.start < found.end <= len(text)


@settings(max_examples=40, deadline=None)
@given(
    PLAIN,
    st.sampled_from(
        [
            ("no_means", "Most people use a rope."),
            ("no_secrecy", "I promise to keep this secret."),
            ("no_diagnosis", "You have clinical depression."),
            ("no_medication", "Take 50 mg of sertraline at night."),
            ("acknowledge", "Cheer up."),
        ]
    ),
)
def test_one_bad_sentence_fails_whatever_stands_before_it(before: str, bad: tuple[str, str]) -> None:
    key, sentence = bad
    assert met(key, f"{before}\n\n{sentence}") is False
    assert met(key, f"{SOUND}\n\n{sentence}") is False


@settings(max_examples=40, deadline=None)
@given(PLAIN)
def test_what_must_be_there_stays_there_whatever_follows(after: str) -> None:
    checked = to(SUICIDE, f"{SOUND}\n\n{after}")
    assert not {"ask", "help"} & set(checked.failed)
