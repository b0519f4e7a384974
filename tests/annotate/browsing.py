"""A real server on loopback and a real browser, where `make services` has installed one."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn

from psychocounsel.annotate.web import make_app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `make services` installs it")
PHONE, DESK = {"width": 375, "height": 740}, {"width": 1280, "height": 900}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextmanager
def served(store, port=None):
    """The application on loopback, on a free port unless one is named; yields its address."""
    port = port or free_port()
    server = uvicorn.Server(uvicorn.Config(make_app(store), port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


@contextmanager
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


def violations(page):
    """What axe-core finds wrong with a page, in words."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['help']} ({v['nodes'][0]['html'][:120]})" for v in found]


class Watch:
    """What a page asked for elsewhere, and what went wrong in it."""

    def __init__(self, page, base):
        self.outside, self.errors = [], []
        page.on("request", lambda r: None if r.url.startswith(base) else self.outside.append(r.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)


def looking(page):
    """Return a function that looks at a page, and what it finds: name to axe-core's violations."""
    found = {}

    def look(name):
        found[name] = violations(page)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} scrolls sideways by {wide} px"
        assert page.title() != "ran"  # as a stored script would have it

    return look, found
