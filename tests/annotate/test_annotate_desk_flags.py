"""Dangers that were flagged, on the coordinators' desk: none is lost, and none is seen by who did not see it."""

from __future__ import annotations

import json
import time

import pytest
from desk_study import desk, done_by, hiddens, rate, send
from small_study import KEYS, items, small_design
from sqlalchemy import insert

from psychocounsel.annotate.store import Store, schema
from psychocounsel.annotate.study import Answer, Assignment, Design, StudyPlan
from psychocounsel.annotate.web.progress import progress_of


@pytest.fixture
def store(desk_store):
    return desk_store


def flag_of(page, where):
    """What the page's button sends for a flag."""
    (found,) = [flag for flag in hiddens(page, "flag") if flag.startswith(f"{where}, answer ")]
    return found


def test_a_flag_that_was_seen_says_so_until_the_rater_changes_it(store):
    rate(store, {"R01": "a", "R02": "a"}, 4, risk=True, comment="The client may be in danger.")
    with desk(store, "Cora") as who:
        page = who.get("/coordinator")
        assert "Flagged as a danger: 2, 2 not seen" in page.text
        flag = flag_of(page, "R01, item 4")
        for odd in ("R03, item 4, answer 1", "R01, item 4", flag + "0", "x"):
            assert send(who, "/flags/seen", {"flag": odd}).status_code in (404, 409), odd
        for _ in range(2):  # twice is once
            page = send(who, "/flags/seen", {"flag": flag})
            assert "Flagged as a danger: 2, 1 not seen" in page.text
            assert page.text.index("by R02") < page.text.index("by R01") < page.text.index("Seen by Cora")
    with desk(store, "Obi") as who:
        text = who.get("/coordinator").text
        assert "Seen by a coordinator" in text
        assert "Cora" not in text
    rate(store, {"R01": "b"}, 4, risk=True, comment="And it is worse.")
    with desk(store) as who:
        assert "Flagged as a danger: 2, 2 not seen" in who.get("/coordinator").text
    assert [line for line in done_by(store) if "flagged" in line[1]] == [
        ("Cora", "saw what was flagged as a danger", flag)
    ]


def test_a_flag_that_was_changed_after_the_page_was_loaded_stays_unseen(store):
    rate(store, {"R01": "a"}, 4, risk=True, comment="Perhaps.")
    with desk(store) as who:
        old = flag_of(who.get("/coordinator"), "R01, item 4")
        rate(store, {"R01": "b"}, 4, risk=True, comment="They named a day.")
        page = send(who, "/flags/seen", {"flag": old})
        assert page.status_code == 409
        assert "saved anew after your page was loaded" in page.text
        page = who.get("/coordinator")
        assert "Flagged as a danger: 1, 1 not seen" in page.text
        assert "They named a day." in page.text
        assert "all seen" in send(who, "/flags/seen", {"flag": flag_of(page, "R01, item 4")}).text


def test_the_first_and_the_second_showing_of_an_item_are_two_flags(tmp_path):
    item = items()[1]
    both = (Assignment("R01", item.id, 0), Assignment("R01", item.id, 1, repeat=1))
    store = Store.make(tmp_path / "x.sqlite", Design(StudyPlan(name="s"), (item,), ("R01",), both))
    store.access.set_coordinator("Olive", "a long enough password", "owner")
    for number, words in ((1, "The first time."), (2, "The second time.")):
        store.save(number, Answer(risk=True, comment=words), "k")
    with desk(store) as who:
        page = who.get("/coordinator")
        assert "by R01 again, " in page.text
        page = send(who, "/flags/seen", {"flag": flag_of(page, "R01, item 1")})
        assert "Flagged as a danger: 2, 1 not seen" in page.text
        assert page.text.index("The second time.") < page.text.index("The first time.")
        assert "all seen" in send(who, "/flags/seen", {"flag": flag_of(page, "R01, item 1 again")}).text
    store.close()


def test_a_flag_that_was_taken_back_is_shown_until_a_coordinator_has_seen_it(store):
    rate(store, {"R01": "a", "R02": "a"}, 4, risk=True, comment="The client may be in danger.")
    rate(store, {"R01": "b"}, 4, comment="Nothing.")
    with desk(store, "Cora") as who:
        page = who.get("/coordinator")
        assert "Flagged as a danger: 2, 2 not seen" in page.text
        assert page.text.count("taken back at") == 1
        assert page.text.count("The client may be in danger.") == 2
        assert "taken back at" in who.get("/coordinator/adjudicate/4").text
        page = send(who, "/flags/seen", {"flag": flag_of(page, "R01, item 4")})
        assert "Flagged as a danger: 1, 1 not seen" in page.text
        assert "taken back at" not in page.text
        assert "taken back at" in who.get("/coordinator/adjudicate/4").text  # there it stays
    rate(store, {"R01": "tie"}, 4, risk=True, comment="After all.")
    with desk(store, "Obi") as who:
        assert "Flagged as a danger: 2, 2 not seen" in who.get("/coordinator").text


def test_words_that_look_like_a_flag_are_none_on_either_database(where):
    store = Store.make(where, small_design())
    store.save(1, Answer(comment='{"risk": true} \\"risk": true'), "k")
    store.save(2, Answer(verdicts={KEYS[0]: "a"}, risk=True), "k")
    saved = store.save(2, Answer(comment="\U0001f642", risk=True), "l")
    store.save(2, Answer(skipped=True), "m")
    flagged = store.events.flagged()
    assert {number: (each.answer.comment, each.id) for number, each in flagged.items()} == {2: ("\U0001f642", saved.id)}
    (flag,) = progress_of(store).flags
    assert flag.taken_back == store.events.answers()[2].at
    store.close()


def test_flags_of_a_large_study_are_found_quickly(tmp_path):
    design = small_design(raters=tuple(f"R{n:02}" for n in range(20)), count=300)
    store = Store.make(tmp_path / "large.sqlite", design)
    said = {"verdict": "a", "verdicts": dict.fromkeys(KEYS, "a"), "comment": "So it is. " * 20, "seconds": 30.0}
    rows = [
        {
            "rater": each.rater, "assignment": number, "kind": "answer", "key": f"{number} {n}",
            "at": "2026-07-01T10:00:00.000+00:00", "payload": json.dumps(said | ({"risk": True} if n == 2 else {})),
        }
        for n in range(4)
        for number, each in store.assignments.items()
        if n != 2 or number % 100 == 0
    ]  # fmt: skip
    with store._db.writing() as connection:
        connection.execute(insert(schema.event), rows)
    begun = time.monotonic()
    assert len(store.events.flagged()) == 60
    assert time.monotonic() - begun < 1.0  # 0.02 s on two cores
    assert len(store.events._said) == 60  # no other one was parsed
    store.close()


def test_who_declined_after_having_answered_is_told_with_a_way_to_withdraw_them(store):
    rate(store, {"R02": "a", "R03": "a"}, 2)
    rate(store, {"R02": "b"}, 3)
    for code in ("R01", "R02"):
        store.events.append(code, "declined", "d", {}, None)
    says = "R02 declined after 2 answers: they still count."
    with desk(store, "Cora") as who:
        page = who.get("/coordinator")
        assert says in page.text
        assert 'href="/coordinator/raters/R02">Withdraw R02</a>' in page.text
        assert page.text.count(" declined after ") == 1  # R01 had answered nothing
        page = who.get("/coordinator/raters/R02")
        assert "This rater declined after 2 answers." in page.text
        send(who, "/raters/R02/withdraw", {"sure": "y"})
        assert says not in who.get("/coordinator").text
    assert {a.rater for a in store.annotations()} == {"R03"}


def test_who_agrees_again_or_only_an_observer_looks_is_told_so(store):
    rate(store, {"R02": "a"}, 2)
    store.events.append("R02", "declined", "d", {}, None)
    with desk(store, "Obi") as who:
        page = who.get("/coordinator")
        assert "R02 declined after 1 answer: it still counts." in page.text
        assert 'href="/coordinator/raters' not in page.text
        store.events.append("R02", "consent", "c", {}, None)
        assert "declined after" not in who.get("/coordinator").text
