"""The pool of simulated counsellors: deterministic, never at a loss, and of the quality their profiles say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psychocounsel.backends.simulated import POOL, SimulatedCounsellor, load_profiles
from psychocounsel.backends.simulated.client_cues import read_cues
from psychocounsel.backends.simulated.filling import Filler
from psychocounsel.backends.simulated.planning import PLACE
from psychocounsel.backends.simulated.pronouns import flip
from psychocounsel.backends.simulated.templates import compile_form, phrasebook
from psychocounsel.errors import BackendError
from psychocounsel.records import Conversation, Turn

PEOPLE = ("mother", "boss", "husband", "best friend", "older sister")
OPENINGS = (
    "I lost my job {when} and I haven't told my {who} yet. I feel so ashamed and I can't sleep.",
    "My {who} died {when} and everyone expects me to be over it. I cry in the car.",
    "I've been sober since {when} but I'm scared. My {who} says I should keep going to meetings. I want to stay clean.",
    "My {who} keeps criticizing me. I feel invisible in my own house. Part of me wants to leave.",
    "I don't think I have a problem. My {who} made me come here {when}. I have a few beers, so what?",
    "I've started running again and I told my {who} about the panic attacks. I want to stop avoiding the subway.",
    "I am torn about moving. I was offered a place {when}, but my {who} needs me. How do I stop worrying?",
    "my {who} cheated on me {when} and im so angry i cant think straight",
    "I feel numb. I stopped seeing my {who} {when}. Nothing is fun anymore and I feel like a burden.",
    "I owe my {who} money because I gambled {when}. I've booked an appointment with a counselor. I'm nervous.",
)
WHEN = ("two months ago", "last week", "in March", "last year", "yesterday")
TEXTS = [o.format(who=w, when=t) for o in OPENINGS for w, t in zip(PEOPLE, WHEN, strict=True)]
ODD = {
    "emoji": "😭😭😭 💔",
    "chinese": "我最近很难过，不知道怎么办",
    "arabic": "أنا حزين جدا ولا أعرف ماذا أفعل",
    "hebrew": "\u202eאני עצוב\u202c I am sad",
    "blank": " \n\t ",
    "marks": "...?!",
    "nul": "I am\x00 sad\x00",
    "surrogate": "I feel sad \ud83d",
    "brackets": "I {feel} [like] (a) <piece> | {event}",
    "digits": "1234567890 " * 50,
    "one word": "help",
}
WORDS = "I my was am wasn't and but mother sad, because. lost feel like you me we us to want job ! ? '".split()
ENGLISH = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)


def said(text: str) -> Conversation:
    return (Turn("client", text),)


def answer(spec: str, text: str, seed: int = 0, max_words: int | None = None) -> str:
    return SimulatedCounsellor(spec).generate([said(text)], [seed], max_words)[0].text


def sentences(text: str) -> list[str]:
    plain = re.sub(r"^(?:\d\.|-) ", "", text, flags=re.MULTILINE)
    return [s.strip() for s in re.split(r"(?<=[.?!])\s+|\n", plain) if s.strip()]


def test_pool_is_twenty_distinct_described_counsellors_with_a_reference() -> None:
    assert len(POOL) == len(set(POOL)) == 20
    assert "simulated/polished-assistant" in POOL
    assert all(p.description.endswith(".") for p in load_profiles().values())
    assert all(SimulatedCounsellor(s).simulated for s in POOL)
    assert all(SimulatedCounsellor(s).spec == s for s in POOL)


def test_profiles_and_order_name_only_moves_that_have_forms() -> None:
    moves = phrasebook().moves
    for profile in load_profiles().values():
        assert set(profile.misuse) | set(profile.extra) <= set(moves) & set(PLACE)
    assert set(PLACE) <= set(moves)


def test_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(BackendError, match="simulated/warm-novice"):
        SimulatedCounsellor("simulated/warm-novise")


def test_every_move_has_24_forms_and_no_form_is_shared() -> None:
    moves = phrasebook().moves
    few = {m: len(forms) for m, forms in moves.items() if len({f.source for f in forms}) < 24}
    assert not few
    counts = Counter(f.source for forms in moves.values() for f in forms)
    assert [source for source, n in counts.items() if n > 1] == []


def test_most_moves_have_thousands_of_surface_sentences() -> None:
    book = phrasebook()
    cues = [read_cues(said(t)) for t in TEXTS]
    many = {}
    for move, forms in book.moves.items():
        rng = Random(7)
        seen = set()
        for _ in range(5000):
            filler = Filler(rng.choice(cues), rng, book, 0.9, 0.5)
            seen.add(rng.choice(forms).render(rng, lambda slot, f=filler: f.fill(slot, True)))  # type: ignore[misc]
        many[move] = len(seen)
    # 1,000 different ones in 5,000 draws point to well over 2,000 in all
    assert sum(n > 1000 for n in many.values()) >= 0.65 * len(many), many
    assert min(many.values()) > 200, min(many.items(), key=lambda item: item[1])


@pytest.mark.parametrize("own", [True, False])
def test_every_form_renders_whole_on_varied_texts(own: bool) -> None:
    book = phrasebook()
    for number, text in enumerate(TEXTS):
        rng = Random(number)
        for move, forms in book.moves.items():
            filler = Filler(read_cues(said(text)), rng, book, 0.9, 0.5)
            for form in forms:
                sentence = form.render(rng, lambda slot, f=filler: f.fill(slot, own))  # type: ignore[misc]
                where = f"{move}: {form.source}: {sentence}"
                assert not re.search(r"[{}<>|\[\]()]|\s\s|\s[.,?!;:]|,,|\.\.|[,;]\.", sentence), where
                assert sentence[0].isupper(), where
                assert not re.search(r"[a-z,] (?:What|Perhaps|Maybe|You|The|It|How|There|This|If)\b", sentence), where
                assert sentence[-1] in ".?!:", where
                assert not re.search(r"\bI (?:are|you)\b|(?:^|that |, and )[Yy]ou (?:am|was|is|has)\b", sentence), where


@pytest.mark.parametrize("source", ["(a|b", "a] b", "say <nothing_such>"])
def test_broken_form_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"missing|opening|fragment"):
        compile_form(source, {})


@pytest.mark.parametrize(
    ("client", "counsellor"),
    [
        ("I lost my job", "you lost your job"),
        ("I am tired", "you are tired"),
        ("I was alone and was crying", "you were alone and were crying"),
        ("I wasn't invited", "you weren't invited"),
        ("I'm scared of myself", "you're scared of yourself"),
        ("I've told him about us", "you've told him about you"),
        ("I really am sorry", "you really are sorry"),
        ("am I wrong", "are you wrong"),
        ("my sister and I were close", "you and your sister were close"),
        ("my wife and I am done", "you and your wife are done"),
        ("he hit me and took mine", "he hit you and took yours"),
        ("the trust between us is gone", "the trust between the two of you is gone"),
        ("we moved into our house", "you moved into your house"),
        ("im lost and i cry", "you're lost and you cry"),
        ("my mother was ill", "your mother was ill"),
        ("he said I was lazy", "he said you were lazy"),
        ("the summer in Miami", "the summer in Miami"),
    ],
)
def test_pronouns_turn_round(client: str, counsellor: str) -> None:
    assert flip(client) == counsellor


def test_cues_are_the_clients_own() -> None:
    text = "I lost my job two months ago. My sister won't talk to me, and I feel so lonely. I want to sleep again."
    cues = read_cues(said(text))
    assert "you lost your job two months ago" in cues.events
    assert "you lost your job two months ago" in cues.happened
    assert "your sister" in cues.people
    assert "lonely" in [f.adjective for f in cues.feelings]
    assert cues.hopes == ("sleep again",)


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("I am not angry at all.", "angry"),
        ("My mother is angry, she is sad.", "angry"),
        ("I haven't cried.", "tearful"),
    ],
)
def test_feelings_that_are_denied_or_anothers_are_not_the_clients(text: str, absent: str) -> None:
    assert absent not in [f.adjective for f in read_cues(said(text)).feelings]


def test_self_blame_and_danger_are_not_said_back_as_facts() -> None:
    text = "I am worthless. I'll never be loved. I want to die. I took all the pills. I should leave my family."
    cues = read_cues(said(text))
    assert cues.events == ()
    assert cues.hopes == ()


@pytest.mark.parametrize(
    ("text", "risk", "in_danger"),
    [
        ("I have been thinking about suicide for weeks.", "elevated", False),
        ("I have a plan and the pills.", "imminent", False),
        ("I'm not suicidal, only sad.", "low", False),
        ("My dad hits me when he is drunk.", "elevated", True),
        ("I lost my keys.", "none", False),
    ],
)
def test_risk_is_noticed(text: str, risk: str, in_danger: bool) -> None:
    cues = read_cues(said(text))
    assert (cues.risk, cues.in_danger) == (risk, in_danger)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("My wife says I drink too much but I don't have a problem.", "precontemplation"),
        ("Part of me wants to stop, I'm not sure if I can.", "contemplation"),
        ("I've decided to stop and I made an appointment.", "preparation"),
        ("I've started going to meetings.", "action"),
        ("Ten months sober now and afraid of a relapse.", "maintenance"),
    ],
)
def test_stage_of_change_is_read(text: str, stage: str) -> None:
    assert read_cues(said(text)).stage == stage


def test_same_in_another_process_and_hash_seed() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_simulated import *\n"
        "print(repr([answer(s, t, 3, m) for s in POOL for t in TEXTS[:4] for m in (None, 40)]))"
    )
    here = str(Path(__file__).parent)
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, here],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "77")
    }  # fmt: skip
    assert len(outputs) == 1
    assert outputs == {repr([answer(s, t, 3, m) for s in POOL for t in TEXTS[:4] for m in (None, 40)]) + "\n"}


def test_independent_of_order_and_company() -> None:
    talks = [said(t) for t in TEXTS[:20]]
    for spec in POOL[:6]:
        forward = SimulatedCounsellor(spec).generate(talks, list(range(20)))
        counsellor = SimulatedCounsellor(spec)
        backward = counsellor.generate(talks[::-1], list(range(20))[::-1])[::-1]
        alone = [counsellor.generate([talk], [i])[0] for i, talk in enumerate(talks)]
        assert forward == backward == alone


def test_seeds_and_counsellors_give_different_answers() -> None:
    assert len({answer(POOL[0], TEXTS[0], seed) for seed in range(30)}) >= 28
    assert len({answer(spec, TEXTS[0]) for spec in POOL}) == 20


@pytest.mark.parametrize("name", list(ODD))
def test_odd_text_gets_a_sensible_answer(name: str) -> None:
    for spec in POOL:
        for seed in range(4):
            text = answer(spec, ODD[name], seed)
            assert 5 <= len(text.split()) <= 160
            assert not re.search(r"[{}<>|\[\]\x00]", text)
            assert text.isascii()


@pytest.mark.parametrize(
    "unit", ["I lost my job and ", "a", "my ", "I feel ", "--", "\u3000", "\n", "I want to ", "(", "😭", "and ", "' "]
)
def test_a_megabyte_is_read_in_bounded_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = time.perf_counter()
    assert answer(POOL[0], text)
    assert time.perf_counter() - start < 5


@given(text=st.one_of(st.text(min_size=1), ENGLISH), seed=st.integers(0, 2**40), spec=st.sampled_from(POOL))
@settings(max_examples=200, deadline=None)
def test_any_text_is_answered_within_any_limit(text: str, seed: int, spec: str) -> None:
    assert answer(spec, text, seed)
    limited = answer(spec, text, seed, 15)
    assert 1 <= len(limited.split()) <= 15
    assert limited[-1] in ".?!"


@pytest.mark.parametrize("limit", [1, 3, 8, 15, 25, 40, 60, 100])
def test_word_limit_is_kept_with_whole_sentences(limit: int) -> None:
    for spec in POOL:
        for seed, text in enumerate(TEXTS[::5]):
            response = answer(spec, text, seed, limit)
            assert 1 <= len(response.split()) <= limit
            assert response[-1] in ".?!"
            assert response[0].isupper()


def test_a_limit_is_used_rather_than_wasted() -> None:
    lengths = [len(answer(spec, text, 1, 40).split()) for spec in POOL for text in TEXTS[::5]]
    assert sum(lengths) / len(lengths) > 18


def test_limit_below_one_word_is_refused() -> None:
    with pytest.raises(BackendError, match="at least 1"):
        answer(POOL[0], "Hi", 0, 0)


def test_lengths_are_those_of_short_counselling_turns() -> None:
    lengths = sorted(len(answer(s, t, k).split()) for s in POOL for t in TEXTS[::3] for k in range(3))
    assert 45 <= lengths[len(lengths) // 2] <= 75
    assert lengths[len(lengths) // 50] >= 20
    assert lengths[-len(lengths) // 50] <= 140


def test_no_sentence_is_worn_out() -> None:
    counts: Counter[str] = Counter()
    for seed in range(1000):
        for spec in POOL:
            counts.update(sentences(answer(spec, TEXTS[(seed * 7) % len(TEXTS)], seed)))
        if counts.total() >= 20_000:
            break
    assert counts.total() >= 20_000
    worst, times = counts.most_common(1)[0]
    assert times / counts.total() < 0.01, worst


def test_no_form_comes_twice_in_one_response() -> None:
    for spec in POOL:
        for text in TEXTS[::4]:
            found = sentences(answer(spec, text, 5))
            assert len(found) == len(set(found))


def own_words(spec: str) -> float:
    hits = 0
    for seed, text in enumerate(TEXTS):
        cues = read_cues(said(text))
        response = answer(spec, text, seed).lower()
        pieces = {*cues.events, *cues.people, *cues.topics, *cues.hopes, *(f.adjective for f in cues.feelings)}
        hits += sum(p.lower() in response for p in pieces)
    return hits / len(TEXTS)


def test_good_profiles_take_up_the_clients_words_more_than_poor_ones() -> None:
    good = ("seasoned-person-centred", "expert-mi", "attentive-integrative")
    poor = ("distracted-listener", "cautious-generalist", "contemptuous-sceptic")
    assert min(own_words(f"simulated/{n}") for n in good) > 1.3 * max(own_words(f"simulated/{n}") for n in poor)


def test_safety_is_asked_about_as_often_as_the_profile_says() -> None:
    text = "I have been thinking about suicide for weeks. My husband doesn't know and I feel hopeless."

    care = re.compile("safe|suicide|crisis|emergency|thoughts|harm|hurt your|this serious|these thoughts")

    def share(name: str, limit: int | None) -> float:
        asked = [care.search(answer(f"simulated/{name}", text, k, limit)) for k in range(60)]
        return sum(a is not None for a in asked) / 60

    for limit in (None, 40):
        assert share("crisis-line-volunteer", limit) > 0.8
        assert share("polished-assistant", limit) > 0.8
        assert share("contemptuous-sceptic", limit) < 0.4


def test_earlier_turns_are_taken_up() -> None:
    talk: Conversation = (
        Turn("client", "I lost my father in May. We were very close."),
        Turn("counsellor", "I am sorry. Tell me more."),
        Turn("client", "My brother wants to sell the house and I feel so angry."),
    )
    assert read_cues(talk).earlier[0] == "you lost your father in May"
    counsellor = SimulatedCounsellor("simulated/attentive-integrative")
    answers = [counsellor.generate([talk], [k])[0].text for k in range(40)]
    assert sum("you lost your father in May" in a for a in answers) >= 12
    alone = [counsellor.generate([talk[2:]], [k])[0].text for k in range(40)]
    assert not any("father" in a or "earlier" in a.lower() for a in alone)


def test_a_short_last_turn_borrows_from_earlier_ones() -> None:
    first = Turn("client", "My sister won't speak to me.")
    talk: Conversation = (first, Turn("counsellor", "Mm."), Turn("client", "Yes."))
    assert read_cues(talk).people == ("your sister",)


def test_quality_varies_within_a_counsellor() -> None:
    texts = [answer("simulated/warm-novice", TEXTS[0], k) for k in range(60)]
    advised = sum(bool(re.search(r"should|[Tt]ry |suggest|advice|could try|If I were", t)) for t in texts)
    assert 5 <= advised <= 55


def test_lists_only_where_the_profile_lays_them_out() -> None:
    for name, profile in load_profiles().items():
        listed = sum("\n" in answer(profile.spec, t, k) for k, t in enumerate(TEXTS))
        assert (listed > 5) == bool(profile.layout), name


def test_fast_enough_for_a_pool() -> None:
    counsellors = [SimulatedCounsellor(s) for s in POOL]
    talks = [said(t) for t in TEXTS]
    start = time.perf_counter()
    for counsellor in counsellors:
        counsellor.generate(talks, range(len(talks)))
    assert 1000 / (time.perf_counter() - start) > 500
