"""Who coordinates a study, for its owners; each one's own password; and the audit log."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, Request, Response
from wtforms import BooleanField, PasswordField, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length

from psychocounsel.annotate.store import Coordinator
from psychocounsel.annotate.store.access import LEAST_PASSWORD, ROLES, CoordinatorRole
from psychocounsel.annotate.web import forms
from psychocounsel.annotate.web.desk import Actor, Owner, Reader, to, tried, view
from psychocounsel.annotate.web.pages import store_of
from psychocounsel.annotate.web.rater import Sent
from psychocounsel.errors import InputError

router = APIRouter(prefix="/coordinator")
SHOWN = 500
"""Lines of the audit log on a page; all of them are in the database."""
_BODY = forms.body({"name": {"type": "string"}, "role": {"enum": list(ROLES)}, "password": {"type": "string"}})


class Account(forms.Guarded):
    """A coordinator who is added or changed."""

    name = StringField(validators=[InputRequired(), Length(max=60)])
    role = SelectField(choices=[(role, role) for role in ROLES])
    password = PasswordField(validators=[InputRequired(), Length(max=1000)])


class Removal(forms.Guarded):
    """Sent only with the box ticked."""

    name = StringField(validators=[InputRequired(), Length(max=60)])
    sure = BooleanField(validators=[DataRequired()])


class OwnPassword(forms.Guarded):
    """The password that a coordinator has, and the one that they want."""

    old = PasswordField(validators=[InputRequired(), Length(max=1000)])
    new = PasswordField(validators=[InputRequired(), Length(max=1000)])
    again = PasswordField(validators=[InputRequired(), Length(max=1000)])


@router.get("/password")
def password_page(request: Request, who: Reader) -> Response:
    return _password_page(request, who, "")


def _password_page(request: Request, who: Coordinator, fault: str, status: int = 200) -> Response:
    return view(request, who, "coordinator_password.html", status, least=LEAST_PASSWORD, fault=fault)


@router.post("/password", openapi_extra=forms.body({key: {"type": "string"} for key in ("old", "new", "again")}))
def change_own(request: Request, who: Reader, data: Sent) -> Response:
    """Change one's own password, so that not even an owner knows it. Other sessions end, and this one goes on.

    The old one is asked for, as at sign-in: a session that was left open must not become somebody else's for good.
    """
    form, store = forms.checked(OwnPassword, request, data), store_of(request)
    if form.new.data != form.again.data:
        return _password_page(request, who, "The new password and its repetition differ.", 422)
    if tried(request, who.name, form.old.data) is None:
        return _password_page(request, who, "The old password is not right.", 403)
    try:
        changed = store.access.change_password(who, form.new.data)
    except InputError as error:
        return _password_page(request, who, _sentence(error), 422)
    request.session["coordinator"] = [changed.name, changed.version]
    store.note(who.name, "changed their own password", who.name)
    return to("/coordinator")


@router.get("/accounts")
def accounts(request: Request, who: Owner) -> Response:
    return _page(request, who, "")


def _page(request: Request, who: Coordinator, fault: str) -> Response:
    known = store_of(request).access.coordinators()
    return view(
        request, who, "coordinator_accounts.html", 422 if fault else 200, accounts=known, roles=ROLES,
        least=LEAST_PASSWORD, fault=fault,
    )  # fmt: skip


@router.post("/accounts", openapi_extra=_BODY)
def add(request: Request, who: Owner, data: Sent) -> Response:
    """Add a coordinator under a name that is not there yet."""
    form = forms.checked(Account, request, data)
    if any(each.name == form.name.data.strip() for each in store_of(request).access.coordinators()):
        return _page(request, who, "There is a coordinator of this name already; change them below.")
    return _kept(request, who, form, "added a coordinator")


@router.post("/accounts/change", openapi_extra=_BODY)
def change(request: Request, who: Owner, data: Sent) -> Response:
    """Set a coordinator's role and password anew; their sessions end, but for an owner's own."""
    form = forms.checked(Account, request, data)
    known = {each.name: each for each in store_of(request).access.coordinators()}
    name = form.name.data.strip()
    if name not in known:
        return _page(request, who, "There is no coordinator of this name.")
    others = [each for each in known.values() if each.role == "owner" and each.name != name]
    if not others and form.role.data != "owner":
        return _page(request, who, "A study needs an owner, and there is no other one.")
    return _kept(request, who, form, "changed a coordinator")


@router.post("/accounts/remove", openapi_extra=forms.body({"name": {"type": "string"}, "sure": {"enum": ["y"]}}))
def remove(request: Request, who: Owner, data: Sent) -> Response:
    """Remove a coordinator; their sessions end. What they did stays in the audit log."""
    form, store = forms.checked(Removal, request, data), store_of(request)
    try:
        store.access.remove_coordinator(form.name.data.strip())
    except InputError as error:
        return _page(request, who, _sentence(error))
    store.note(who.name, "removed a coordinator", form.name.data.strip())
    return to("/coordinator/accounts")


def _sentence(error: InputError) -> str:
    said = str(error)
    return said[:1].upper() + said[1:]


def _kept(request: Request, who: Coordinator, form: Any, what: str) -> Response:
    store, name = store_of(request), form.name.data.strip()
    try:
        store.access.set_coordinator(name, form.password.data, cast(CoordinatorRole, form.role.data))
    except InputError as error:
        return _page(request, who, _sentence(error))
    store.note(who.name, f"{what} as {form.role.data}", name)
    if name == who.name:
        version = next(each.version for each in store.access.coordinators() if each.name == name)
        request.session["coordinator"] = [name, version]
    return to("/coordinator/accounts")


@router.get("/audit")
def audit(request: Request, who: Actor) -> Response:
    """Show who did what, the newest first."""
    lines = store_of(request).audit()
    return view(request, who, "coordinator_audit.html", lines=lines[:SHOWN], more=max(0, len(lines) - SHOWN))
