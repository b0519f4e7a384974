"""Coordinators' own passwords, the end of their sessions, and decisions that two of them take at once."""

from __future__ import annotations

import pytest
from desk_study import (
    PASSWORD,
    decision,
    desk,
    done_by,
    hidden,
    rate,
    send,
    sign_in,
)
from small_study import KEYS, SECRETS, client, small_design, token

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer
from psychocounsel.annotate.web.desk import MOST_TRIES
from psychocounsel.errors import InputError

NEW = "another long password"
CHANGE = {"old": PASSWORD, "new": NEW, "again": NEW}


@pytest.fixture
def store(desk_store):
    return desk_store


@pytest.mark.parametrize("name", ["Olive", "Cora", "Obi"])
def test_everybody_changes_their_own_password_and_their_other_sessions_end(store, name):
    role = {c.name: c.role for c in store.access.coordinators()}[name]
    with desk(store, name) as who, desk(store, name) as elsewhere, client(store) as later:
        assert "/coordinator/password" in who.get("/coordinator").text
        page = send(who, "/password", CHANGE, "/coordinator/password")
        assert page.url.path == "/coordinator"
        assert who.get("/coordinator").url.path == "/coordinator"
        assert elsewhere.get("/coordinator").url.path == "/coordinator/sign-in"
        assert sign_in(later, name).status_code == 403
        assert sign_in(later, name, NEW).url.path == "/coordinator"
    assert store.access.sign_in(name, NEW).role == role
    assert (name, "changed their own password", name) in done_by(store)


@pytest.mark.parametrize(
    ("bad", "status", "says"),
    [
        ({"old": "wrong"}, 403, "not right"), ({"new": "short", "again": "short"}, 422, "12 characters"),
        ({"again": "yet another password"}, 422, "differ"), ({"old": ""}, 400, ""), ({"new": ""}, 400, ""),
    ],
)  # fmt: skip
def test_a_password_is_changed_by_who_knows_the_old_one_to_one_that_is_long_enough(store, bad, status, says):
    before = store.access.coordinators()
    with desk(store, "Cora") as who:
        page = send(who, "/password", CHANGE | bad)
        assert page.status_code == status
        assert says in page.text
        assert who.get("/coordinator").url.path == "/coordinator"
    assert store.access.coordinators() == before
    assert "changed their own password" not in str(done_by(store))


def test_who_guesses_an_old_password_has_to_wait_as_at_sign_in(store, monkeypatch):
    with desk(store, "Cora") as who, client(store) as guest:
        who.app.state.tries = guest.app.state.tries
        for _ in range(MOST_TRIES):
            assert send(who, "/password", CHANGE | {"old": "wrong"}).status_code == 403
        monkeypatch.setattr(store.access, "sign_in", lambda *_: pytest.fail("no password is looked at"))
        assert send(who, "/password", CHANGE).status_code == 429
        assert sign_in(guest, "Cora").status_code == 429


def test_a_change_of_ones_own_password_takes_nothing_back_that_an_owner_did_meanwhile(store):
    cora = store.access.sign_in("Cora", PASSWORD)
    store.access.set_coordinator("Cora", PASSWORD, "observer")
    with pytest.raises(InputError, match="meanwhile"):
        store.access.change_password(cora, NEW)
    assert store.access.sign_in("Cora", PASSWORD).role == "observer"
    store.access.remove_coordinator("Cora")
    with pytest.raises(InputError, match="meanwhile"):
        store.access.change_password(cora, NEW)


def test_signing_out_ends_a_copied_cookie_too(store):
    with desk(store, "Cora") as who, client(store) as thief, desk(store) as other:
        for cookie in who.cookies.jar:
            thief.cookies.set(cookie.name, cookie.value)
        assert thief.get("/coordinator").url.path == "/coordinator"
        send(who, "/sign-out")
        assert thief.get("/coordinator").url.path == "/coordinator/sign-in"
        assert other.get("/coordinator").url.path == "/coordinator"
        assert sign_in(who, "Cora").url.path == "/coordinator"  # the password stays


def test_the_second_of_two_who_decide_at_once_is_told_and_looks_first(store):
    rate(store, {"R01": "a", "R02": "b", "R03": "tie"}, 2)
    item = list(store.items)[1]
    with desk(store) as olive, desk(store, "Cora") as cora:
        first, second = (who.get("/coordinator/adjudicate/2") for who in (olive, cora))
        olive.post("/coordinator/adjudicate/2", data=decision(first, value="first", comment="It asks."))
        decided = store.adjudicated()[item]
        for late in ({"comment": "It is <b>warm</b>."}, {"overall": ""}, {"decided": ""}, {"decided": "x"}):
            page = cora.post("/coordinator/adjudicate/2", data=decision(second, value="second") | late)
            assert page.status_code == 409, late
            assert "Olive has decided meanwhile; look at it and decide again." in page.text
            assert "What was hidden" in page.text
            assert page.text.count('value="first" checked') == len(KEYS) + 1  # hers, to look at
            assert store.adjudicated()[item] == decided
        page = cora.post("/coordinator/adjudicate/2", data=decision(second, comment="It is <b>warm</b>."))
        assert "It is &lt;b&gt;warm&lt;/b&gt;." in page.text  # what she wrote is not lost
        page = cora.post("/coordinator/adjudicate/2", data=decision(page, value="tie"))
        assert page.status_code == 200
        assert store.adjudicated()[item][1] == "Cora"
    assert [line for line in done_by(store) if "decid" in line[1] or "decis" in line[1]] == [
        ("Cora", "changed a decision, models known", "item 2"), ("Olive", "decided", "item 2"),
    ]  # fmt: skip


def test_the_same_decision_sent_twice_is_one(store):
    with desk(store) as who:
        page = who.get("/coordinator/adjudicate/2")
        for _ in range(2):
            assert who.post("/coordinator/adjudicate/2", data=decision(page)).status_code == 200
        assert who.post("/coordinator/adjudicate/2", data=decision(page, value="tie")).status_code == 409
    assert [line[1] for line in done_by(store)] == ["decided", "signed in"]


def test_a_page_without_a_decision_shows_nothing_hidden_when_it_comes_back_unfinished(store):
    with desk(store) as who:
        page = who.get("/coordinator/adjudicate/2")
        page = who.post("/coordinator/adjudicate/2", data=decision(page) | {"overall": ""})
        assert page.status_code == 422
        assert hidden(page, "decided") == "0"
        assert not [secret for secret in SECRETS if secret in page.text]


def test_a_decision_is_kept_only_after_the_one_that_it_was_made_from(where):
    store = Store.make(where, small_design())
    item, other = list(store.items)[1:3]
    answer = Answer(verdict="cannot", done=True)
    assert store.decision(item) is None
    assert store.adjudicate(item, "Ann", answer, after=0)
    first = store.decision(item)
    assert not store.adjudicate(item, "Bob", answer, after=0)
    assert store.adjudicate(other, "Bob", answer, after=0)
    assert store.decision(item) == first
    assert store.adjudicate(item, "Bob", answer, after=first.number)
    assert store.decision(item).who == "Bob"
    store.close()


def test_the_audit_log_says_which_coordinator_it_was(store):
    with desk(store) as who:
        send(who, "/accounts", {"name": " New ", "role": "observer", "password": PASSWORD})
        send(who, "/accounts/change", {"name": "New", "role": "coordinator", "password": PASSWORD})
        send(who, "/accounts/remove", {"name": "New", "sure": "y"})
        assert token(who.get("/coordinator/audit"))
        assert who.get("/coordinator/audit").text.count("<td>New</td>") == 3
    assert done_by(store)[:3] == [
        ("Olive", "removed a coordinator", "New"), ("Olive", "changed a coordinator as coordinator", "New"),
        ("Olive", "added a coordinator as observer", "New"),
    ]  # fmt: skip
