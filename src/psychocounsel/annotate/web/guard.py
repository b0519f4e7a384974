"""Around every request: how much may be sent, and what a browser may do with what it gets."""

from __future__ import annotations

import logging
from types import TracebackType

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger(__name__)
LIMIT = 262_144
"""Bytes of a request's body at most; an answer with forty spans and a full comment has about 12,000."""
HOURS = 12
"""How long a session lasts."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing inline runs, whatever a speech, response, comment or name holds; nothing is loaded from elsewhere."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}


class _TooLargeError(Exception):
    pass


class Guard:
    """Sets the headers above on every answer, refuses bodies that no form of ours sends, and keeps faults short.

    Whatever goes wrong inside ends here: a server would log the error's own words, in which client text may stand.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self.headers = HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, got = False, 0

        async def receive_some() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > LIMIT:
                raise _TooLargeError
            return message

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive_some, send_guarded)
        except _TooLargeError:
            if not begun:
                await _answer(send_guarded, 413, "This is more than a form of this study can hold.")
        except ClientDisconnect:  # nobody is there to be answered
            pass
        except Exception as error:
            _LOG.error("%s in %s", type(error).__name__, _place(error.__traceback__))
            if not begun:
                await _answer(send_guarded, 500, "Something went wrong here. What was saved before is kept.")


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def _place(trace: TracebackType | None) -> str:
    """Return where in this package an error arose: enough to find it, and nothing of what it was about."""
    found = "?"
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        if module.startswith("psychocounsel."):
            found = f"{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
