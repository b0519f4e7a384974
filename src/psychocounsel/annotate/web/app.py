"""The application: routes put together, with sessions, limits and headers around them."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.store.access import digest
from psychocounsel.annotate.web import coordinator, rater, static
from psychocounsel.annotate.web.guard import HOURS, Guard
from psychocounsel.annotate.web.pages import page, wants_json
from psychocounsel.errors import ResourceError

_LOG = logging.getLogger(__name__)
_SAID = {
    400: "This form could not be read. Go back, load the page again, and send it once more.",
    401: "Please sign in first.",
    403: "This page is not open to you. Use the link that you were sent, or ask your coordinator for a new one.",
    404: "There is no such page.",
    405: "This page cannot be asked for in that way.",
    409: "The study is paused, so nothing is saved just now. What was saved before is kept.",
    413: "This is more than a form of this study can hold.",
    429: "Too many tries. Please wait a few minutes.",
    503: "The study's database does not answer just now, so this was not saved. Please try again in a minute.",
}


def make_app(store: Store, *, https: bool = False, url: str = "") -> FastAPI:
    """Return the pages of one study. `https` says that they are served over TLS: then cookies go over nothing else.

    `url` is where raters find them, without a slash at its end; where it is not said, each request tells.
    """
    app = FastAPI(title="psychocounsel annotate", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.store, app.state.https, app.state.url = store, https, url
    # Now, so that no rater waits for them, and an error's page needs no database.
    _ = store.plan, store.items, store.numbers
    app.state.tries = coordinator.Tries()
    app.include_router(rater.router, dependencies=[Depends(_with_new_raters)])
    app.include_router(coordinator.router, dependencies=[Depends(_with_new_raters)])
    app.include_router(static.router)
    # Starlette types handlers by Exception, whatever they are registered for.
    app.add_exception_handler(HTTPException, _refused)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _no_such_place)  # type: ignore[arg-type]
    app.add_exception_handler(SQLAlchemyError, _unavailable)
    app.add_exception_handler(ResourceError, _unavailable)
    app.add_middleware(
        SessionMiddleware,
        secret_key=store.secret,
        session_cookie=cookie_of(store),
        max_age=HOURS * 3600,
        same_site="lax",
        https_only=https,
    )
    app.add_middleware(Guard, https=https)
    return app


def cookie_of(store: Store) -> str:
    """Return the name of a study's session cookie: browsers keep cookies by host, whatever the port or the study."""
    return f"psychocounsel-{digest(f'cookie {store.secret}')[:8]}"


async def _with_new_raters(request: Request) -> None:
    """Read the assignments again where a rater may have been added since: by a session they do not know, or a desk."""
    store, (code, *_) = request.app.state.store, request.session.get("rater") or [None]
    unknown = code is not None and str(code) not in store.numbers
    if unknown or "coordinator" in request.session:
        await run_in_threadpool(store.renew)


async def _no_such_place(request: Request, error: RequestValidationError) -> Response:
    """What cannot be read of an address leads nowhere; bodies are read by our own forms."""
    return await _refused(request, HTTPException(404))


async def _refused(request: Request, error: HTTPException) -> Response:
    """Say what is wrong in words, to a person or to a script."""
    said = _SAID.get(error.status_code, "Something is wrong with this request.")
    if error.detail != HTTPStatus(error.status_code).phrase and error.detail:  # words of our own
        said = str(error.detail)
    if error.status_code in (301, 302, 303, 307, 308):
        return Response(status_code=error.status_code, headers=error.headers)
    return _told(request, error.status_code, said)


async def _unavailable(request: Request, error: Exception) -> Response:
    """The database is away: a browser tries again. Its own words may hold what was written, and are not repeated."""
    _LOG.error("the study's database did not do what was asked: %s", type(error).__name__)
    answer = _told(request, 503, _SAID[503])
    answer.headers["Retry-After"] = "5"
    return answer


def _told(request: Request, status: int, said: str) -> Response:
    if wants_json(request):
        return JSONResponse({"error": said}, status)
    return page(request, "message.html", status, title="Not possible", says=said)
