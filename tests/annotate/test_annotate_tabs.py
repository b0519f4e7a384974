"""Two tabs, two devices, a lost network and an ended session: nothing is said to be saved that is not."""

from __future__ import annotations

import time

import pytest
from browsing import PHONE, browser, free_port, needs_browser, served
from small_study import KEYS, client, enter, filled, made_store, token

from psychocounsel.annotate.study import Answer

JSON = {"accept": "application/json"}


@pytest.fixture
def store(tmp_path):
    made = made_store(tmp_path)
    yield made
    made.close()


def newest(store, place):
    return store.events.answers()[store.numbers["R01"][place - 1]].answer


def seen(page):
    return page.text.partition('name="seen"')[2].partition('value="')[2].partition('"')[0]


def cookies_of(page):
    return [each.headers["set-cookie"] for each in (*page.history, page) if "set-cookie" in each.headers]


def past_practice(who, store):
    """Do the practice item; returns the page of the next."""
    who.post("/rate/1", data=filled(enter(who, store)))
    return who.get("/rate/2")


def test_a_page_that_missed_a_save_elsewhere_replaces_nothing(store):
    with client(store) as laptop, client(store) as phone:
        link = f"/r/{store.access.invite('R01')}"
        page = laptop.get(link)
        page = laptop.post("/rate/consent", data={"csrf_token": token(page), "agree": "yes"})
        laptop.post("/rate/1", data=filled(page))
        old = laptop.get("/rate/2")
        whole = filled(phone.get(link), risk="y", comment="She has the pills.", seen=seen(old))
        assert phone.post("/rate/2", data=whole, headers=JSON).json()["saves"] == 1
        click = {"csrf_token": token(old), "action": "save", "p_empathy": "tie", "key": "k", "seen": seen(old)}
        refused = laptop.post("/rate/2", data=click, headers=JSON)
        assert refused.status_code == 409
        assert "changed on another page" in refused.json()["error"]
        assert newest(store, 2).risk
        assert newest(store, 2).done
        # Without scripts what was sent is shown, and may be sent once more by who has read that.
        page = laptop.post("/rate/2", data=filled(old, comment="Mine.", key="m", seen=seen(old)))
        assert page.status_code == 409
        assert "Not saved" in page.text
        assert ">Mine.</textarea>" in page.text
        laptop.post("/rate/2", data=filled(page, comment="Mine.", key="n", seen=seen(page)))
        assert newest(store, 2).comment == "Mine."


def test_who_was_not_told_of_a_save_sends_it_again_and_is_told(store):
    with client(store) as who:
        page = past_practice(who, store)
        click = {"csrf_token": token(page), "action": "save", "p_empathy": "tie", "key": "k", "seen": "0"}
        assert [who.post("/rate/2", data=click, headers=JSON).json()["saves"] for _ in range(2)] == [1, 1]


def test_what_was_open_when_an_item_before_it_was_taken_back_is_saved_all_the_same(store):
    with client(store) as who:
        page = past_practice(who, store)
        who.post("/rate/2", data=filled(page))
        page = who.get("/rate/3")
        half = {"csrf_token": token(page), "action": "save", "p_empathy": "tie", "key": "h", "seen": "1"}
        assert who.post("/rate/2", data=half, headers=JSON).json()["missing"]
        assert who.get("/rate/3").url.path == "/rate/2"
        assert who.post("/rate/3", data=filled(page, risk="y", key="t"), headers=JSON).json()["saves"] == 1
        assert newest(store, 3).risk
        refused = who.post("/rate/5", data=filled(page, key="u"), headers=JSON)
        assert refused.status_code == 409
        assert "not saved" in refused.json()["error"]


def test_nothing_is_saved_of_who_declined_in_another_tab_and_that_is_said(store):
    with client(store) as who:
        page = past_practice(who, store)
        store.events.append("R01", "declined", "d", {}, None)
        refused = who.post("/rate/2", data=filled(page), headers=JSON)
        assert (refused.status_code, refused.history) == (409, [])
        assert "not saved" in refused.json()["error"]


def test_a_page_goes_on_when_the_link_is_opened_again_and_another_raters_does_not(store):
    with client(store) as who, client(store) as other:
        link = store.access.invite("R01")
        who.get(f"/r/{link}")
        page = who.post("/rate/consent", data={"csrf_token": token(who.get("/rate")), "agree": "yes"})
        who.get(f"/r/{link}")
        assert who.post("/rate/1", data=filled(page), headers=JSON).status_code == 200
        who.cookies.clear()  # a session that has ended
        assert who.post("/rate/1", data=filled(page, key="2"), headers=JSON).status_code == 403
        who.get(f"/r/{link}")
        assert who.post("/rate/1", data=filled(page), headers=JSON).status_code == 200
        theirs = enter(other, store, "R02")
        assert other.post("/rate/1", data=filled(page), headers=JSON).status_code == 403
        assert token(theirs) != token(page)


def test_a_session_that_is_used_lasts_on(store, monkeypatch):
    with client(store) as who:
        enter(who, store)
        assert not cookies_of(who.get("/rate"))
        now = time.time()
        monkeypatch.setattr("psychocounsel.annotate.web.pages.time.time", lambda: now + 7200)
        assert cookies_of(who.get("/rate"))


def test_a_comment_of_many_lines_has_the_length_that_the_browser_counts(store):
    with client(store) as who:
        page = past_practice(who, store)
        lines = "\r\n".join(["x" * 19] * 100)  # 1,999 characters, as a browser counts them
        assert who.post("/rate/2", data=filled(page, comment=lines)).status_code == 200
        assert newest(store, 2).comment == lines.replace("\r\n", "\n")


@needs_browser
def test_done_without_a_network_leaves_the_page_and_all_on_it_as_they_are(tmp_path):
    store, port = made_store(tmp_path), free_port()
    with browser() as chromium:
        page = chromium.new_page(viewport=PHONE)
        with served(store, port) as base:
            page.goto(f"{base}/r/{store.access.invite('R01')}")
            page.click("text=I agree to take part")
            for name in (*(f"p_{key}" for key in KEYS), "overall"):
                page.check(f"input[name={name}][value=first]")
            page.wait_for_selector("text=Saved at")
        page.focus("textarea")
        page.keyboard.type("Written in a tunnel.")
        page.click("button[value=done]")
        trouble = page.wait_for_selector("#trouble:not(:empty)")
        assert "no connection" in trouble.inner_text()
        page.evaluate("window.scrollTo(0, 0)")
        box = trouble.bounding_box()
        assert 0 <= box["y"] <= PHONE["height"]  # in view, wherever the page is scrolled to
        assert page.input_value("textarea") == "Written in a tunnel."
        with served(store, port):
            page.wait_for_url("**/rate/1/told")
    assert newest(store, 1).comment == "Written in a tunnel."
    assert newest(store, 1).done
    store.close()


@needs_browser
def test_the_script_says_what_the_server_says(tmp_path):
    store = made_store(tmp_path)
    number = store.numbers["R01"][1]
    with served(store) as base, browser() as chromium:
        page = chromium.new_page()
        page.goto(f"{base}/r/{store.access.invite('R01')}")
        page.click("text=I agree to take part")
        for name in (*(f"p_{key}" for key in KEYS), "overall"):
            page.check(f"input[name={name}][value=first]")
        page.focus("input[name=overall]:checked")
        page.keyboard.press("Enter")  # in a field it sends nothing
        page.wait_for_selector("text=Saved at")
        assert not newest(store, 1).done
        page.click("button[value=done]")
        page.wait_for_url("**/rate/1/told")
        page.goto(f"{base}/rate/2")
        # Missing answers: the page comes again and leads to them.
        page.check("input[name=p_empathy][value=first]")
        page.click("button[value=done]")
        page.wait_for_url("**/rate/2?check=yes")
        assert page.evaluate("document.activeElement.id") == "errors"
        page.click("a[href='#f-relevance-1']")
        assert page.evaluate("document.activeElement.name") == "p_relevance"
        page.check("input[name=overall][value=cannot]")
        page.click("button[value=done]")
        page.wait_for_url("**/rate/3")
        page.goto(f"{base}/rate/2")
        page.check("input[name=overall][value=first]")
        page.wait_for_selector("#trouble:has-text('Saved, but not finished')")
        # And what another device saved is not replaced.
        store.save(number, Answer(verdict="b", verdicts=dict.fromkeys(KEYS, "b"), done=True), "elsewhere")
        page.check("input[name=overall][value=second]")
        page.wait_for_selector("#trouble:has-text('changed on another page')")
    assert newest(store, 2).verdict == "b"
    store.close()
