"""A rater who dropped out, and the one who takes their place: in the design, a server that is running, and results."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from threading import Barrier, Thread

import pytest
import rated_study
from fastapi.testclient import TestClient
from rated_study import an_item, answer_all, checks, compared, save
from small_study import client, enter, filled, small_design, token
from typer.testing import CliRunner

from psychocounsel.annotate.exchange.sides import study_digest
from psychocounsel.annotate.results.answers import answers_of
from psychocounsel.annotate.results.appendix import Made
from psychocounsel.annotate.results.codes import OVERALL
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.web import make_app
from psychocounsel.annotate.web.progress import live_of, progress_of
from psychocounsel.cli.main import app
from psychocounsel.errors import InputError

PASSWORD = "correct horse battery"


def given(store, code):
    """What a rater was given, without numbers and code."""
    each = [store.assignments[number] for number in store.numbers[code]]
    return [(a.item, a.position, a.flipped, a.repeat) for a in each]


def withdraw(store, code):
    store.events.append(code, "withdrawn", "withdrawn", {}, None)


@contextmanager
def made(where, raters=("R01", "R02", "R03")):
    store = Store.make(where, small_design(raters=raters))
    try:
        yield store
    finally:
        store.close()


@contextmanager
def rated(where, raters=("R01", "R02", "R03")):
    items = [an_item(n) for n in range(12)] + checks()
    store = Store.make(where, rated_study.design(items, raters, repeats=2, skip=1, per_item=2))
    try:
        yield store
    finally:
        store.close()


def test_the_new_rater_has_the_same_items_in_the_same_order_and_sides(where):
    with rated(where) as store:
        before = dict(store.assignments)
        assert store.replace("R02", "Ann") == "R04"
        assert given(store, "R04") == given(store, "R02")
        assert {n: a for n, a in store.assignments.items() if a.rater != "R04"} == before
        assert store.access.rater("R04").version == 0
        assert [(line["who"], line["what"]) for line in store.audit()] == [("Ann", "replaced R02 by R04")]
        assert store.replacements() == [("R02", "R04")]


@pytest.mark.parametrize(
    ("raters", "new"), [(("R01", "R09"), "R10"), (("R001", "R002"), "R003"), (("R98", "R99"), "R100")]
)
def test_the_new_code_is_as_wide_as_the_others(tmp_path, raters, new):
    with made(tmp_path / "study.sqlite", raters) as store:
        assert store.replace(raters[0], "Ann") == new


def test_a_rater_who_may_still_answer_is_replaced_by_force_alone(where):
    with made(where) as store:
        store.access.invite("R01")
        with pytest.raises(InputError, match="R01 has a link that is good, and has not withdrawn"):
            store.replace("R01", "Ann")
        assert set(store.numbers) == {"R01", "R02", "R03"}
        assert store.replace("R01", "Ann", force=True) == "R04"


@pytest.mark.parametrize("how", ["withdrawn", "revoked", "ended", "never used"])
def test_a_rater_who_dropped_out_is_replaced(where, how):
    with made(where) as store:
        if how != "never used":
            store.access.invite("R01", days=-1 if how == "ended" else 9)
        if how == "withdrawn":
            withdraw(store, "R01")
        if how == "revoked":
            store.access.revoke("R01")
        assert store.replace("R01", "Ann") == "R04"


def test_nobody_is_replaced_twice_by_mistake_but_the_new_one_may_be(where):
    with made(where) as store:
        store.replace("R01", "Ann")
        with pytest.raises(InputError, match="R01 was replaced by R04 already"):
            store.replace("R01", "Ann")
        assert store.replace("R04", "Ann") == "R05"
        assert store.replace("R01", "Ann", force=True) == "R06"
        assert store.replacements() == [("R01", "R04"), ("R04", "R05"), ("R01", "R06")]


def test_an_unknown_rater_is_refused_and_nothing_is_added(where):
    with made(where) as store:
        with pytest.raises(InputError, match="no rater 'R77' with items"):
            store.replace("R77", "Ann", force=True)
        assert [rater.code for rater in store.access.raters()] == ["R01", "R02", "R03"]
        assert store.audit() == []


def test_a_replacement_that_fails_on_the_way_leaves_nothing(where, monkeypatch):
    with made(where) as store:
        monkeypatch.setattr("psychocounsel.annotate.store.store.stamp", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.replace("R01", "Ann")
        assert [rater.code for rater in store.access.raters()] == ["R01", "R02", "R03"]
        assert not store.renew()


def test_two_replacements_at_once_get_a_code_each(where):
    with made(where) as store, Store.open(where) as other:
        ready, found = Barrier(2), []

        def one(opened, code):
            ready.wait()
            found.append(opened.replace(code, "Ann"))

        threads = [Thread(target=one, args=each) for each in ((store, "R01"), (other, "R02"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == ["R04", "R05"]
        store.renew()
        assert all(given(store, code) == given(store, by) for code, by in store.replacements())


def test_a_server_that_is_running_sees_the_new_rater(where):
    with made(where) as served, client(served) as who:
        with Store.open(where) as beside:
            withdraw(beside, "R02")
            new = beside.replace("R02", "Ann")
        page = enter(who, served, new)
        assert page.status_code == 200
        assert page.url.path == "/rate/1"
        assert who.post("/rate/1", data=filled(page)).status_code == 200
        assert [served.assignments[n].rater for n in served.events.answers()] == [new]


def desk(store):
    who = TestClient(make_app(store))
    data = {"name": "Ann", "password": PASSWORD, "csrf_token": token(who.get("/coordinator/sign-in"))}
    who.post("/coordinator/sign-in", data=data)
    return who


def test_a_desk_that_is_open_shows_the_new_rater_before_they_have_done_anything(where):
    with made(where) as served:
        served.access.set_coordinator("Ann", PASSWORD, "owner")
        who = desk(served)
        assert "R04" not in who.get("/coordinator").text
        with Store.open(where) as beside:
            beside.replace("R02", "Ann")
        assert "0 of 6" in who.get("/coordinator/raters/R04").text
        assert "R04 was added in this rater" in who.get("/coordinator/raters/R02").text
        assert progress_of(served).work("R04").total == 6


def test_links_for_all_leave_out_who_was_replaced_unless_they_still_have_one(where):
    with made(where) as served:
        served.access.set_coordinator("Ann", PASSWORD, "owner")
        served.replace("R02", "Ann")
        served.access.invite("R03")
        served.replace("R03", "Ann", force=True)
        who = desk(served)

        def invited(**more):
            data = {"csrf_token": token(who.get("/coordinator")), "days": "9"} | more
            return who.post("/coordinator/invite", data=data).text

        assert [code in invited() for code in ("R01", "R02", "R03", "R04")] == [True, False, False, False]
        page = invited(renew="y")
        assert [f">{code}<" in page for code in ("R01", "R02", "R03", "R04", "R05")] == [True, False, True, True, True]


def test_results_have_one_rater_in_the_place_of_who_withdrew(where):
    """As if the one who withdrew had never been: the same answers give the same agreement."""
    with rated(where) as store:
        answer_all(store, seed=3)
        before = answers_of(store)
        withdraw(store, "R02")
        new = store.replace("R02", "Ann")
        for number in store.numbers["R02"]:
            each, known = store.assignments[number], store.items[store.assignments[number].item]
            answer = store.events.answers("R02")[number].answer
            save(store, new, known, answer, each.repeat)
        after = answers_of(store)
        assert after.raters == ("R01", "R03", new)
        assert after.asked[new] == before.asked["R02"]
        assert after.codes(OVERALL).rated(2).table.shape == before.codes(OVERALL).rated(2).table.shape
        told = Counter(a.item for a in after.of())
        assert told == Counter(a.item for a in before.of())  # each item has as many raters as before
        assert progress_of(store).live.lines[0].figure.value == pytest.approx(_alpha(before))


def _alpha(answers):
    return live_of(answers).lines[0].figure.value


def test_a_replacement_is_one_more_rater_of_the_design_as_it_was_carried_out(where):
    with rated(where) as store:
        before = Made.of(store)
        store.replace("R02", "Ann")
        after = Made.of(store)
        assert (before.raters, after.raters) == (3, 4)
        assert after.repeats == before.repeats + 2


def test_the_command_line_replaces_agrees_and_exports(where, tmp_path):
    def say(*arguments):
        return CliRunner().invoke(app, ["annotate", *map(str, arguments)])

    with rated(where) as store:
        answer_all(store, seed=3)
        withdraw(store, "R02")
        told = say("replace", where, "R02")
        assert told.exit_code == 0
        assert f"annotate invite {where} --rater R04" in told.stdout
        assert "/r/" in say("invite", where, "--rater", "R04").stdout
        assert say("replace", where, "R04").exception.args[0].startswith("R04 has a link that is good")
        assert say("replace", where, "R04", "--force").exit_code == 0
        store.renew()
        for item in list(store.items.values())[:12]:
            if any(a.item == item.id for a in store.assignments.values() if a.rater == "R04"):
                save(store, "R04", item, compared("a"))
    agreed = say("agree", where, "--json", "--appendix", tmp_path / "appendix.html")
    assert agreed.exit_code == 0, agreed.exception
    lines = [json.loads(line) for line in agreed.stdout.splitlines()]
    assert [line["withdrawn"] for line in lines if "withdrawn" in line] == [["R02"]]
    assert say("export", where, tmp_path / "out", "--format", "csv").exit_code == 0


def test_what_was_sent_out_before_can_be_read_afterwards(where):
    """Forms by mail and other tools' files carry the study's digest: a replacement makes no other study of it."""
    with made(where) as store:
        before = study_digest(store)
        store.replace("R02", "Ann")
        store.replace("R02", "Ann", force=True)
        assert study_digest(store) == before
