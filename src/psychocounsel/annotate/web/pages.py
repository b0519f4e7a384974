"""Templates to pages; every text is escaped, whoever wrote it."""

from __future__ import annotations

import re
import time
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.web.static import address

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def _template(name: str) -> str:
    return resources.files("psychocounsel.annotate.web").joinpath("templates", name).read_text("utf-8")


def _printable(value: Any) -> Any:
    """Replace what HTML or UTF-8 cannot hold, one character by one: spans count characters."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def paragraphs(text: str) -> list[str]:
    return [part for part in re.split(r"\n\s*\n", text.strip()) if part]


def about_minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"about {minutes} minute{'' if minutes == 1 else 's'}"
    return f"about {minutes // 60} h {minutes % 60:02d} min"


@cache
def environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"paragraphs": paragraphs, "about_minutes": about_minutes}
    made.globals |= {"static": address}
    return made


def store_of(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def prolong(request: Request) -> None:
    """Have a session that is used last on: its cookie is set anew once an hour, and not with each answer."""
    if time.time() - float(request.session.get("at", 0)) > 3600:
        request.session["at"] = int(time.time())


def wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def page(request: Request, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """Return a page. Every one of them knows the study's name and whether it is simulated."""
    plan = store_of(request).plan
    html = environment().get_template(template).render(plan=plan, **values)
    return HTMLResponse(html, status)
