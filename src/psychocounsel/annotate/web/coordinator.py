"""What a coordinator meets: sign-in, the study's progress, and from there everything else."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import AnyOf, InputRequired, Length

from psychocounsel.annotate.results.agreement import NOMINAL, ORDINAL, SHARE
from psychocounsel.annotate.results.words import whole
from psychocounsel.annotate.store.access import DAYS
from psychocounsel.annotate.web import accounts, adjudication, downloads, forms, invitations
from psychocounsel.annotate.web.desk import Actor, Reader, Tries, to, tried, view
from psychocounsel.annotate.web.pages import page, store_of
from psychocounsel.annotate.web.progress import FLAG_SEEN, progress_of, seen_flags
from psychocounsel.annotate.web.rater import Sent

__all__ = ["Tries", "router"]

router = APIRouter()
MEASURES = {
    NOMINAL: "Krippendorff's alpha, nominal",
    ORDINAL: "Krippendorff's alpha, ordinal",
    SHARE: "Share of pairs of raters who agree",
}
_TEXT = {"type": "string"}


class SignIn(forms.Guarded):
    """Name and password."""

    name = StringField(validators=[InputRequired(), Length(max=60)])
    password = PasswordField(validators=[InputRequired(), Length(max=1000)])


class Pause(forms.Guarded):
    """Whether the study stops or goes on."""

    action = HiddenField(validators=[AnyOf(["pause", "resume"])])


class Seen(forms.Guarded):
    """Which flag of danger a coordinator has seen."""

    flag = HiddenField(validators=[InputRequired(), Length(max=200)])


@router.get("/coordinator/sign-in")
def sign_in_page(request: Request) -> Response:
    return page(request, "coordinator_sign_in.html", form=forms.form_of(SignIn, request), fault="")


@router.post("/coordinator/sign-in", openapi_extra=forms.body({"name": _TEXT, "password": _TEXT}))
def sign_in(request: Request, data: Sent) -> Response:
    """Begin a session, where name and password belong together; who guesses is soon asked to wait."""
    form = forms.checked(SignIn, request, data)
    found = tried(request, form.name.data.strip(), form.password.data)
    if found is None:
        fault = "Name and password do not belong together."
        return page(request, "coordinator_sign_in.html", 403, form=form, fault=fault)
    request.session.clear()
    request.session["coordinator"] = [found.name, found.version]
    store_of(request).note(found.name, "signed in")
    return to("/coordinator")


@router.post("/coordinator/sign-out", openapi_extra=forms.body({}))
def sign_out(request: Request, who: Reader, data: Sent) -> Response:
    """End the session, and any copy of its cookie: a cookie holds no more than name and version.

    So it ends the coordinator's sessions on other devices as well.
    """
    forms.checked(forms.Guarded, request, data)
    store_of(request).access.end_sessions(who)
    request.session.clear()
    return to("/coordinator/sign-in")


@router.get("/coordinator")
def overview(request: Request, who: Reader) -> Response:
    """Show how far the study has come, and what a coordinator should see soon."""
    store = store_of(request)
    progress, raters = progress_of(store), store.access.raters()
    known = seen_flags(store, progress.flags)
    kept = [flag for flag in progress.flags if flag.taken_back is None or flag not in known]
    seen = {flag: known[flag] for flag in kept if flag in known}
    counted = [work for work in progress.works if work.code not in progress.withdrawn]
    lines = [
        (MEASURES[line.measure], whole(line.figure) if line.figure else "", line.why) for line in progress.live.lines
    ]
    flags = sorted(kept, key=lambda flag: flag in seen)  # stable: the newest first, of each kind
    return view(
        request, who, "coordinator_progress.html", flags=flags, seen=seen, paused=store.paused,
        progress=progress, lines=lines, rows=invitations.rows(progress, raters),
        remarked=[work for work in counted if work.remarks],
        finished=sum(work.finished for work in counted), total=sum(work.total for work in counted),
        skipped=sum(work.skipped for work in counted), cannot=sum(work.cannot for work in counted),
        decided=len(store.adjudicated()), days=DAYS, most_days=invitations.MOST_DAYS,
    )  # fmt: skip


@router.post("/coordinator/pause", openapi_extra=forms.body({"action": {"enum": ["pause", "resume"]}}))
def pause(request: Request, who: Actor, data: Sent) -> Response:
    """Stop the study, so that nothing is shown to raters or saved; or let it go on."""
    form = forms.checked(Pause, request, data)
    stop = form.action.data == "pause"
    store_of(request).pause(stop)
    store_of(request).note(who.name, "paused the study" if stop else "let the study go on")
    return to("/coordinator")


@router.post("/coordinator/flags/seen", openapi_extra=forms.body({"flag": _TEXT}))
def saw(request: Request, who: Actor, data: Sent) -> Response:
    """Note that somebody has seen a flag of danger, so that the next who looks knows which are new."""
    form, store = forms.checked(Seen, request, data), store_of(request)
    flags = progress_of(store).flags
    flag = next((flag for flag in flags if flag.about == form.flag.data), None)
    if flag is None:
        where = form.flag.data.rpartition(", ")[0]
        if any(each.where == where for each in flags):
            raise HTTPException(409, f"{where}: this flag was saved anew after your page was loaded. Go back, load it "
                                     "again, and look at what it says now.")  # fmt: skip
        raise HTTPException(404)
    if flag not in seen_flags(store, [flag]):
        store.note(who.name, FLAG_SEEN, flag.about)
    return to("/coordinator")


for part in (invitations, adjudication, accounts, downloads):
    router.include_router(part.router)
