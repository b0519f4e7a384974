"""The form that is filled without a server: what is in it, what comes back, and a whole study by keyboard."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

import pytest
from browsing import DESK, PHONE, browser, needs_browser, violations
from exchange_study import KEYS, NAME, NASTY, SECRETS, made

from psychocounsel.annotate.exchange import import_answers, write_form
from psychocounsel.annotate.exchange.offline import FORMAT, safe_json
from psychocounsel.annotate.exchange.sides import study_digest
from psychocounsel.errors import InputError


@pytest.fixture(params=["pairs", "responses"])
def store(request, tmp_path):
    with made(tmp_path, request.param) as store:
        yield store


def data_of(form):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', form, re.S)[1])


# What is in it


def test_the_form_tells_nothing_of_who_wrote_what(store):
    form = write_form(store, "R02")
    told = json.dumps(data_of(form), ensure_ascii=False)
    hidden = {*SECRETS, NAME, "attention", "calibration", "expected", "flipped", *store.items, "R01", store.secret}
    hidden |= {word for item in store.items.values() for word in (*item.response_ids, item.speech_id, item.labeller)}
    assert not [word for word in hidden if word in form or word in told]


def test_the_form_shows_the_items_of_its_rater_in_order_and_as_they_are_turned(store):
    data = data_of(write_form(store, "R02"))
    assert len(data["items"]) == len(store.numbers["R02"])
    for shown, number in zip(data["items"], store.numbers["R02"], strict=True):
        each = store.assignments[number]
        item = store.items[each.item]
        expected = [item.texts[1], item.texts[0]] if each.flipped else list(item.texts)
        assert shown["responses"] == expected
        assert [(turn["role"], turn["text"]) for turn in shown["turns"]] == [
            (t.role, t.text) for t in item.conversation
        ]


def test_only_its_own_script_and_style_may_run_and_nothing_is_fetched(store):
    form = write_form(store, "R01")
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', form)[1])
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert "unsafe" not in policy
    assert rules["default-src"] == "'none'"
    scripts, styles = re.findall(r"<script>(.*?)</script>", form, re.S), re.findall(r"<style>(.*?)</style>", form, re.S)
    assert (len(scripts), len(styles)) == (1, 1)
    for rule, text in (("script-src", scripts[0]), ("style-src", styles[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    markup = re.sub(r"<script.*?</script>", "", form, flags=re.S)
    assert re.findall(r"\s(?:src|href)=(\S+)", markup) == ['"#main">Go']
    assert "window.ran" not in markup
    assert "http:" not in form
    assert "https:" not in form
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", "DOMParser"):
        assert way not in scripts[0]
    assert form.isascii() or "\u2028" not in form


def test_texts_are_data_that_no_parser_reads_as_markup():
    text = safe_json({"text": f"{NASTY}\u2029\x00\ud800</SCRIPT>"})
    assert not set("<>&'\u2028\u2029") & set(text)
    assert text.isascii()
    assert json.loads(text)["text"].startswith(NASTY)


def test_no_form_for_whom_the_study_does_not_have_or_who_has_withdrawn(store):
    with pytest.raises(InputError, match="2 codes"):
        write_form(store, "R09")
    store.events.append("R01", "withdrawn", "w", {}, None)
    with pytest.raises(InputError, match="withdrawn"):
        write_form(store, "R01")


# What comes back


def answers_file(store, path, given, **other):
    content = {"format": FORMAT, "study": study_digest(store), "rater": "R01", "consent": "2026-01-01T00:00:00Z"}
    path.write_text(json.dumps(content | {"answers": given} | other), "utf-8")
    return path


def said(position, verdict="first", **other):
    return {"position": position, "verdict": verdict, "verdicts": dict.fromkeys(KEYS, verdict), "done": True} | other


def test_sides_are_turned_back_and_open_answers_stay_open(tmp_path):
    with made(tmp_path) as store:
        answers = [said(0), said(1), said(2, "tie"), {"position": 3, "verdict": "second", "seconds": 4}]
        path = answers_file(store, tmp_path / "a.json", answers)
        done = import_answers(store, path)
        assert (done.format, done.read, done.saved, done.refused) == ("offline", 4, 4, ())
        flipped = [store.assignments[number].flipped for number in store.numbers["R01"]]
        assert flipped[:4] == [False, True, False, True]
        assert [a.verdict for a in store.annotations()] == ["a", "b", "tie"]
        assert store.annotations()[1].principle_verdicts == dict.fromkeys(KEYS, "b")
        half = store.events.answers()[store.numbers["R01"][3]].answer
        assert (half.verdict, half.done, half.seconds) == ("a", False, 4)
        assert store.consent_of("R01") is not None
        assert import_answers(store, path).already == 4

        # What was taken back and given again is kept, as it is another file.
        import_answers(store, answers_file(store, tmp_path / "b.json", [said(0, "second")]))
        assert store.annotations()[0].verdict == "b"
        import_answers(store, answers_file(store, tmp_path / "c.json", [said(0)], saved="later"))
        assert store.annotations()[0].verdict == "a"


def test_answers_that_do_not_fit_are_told_and_stop_no_other(tmp_path):
    wrong = [
        said(99), said(0), said(0), said(1, "a third"), said(2, verdicts={NAME: "first"}), said(3, verdicts={}), "text",
        said(4, comment=7), said(5, seconds=-1),
    ]  # fmt: skip
    with made(tmp_path) as store:
        done = import_answers(store, answers_file(store, tmp_path / "a.json", wrong))
        assert (done.read, done.saved) == (9, 1)
        assert [each.row for each in done.refused] == [1, 3, 4, 5, 6, 7, 8, 9]
        assert NAME not in str(done.refused)
        assert "Empathy and emotional understanding is not answered" in done.refused[4].reason


def test_a_rating_is_a_whole_number_from_1_to_5(tmp_path):
    with made(tmp_path, "responses") as store:
        given = [{"position": n, "overall": rating} for n, rating in enumerate((True, 0, 6, 2.5, 4))]
        done = import_answers(store, answers_file(store, tmp_path / "a.json", given))
        assert (done.saved, [each.row for each in done.refused]) == (1, [1, 2, 3, 4])


@pytest.mark.parametrize("odd", [["first"], {"first": 1}, 5, True, "x" * 3000, "\ud800"])
def test_no_field_of_an_answer_whatever_it_is_breaks_the_import(tmp_path, odd):
    with made(tmp_path) as store:
        names = ("verdict", "verdicts", "scores", "overall", "comment", "seconds", "skipped", "cannot", "done", "risk")
        for name in names:
            done = import_answers(store, answers_file(store, tmp_path / "a.json", [said(0, **{name: odd})]))
            fits = name == "seconds" and isinstance(odd, int)
            fits = fits or (odd is True and name in ("skipped", "done", "risk"))
            assert (done.saved + done.already, len(done.refused)) == ((1, 0) if fits else (0, 1)), name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "psychocounsel-offline-2"}, "another version"),
        ({"format": "something"}, "no answers file"),
        ({"study": "0" * 16}, "another study"),
        ({"rater": NAME}, "the study does not have; it has 2"),
        ({"rater": ["R01"]}, "the study does not have"),
        ({"consent": ""}, "not agreed"),
        ({"answers": {}}, "no answers file"),
    ],
)
def test_a_file_of_another_study_or_version_is_refused(tmp_path, change, told):
    with made(tmp_path) as store:
        path = answers_file(store, tmp_path / "a.json", [said(0)], **change)
        with pytest.raises(InputError, match=told) as raised:
            import_answers(store, path, "offline")
        assert NAME not in str(raised.value)
        assert store.annotations() == []


def test_who_declined_on_the_page_is_not_overruled_by_a_file(tmp_path):
    with made(tmp_path) as store:
        store.events.append("R01", "declined", "d", {}, None)
        with pytest.raises(InputError, match="declined"):
            import_answers(store, answers_file(store, tmp_path / "a.json", [said(0)]))


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    with made(tmp_path) as store:
        path = answers_file(store, tmp_path / "a.json", [said(0)])
        path.write_text(path.read_text()[:-20])
        with pytest.raises(InputError, match="damaged"):
            import_answers(store, path)


# In a browser


def opened(found, path, size=DESK, scheme="light"):
    context = found.new_context(viewport=size, color_scheme=scheme, accept_downloads=True)
    page = context.new_page()
    page.errors, page.asked = [], []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda m: page.errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("request", lambda r: page.asked.append(r.url) if not r.url.startswith(("file:", "blob:")) else None)
    page.goto(path.as_uri())
    return page


def tab_to(page, name):
    """Press Tab until the focus is on what has this name or text."""
    for _ in range(60):
        page.keyboard.press("Tab")
        told = page.evaluate(
            "() => { const e = document.activeElement; const set = e.closest('fieldset');"
            " return [e.id, e.textContent, e.labels && e.labels[0] ? e.labels[0].textContent : '',"
            " set ? set.querySelector('legend').textContent : ''].map((t) => t.trim()) }"
        )
        if name in told:
            return
    raise AssertionError(f"no key leads to {name}")


def choose(page, legend, steps):
    """Choose the first option of a group, and then the one `steps` further."""
    tab_to(page, legend)
    page.keyboard.press("Space")
    for _ in range(steps):
        page.keyboard.press("ArrowRight")


def saved_file(page, path):
    with page.expect_download() as download:
        tab_to(page, "save")
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "answers-R02.json"
    download.value.save_as(path)
    return path


@needs_browser
@pytest.mark.parametrize("kind", ["pairs", "responses"])
def test_a_study_is_filled_by_keyboard_alone_and_its_answers_come_back(tmp_path, kind):
    from playwright.sync_api import expect

    pairs = kind == "pairs"
    with made(tmp_path, kind) as store, browser() as found:
        form = tmp_path / "form.html"
        form.write_text(write_form(store, "R02"), "utf-8")
        principles = [p.name for p in store.plan.rubric.principles]
        page = opened(found, form)

        tab_to(page, "Begin")
        page.keyboard.press("Enter")
        assert "tick the box" in page.inner_text("#agree-fault")
        page.keyboard.press("Space")  # the focus is on the box
        tab_to(page, "Begin")
        page.keyboard.press("Enter")
        assert page.title().startswith("Item 1 of 6")

        # Left open: an error summary that leads to what is missing.
        choose(page, principles[0], 0)
        tab_to(page, "Done, next item")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.className") == "errors"
        assert page.locator(".errors a").all_inner_texts() == [*principles[1:], "Overall"]
        tab_to(page, "Overall")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "overall-0"

        # Reloaded: what was given is there.
        page.reload()
        tab_to(page, "Go on")
        page.keyboard.press("Enter")
        assert page.locator("input:checked").count() == 1

        for position in range(6):
            assert page.title().startswith(f"Item {position + 1} of 6")
            shown = page.locator(".speech").inner_text()
            assert "<script>window.ran=1</script>" in shown
            assert page.evaluate("document.activeElement.tagName") == "H1"
            if position == 1:
                tab_to(page, "Skip this item: it distresses me")
                page.keyboard.press("Enter")
                assert "988" in page.inner_text("main")
                tab_to(page, "Go on")
                page.keyboard.press("Enter")
                continue
            if position == 2:
                if pairs:
                    choose(page, "Overall", 3)
                else:
                    tab_to(page, "I cannot judge this response")
                    page.keyboard.press("Space")
            else:
                for place, principle in enumerate(principles):
                    choose(page, principle, place % 3)
                choose(page, "Overall", position % 2)
            if position == 3:
                tab_to(page, "The client, or a response, worries me: flag a danger")
                page.keyboard.press("Space")
                tab_to(page, "comment")
                page.keyboard.type("</script><b>=1")
            tab_to(page, "Done" if position == 5 else "Done, next item")
            page.keyboard.press("Enter")
        assert "All items are finished" in page.title()
        assert "6 of 6" in page.inner_text("#count")
        first = saved_file(page, tmp_path / "answers.json")
        assert "Saved as answers-R02.json" in page.inner_text("#said")
        assert page.evaluate("window.ran") is None
        assert (page.errors, page.asked) == ([], [])
        page.context.close()

        done = import_answers(store, first)
        assert (done.saved, done.refused) == (6, ())
        for each in store.annotations():
            flipped = store.assignments[store.numbers["R02"][each.position]].flipped
            order = ["b", "a", "tie"] if flipped else ["a", "b", "tie"]
            assert each.rater == "R02"
            if each.position == 1:
                assert each.skipped
            elif each.position == 2:
                assert each.verdict == "cannot"
            elif pairs:
                assert each.verdict == order[each.position % 2]
                assert each.principle_verdicts == {key: order[n % 3] for n, key in enumerate(KEYS)}
            else:
                assert each.overall == each.position % 2 + 1
                assert each.scores == {key: n % 3 + 1.0 for n, key in enumerate(KEYS)}
            assert (each.comment, each.risk) == (("</script><b>=1", True) if each.position == 3 else ("", False))
        assert len(store.annotations()) == 6

        # Another device: the file is opened there, and no other file is.
        second = opened(found, form, PHONE)
        bad = tmp_path / "bad.json"
        for content, told in (("{", "damaged"), (json.dumps({"answers": []}), "another version")):
            bad.write_text(content)
            second.set_input_files("#open", bad)
            expect(second.locator("#said")).to_contain_text(told)
        second.set_input_files("#open", first)
        expect(second.locator("#said")).to_contain_text("6 answers were taken")
        assert "6 of 6" in second.inner_text("#count")
        assert second.evaluate("window.ran") is None
        second.once("dialog", lambda dialog: dialog.accept())
        second.click("#forget")
        assert second.evaluate("localStorage.length") == 0
        second.context.close()


@needs_browser
def test_a_browser_that_keeps_nothing_is_said_so(tmp_path):
    with made(tmp_path) as store, browser() as found:
        form = tmp_path / "form.html"
        form.write_text(write_form(store, "R01"), "utf-8")
        context = found.new_context()
        context.add_init_script(
            "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
        )
        page = context.new_page()
        page.goto(form.as_uri())
        assert "does not keep answers" in page.inner_text("#kept")
        page.check("#agree")
        page.click("text=Begin")
        page.check("#overall-3")
        with page.expect_download() as download:
            page.click("#save")
        answers = json.loads(download.value.path().read_text("utf-8"))["answers"]
        assert [(a["position"], a["verdict"]) for a in answers] == [(0, "cannot")]
        context.close()


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(tmp_path, size, scheme):
    with (
        made(tmp_path) as pairs,
        made(tmp_path, "responses", "r.sqlite") as single,
        browser() as found,
    ):
        for kind, store in (("pairs", pairs), ("responses", single)):
            form = tmp_path / f"{kind}.html"
            form.write_text(write_form(store, "R02"), "utf-8")
            page = opened(found, form, size, scheme)

            def look(what, page=page):
                assert violations(page) == [], what
                # WCAG 2.2, 2.5.8: whatever is pressed is 24 px high and wide; links in text may be smaller.
                small = page.evaluate(
                    "() => [...document.querySelectorAll('button, select, textarea, input, summary, .errors a')]"
                    ".map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])"
                    ".filter(([, r]) => r.width && (r.height < 24 || r.width < 24)).map(([t]) => t)"
                )
                assert small == [], what
                page.set_viewport_size({"width": 320, "height": 600})
                assert page.evaluate("document.documentElement.scrollWidth") <= 320, what
                page.set_viewport_size(size)

            page.click("text=Begin")
            if kind == "pairs":
                look("start with a fault")
            page.check("#agree")
            page.click("text=Begin")
            page.check("#p-empathy-1")
            page.click("text=Done, next item")
            look("item with faults")
            if kind == "responses":
                page.context.close()
                continue
            page.click("text=Skip this item")
            look("skipped")
            page.click("text=Go on")
            page.select_option("#jump", "5")
            page.get_by_role("button", name="Go", exact=True).click()
            page.check("#overall-3")
            page.get_by_role("button", name="Done", exact=True).click()
            look("end")
            page.context.close()
