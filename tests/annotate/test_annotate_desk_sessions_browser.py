"""What came to the coordinators' desk later, in a real browser at a phone's width, with axe-core."""

from __future__ import annotations

import pytest
from browsing import Watch, browser, looking, needs_browser, served
from desk_study import PASSWORD, coordinated_store, rate
from small_study import KEYS, SCRIPT

from psychocounsel.annotate.study import Answer

pytestmark = needs_browser


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_own_password_declined_raters_flags_taken_back_and_late_decisions_are_accessible(tmp_path, scheme):
    store = coordinated_store(tmp_path)
    rate(store, {"R01": "a", "R02": "b"}, 2, risk=True, comment=SCRIPT)
    rate(store, {"R01": "b"}, 2)
    store.events.append("R02", "declined", "d", {}, None)
    with served(store) as base, browser() as chromium:
        page = chromium.new_page(viewport={"width": 320, "height": 640}, color_scheme=scheme)
        watch, (look, found) = Watch(page, base), looking(page)
        page.goto(f"{base}/coordinator")
        page.fill("#name", "Olive")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=declined after 1 answer")
        page.wait_for_selector("text=taken back at")
        look("progress")
        page.click("text=Withdraw R02")
        page.wait_for_selector("text=This rater declined")
        look("rater")
        page.goto(f"{base}/coordinator/adjudicate/2")
        store.adjudicate(list(store.items)[1], "Cora", Answer(verdict="cannot", done=True))
        for name in [*(f"p_{key}" for key in KEYS), "overall"]:
            page.check(f"input[name={name}] >> nth=1")
        page.fill("#comment", SCRIPT)
        page.click("text=Save the decision")
        page.wait_for_selector("text=Cora has decided meanwhile")
        look("decided meanwhile")
        page.click("text=Your password")
        for field, words in (("old", "wrong"), ("new", PASSWORD + "!"), ("again", PASSWORD + "!")):
            page.fill(f"#{field}", words)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=The old password is not right.")
        look("password")
        for field, words in (("old", PASSWORD), ("new", PASSWORD + "!"), ("again", PASSWORD + "!")):
            page.fill(f"#{field}", words)
        page.keyboard.press("Enter")
        page.wait_for_url("**/coordinator")
        assert {name: wrong for name, wrong in found.items() if wrong} == {}
        assert watch.outside == []
        assert [error for error in watch.errors if "409" not in error and "403" not in error] == []
    assert store.access.sign_in("Olive", PASSWORD + "!")
    store.close()
