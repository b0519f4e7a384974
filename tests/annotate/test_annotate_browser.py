"""A real browser does a whole study: by keyboard alone, at phone and desk width, light and dark, and cut off."""

from __future__ import annotations

import contextlib

import pytest
from browsing import DESK, PHONE, Watch, browser, free_port, needs_browser, served, violations
from playwright.sync_api import Error as PlaywrightError
from small_study import KEYS, made_store

pytestmark = needs_browser


def focused(page):
    """What has the focus, as its own name or text."""
    return page.evaluate(
        """() => {
            const e = document.activeElement;
            if (e === document.body) return '';
            return e.type === 'radio' ? e.name : e.value || e.innerText || '';
        }"""
    )


def tab_to(page, wanted, most=80):
    for _ in range(most):
        if wanted in focused(page):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted!r}")


@pytest.mark.parametrize(
    ("kind", "size", "scheme"),
    [("pairs", DESK, "light"), ("pairs", PHONE, "dark"), ("responses", PHONE, "light"), ("responses", DESK, "dark")],
)
def test_a_whole_study_by_keyboard_alone(tmp_path, kind, size, scheme):
    store = made_store(tmp_path, kind)
    with served(store) as base, browser() as chromium:
        page = chromium.new_page(viewport=size, color_scheme=scheme)
        watch = Watch(page, base)
        seen = {}

        def looked_at():
            name = page.title()
            if name not in seen:
                seen[name] = violations(page)
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wide <= 0, f"{name} scrolls sideways by {wide} px"

        page.goto(f"{base}/r/{store.access.invite('R01')}")
        looked_at()
        tab_to(page, "yes")
        page.keyboard.press("Enter")
        for place in range(1, 7):
            page.wait_for_url(f"{base}/rate/{place}")
            looked_at()
            if place == 2:
                tab_to(page, "skip")
                page.keyboard.press("Enter")
                page.wait_for_url("**/skipped")
                looked_at()
                tab_to(page, "Go on")
                page.keyboard.press("Enter")
                continue
            tab_to(page, f"p_{KEYS[0]}")
            for key in KEYS:
                assert focused(page) == f"p_{key}"
                page.keyboard.press("2")
            assert focused(page) == "overall"
            page.keyboard.press("2")
            assert focused(page) == "done"
            page.keyboard.press("Control+Enter")
            if place == 1:
                page.wait_for_url("**/told")
                looked_at()
                tab_to(page, "Go on")
                page.keyboard.press("Enter")
        page.wait_for_url(f"{base}/rate")
        page.wait_for_selector("text=You have done all 6 items")
        looked_at()
        page.goto(f"{base}/rate/all")
        looked_at()
        assert {name: found for name, found in seen.items() if found} == {}
        assert len(seen) == 9 + 2  # consent, six items, skipped, told, done, all
        assert watch.outside == []
        assert watch.errors == []
        assert page.title() != "ran"
    found = store.annotations()
    assert [a.skipped for a in found] == [False, True, False, False, False, False]
    if kind == "pairs":
        assert all(a.verdict != a.shown_first for a in found if not a.skipped)
    else:
        assert all(a.overall == 2 for a in found if not a.skipped)
    assert all(a.seconds > 0 for a in found if not a.skipped)
    store.close()


def test_each_click_is_saved_before_anything_is_sent_and_another_device_goes_on(tmp_path):
    store = made_store(tmp_path)
    with served(store) as base, browser() as chromium:
        page = chromium.new_page()
        page.goto(f"{base}/r/{store.access.invite('R01')}")
        page.click("text=I agree to take part")
        page.check("input[name=p_clarity][value=tie]")
        page.wait_for_selector("text=Saved at")
        page.fill("textarea", "Both are short.")
        page.check("input[name=risk]")
        page.click("summary:has-text('Mark sentences') >> nth=0")
        page.select_option("#mark_first_0", "good")
        page.wait_for_selector("text=Saved at")
        page.wait_for_function("!document.querySelector('#state').textContent.startsWith('Saving')")
        page.close()  # the battery dies
        other = chromium.new_page(viewport=PHONE)
        other.goto(f"{base}/r/{store.access.invite('R01')}")
        assert other.is_checked("input[name=p_clarity][value=tie]")
        assert other.is_checked("input[name=risk]")
        assert other.input_value("textarea") == "Both are short."
        assert other.input_value("#mark_first_0") == "good"
    store.close()


def test_what_is_typed_is_saved_before_the_field_is_left_and_unsaved_work_is_not_left_unasked(tmp_path):
    store, port = made_store(tmp_path), free_port()
    with browser() as chromium:
        page, asked = chromium.new_page(), []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        with served(store, port) as base:
            page.goto(f"{base}/r/{store.access.invite('R01')}")
            page.click("text=I agree to take part")
            page.focus("textarea")
            page.keyboard.type("Both are short.")
            page.wait_for_selector("text=Saved at")
            (stored,) = store.events.answers().values()
            assert stored.answer.comment == "Both are short."
            page.reload()  # all is saved: nothing is asked
            assert page.input_value("textarea") == "Both are short."
            assert asked == []
            page.focus("textarea")
        page.keyboard.type("!")  # the server is gone
        page.wait_for_selector("text=No connection. Trying again")
        with contextlib.suppress(PlaywrightError):  # the person stays
            page.goto("about:blank", timeout=3000)
        assert asked == ["beforeunload"]
        with served(store, port):
            page.wait_for_selector("text=Saved at")
    (stored,) = store.events.answers().values()
    assert "!" in stored.answer.comment
    store.close()


def test_a_save_that_finds_no_server_is_said_and_tried_again(tmp_path):
    store, port = made_store(tmp_path), free_port()
    with browser() as chromium:
        page = chromium.new_page()
        with served(store, port) as base:
            page.goto(f"{base}/r/{store.access.invite('R01')}")
            page.click("text=I agree to take part")
            page.wait_for_url("**/rate/1")
        page.check("input[name=p_clarity][value=first]")
        page.wait_for_selector("text=No connection. Trying again")
        assert store.events.answers() == {}
        with served(store, port):
            page.wait_for_selector("text=Saved at")
    (stored,) = store.events.answers().values()
    assert stored.answer.verdicts == {"clarity": "a"}
    assert stored.saves == 1
    store.close()


def test_without_scripts_the_buttons_do_it(tmp_path):
    store = made_store(tmp_path)
    with served(store) as base, browser() as chromium:
        page = chromium.new_context(java_script_enabled=False).new_page()
        page.goto(f"{base}/r/{store.access.invite('R01')}")
        page.click("text=I agree to take part")
        for key in [*(f"p_{key}" for key in KEYS), "overall"]:
            page.check(f"input[name={key}][value=second]")
        page.click("text=Done, next item")
        assert page.url.endswith("/rate/1/told")
    assert [a.verdict for a in store.annotations()] == ["b"]
    store.close()


def test_at_200_per_cent_nothing_is_cut_off(tmp_path):
    store = made_store(tmp_path)
    with served(store) as base, browser() as chromium:
        page = chromium.new_page(viewport={"width": 640, "height": 450})  # 1280 x 900 at 200 %
        page.goto(f"{base}/r/{store.access.invite('R01')}")
        page.click("text=I agree to take part")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        small = page.evaluate(
            "() => [...document.querySelectorAll('button, select, summary, .options label')].filter(e => e.offsetParent"
            " && (e.getBoundingClientRect().height < 24)).map(e => e.outerHTML.slice(0, 80))"
        )
        assert small == []
    store.close()
