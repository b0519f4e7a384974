"""Whatever is sent to the pages: never an error of the server's, always the headers that keep scripts out."""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import pytest
import schemathesis
from browsing import served
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from itsdangerous import TimestampSigner
from schemathesis.core import NotSet
from schemathesis.generation import GenerationMode
from small_study import KEYS, client, enter, filled, made_store, small_design
from sqlalchemy import text

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.store.access import now
from psychocounsel.annotate.web import forms, make_app
from psychocounsel.annotate.web.app import cookie_of
from psychocounsel.annotate.web.guard import HEADERS, LIMIT

PASSWORD = "correct horse battery"
FUZZED = settings(
    max_examples=7, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
LIVE = {
    "place": st.integers(1, 6).map(str),
    "code": st.sampled_from(["R01", "R02"]),
    "kind": st.sampled_from(["parquet", "csv", "label-studio", "argilla", "audit"]),
    "name": st.sampled_from(["style.css", "rate.js"]),
}
"""What an address must hold for its page to be there; other values are Schemathesis's own."""
FORM_VALUES = {
    "action": ["save", "done", "skip", "pause", "resume"],
    "agree": ["yes", "no"],
    "comment": ["Fine.", "\x00", "x" * 2001],
    "days": ["30", "0", "-1", "1e9", "nan", "\u0665"],
    "key": ["one", "", "\x00", "\u202e" * 80, "x" * 81],
    "mark_first_0": ["good", "harmful", "?"],
    "name": ["Bob", "\x00", "\u202e", "x" * 70],
    "overall": ["tie", "first", "second", "cannot", "3", "a"],
    "password": [PASSWORD, "short", "\x00" * 20],
    "role": ["observer", "owner", "king"],
    "seconds": ["12", "1e400", "-1", "nan", "1_0", "\u0665"],
    "sure": ["y", ""],
} | {f"p_{key}": ["tie", "first", "cannot", "5"] for key in KEYS}
"""What the fields of the forms may hold: first what is right, then what is not."""


RIGHT = st.fixed_dictionaries(
    {name: st.just(each[0]) for name, each in FORM_VALUES.items() if name != "action"}
    | {"action": st.sampled_from(FORM_VALUES["action"])}
)
ANY = st.fixed_dictionaries({}, optional={name: st.sampled_from(each) for name, each in FORM_VALUES.items()})


class Visitor:
    """Somebody with a session that is good at every request, and with its token."""

    def __init__(self, store, app, who):
        self.store, self.who = store, who
        self.client = TestClient(app, base_url="http://testserver", follow_redirects=False)
        self.session = {}

    def renew(self):
        """Sign in anew where a request has just ended the session; the cookie is signed as the application does it."""
        access, self.session = self.store.access, {"csrf": "0" * 40}
        self.store.pause(False)
        if self.who == "rater":
            if not access.rater("R01").welcome(now()):
                access.invite("R01")
            if self.store.consent_of("R01") is None:
                self.store.events.append("R01", "consent", f"again {len(self.store.events.all())}", {}, None)
            self.session["rater"] = ["R01", access.rater("R01").version]
        elif self.who == "coordinator":
            found = next((c for c in access.coordinators() if (c.name, c.role) == ("Ann", "owner")), None)
            if found is None:
                access.set_coordinator("Ann", PASSWORD, "owner")
                (found,) = (c for c in access.coordinators() if c.name == "Ann")
            self.session["coordinator"] = [found.name, found.version]

    def token(self):
        request = SimpleNamespace(session=self.session, app=SimpleNamespace(state=SimpleNamespace(store=self.store)))
        return forms.form_of(forms.Guarded, request).csrf_token.current_token

    def send(self, method, address, content=None, headers=None):
        data = base64.b64encode(json.dumps(self.session).encode())
        cookie = TimestampSigner(self.store.secret).sign(data).decode()
        self.client.cookies.clear()
        return self.client.request(
            method, address, content=content, headers={"cookie": f"{cookie_of(self.store)}={cookie}"} | (headers or {})
        )


def operations(app):
    found = [result.ok() for result in schemathesis.openapi.from_dict(app.openapi()).get_all_operations()]
    assert len(found) > 10
    return found


def as_form(body):
    """A body of Schemathesis's as a browser would send it."""
    if not isinstance(body, dict):
        return {}
    return {str(k): v if isinstance(v, str) else json.dumps(v) for k, v in body.items()}


def encoded(data):
    return urlencode(data, errors="surrogatepass").encode()


def assert_guarded(response, what):
    assert response.status_code < 500, what
    for name, value in HEADERS.items():
        if name != "Cache-Control":  # files that never change may be kept
            assert response.headers[name] == value, what


@pytest.mark.parametrize("who", ["nobody", "rater", "coordinator"])
def test_no_request_makes_the_server_fail(where, who):
    store = Store.make(where, small_design())
    app, answers = make_app(store), {}
    visitor = Visitor(store, app, who)

    @FUZZED
    @given(st.data())
    def fuzz(data):
        live = data.draw(st.booleans())
        mode = GenerationMode.POSITIVE if live else data.draw(st.sampled_from(list(GenerationMode)))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        values = dict(case.path_parameters or {})
        path = operation.path
        for name in re.findall(r"{(\w+)}", path):
            given_value = data.draw(LIVE[name]) if live and name in LIVE else str(values.get(name, "x"))
            path = path.replace(f"{{{name}}}", quote(given_value.encode(errors="surrogatepass"), safe=""))
        query = "?" + encoded(as_form(dict(case.query or {}))).decode() if case.query else ""
        headers = {"accept": data.draw(st.sampled_from(["text/html", "application/json"]))}
        visitor.renew()
        content = None
        if operation.method.upper() == "POST":
            sent = {} if isinstance(case.body, NotSet) else as_form(case.body)
            if live:
                sent |= data.draw(st.one_of(RIGHT, ANY))
            if data.draw(st.integers(0, 5)):
                sent["csrf_token"] = visitor.token()
            content, headers = encoded(sent), headers | {"content-type": forms.FORM}
        response = visitor.send(operation.method.upper(), path + query, content, headers)
        assert_guarded(response, (operation.label, path, content, response.status_code))
        answers.setdefault(operation.label, set()).add(response.status_code)

    for operation in operations(app):  # noqa: B007 - `fuzz` looks at it
        fuzz()
    store.close()
    own = {"nobody": r" /(static.*)?$", "rater": r" /rate($|/)", "coordinator": " /coordinator"}[who]
    asked = {label for label in answers if re.search(own, label)}
    reached = {label for label in asked if answers[label] & {200, 204, 303, 422}}
    assert len(reached) > 0.8 * len(asked) > 0, (sorted(asked - reached), answers)


RAW = [
    (b"\xff\xfe\x00", forms.FORM),
    (b"csrf_token=%ED%A0%80&overall=%FF%FE&comment=%00&key=%00", forms.FORM),
    (b"&&&===;;;%%%&%zz=%u1234", forms.FORM),
    (b"a" * 100_000 + b"=1", forms.FORM),
    (b"&".join(b"f%d=1" % n for n in range(299)), forms.FORM),
    (b"&".join(b"f%d=1" % n for n in range(5_000)), forms.FORM),
    (b"csrf_token=a&csrf_token=b&action=save&action=done&key=1&key=2", forms.FORM),
    (b"action=save", forms.FORM + "; charset=utf-16"),
    (b"action=save", forms.FORM + "; charset=nonsense"),
    (b"action=save", forms.FORM + ";;;=="),
    (b"action=save", ""),
    (b'{"action": "save"}', "application/json"),
    (b"[" * 50_000, "application/json"),
    (b"--x\r\nContent-Disposition: form-data; name=action\r\n\r\nsave\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (b"--x", "multipart/form-data"),
    (b"--x\r\n\x00\xff\r\n" * 100, "multipart/form-data; boundary=x"),
    (b"<a/>", "text/xml"),
    (b"x" * (LIMIT + 1), forms.FORM),
    (b"x" * (LIMIT + 1), "text/plain"),
]


@pytest.mark.parametrize("address", ["/rate/1", "/rate/consent", "/rate/break", "/coordinator/sign-in"])
def test_bodies_that_are_no_form_are_refused(where, address):
    store = Store.make(where, small_design())
    visitor = Visitor(store, make_app(store), "rater")
    visitor.renew()
    before = len(store.events.all())
    for body, kind in RAW:
        response = visitor.send("POST", address, body, {"content-type": kind})
        assert_guarded(response, (body[:40], kind, response.status_code))
        assert response.status_code in (400, 403, 413), (body[:40], kind)
    assert len(store.events.all()) == before
    store.close()


def test_any_bytes_at_all_with_a_good_token(where):
    store = Store.make(where, small_design())
    visitor = Visitor(store, make_app(store), "rater")

    @settings(FUZZED, max_examples=60)
    @given(
        st.dictionaries(st.sampled_from(list(FORM_VALUES)), st.one_of(st.binary(max_size=40), st.integers().map(str))),
        st.binary(max_size=60),
    )
    def fuzz(fields, rest):
        visitor.renew()
        good = encoded({"csrf_token": visitor.token(), "action": "save"})
        body = good + b"&" + urlencode(fields).encode() + b"&" + rest
        response = visitor.send("POST", "/rate/1", body, {"content-type": forms.FORM, "accept": "application/json"})
        assert_guarded(response, (body, response.status_code))

    fuzz()
    store.close()


def raw(port, request):
    """Send bytes as they are; returns what came back until the server was silent or closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65536):
            found += part
    return found


def test_what_is_wrong_with_a_request_itself_is_refused(tmp_path, caplog):
    store = made_store(tmp_path)
    post = b"POST /rate/1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    many = b"".join(b"%x\r\n%s\r\n" % (60_000, b"a=1&" * 15_000) for _ in range(8)) + b"0\r\n\r\n"
    sent_by_nobody = (
        b"Content-Length: -1\r\n\r\n", b"Content-Length: 1e9\r\n\r\n", b"Content-Length: 99999999999999\r\n\r\na=1",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n" + many,
        b"Content-Length: 100\r\n\r\nhalf=",
        b"Cookie: psychocounsel=\xff\xfe; psychocounsel=%00\r\nContent-Length: 0\r\n\r\n",
        b"Cookie: " + b"a" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n", b"Bad Header: x\r\n\r\n",
    )  # fmt: skip
    others = (b"GET /rate/%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /r/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
              b"PUT /rate/1 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /static/..%2f..%2fapp.py HTTP/1.1\r\nHost: x\r\n\r\n",
              b"GET /rate HTTP/1.1\r\nHost: x\r\nAccept: \xff\r\n\r\n", b"\x16\x03\x01\x00")  # fmt: skip
    with served(store) as base:
        port = int(base.rpartition(":")[2])
        for request in (*(post + rest for rest in sent_by_nobody), *others):
            found = raw(port, request)
            status = int(found[9:12]) if found else 400
            assert 400 <= status < 500, (request[:120], found[:200])
            if b"Invalid HTTP request" not in found and found:
                assert b"content-security-policy: default-src 'none'" in found, request[:120]
    assert store.events.all() == []
    store.close()
    assert "Traceback" not in caplog.text


def _vanish(store, where, server):
    if store._db.is_sqlite:  # tables that are gone stand for a file that cannot be read
        with store._db.writing() as connection:
            connection.execute(text("ALTER TABLE rater RENAME TO gone"))
    else:
        server.dropped(where.rpartition("/")[2])


def test_a_database_that_vanished_is_told_without_its_words(where, request, caplog, capfd):
    store = Store.make(where, small_design())
    server = None if store._db.is_sqlite else request.getfixturevalue("postgres_server")
    with client(store, raise_server_exceptions=False) as who:
        page = enter(who, store)
        link = f"/r/{store.access.invite('R01')}"
        assert who.get(link).status_code == 200
        page = who.get("/rate/1")
        _vanish(store, where, server)
        caplog.set_level(logging.INFO)
        said = filled(page, comment="I feel stuck")
        for answer in (
            who.post("/rate/1", data=said),
            who.post("/rate/1", data=said, headers={"accept": "application/json"}),
            who.get("/rate"),
            who.get(link),
        ):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"
            assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
            assert "database does not answer" in answer.text
            assert not re.search("Traceback|SELECT|sqlalchemy|psycopg|sqlite|feel stuck", answer.text)
    store.close()
    logged = caplog.text + "".join(capfd.readouterr())
    assert "the study's database did not do what was asked" in logged
    # httpx, which is this test's own client, logs the addresses that it asks for; the server must not.
    ours = "".join(r.getMessage() for r in caplog.records if not r.name.startswith("httpx"))
    assert not re.search(r"Traceback|SELECT|feel stuck|/r/", ours)


def test_a_file_that_was_moved_away_is_told_and_the_save_is_tried_again(tmp_path):
    store = made_store(tmp_path)
    with client(store) as who:
        said = filled(enter(who, store))
        (tmp_path / "study.sqlite").rename(tmp_path / "elsewhere")
        assert who.post("/rate/1", data=said).status_code == 503
        (tmp_path / "elsewhere").rename(tmp_path / "study.sqlite")
        assert who.post("/rate/1", data=said).status_code == 200
    assert len(store.annotations()) == 1
    store.close()


def test_a_fault_of_ours_is_told_by_its_place_alone(tmp_path, monkeypatch, caplog):
    store = made_store(tmp_path)

    def fails(*_):
        raise RuntimeError("I feel stuck")

    with client(store) as who:
        page = enter(who, store)
        monkeypatch.setattr(Store, "save", fails)
        answer = who.post("/rate/1", data=filled(page))
    store.close()
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    assert answer.text == "Something went wrong here. What was saved before is kept."
    ours = "".join(r.getMessage() for r in caplog.records if not r.name.startswith("httpx"))
    assert re.search(r"RuntimeError in psychocounsel\.annotate\.web\.rater:\d+", ours)
    assert "stuck" not in caplog.text


def test_a_page_that_is_corrected_without_scripts_is_kept(tmp_path):
    """The form that comes back with what is missing has a key; sent again with more in it, it is another save."""
    store = made_store(tmp_path)
    with client(store) as who:
        half = filled(enter(who, store))
        del half["overall"]
        page = who.post("/rate/1", data=half)
        assert page.status_code == 422
        key = re.search(r'name="key"[^>]*value="([^"]+)"', page.text)[1]
        who.post("/rate/1", data=filled(page, key=key))
    assert [a.verdict for a in store.annotations()] == ["a"]
    store.close()


def test_who_was_not_told_that_practice_was_saved_sends_it_again_and_is_told(tmp_path):
    store = made_store(tmp_path)
    with client(store) as who:
        said = filled(enter(who, store))
        first = who.post("/rate/1", data=said)
        again = who.post("/rate/1", data=said)
        assert first.url.path == again.url.path == "/rate/1/told"
        assert who.post("/rate/1", data=filled(who.get("/rate/2"), key="other")).status_code == 400
        assert who.post("/rate/1", data=said | {"overall": "second"}).status_code == 400
    assert len(store.events.all(kinds=("answer",))) == 1
    store.close()
