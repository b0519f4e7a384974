"""The one style sheet and the scripts, out of the package."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from fastapi import APIRouter, HTTPException, Response

TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
FILES = ("style.css", "rate.js")
router = APIRouter()


@cache
def content(name: str) -> str:
    return resources.files("psychocounsel.annotate.web").joinpath("static", name).read_text("utf-8")


@cache
def address(name: str) -> str:
    """Return where a page finds a file: a changed file has another address, so that no browser shows an old one."""
    return f"/static/{name}?v={hashlib.sha256(content(name).encode()).hexdigest()[:12]}"


@router.get("/favicon.ico")
def favicon() -> Response:
    """There is none; browsers ask all the same."""
    return Response(status_code=204)


@router.get("/static/{name}")
def static_file(name: str) -> Response:
    if name not in FILES:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(content(name), media_type=TYPES[name.rpartition(".")[2]], headers=headers)
