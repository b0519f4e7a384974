"""The risk screen: its own statements, context rules, spans, disguises, and what must hold for any text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.records import RISK_LEVELS, Turn
from psychocounsel.safety import Risk, at_least, rules_alone, screen
from psychocounsel.safety.normal import normalise
from psychocounsel.safety.reader import FLOOR, probability, terms
from psychocounsel.safety.rules import Cue, Expander, rulebook
from psychocounsel.safety.screening import LONGEST, matches

HERE = Path(__file__).parents[2] / "development" / "safety"
HARMLESS = ["The bus was late on Monday.", "My sister likes tea.", "We painted the hall green.", "It is raining here."]


def statements(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (HERE / name).read_text("utf-8").splitlines()]


DEVELOPMENT = statements("first.jsonl")
TEXTS = [row["text"] for row in DEVELOPMENT + statements("second.jsonl") + statements("later.jsonl")]


def kinds(risk: Risk) -> set[str]:
    return {sign.kind for sign in risk.signs}


@pytest.mark.parametrize("name", ["first.jsonl", "second.jsonl", "later.jsonl"])
def test_levels_of_our_own_statements(name: str) -> None:
    """A guard against falling back: the rules were made on these, so the figures say nothing about other text."""
    rows = [(row["level"], rules_alone(row["text"]).level) for row in statements(name)]
    danger = [at_least(found, "elevated") for level, found in rows if at_least(level, "elevated")]
    calm = [at_least(found, "elevated") for level, found in rows if not at_least(level, "elevated")]
    now = [found == "imminent" for level, found in rows if level == "imminent"]
    called = [level == "imminent" for level, found in rows if found == "imminent"]
    assert sum(danger) / len(danger) >= 0.97
    assert sum(calm) / len(calm) <= 0.04
    assert sum(now) / len(now) >= 0.94
    assert sum(called) / len(called) >= 0.94


def test_development_set_covers_the_manual() -> None:
    levels = [row["level"] for row in DEVELOPMENT]
    assert len(levels) >= 260
    assert set(levels) == set(RISK_LEVELS)
    hard = {"idiom", "hyperbole", "quote", "negation", "work", "history", "meaning", "denial", "past", "bereaved"}
    assert hard <= {row["kind"] for row in DEVELOPMENT}


@pytest.mark.parametrize(
    "text",
    [
        "I don’t want to be alive",
        "I WANT TO KILL MYSELF",
        "i dont wanna be here anymore",
        "im gonna kms",
        "thinking of sewerslide again",
        "I keep thinking about su1cide",
        "I keep thinking about s*icide",
        "i want to k!ll myself",
        "i have sucidal thoughts",
        "i want to kill myslef",
        "i want to diiiie",
        "I want to un\u200balive myself",
        "Ｉ ｗａｎｔ ｔｏ ｄｉｅ",
        "I want to kíll mysélf",
        "I wаnt tо diе",
        "i want to, like, die",
        "I want to... die",
    ],
)
def test_disguises_are_seen_through(text: str) -> None:
    assert at_least(rules_alone(text).level, "elevated")


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("So tired. I wish I were dead, really.", "I wish I were dead"),
        ("Lately I’ve been s\u200buicidal again", "s\u200buicidal"),
        ("ok… Ｉ ｗａｎｔ ｔｏ ｄｉｅ, sorry", "Ｉ ｗａｎｔ ｔｏ ｄｉｅ"),
        ("well im gonna kms", "kms"),
    ],
)
def test_spans_are_the_cue_in_the_original(text: str, cue: str) -> None:
    assert cue in {text[sign.start : sign.end] for sign in rules_alone(text).signs}


@pytest.mark.parametrize("text", TEXTS)
def test_spans_lie_in_the_text_and_levels_agree(text: str) -> None:
    risk = rules_alone(text)
    for sign in (*risk.signs, *risk.set_aside):
        assert 0 <= sign.start < sign.end <= len(text)
        assert sign.level in RISK_LEVELS
        assert sign.reason
    found = [sign.level for sign in (*risk.signs, *risk.set_aside)]
    assert risk.level == max(found, key=RISK_LEVELS.index, default="none")
    if risk.signs and at_least(risk.level, "elevated"):
        assert risk.signs[0].level == risk.level


@pytest.mark.parametrize(
    ("text", "level", "why"),
    [
        ("I am not suicidal and never have been.", "none", "negated"),
        ("I do not want to die, I am just tired.", "low", "negated"),
        ("Ten years ago I wanted to die.", "low", "past"),
        ("My brother thinks about killing himself, he told a doctor.", "low", ""),
        ("This job is killing me.", "none", ""),
        ("I'm writing an essay on suicide among farmers.", "none", "quoted, told or work with the subject"),
        ("The song goes 'I want to die' and it is stuck in my head.", "none", "quoted, told or work with the subject"),
        ("I wanted to die when my card was declined, so embarrassing", "none", "a figure of speech about a trifle"),
        ("I need to cut the grass.", "none", "an idiom"),
    ],
)
def test_context_takes_back(text: str, level: str, why: str) -> None:
    risk = rules_alone(text)
    assert risk.level == level
    assert not why or why in {sign.reason for sign in risk.set_aside}


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("I would never do it, but I have the pills here.", "imminent"),
        ("No, I want to die.", "elevated"),
        ("I'm not well, I want to die.", "elevated"),
        ("Ten years ago I wanted to die. Now the thoughts are back.", "elevated"),
        ("I used to think about killing myself and lately I think about it again.", "elevated"),
        ("This song makes me want to kill myself.", "elevated"),
        ("I don't want to kill myself but I think about it every day.", "elevated"),
    ],
)
def test_what_takes_back_is_itself_taken_back(text: str, level: str) -> None:
    assert rules_alone(text).level == level


@pytest.mark.parametrize(
    ("text", "level", "kind"),
    [
        ("I want to die.", "elevated", "wish"),
        ("I keep thinking about suicide.", "elevated", "ideation"),
        ("They would be better off without me.", "elevated", "burden"),
        ("Where are the tall bridges here?", "elevated", "indirect"),
        ("I cut myself last night.", "elevated", "self-harm"),
        ("I tried to kill myself last month.", "elevated", "attempt"),
        ("My husband hits me.", "elevated", "abuse"),
        ("He leaves bruises on my nephew.", "elevated", "child"),
        ("I want to kill my father.", "elevated", "harm-others"),
        ("The voices tell me to jump.", "elevated", "voices"),
        ("I haven't kept food down in nine days.", "elevated", "body"),
        ("My daughter says she wants to die.", "elevated", "third-danger"),
        ("I am going to kill myself tonight.", "imminent", "intent"),
        ("I have the noose ready and I want to die.", "imminent", "means"),
        ("I have just swallowed all my tablets.", "imminent", "attempt"),
        ("He is outside with a knife and says he will kill me.", "imminent", "threat"),
        ("I will stab him tomorrow with the knife.", "imminent", "threat-other"),
        ("My dad is hitting my little brother right now.", "imminent", "child-now"),
        ("My friend says she is going to jump tonight.", "imminent", "third-danger"),
        ("He is unconscious and not breathing.", "imminent", "medical"),
        ("My brother killed himself in 2019.", "low", "third-person"),
        ("I feel hopeless about my marriage.", "low", "self-loss"),
    ],
)
def test_each_kind(text: str, level: str, kind: str) -> None:
    risk = rules_alone(text)
    assert risk.level == level
    assert kind in kinds(risk)


def test_means_and_time_raise_thoughts_to_imminent() -> None:
    assert rules_alone("I want to die.").level == "elevated"
    assert rules_alone("I want to die. The rope is in the shed.").level == "imminent"
    assert rules_alone("I want to die. I am going to do it on Friday.").level == "imminent"


def test_hints_count_only_in_company() -> None:
    assert rules_alone("Thursday, after the kids are at school.").level == "none"
    assert rules_alone("I've decided. Thursday, after the kids are at school.").level == "elevated"


def test_past_of_a_minor_is_not_put_aside() -> None:
    assert rules_alone("I am 14. I used to cut myself.").level == "elevated"
    assert rules_alone("I am 44. I used to cut myself.").level == "low"


def test_earlier_client_turns_count_and_hold_no_spans() -> None:
    earlier = (Turn("client", "I want to die."), Turn("counsellor", "I hear you."))
    risk = rules_alone("Thanks for listening.", earlier)
    assert risk.level == "elevated"
    assert {(s.start, s.end) for s in risk.signs} == {(0, 0)}
    assert all(s.reason.startswith("in an earlier turn") for s in risk.signs)


def test_counsellor_turns_are_not_the_clients_words() -> None:
    assert rules_alone("Thanks.", (Turn("counsellor", "Have you thought of killing yourself?"),)).level == "none"


@pytest.mark.parametrize(("answer", "level"), [("Yes, most days.", "elevated"), ("No, never.", "none")])
def test_an_answer_to_a_question_about_suicide(answer: str, level: str) -> None:
    assert rules_alone(answer, (Turn("counsellor", "Do you have thoughts of ending your life?"),)).level == level
    assert rules_alone(answer, (Turn("counsellor", "Do you like your job?"),)).level == "none"


def test_earlier_talk_of_dying_gives_later_words_their_meaning() -> None:
    earlier = (Turn("client", "I want to die."), Turn("counsellor", "When?"))
    assert rules_alone("I will do it tonight.", earlier).level == "imminent"
    assert rules_alone("I will do it tonight.").level == "elevated"


def test_at_least() -> None:
    for i, level in enumerate(RISK_LEVELS):
        assert [at_least(level, floor) for floor in RISK_LEVELS] == [j <= i for j in range(4)]
    with pytest.raises(ValueError, match="high"):
        at_least("high", "low")


@pytest.mark.parametrize("text", ["", " ", "\n", "\u200b", "?!", "…", "\x00", "\ud800"])
def test_texts_without_words(text: str) -> None:
    assert rules_alone(text) == Risk("none", (), ())


def test_a_sign_beyond_the_longest_piece_is_found_once() -> None:
    text = "It is a day. " * (LONGEST // 13) + "I want to die."
    risk = rules_alone(text)
    assert risk.level == "elevated"
    assert all(text[s.start : s.end].strip() in "I want to die." for s in risk.signs)
    assert len(risk.signs) == len(set(risk.signs))


@pytest.mark.parametrize("text", TEXTS[::4])
def test_needed_words_never_hide_a_cue(text: str) -> None:
    book, normal = rulebook(), normalise(text).text
    everything = {word for rule in book.rules for cue in rule.cues for needs in cue.needs for word in needs}
    assert set(matches(book, normal, set(normal.split()))) == set(matches(book, normal, everything))


@pytest.mark.parametrize(
    ("cue", "fault"),
    [("kill (me", "too few"), ("kill me)", "too many"), ("kill-me", "a character"), ("pills?", "whole word")],
)
def test_faults_in_cues_are_told(cue: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Expander({}, frozenset()).compile(cue)


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("i ~2 die", " i may well die ", True),
        ("i ~2 die", " i do not die ", False),
        ("i ~2 die", " i . die ", False),
        ("(very)? sad", " sad ", True),
        ("strang* me", " strangled me ", True),
        ("{a} now", " two now ", True),
    ],
)
def test_the_language_of_cues(source: str, text: str, found: bool) -> None:
    cue: Cue = Expander({"a": "one|two"}, frozenset()).compile(source)
    assert (cue.regex.search(text) is not None) == found


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_screened(text: str) -> None:
    assert rules_alone(text).level in RISK_LEVELS
    normal = normalise(text)
    assert len(normal.begins) == len(normal.spans) == len(normal.text.split())
    assert all(0 <= a < b <= len(text) for a, b in normal.spans)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEXTS), st.sampled_from(HARMLESS), st.booleans())
def test_a_harmless_sentence_never_lowers_the_level(text: str, harmless: str, first: bool) -> None:
    whole = f"{harmless} {text}" if first else f"{text}\n\n{harmless}"
    assert at_least(rules_alone(whole).level, rules_alone(text).level)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.sampled_from(TEXTS), st.text(max_size=200)))
def test_upper_case_never_lowers_the_level(text: str) -> None:
    assert at_least(rules_alone(text.upper()).level, rules_alone(text).level)


def test_the_second_reader_only_raises_and_says_that_it_has_no_cue() -> None:
    raised = 0
    for row in statements("pairs.jsonl"):
        ruled, both = rules_alone(row["text"]), screen(row["text"])
        if both != ruled:
            raised += 1
            assert (ruled.level, both.level) in {("none", "elevated"), ("low", "elevated")}
            assert (both.signs[0].kind, both.signs[0].start) == ("reads-like-danger", 0)
            assert both.signs[0].end == len(row["text"])
            assert probability(row["text"]) >= FLOOR
        else:
            assert at_least(ruled.level, "elevated") or probability(row["text"]) < FLOOR
    assert raised > 0


@pytest.mark.parametrize("text", ["", "?!", "🙂", "12"])
def test_the_second_reader_says_nothing_of_nothing(text: str) -> None:
    assert probability(text) < FLOOR


def test_the_second_reader_agrees_with_the_library_that_trained_it() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    rows = [
        row for name in ("first", "second", "later", "pairs", "third_writer") for row in statements(f"{name}.jsonl")
    ]
    table = TfidfVectorizer(analyzer=terms, sublinear_tf=True)
    danger = [at_least(row["level"], "elevated") for row in rows]
    trained = LogisticRegression(C=20, max_iter=3000).fit(table.fit_transform([row["text"] for row in rows]), danger)
    fresh = ["i can't see past friday and I gave my dog away", "the dog ate my homework", "zzz qqq"]
    expected = trained.predict_proba(table.transform(fresh))[:, 1]
    assert [probability(text) for text in fresh] == pytest.approx(list(expected), abs=0.01)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert 0 <= probability(text) <= 1
