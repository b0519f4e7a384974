"""The coordinators' pages, over the real application and a real database."""

from __future__ import annotations

import io
import re
import zipfile
from urllib.parse import quote

import pytest
from desk_study import (
    PASSWORD,
    PEOPLE,
    decision,
    desk,
    done_by,
    hidden,
    rate,
    send,
    sign_in,
)
from small_study import KEYS, SCRIPT, SECRETS, client, enter, filled, made_store, small_design, token

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Answer
from psychocounsel.annotate.web.app import cookie_of
from psychocounsel.annotate.web.coordinator import Tries
from psychocounsel.annotate.web.desk import AT_ONCE, KEPT, MOST_OF_NAME, MOST_TRIES, WINDOW
from psychocounsel.annotate.web.disagreements import flipped
from psychocounsel.annotate.web.shown import own_side

PAGES = (
    "", "/adjudicate", "/adjudicate/2", "/raters/R01", "/export", "/export/csv", "/audit", "/accounts", "/password",
)  # fmt: skip
POSTS = {
    "/pause": {"action": "pause"}, "/invite": {"days": "9"}, "/raters/R01/invite": {"days": "9"},
    "/raters/R01/revoke": {}, "/raters/R01/withdraw": {"sure": "y"}, "/adjudicate/2": {"overall": "cannot"},
    "/accounts": {"name": "New", "role": "observer", "password": PASSWORD},
    "/accounts/change": {"name": "Obi", "role": "owner", "password": PASSWORD},
    "/accounts/remove": {"name": "Obi", "sure": "y"}, "/flags/seen": {"flag": "R01, item 2"}, "/sign-out": {},
    "/password": {"old": PASSWORD, "new": "another long password", "again": "another long password"},
}  # fmt: skip


@pytest.fixture
def store(desk_store):
    return desk_store


def test_sign_in_leads_to_the_progress_and_sign_out_ends_it(store):
    with client(store) as who:
        assert who.get("/coordinator").url.path == "/coordinator/sign-in"
        page = sign_in(who, "Cora")
        assert page.url.path == "/coordinator"
        assert "Sign out Cora" in page.text
        assert send(who, "/sign-out").url.path == "/coordinator/sign-in"
        assert who.get("/coordinator").url.path == "/coordinator/sign-in"
    assert done_by(store) == [("Cora", "signed in", "")]


def test_a_session_from_before_the_sign_in_is_not_kept(store):
    with client(store) as who:
        before = token(who.get("/coordinator/sign-in"))
        sign_in(who)
        assert who.post("/coordinator/pause", data={"csrf_token": before, "action": "pause"}).status_code == 403
    assert not store.paused


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("Olive", "a long enough passworD"), ("olive", PASSWORD), ("Nobody", PASSWORD), ("\0", "x"),
        ("Ol\0ive", PASSWORD), ("\ud800".encode("utf-8", "surrogatepass"), "x"), ("Olive", "\0"),
        ("x" * 60, "y" * 1000),
    ],
)  # fmt: skip
def test_wrong_names_and_passwords_are_refused(store, name, password):
    with client(store) as who:
        page = sign_in(who, name, password)
        assert page.status_code == 403
        assert "do not belong together" in page.text
        assert who.get("/coordinator").url.path == "/coordinator/sign-in"


@pytest.mark.parametrize(("name", "password"), [("", PASSWORD), ("Olive", ""), ("x" * 61, "y"), ("x", "y" * 1001)])
def test_what_no_sign_in_holds_is_refused(store, name, password):
    with client(store) as who:
        assert sign_in(who, name, password).status_code == 400


def test_after_eight_wrong_passwords_the_right_one_has_to_wait(store, monkeypatch):
    with client(store) as who:
        for _ in range(MOST_TRIES):
            assert sign_in(who, "Cora", "wrong").status_code == 403
        monkeypatch.setattr(store.access, "sign_in", lambda *_: pytest.fail("no password is looked at"))
        assert sign_in(who, "Cora").status_code == 429
        assert sign_in(who, "Olive").status_code == 429  # the address has had its tries as well


def test_tries_are_by_address_end_with_time_and_take_little_memory():
    now = [0.0]
    tries = Tries(lambda: now[0])
    for n in range(MOST_TRIES):
        assert tries.take(f"name {n}", "a")
        now[0] += 1
    assert not tries.take("another", "a")
    assert tries.take("another", "b")
    now[0] = WINDOW + 0.5  # the first of them is forgotten
    assert tries.take("another", "a")
    assert not tries.take("another", "a")
    for _ in range(3 * MOST_OF_NAME):  # who signs in is never locked out
        assert tries.take("c", "c")
        tries.succeeded("c", "c")
    for n in range(3 * KEPT):
        tries.take(f"name {n}", f"address {n}")
    assert len(tries._times) <= KEPT


def test_wrong_passwords_from_elsewhere_do_not_lock_the_right_one_out_until_they_are_very_many():
    tries = Tries(lambda: 0.0)
    for n in range(MOST_OF_NAME):
        assert tries.take("Cora", f"address {n // MOST_TRIES}")  # who guesses has many addresses
        if n == 3 * MOST_TRIES:
            assert tries.take("Cora", "her own")
            tries.succeeded("Cora", "her own")
    assert not tries.take("Cora", "her own")
    assert tries.take("Olive", "her own")


def test_no_more_passwords_are_checked_at_once_than_the_machine_bears(store):
    with client(store) as who:
        tries = who.app.state.tries
        for _ in range(AT_ONCE):
            assert tries.checking.acquire(blocking=False)
        for _ in range(2 * MOST_TRIES):
            assert sign_in(who).status_code == 429
        tries.checking.release()
        assert sign_in(who).status_code == 200  # they were no tries


def test_a_changed_password_ends_the_sessions_before_it(store):
    with desk(store, "Cora") as who:
        store.access.set_coordinator("Cora", PASSWORD, "coordinator")
        assert who.get("/coordinator").url.path == "/coordinator/sign-in"
        store.access.set_coordinator("Cora", PASSWORD, "observer")
    with client(store) as who:
        who.cookies.set(cookie_of(store), "eyJjb29yZGluYXRvciI6WyJPbGl2ZSIsMV19.forged.signature")
        assert who.get("/coordinator").url.path == "/coordinator/sign-in"


def test_nobody_and_no_rater_gets_in_anywhere(store):
    with client(store) as nobody, client(store) as rater:
        page = enter(rater, store)
        for address in PAGES:
            assert nobody.get(f"/coordinator{address}").url.path == "/coordinator/sign-in"
            assert rater.get(f"/coordinator{address}").status_code == 403
        for address, data in POSTS.items():
            theirs = {"csrf_token": token(nobody.get("/coordinator/sign-in"))}
            assert nobody.post(f"/coordinator{address}", data=data | theirs).status_code == 403
            assert rater.post(f"/coordinator{address}", data=data | {"csrf_token": token(page)}).status_code == 403
    assert not store.paused
    assert store.withdrawn() == set()
    assert store.adjudicated() == {}
    assert len(store.access.coordinators()) == len(PEOPLE)
    assert done_by(store) == []


def test_an_observer_reads_progress_and_nothing_else(store):
    store.access.invite("R01", "Maria Secretname")
    rate(store, {"R01": "a", "R02": "b"}, risk=True, comment="A private comment.")
    with desk(store, "Obi") as who:
        page = who.get("/coordinator")
        assert "R01" in page.text
        assert "Flagged as a danger: 2" in page.text
        assert "Secretname" not in page.text
        assert "private comment" not in page.text
        assert set(re.findall(r'href="(/coordinator/[^"]*)"', page.text)) == {"/coordinator/password"}
        for address in set(PAGES[1:]) - {"/password"}:
            assert who.get(f"/coordinator{address}").status_code == 403, address
        for address, data in POSTS.items():
            if address not in ("/sign-out", "/password"):
                assert send(who, address, data).status_code == 403, address
        assert send(who, "/sign-out").status_code == 200
    assert not store.paused
    assert done_by(store) == [("Obi", "signed in", "")]


def test_only_an_owner_sees_and_changes_coordinators(store):
    before = store.access.coordinators()
    with desk(store, "Cora") as who:
        assert "/coordinator/accounts" not in who.get("/coordinator").text
        assert who.get("/coordinator/accounts").status_code == 403
        for address in ("/accounts", "/accounts/change", "/accounts/remove"):
            assert send(who, address, POSTS[address]).status_code == 403
    assert store.access.coordinators() == before


def test_an_owner_adds_and_changes_coordinators_and_stays_signed_in(store):
    before = {c.name: c.version for c in store.access.coordinators()}
    with desk(store) as who:
        assert send(who, "/accounts", POSTS["/accounts"]).status_code == 200
        assert send(who, "/accounts", POSTS["/accounts"]).status_code == 422  # there already
        for bad in ({"password": "short"}, {"name": "a\tb"}, {"name": " "}, {"name": "Olive "}):
            assert send(who, "/accounts", POSTS["/accounts"] | {"name": "Bad"} | bad).status_code in (400, 422), bad
        assert send(who, "/accounts", POSTS["/accounts"] | {"name": "Bad", "role": "king"}).status_code == 400
        assert send(who, "/accounts/change", POSTS["/accounts/change"]).status_code == 200
        assert send(who, "/accounts/change", POSTS["/accounts/change"] | {"name": "Nobody"}).status_code == 422
        own = {"name": "Olive", "role": "owner", "password": "another long password"}
        assert send(who, "/accounts/change", own).status_code == 200
        assert who.get("/coordinator/accounts").status_code == 200
    assert [(c.name, c.role, c.version - before.get(c.name, c.version)) for c in store.access.coordinators()] == [
        ("Cora", "coordinator", 0), ("New", "observer", 0), ("Obi", "owner", 1), ("Olive", "owner", 1),
    ]  # fmt: skip
    assert store.access.sign_in("Olive", "another long password")
    assert [line[1:] for line in done_by(store)] == [
        ("changed a coordinator as owner", "Olive"), ("changed a coordinator as owner", "Obi"),
        ("added a coordinator as observer", "New"), ("signed in", ""),
    ]  # fmt: skip


def test_who_is_removed_is_out_at_once_and_a_namesake_does_not_let_them_in(store):
    with desk(store) as who, desk(store, "Cora") as cora:
        assert send(who, "/accounts/remove", {"name": "Cora"}).status_code == 400  # the box is not ticked
        assert send(who, "/accounts/remove", {"name": "Nobody", "sure": "y"}).status_code == 422
        assert cora.get("/coordinator").url.path == "/coordinator"
        assert send(who, "/accounts/remove", {"name": "Cora", "sure": "y"}).url.path == "/coordinator/accounts"
        assert cora.get("/coordinator").url.path == "/coordinator/sign-in"
        store.access.set_coordinator("Cora", PASSWORD)
        assert cora.get("/coordinator").url.path == "/coordinator/sign-in"
    assert ("Olive", "removed a coordinator", "Cora") in done_by(store)


def test_the_last_owner_stays_one(store):
    with desk(store) as who:
        assert "needs an owner" in send(who, "/accounts/remove", {"name": "Olive", "sure": "y"}).text
        page = send(who, "/accounts/change", {"name": "Olive", "role": "observer", "password": PASSWORD})
        assert page.status_code == 422
        assert "needs an owner" in page.text
    assert store.access.sign_in("Olive", PASSWORD).role == "owner"


def test_forms_without_their_sessions_token_are_refused(store):
    with desk(store) as who, desk(store, "Cora") as other:
        theirs = token(other.get("/coordinator"))
        for address, data in POSTS.items():
            for wrong in ({"x": ""}, {"csrf_token": ""}, {"csrf_token": "x##y"}, {"csrf_token": theirs}):
                assert who.post(f"/coordinator{address}", data=data | wrong).status_code == 403, address
            assert who.post(f"/coordinator{address}", json=data).status_code == 400
        assert who.get("/coordinator").status_code == 200
    with client(store) as who:
        assert who.post("/coordinator/sign-in", data={"name": "Olive", "password": PASSWORD}).status_code == 403
    assert not store.paused
    assert {what for _, what, _ in done_by(store)} == {"signed in"}


def links_in(page):
    return re.findall(r'<code class="link">(http[^<]+)</code>', page.text)


def test_a_link_is_shown_once_works_and_ends_when_it_is_taken_back_or_renewed(store):
    with desk(store) as who, client(store) as rater, client(store) as late:
        page = send(who, "/raters/R02/invite", {"days": "3", "name": "Maria  Sample"})
        (link,) = links_in(page)
        assert link.startswith("http://testserver/r/")
        assert "not kept" in page.text
        for address in ("", "/raters/R02", "/audit"):
            assert link.rpartition("/")[2] not in who.get(f"/coordinator{address}").text
        assert "Maria Sample" in who.get("/coordinator").text
        assert "I agree to take part" in rater.get(link).text
        (newer,) = links_in(send(who, "/raters/R02/invite", {"days": "3"}))
        assert rater.get("/rate").status_code == 403
        assert late.get(link).status_code == 403
        assert "I agree to take part" in rater.get(newer).text
        assert "Maria Sample" in who.get("/coordinator").text  # no name was sent, so it stays
        page = send(who, "/raters/R02/revoke")
        assert "taken back" in page.text
        assert rater.get("/rate").status_code == 403
        assert late.get(newer).status_code == 403
    lines = done_by(store)
    assert lines[:-1] == [("Olive", "took a link back", "R02")] + [("Olive", "invited", "R02")] * 2
    assert "Sample" not in str(lines)


def test_everybody_is_invited_and_good_links_stay_unless_they_are_to_be_renewed(store):
    kept = store.access.invite("R01")
    store.events.append("R03", "withdrawn", "w", {}, None)
    with desk(store, "Cora") as who:
        (link,) = links_in(send(who, "/invite", {"days": "5"}))
        assert store.access.by_token(link.rpartition("/")[2]).code == "R02"
        assert store.access.by_token(kept).code == "R01"
        assert "none was made" in send(who, "/invite", {"days": "5"}).text
        renewed = links_in(send(who, "/invite", {"days": "5", "renew": "y"}))
        assert [store.access.by_token(each.rpartition("/")[2]).code for each in renewed] == ["R01", "R02"]
        assert store.access.by_token(kept) is None
        assert send(who, "/raters/R03/invite", {"days": "5"}).status_code == 409


def test_who_withdraws_is_out_of_every_result_and_cannot_come_in(store):
    rate(store, {"R01": "a", "R02": "b"})
    with desk(store) as who:
        link = store.access.invite("R02")
        for unsure in ({}, {"sure": ""}, {"sure": "false"}):
            assert send(who, "/raters/R02/withdraw", unsure).status_code == 400
        assert store.withdrawn() == set()
        page = send(who, "/raters/R02/withdraw", {"sure": "y"})
        assert "This rater has withdrawn" in page.text
        assert send(who, "/raters/R02/withdraw", {"sure": "y"}).status_code == 200
        assert "1 rater withdrew" in who.get("/coordinator").text
        assert store.access.by_token(link) is None
    assert {a.rater for a in store.annotations()} == {"R01"}
    assert len(store.events.all("R02", kinds=("withdrawn",))) == 1
    assert ("Olive", "withdrawn from the study", "R02") in done_by(store)


def test_pause_stops_what_raters_send_and_resume_lets_it_through(store):
    with desk(store, "Cora") as who, client(store) as rater:
        page = enter(rater, store)
        assert "The study is paused" in send(who, "/pause", {"action": "pause"}).text
        assert rater.post("/rate/1", data=filled(page)).status_code == 409
        assert store.events.answers() == {}
        assert "The study is paused" not in send(who, "/pause", {"action": "resume"}).text
        assert rater.post("/rate/1", data=filled(page)).status_code == 200
        assert send(who, "/pause", {"action": "stop"}).status_code == 400
    assert len(store.annotations()) == 1
    assert done_by(store)[:2] == [("Cora", "let the study go on", ""), ("Cora", "paused the study", "")]


def test_the_progress_has_the_figures_of_each_rater(store):
    store.access.invite("R01", "Maria Sample")
    store.events.append("R01", "consent", "c", {}, None)
    for place in range(1, 7):
        rate(store, {"R01": "a", "R02": "tie"}, place)
    number = store.numbers["R03"][1]
    store.save(number, Answer(skipped=True), "s")
    with desk(store) as who:
        text = who.get("/coordinator").text
    cells = [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[dh]\b[^>]*>(.*?)</t[dh]>", row)]
        for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", text, re.S)
    ]
    assert [row[:2] + row[4:10] for row in cells] == [
        ["R01", "Maria Sample", "6 of 6", "0", "0", "30", "1 of 1", "-"],
        ["R02", "", "6 of 6", "0", "0", "30", "0 of 1", "-"],
        ["R03", "", "1 of 6", "1", "0", "-", "-", "-"],
    ]
    assert cells[0][2].startswith("until ")
    assert cells[0][3].startswith("agreed ")
    assert cells[1][2:4] == ["not invited", "not yet"]
    assert "13 of 18 done, of these 1 skipped" in text
    assert "1 of 1 attention check answered otherwise than expected." in text
    assert "4 items with the first answers of two raters or more; 2 raters in all" in text


def test_agreement_says_where_there_is_not_enough(store):
    with desk(store, "Obi") as who:
        assert who.get("/coordinator").text.count("not enough yet") == 2


def test_a_disagreement_is_listed_decided_once_and_then_told_what_was_hidden(store):
    rate(store, {"R01": "a", "R02": "b", "R03": "tie"}, 2, comment="Not warm.", spans=[
        {"side": "b", "start": 0, "end": 24, "kind": "harmful"}
    ])  # fmt: skip
    rate(store, {"R01": "a", "R02": "a", "R03": "a"}, 3)
    item = list(store.items.values())[1]
    b = "first" if flipped(store.plan, item) else "second"
    with desk(store, "Cora") as who:
        listed = who.get("/coordinator/adjudicate")
        assert re.findall(r">Item (\d)</a>", listed.text) == ["2"]
        assert "<strong>open</strong>" in listed.text
        page = who.get("/coordinator/adjudicate/2")
        assert page.text.count("Not warm.") == 3
        assert f"in the {b} response" in page.text
        assert page.text.count('<q class="said">You should just leave 1.</q>') == 3
        assert not [secret for secret in SECRETS if secret in page.text + listed.text]
        assert item.id not in page.text + listed.text
        missing = decision(page) | {"overall": ""}
        page = who.post("/coordinator/adjudicate/2", data=missing)
        assert page.status_code == 422
        assert 'href="#f-overall"' in page.text
        assert store.adjudicated() == {}
        assert not [secret for secret in SECRETS if secret in page.text]
        page = who.post("/coordinator/adjudicate/2", data=decision(page, value="first", comment="It asks.", risk="y"))
        assert page.url.path == "/coordinator/adjudicate/2"
        answer, by = store.adjudicated()[item.id]
        assert by == "Cora"
        assert answer == Answer(
            verdict=own_side("first", flipped(store.plan, item)), done=True, comment="It asks.",
            verdicts=dict.fromkeys(KEYS, own_side("first", flipped(store.plan, item))),
        )  # fmt: skip
        assert page.text.count('value="first" checked') == len(KEYS) + 1
        model_of = dict(zip("ab", item.models, strict=True))
        shown = page.text.partition("What was hidden")[2]
        assert shown.index(model_of[own_side("first", flipped(store.plan, item))]) < shown.index(
            model_of[own_side("second", flipped(store.plan, item))]
        )
        assert "prefers the first" in shown or "prefers the second" in shown
        who.post("/coordinator/adjudicate/2", data=decision(page, value="tie"))
        assert "by Cora" in who.get("/coordinator/adjudicate").text
    assert store.adjudicated()[item.id][0].verdict == "tie"
    assert done_by(store)[:2] == [
        ("Cora", "changed a decision, models known", "item 2"), ("Cora", "decided", "item 2"),
    ]  # fmt: skip


def test_ratings_are_adjudicated_too(tmp_path):
    store = made_store(tmp_path, "responses")
    store.access.set_coordinator("Olive", PASSWORD, "owner")
    item = list(store.items.values())[1]
    for rater, score in (("R01", 2), ("R02", 4)):
        answer = Answer(overall=score, scores=dict.fromkeys(KEYS, score), done=True)
        store.save(store.numbers[rater][1], answer, "k")
    with desk(store) as who:
        assert "ratings lie 2 points apart" in who.get("/coordinator/adjudicate").text
        page = who.get("/coordinator/adjudicate/2")
        page = who.post("/coordinator/adjudicate/2", data=decision(page, "responses", "3"))
        assert store.adjudicated()[item.id][0].overall == 3
        assert "secret-model" in page.text
        data = {"csrf_token": token(page), "cannot": "y", "decided": hidden(page, "decided")}
        assert who.post("/coordinator/adjudicate/2", data=data).status_code == 200
        assert store.adjudicated()[item.id][0].cannot
    store.close()


def test_the_desk_is_the_same_over_either_database(where):
    store = Store.make(where, small_design())
    store.access.set_coordinator("Olive", PASSWORD, "owner")
    rate(store, {"R01": "a", "R02": "b"}, risk=True)
    with client(store) as who:
        assert sign_in(who, "Ol\0ive").status_code == 403
        assert sign_in(who).url.path == "/coordinator"
        assert "1 item with the first answers of two raters or more; 2 raters in all" in who.get("/coordinator").text
        assert links_in(send(who, "/raters/R01/invite", {"days": "3", "name": "Ma\0ria"}))
        assert who.get("/coordinator/raters/R%00").status_code == 404
        page = who.get("/coordinator/adjudicate/2")
        page = who.post("/coordinator/adjudicate/2", data=filled(page, comment="N\0UL"))
        assert "What was hidden" in page.text
        assert send(who, "/accounts", POSTS["/accounts"] | {"name": "N\0"}).status_code == 422
        assert send(who, "/pause", {"action": "pause"}).status_code == 200
        send(who, "/raters/R02/withdraw", {"sure": "y"})
        assert "0 items with the first answers of two raters or more; 1 rater in all" in who.get("/coordinator").text
    assert store.paused
    assert store.access.rater("R01").name == "Maria"
    store.close()


def test_checks_and_practice_are_looked_at_but_not_decided(store):
    with desk(store) as who:
        page = who.get("/coordinator/adjudicate/1")
        assert page.status_code == 200
        assert "secret-model" not in page.text
        assert "Save the decision" not in page.text
        assert send(who, "/adjudicate/1", {"overall": "cannot"}).status_code == 400
    assert store.adjudicated() == {}


def test_what_is_stored_never_runs(store):
    store.access.invite("R01", SCRIPT)
    rate(store, {"R01": "a", "R02": "b"}, comment=SCRIPT, risk=True)
    store.access.set_coordinator("<b>Bold</b>", PASSWORD, "owner")
    with desk(store, "<b>Bold</b>") as who:
        for address in PAGES:
            if address != "/export/csv":
                page = who.get(f"/coordinator{address}")
                assert "<script>document" not in page.text, address
                assert "<img" not in page.text, address
                assert "<b>" not in page.text, address
                assert " style=" not in page.text, address
                assert "default-src 'none'" in page.headers["content-security-policy"]
                assert "no-store" in page.headers["cache-control"]
        assert "&lt;script&gt;" in who.get("/coordinator").text


def test_danger_is_told_at_the_top_with_a_way_to_the_item(store):
    rate(store, {"R02": "a"}, 4, risk=True, comment="The client may be in danger.")
    with desk(store) as who:
        text = who.get("/coordinator").text
        assert text.index("Flagged as a danger: 1") < text.index("All raters together")
        (link,) = re.findall(r'href="(/coordinator/adjudicate/\d+)">Item 4<', text)
        assert "The client may be in danger." in who.get(link).text


@pytest.mark.parametrize("kind", ["csv", "parquet", "long", "label-studio", "argilla", "qualtrics"])
def test_exports_come_as_archives_without_names(store, kind):
    store.access.invite("R01", "Maria Secretname")
    rate(store, {"R01": "a", "R02": "b"})
    with desk(store, "Cora") as who:
        for query in ("", "?blind=1"):
            page = who.get(f"/coordinator/export/{kind}{query}")
            assert page.status_code == 200
            assert page.headers["content-disposition"].startswith(f'attachment; filename="study-{kind}')
            with zipfile.ZipFile(io.BytesIO(page.content)) as archive:
                names, texts = archive.namelist(), b"".join(map(archive.read, archive.namelist()))
            assert "study.json" in names
            assert b"Secretname" not in texts
            assert not (query and b"secret-model" in texts)
    assert done_by(store)[:2] == [("Cora", f"exported as {kind}, blind", ""), ("Cora", f"exported as {kind}", "")]


def test_the_audit_log_is_read_the_newest_first(store):
    with desk(store) as who:
        send(who, "/raters/R01/revoke")
        rows = re.findall(r"<td>Olive</td><td>([^<]+)</td><td>([^<]+)</td>", who.get("/coordinator/audit").text)
    assert rows == [("took a link back", "R01"), ("signed in", "-")]


ODD = ("", "x" * 5000, "\0", "%00", "\N{PILE OF POO}", "-1", "1e9", "9" * 400, "nan", "<b>", "R01\n", "../R01")


@pytest.mark.parametrize("address", ["/raters/{}", "/adjudicate/{}", "/export/{}"])
def test_odd_addresses_are_not_there(store, address):
    with desk(store) as who:
        for odd in (*ODD, "0", "7", "R04"):
            page = who.get("/coordinator" + address.format(quote(odd, safe="")))
            lists = not odd and address != "/raters/{}"  # without anything it is the list
            assert page.status_code in ((200,) if lists else (404, 422)), odd


def test_what_is_sent_to_odd_codes_and_numbers_does_nothing(store):
    with desk(store) as who:
        key = token(who.get("/coordinator"))
        for odd in (*ODD, "R04", "0", "7"):
            for address in ("/raters/{}/invite", "/raters/{}/revoke", "/raters/{}/withdraw", "/adjudicate/{}"):
                data = {"csrf_token": key, "days": "3", "sure": "y", "overall": "cannot"}
                page = who.post("/coordinator" + address.format(quote(odd, safe="")), data=data)
                assert page.status_code in (404, 405, 422), (address, odd)
    assert {what for _, what, _ in done_by(store)} == {"signed in"}


def test_odd_forms_are_refused_in_words(store):
    with desk(store) as who:
        key = token(who.get("/coordinator"))
        for address, data in POSTS.items():
            for name in data:
                for odd in ODD:
                    page = who.post(f"/coordinator{address}", data=data | {name: odd, "csrf_token": key})
                    assert page.status_code < 500, (address, name, odd)
        for days in ("0", "366", "-5", "9" * 400, "3.5", "", "\N{ARABIC-INDIC DIGIT THREE}" * 9):
            assert send(who, "/raters/R02/invite", {"days": days}).status_code == 400, days
        name = "n\0a\N{RIGHT-TO-LEFT OVERRIDE}me" + " y" * 50
        assert send(who, "/raters/R02/invite", {"days": "3", "name": name}).status_code == 200
        assert send(who, "/raters/R02/invite", {"days": "3", "name": "y" * 121}).status_code == 400
    assert store.access.rater("R02").name == "name" + " y" * 50
