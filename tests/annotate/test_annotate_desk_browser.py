"""A real browser at the coordinators' desk: each page narrow and wide, light and dark, with axe-core."""

from __future__ import annotations

import pytest
from browsing import DESK, Watch, browser, looking, needs_browser, served
from small_study import KEYS, SCRIPT, made_store

from psychocounsel.annotate.study import Answer

pytestmark = needs_browser
PASSWORD = "a long enough password"


def answered(path, kind):
    store = made_store(path, kind, raters=("R01", "R02", "R03"))
    store.access.set_coordinator("Olive", PASSWORD, "owner")
    for number, each in store.assignments.items():
        first = each.rater == "R01"
        if kind == "pairs":
            side = "a" if first else "b"
            answer = Answer(verdict=side, verdicts=dict.fromkeys(KEYS, side), risk=first, comment=SCRIPT, done=True)
        else:
            score = 1 if first else 4
            answer = Answer(overall=score, scores=dict.fromkeys(KEYS, score), risk=first, comment=SCRIPT, done=True)
        store.save(number, answer, "k" + str(number))
    return store


@pytest.mark.parametrize(
    ("kind", "size", "scheme"),
    [("pairs", {"width": 320, "height": 640}, "dark"), ("responses", DESK, "light")],
)
def test_every_page_of_the_desk_is_accessible_and_nothing_stored_runs(tmp_path, kind, size, scheme):
    store = answered(tmp_path, kind)
    with served(store) as base, browser() as chromium:
        page = chromium.new_page(viewport=size, color_scheme=scheme)
        watch, (look, found) = Watch(page, base), looking(page)
        page.goto(f"{base}/coordinator")
        look("sign-in")
        page.fill("#name", "Olive")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/coordinator")
        look("progress")
        for address in ("adjudicate", "adjudicate/1", "raters/R01", "export", "audit", "accounts"):
            page.goto(f"{base}/coordinator/{address}")
            look(address)
        page.goto(f"{base}/coordinator/adjudicate/2")
        page.click("text=Save the decision")
        page.wait_for_selector("text=Not answered yet")
        look("not answered")
        for name in [*(f"p_{key}" for key in KEYS), "overall"]:
            page.check(f"input[name={name}] >> nth=1")
        page.click("text=Save the decision")
        page.wait_for_selector("text=What was hidden")
        look("decided")
        page.goto(f"{base}/coordinator")
        page.click("text=Make links and show them")
        page.wait_for_selector("text=Copy them now")
        look("links")
        page.goto(f"{base}/coordinator")
        page.click("button[value=pause]")
        page.wait_for_selector("text=The study is paused")
        look("paused")
        assert {name: wrong for name, wrong in found.items() if wrong} == {}
        assert watch.outside == []
        assert [error for error in watch.errors if "422" not in error] == []
    assert len(store.adjudicated()) == 1
    store.close()
