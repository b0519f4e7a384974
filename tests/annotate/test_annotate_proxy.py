"""Studies beside each other on one host, and behind a proxy."""

from __future__ import annotations

import re

import pytest
import uvicorn
from fastapi.testclient import TestClient
from small_study import enter, made_store, small_design, token
from typer.testing import CliRunner

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.web import make_app
from psychocounsel.annotate.web.app import cookie_of
from psychocounsel.cli.main import app
from psychocounsel.errors import InputError

PASSWORD = "correct horse battery"
HERE_ALONE = "These links lead to this machine alone."


@pytest.fixture
def store(tmp_path):
    made = made_store(tmp_path)
    made.access.set_coordinator("Ann", PASSWORD, "owner")
    yield made
    made.close()


def desk(store, base="http://testserver", **options):
    """A coordinator's browser, signed in."""
    who = TestClient(make_app(store, **options), base_url=base)
    data = {"name": "Ann", "password": PASSWORD, "csrf_token": token(who.get("/coordinator/sign-in"))}
    assert who.post("/coordinator/sign-in", data=data).status_code == 200
    return who


def new_links(who):
    data = {"csrf_token": token(who.get("/coordinator")), "days": "60", "renew": "y"}
    return who.post("/coordinator/invite", data=data)


def hosts(page):
    return set(re.findall(r'<code class="link">(.*?)/r/', page.text))


def test_two_studies_on_one_host_leave_each_other_alone(tmp_path):
    one, other = (Store.make(tmp_path / f"{name}.sqlite", small_design()) for name in ("one", "other"))
    who = TestClient(make_app(one), base_url="http://testserver:8000")
    enter(who, one)
    beside = TestClient(make_app(other), base_url="http://testserver:8001", cookies=who.cookies)
    enter(beside, other)
    who.cookies.update(beside.cookies)  # a browser has one jar for all ports of a host
    assert who.get("/rate").status_code == 200
    assert {cookie_of(one), cookie_of(other)} <= set(who.cookies)


def test_the_cookies_name_is_the_studys_and_does_not_tell_its_secret(store):
    assert re.fullmatch(r"psychocounsel-[0-9a-f]{8}", cookie_of(store))
    assert cookie_of(store) not in store.secret


def test_links_begin_with_the_address_that_was_said(store):
    who = desk(store, "https://127.0.0.1:8000", https=True, url="https://study.example.org")
    page = new_links(who)
    assert hosts(page) == {"https://study.example.org"}
    assert HERE_ALONE not in page.text


def test_without_it_links_begin_with_the_host_that_was_asked_for(store):
    page = new_links(desk(store, "https://study.example.org", https=True))
    assert hosts(page) == {"https://study.example.org"}
    assert HERE_ALONE not in page.text


@pytest.mark.parametrize("base", ["https://127.0.0.1:8000", "https://localhost"])
def test_links_that_a_proxy_makes_useless_are_warned_of(store, base):
    assert HERE_ALONE in new_links(desk(store, base, https=True)).text


def test_links_to_this_machine_are_as_they_should_be_where_there_is_no_proxy(store):
    assert HERE_ALONE not in new_links(desk(store, "http://127.0.0.1:8000")).text


@pytest.fixture
def serve(store, tmp_path, monkeypatch):
    """`annotate serve`, but for listening; returns what it said and what uvicorn was told."""
    told = {}

    class Server:
        def __init__(self, config):
            told["config"] = config

        def run(self):
            pass

    monkeypatch.setattr(uvicorn, "Server", Server)

    def said(*arguments):
        result = CliRunner().invoke(app, ["annotate", "serve", str(tmp_path / "study.sqlite"), *arguments])
        return result, told.get("config")

    return said


def test_serve_says_the_address_that_it_was_told(serve):
    result, config = serve("--https", "--url", "https://study.example.org/")
    assert "https://study.example.org/  raters by their links; https://study.example.org/coordinator" in result.stdout
    assert config.app.state.url == "https://study.example.org"
    assert "http://127.0.0.1:8000/coordinator" in serve()[0].stdout


def test_proxies_elsewhere_are_believed_where_they_are_named(serve):
    _, config = serve("--https", "--proxy", "10.0.0.5", "--proxy", "172.16.0.0/12")
    assert config.forwarded_allow_ips == ["10.0.0.5", "172.16.0.0/12"]
    assert config.proxy_headers
    _, config = serve("--https")
    assert config.forwarded_allow_ips == "127.0.0.1,::1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", "study.example.org"), "http:// or https:// and a host"),
        (("--url", "ftp://study.example.org"), "http:// or https:// and a host"),
        (("--url", "https://"), "http:// or https:// and a host"),
        (("--url", "https://study.example.org:port"), "http:// or https:// and a host"),
        (("--url", "https://[::1"), "http:// or https:// and a host"),
        (("--url", "https://ann@study.example.org"), "http:// or https:// and a host"),
        (("--url", "https://study.example.org?a=b"), "http:// or https:// and a host"),
        (("--url", "https://study.example.org/a/b"), "no path"),
        (("--https", "--url", "http://study.example.org"), "begins with https://"),
        (("--proxy", "10.0.0.5"), "goes with --https"),
        (("--https", "--proxy", "*"), "no address"),
    ],
)
def test_addresses_that_cannot_be_are_refused_in_words(serve, arguments, words):
    wrong = serve(*arguments)[0].exception
    assert isinstance(wrong, InputError)
    assert words in str(wrong)
