"""A rater's way through a study, over the real application and a real database."""

from __future__ import annotations

import pytest
from small_study import KEYS, SCRIPT, SECRETS, client, enter, filled, made_store, small_design, token

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.web.app import cookie_of


@pytest.fixture
def store(tmp_path):
    made = made_store(tmp_path)
    yield made
    made.close()


def test_a_link_leads_through_consent_to_the_first_item_and_leaves_no_token_behind(store):
    with client(store) as who:
        page = who.get(f"/r/{store.access.invite('R01')}")
        assert page.url.path == "/rate"
        assert "I agree to take part" in page.text
        assert store.consent_of("R01") is None
        page = who.post("/rate/consent", data={"csrf_token": token(page), "agree": "yes"})
        assert page.url.path == "/rate/1"
        assert "Practice item 1 of 6" in page.text
    assert store.consent_of("R01") is not None


def test_who_declines_is_asked_nothing_and_may_change_their_mind(store):
    with client(store) as who:
        page = who.get(f"/r/{store.access.invite('R01')}")
        page = who.post("/rate/consent", data={"csrf_token": token(page), "agree": "no"})
        assert "You have chosen not to take part" in page.text
        assert who.get("/rate/1").url.path == "/rate"
        page = who.post("/rate/consent", data={"csrf_token": token(page), "agree": "yes"})
        assert page.url.path == "/rate/1"


def test_a_whole_study_is_kept_with_sides_turned_back(store):
    with client(store) as who:
        page = enter(who, store, "R02")
        places = 0
        while (place := page.url.path.rpartition("/")[2]).isdigit():
            page = who.post(f"/rate/{place}", data=filled(page, key=f"k{place}", comment="Fine.\r\nYes."))
            if page.url.path.endswith("/told"):
                page = who.get("/rate")
            places += 1
        assert "You have done all 6 items" in page.text
    assert places == 6
    found = {a.position: a for a in store.annotations()}
    assert [found[n].shown_first for n in range(6)] == ["b", "a", "b", "a", "b", "a"]  # as the design has it
    assert all(a.verdict == a.shown_first for a in found.values())  # "first" was chosen each time
    assert all(set(a.principle_verdicts) == set(KEYS) and set(a.principle_verdicts.values()) == {a.shown_first}
               for a in found.values())  # fmt: skip
    assert {a.comment for a in found.values()} == {"Fine.\nYes."}
    assert {a.seconds for a in found.values()} == {12.0}
    assert {a.rater for a in found.values()} == {"R02"}


def test_single_responses_are_rated_from_1_to_5(tmp_path):
    store = made_store(tmp_path, "responses")
    with client(store) as who:
        page = enter(who, store)
        assert "How good is the response?" in page.text
        page = who.post("/rate/1", data=filled(page, "responses", "5", p_empathy="2"))
        assert "expected 4; you said 2" in page.text
    (one,) = store.annotations()
    assert (one.overall, one.scores["empathy"], one.scores["clarity"], one.verdict) == (5.0, 2.0, 5.0, "")
    store.close()


def test_what_is_not_finished_is_kept_and_said(store):
    with client(store) as who:
        page = enter(who, store)
        half = filled(page)
        del half["p_empathy"], half["overall"]
        page = who.post("/rate/1", data=half)
        assert page.status_code == 422
        assert 'href="#f-empathy-1"' in page.text
        assert 'href="#f-overall-1"' in page.text
        assert store.annotations() == []
        page = who.get("/rate/1")
        assert page.text.count('" checked> First') == 6
        page = who.post("/rate/1", data=filled(page, value="cannot", key="c"))
        assert page.url.path == "/rate/1/told"
    assert store.annotations()[0].verdict == "cannot"


def test_each_click_is_saved_and_nothing_is_doubled(store):
    with client(store) as who:
        page = enter(who, store)
        click = {"csrf_token": token(page), "action": "save", "p_clarity": "tie", "key": "one"}
        headers = {"accept": "application/json"}
        first = who.post("/rate/1", data=click, headers=headers)
        again = who.post("/rate/1", data=click, headers=headers)
        assert first.json() == again.json() == {"saves": 1, "missing": [], "next": "/rate/1"}
        other = who.post("/rate/1", data=click | {"key": "two"}, headers=headers)
        assert other.json()["saves"] == 2
    with client(store) as another_device:
        page = another_device.get(f"/r/{store.access.invite('R01')}")
        assert page.url.path == "/rate/1"
        assert page.text.count('" checked> Equally good') == 1


def test_back_and_edit_keeps_the_item_done_and_practice_stays_as_it_was_told(store):
    with client(store) as who:
        page = enter(who, store)
        page = who.post("/rate/1", data=filled(page))
        assert "Your answer is what was expected" in page.text
        assert who.get("/rate/1").url.path == "/rate/1/told"
        late = who.post("/rate/1", data=filled(who.get("/rate/2"), value="second", key="late"))
        assert late.status_code == 400
        page = who.post("/rate/2", data=filled(who.get("/rate/2"), key="two"))
        assert page.url.path == "/rate/3"
        page = who.get("/rate/2")
        who.post("/rate/2", data=filled(page, value="tie", key="edit", action="save"))
        assert who.get("/rate").url.path == "/rate/3"
        assert who.get("/rate/5").url.path == "/rate/3"  # what comes later keeps its order
        assert "Item 2: done" in who.get("/rate/all").text
    assert {a.position: a.verdict for a in store.annotations()} == {0: "a", 1: "tie"}


def test_a_distressing_item_is_skipped_with_help_lines_and_may_be_taken_up_again(store):
    with client(store) as who:
        page = enter(who, store)
        who.post("/rate/1", data=filled(page))
        page = who.post("/rate/2", data={"csrf_token": token(page), "action": "skip", "key": "s"})
        assert page.url.path == "/rate/2/skipped"
        assert "988 Suicide and Crisis Lifeline" in page.text
        assert who.get("/rate").url.path == "/rate/3"
        assert [a.skipped for a in store.annotations()] == [False, True]
        who.post("/rate/2", data=filled(who.get("/rate/2"), key="again"))
    assert [a.skipped for a in store.annotations()] == [False, False]


def test_sentences_are_marked_and_danger_is_flagged(store):
    with client(store) as who:
        page = enter(who, store)  # R01 sees a first on the first item
        page = who.post("/rate/1", data=filled(page, mark_second_0="harmful", mark_first_0="good", risk="y"))
    (one,) = store.annotations()
    item = next(iter(store.items.values()))
    marked = {}
    for span in one.spans:
        side, start, end, kind = span.split()
        marked[kind] = item.texts["ab".index(side)][int(start) : int(end)]
    assert marked == {"good": "What keeps you there, 0?", "harmful": "You should just leave 0."}
    assert one.risk


def test_a_break_is_proposed_after_so_many_minutes(tmp_path):
    store = made_store(tmp_path, break_after=1)
    with client(store) as who:
        page = enter(who, store)
        who.post("/rate/1", data=filled(page, seconds="61"))
        page = who.get("/rate")
        assert "Time for a break" in page.text
        page = who.post("/rate/break", data={"csrf_token": token(page)})
        assert page.url.path == "/rate/2"
    store.close()


def test_a_paused_study_shows_nothing_and_keeps_nothing(store):
    with client(store) as who:
        page = enter(who, store)
        store.pause(True)
        told = who.post("/rate/1", data=filled(page), headers={"accept": "application/json"})
        assert told.status_code == 409
        assert "paused" in told.json()["error"]
        assert "paused" in who.get("/rate").text
        store.pause(False)
        assert who.post("/rate/1", data=filled(page)).status_code == 200
    assert len(store.annotations()) == 1


@pytest.mark.parametrize("kind", ["pairs", "responses"])
def test_the_blinding_holds_and_nothing_stored_runs(tmp_path, kind):
    store = made_store(tmp_path, kind)
    hidden = [*SECRETS, *store.items, *(i.labeller for i in store.items.values())]
    with client(store) as who:
        page = enter(who, store)
        for place in range(1, 7):
            pages = [page, who.get(f"/rate/{place}"), who.get("/rate/all")]
            page = who.post(f"/rate/{place}", data=filled(page, kind, key=f"k{place}", comment=SCRIPT))
            pages += [page, who.get(f"/rate/{place}")]
            for each in pages:
                sent = each.text + str(each.headers) + str(who.cookies)
                assert not [secret for secret in hidden if secret in sent]
                assert "<script>document" not in each.text
                assert "<img" not in each.text
                policy = each.headers["content-security-policy"]
                assert "unsafe" not in policy
                assert "default-src 'none'" in policy
            page = who.get("/rate")
    store.close()


def test_links_that_are_guessed_old_expired_or_taken_back_are_refused(store):
    old = store.access.invite("R01")
    new = store.access.invite("R01")
    short = store.access.invite("R02", days=-1)
    with client(store) as who:
        for bad in ("guess", old, short, "a" * 5000, "%00", "\N{PILE OF POO}"):
            assert who.get(f"/r/{bad}").status_code in (403, 404), bad
        assert who.get(f"/r/{new}").status_code == 200
        assert who.get("/rate").status_code == 200
        store.access.revoke("R01")
        assert who.get("/rate").status_code == 403  # the session ends with the link
        assert who.get(f"/r/{new}").status_code == 403


def test_another_sites_form_another_sessions_token_and_a_forged_session_are_refused(store):
    with client(store) as who, client(store) as other:
        page, theirs = enter(who, store, "R01"), enter(other, store, "R02")
        for data in (filled(page) | {"csrf_token": ""}, filled(page) | {"csrf_token": token(theirs)}):
            assert who.post("/rate/1", data=data).status_code == 403
        assert store.events.answers() == {}
        assert who.post("/rate/1", json=filled(page)).status_code == 400
        who.cookies.clear()
        who.cookies.set(cookie_of(store), "eyJyYXRlciI6WyJSMDIiLDFdfQ==.forged.signature")
        assert who.get("/rate").status_code == 403


def test_no_address_leads_to_another_raters_items(store):
    with client(store) as who:
        page = enter(who, store)
        for place in (0, -1, 7, 10**30):
            assert who.get(f"/rate/{place}").status_code in (404, 422)
            assert who.post(f"/rate/{place}", data=filled(page)).status_code in (404, 422)
    assert store.events.answers() == {}


def test_what_no_page_of_ours_sends_is_refused(store):
    with client(store) as who:
        page = enter(who, store)
        for bad in (
            {"overall": "a"},
            {"p_empathy": "third"},
            {"seconds": "nan"},
            {"seconds": "x"},
            {"comment": "x" * 2001},
        ):
            assert who.post("/rate/1", data=filled(page) | bad).status_code == 400, bad
        assert who.post("/rate/1", data=filled(page, comment="x" * 300_000)).status_code == 413
    assert store.events.answers() == {}


def test_who_withdraws_is_left_out_of_every_result(store):
    with client(store) as who:
        who.post("/rate/1", data=filled(enter(who, store)))
    assert len(store.annotations()) == 1
    store.events.append("R01", "withdrawn", "w", {}, None)
    assert store.annotations() == []


def test_a_study_is_read_back_as_it_was_made(tmp_path):
    design = small_design()
    Store.make(tmp_path / "x.sqlite", design).close()
    with Store.open(tmp_path / "x.sqlite") as store:
        assert tuple(store.items.values()) == design.items
        assert store.plan == design.plan
        assert tuple(store.assignments.values()) == design.assignments
