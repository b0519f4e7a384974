"""Raters' links: given, shown once, renewed, taken back; and a rater who withdraws."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response
from wtforms import BooleanField, IntegerField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from psychocounsel.annotate.store import Coordinator, Rater
from psychocounsel.annotate.store.access import DAYS, now
from psychocounsel.annotate.web import forms
from psychocounsel.annotate.web.desk import Actor, printable, to, view
from psychocounsel.annotate.web.pages import store_of
from psychocounsel.annotate.web.progress import Progress, progress_of
from psychocounsel.annotate.web.rater import Sent
from psychocounsel.errors import InputError

router = APIRouter(prefix="/coordinator")
MOST_DAYS = 365
_TEXT = {"type": "string"}
_DAYS = {"type": "integer", "minimum": 1, "maximum": MOST_DAYS}


class DaysField(IntegerField):
    """How long a link is good for. Of a number with hundreds of digits WTForms' range makes an error of its own."""

    def process_formdata(self, valuelist: list[str]) -> None:
        if valuelist and len(valuelist[0]) > 9:
            raise ValueError("no such number of days")
        super().process_formdata(valuelist)


class Invite(forms.Guarded):
    """One rater's new link."""

    name = StringField(validators=[Optional(), Length(max=120)])
    days = DaysField(validators=[InputRequired(), NumberRange(1, MOST_DAYS)])


class InviteAll(forms.Guarded):
    """New links for all who have none that is good, or for everybody."""

    days = DaysField(validators=[InputRequired(), NumberRange(1, MOST_DAYS)])
    renew = BooleanField()


class Withdraw(forms.Guarded):
    """Sent only with the box ticked."""

    sure = BooleanField(validators=[DataRequired()])


def state_of(rater: Rater) -> str:
    """Return how a rater's link stands, in words."""
    if rater.revoked:
        return "taken back"
    if rater.expires is None:
        return "not invited"
    return f"{'until' if rater.welcome(now()) else 'ended'} {rater.expires:%Y-%m-%d}"


def _rater(request: Request, code: str) -> Rater:
    """Return a rater. Raises HTTPException 404 where the study has no such code."""
    raters = {rater.code: rater for rater in store_of(request).access.raters()}  # never asks a database for odd text
    if code not in raters:
        raise HTTPException(404)
    return raters[code]


def _not_withdrawn(progress: Progress, code: str) -> None:
    if code in progress.withdrawn:
        raise HTTPException(409, "This rater has withdrawn from the study, so no link is given.")


@router.get("/raters/{code}")
def rater_page(request: Request, who: Actor, code: str) -> Response:
    """Show one rater's work, and what may be done about their link."""
    found, progress = _rater(request, code), progress_of(store_of(request))
    return view(
        request, who, "coordinator_rater.html", rater=found, work=progress.work(code), progress=progress,
        state=state_of(found), days=DAYS, most_days=MOST_DAYS,
        replaced=store_of(request).replaced(),
    )  # fmt: skip


@router.post("/raters/{code}/invite", openapi_extra=forms.body({"name": _TEXT, "days": _DAYS}))
def invite(request: Request, who: Actor, code: str, data: Sent) -> Response:
    """Give a rater a new link, and show it once; the one before is no longer good."""
    _rater(request, code)
    form = forms.checked(Invite, request, data)
    _not_withdrawn(progress_of(store_of(request)), code)
    name = printable(form.name.data) if "name" in data else None
    return _links(request, who, [code], form.days.data, name)


@router.post("/invite", openapi_extra=forms.body({"days": _DAYS, "renew": _TEXT}))
def invite_all(request: Request, who: Actor, data: Sent) -> Response:
    """Give links to everybody who has none that is good, and was not replaced; with `renew` to all the others too."""
    form = forms.checked(InviteAll, request, data)
    store, moment = store_of(request), now()
    withdrawn, replaced = store.withdrawn(), store.replaced()
    codes = [
        rater.code
        for rater in store.access.raters()
        if rater.code not in withdrawn
        and (form.renew.data if rater.welcome(moment) else rater.code not in replaced)  # another has their items
    ]
    return _links(request, who, codes, form.days.data, None)


def _links(request: Request, who: Coordinator, codes: list[str], days: int, name: str | None) -> Response:
    """Make links and show them; they are nowhere kept, so a redirect could not."""
    store, links = store_of(request), []
    base = request.app.state.url or str(request.base_url).rstrip("/")
    for code in codes:
        try:
            link = f"{base}/r/{store.access.invite(code, name, days)}"
        except InputError:  # withdrawn a moment ago; the others' links are shown this once
            continue
        store.note(who.name, "invited", code)
        links.append((code, link))
    # A proxy that does not say which host was asked for: each link would lead its rater to their own machine.
    here = request.app.state.https and urlsplit(base).hostname in ("127.0.0.1", "localhost", "::1")
    return view(request, who, "coordinator_links.html", links=links, days=days, here=here)


@router.post("/raters/{code}/revoke", openapi_extra=forms.body({}))
def revoke(request: Request, who: Actor, code: str, data: Sent) -> Response:
    """Take a rater's link back, at once and for sessions too. What they answered stays."""
    _rater(request, code)
    forms.checked(forms.Guarded, request, data)
    store_of(request).access.revoke(code)
    store_of(request).note(who.name, "took a link back", code)
    return to(f"/coordinator/raters/{code}")


@router.post("/raters/{code}/withdraw", openapi_extra=forms.body({"sure": {"enum": ["y"]}}))
def withdraw(request: Request, who: Actor, code: str, data: Sent) -> Response:
    """Leave a rater's answers out of every result, and end their link. It is not taken back."""
    _rater(request, code)
    forms.checked(Withdraw, request, data)
    store = store_of(request)
    store.events.append(code, "withdrawn", "withdrawn", {}, None)  # one key: twice is once
    store.access.revoke(code)
    store.note(who.name, "withdrawn from the study", code)
    return to(f"/coordinator/raters/{code}")


def rows(progress: Progress, raters: list[Rater]) -> list[dict[str, Any]]:
    """Return a line of the progress table for each rater, those without an assignment too."""
    return [
        {
            "rater": rater,
            "work": progress.work(rater.code),
            "state": "withdrawn" if rater.code in progress.withdrawn else state_of(rater),
            "consent": consent_of(progress, rater.code),
            "seen": progress.seen.get(rater.code),
        }
        for rater in raters
    ]


def consent_of(progress: Progress, code: str) -> str:
    """Return whether a rater agreed to take part, in words."""
    if code in progress.agreed:
        return f"agreed {progress.agreed[code]:%Y-%m-%d}"
    return "declined" if code in progress.declined else "not yet"
