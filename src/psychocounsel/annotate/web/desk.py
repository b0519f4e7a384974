"""The coordinators' desk: who is signed in, what their role opens, and how many tries a sign-in has."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from psychocounsel.annotate.store import Coordinator
from psychocounsel.annotate.web import forms
from psychocounsel.annotate.web.pages import page, prolong, store_of

MOST_TRIES = 8
"""Failed sign-ins from one address within WINDOW, whatever the names."""
MOST_OF_NAME = 100
"""Failed sign-ins under one name from anywhere: few enough that nobody guesses, and no one address locks a name out."""
WINDOW = 600.0
"""Seconds."""
KEPT = 4096
"""Names and addresses remembered at most; the oldest are forgotten first."""
AT_ONCE = 4
"""Passwords checked at one moment: each takes 32 MiB and a worker that raters' saves need too."""


class Tries:
    """Counts failed sign-ins by name and by address. Kept in memory: another process counts for itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._times: dict[tuple[str, int], list[float]] = {}
        self.checking = threading.BoundedSemaphore(AT_ONCE)

    def take(self, name: str, address: str) -> bool:
        """Count a try before it is made. False, and it is not counted, where the address or the name had too many."""
        with self._lock:
            now = self._clock()
            recent = {key: [t for t in self._times.get(key, ()) if t > now - WINDOW] for key in _keys(name, address)}
            if any(len(times) >= most for (_, most), times in recent.items()):
                return False
            for key, times in recent.items():
                self._times.pop(key, None)  # to the end, so that what stands first is the oldest
                self._times[key] = [*times, now]
            while len(self._times) > KEPT:
                del self._times[next(iter(self._times))]
            return True

    def succeeded(self, name: str, address: str) -> None:
        """Take back the try that `take` counted: only failures count."""
        with self._lock:
            for key in _keys(name, address):
                if times := self._times.get(key):
                    times.pop()


def _keys(name: str, address: str) -> list[tuple[str, int]]:
    """Return what a try counts under, and how many are too many. A name from one address is within the address."""
    return [(f"name {name}", MOST_OF_NAME), (f"address {address}", MOST_TRIES)]


def tried(request: Request, name: str, password: str) -> Coordinator | None:
    """Return the coordinator whose name and password these are. Raises HTTPException 429 where too many were wrong."""
    tries: Tries = request.app.state.tries
    of = name, address_of(request)
    if not tries.take(*of):
        raise HTTPException(429)
    if not tries.checking.acquire(blocking=False):
        tries.succeeded(*of)  # it was no try at all
        raise HTTPException(429)
    try:
        # No name has other letters; a database would refuse some of them, and the time must tell nothing.
        found = store_of(request).access.sign_in(name if name.isprintable() else "", password)
    finally:
        tries.checking.release()
    if found is not None:
        tries.succeeded(*of)
    return found


def address_of(request: Request) -> str:
    """Return where a request comes from; of IPv6 the network, as one visitor has 2^64 addresses of it."""
    host = request.client.host if request.client else ""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def signed_in(request: Request) -> Coordinator:
    """Return whose session this is.

    Raises HTTPException: 303 to the sign-in where nobody is signed in and a page is asked for, else 403.
    """
    name, version = (*request.session.get("coordinator", ()), None, None)[:2]
    found = store_of(request).access.by_name(str(name), version) if isinstance(version, int) else None
    if found is not None:
        prolong(request)
        return found
    if request.method == "GET" and "rater" not in request.session:
        raise HTTPException(303, headers={"Location": "/coordinator/sign-in"})
    raise HTTPException(403)


Reader = Annotated[Coordinator, Depends(signed_in)]


def acting(who: Reader) -> Coordinator:
    """Return who is signed in, where they may do more than read. Raises HTTPException 403 for an observer."""
    if who.role == "observer":
        raise HTTPException(403, "An observer may read progress and agreement, and nothing else.")
    return who


def owning(who: Reader) -> Coordinator:
    """Return who is signed in, where they are an owner. Raises HTTPException 403 for all others."""
    if who.role != "owner":
        raise HTTPException(403, "Only an owner of the study may do this.")
    return who


Actor = Annotated[Coordinator, Depends(acting)]
Owner = Annotated[Coordinator, Depends(owning)]


def view(request: Request, who: Coordinator, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """Return a page of the desk: it knows who looks at it, and has the token that its forms send."""
    token = forms.form_of(forms.Guarded, request).csrf_token.current_token
    return page(request, template, status, who=who, acts=who.role != "observer", token=token, **values)


def to(address: str) -> RedirectResponse:
    return RedirectResponse(address, 303)


def printable(text: str | None) -> str:
    """Return text on one line without what a database may refuse, such as NUL."""
    return "".join(letter for letter in " ".join((text or "").split()) if letter.isprintable())
