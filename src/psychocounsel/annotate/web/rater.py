"""What a rater meets: the personal link, consent, each item in order, breaks, and everything again to change.

Items are named by their place in the rater's own order, so that no address leads to another rater's.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.datastructures import FormData

from psychocounsel.annotate.store import Standing
from psychocounsel.annotate.study import Answer
from psychocounsel.annotate.web import forms, shown
from psychocounsel.annotate.web.course import Course
from psychocounsel.annotate.web.pages import page, store_of, wants_json
from psychocounsel.errors import InputError

router = APIRouter()
Sent = Annotated[FormData, Depends(forms.sent)]
Place = Annotated[int, "1 for the rater's first item"]
_TEXT = {"type": "string"}


def current(request: Request) -> Standing:
    """Return whose session this is. Raises HTTPException 403 where it is nobody's, or the link is no longer good."""
    code, version = (*request.session.get("rater", ()), None, None)[:2]
    found = store_of(request).access.standing(str(code), version) if isinstance(version, int) else None
    if found is None:
        raise HTTPException(403)
    return found


Current = Annotated[Standing, Depends(current)]


def to(address: str) -> RedirectResponse:
    return RedirectResponse(address, 303)


@router.get("/")
def front(request: Request) -> Response:
    if "rater" in request.session:
        return to("/rate")
    return page(
        request,
        "message.html",
        title="A rating study",
        says="Raters come in by the personal link that they were sent. Coordinators sign in at /coordinator.",
    )


@router.get("/r/{token}")
def enter(request: Request, token: str) -> Response:
    """Begin, or go on, on any device. The token leaves the address at once, so that no history or log keeps it."""
    found = store_of(request).access.by_token(token)
    if found is None:
        raise HTTPException(403)
    request.session.clear()
    request.session["rater"] = [found.code, found.version]
    return to("/rate")


@router.get("/rate")
def next_step(request: Request, rater: Current) -> Response:
    """Lead to what comes next: consent, a break, the first item that is not done, or the end."""
    course = Course(store_of(request), rater)
    if course.paused:
        return page(request, "message.html", title="The study is paused", says="Please come back later.")
    if not course.agreed:
        form = forms.form_of(forms.Guarded, request)
        return page(request, "consent.html", form=form, course=course, declined=course.declined)
    if course.break_due:
        return page(request, "break.html", form=forms.form_of(forms.Guarded, request), course=course)
    if (place := course.next_place) is None:
        return page(request, "finished.html", course=course)
    return to(f"/rate/{place}")


@router.post("/rate/consent", openapi_extra=forms.body({"agree": {"enum": ["yes", "no"]}}))
def consent(request: Request, rater: Current, data: Sent) -> Response:
    forms.checked(forms.Guarded, request, data)
    agreed = data.get("agree") == "yes"
    store_of(request).events.append(rater.code, "consent" if agreed else "declined", forms.new_key(), {}, None)
    return to("/rate")


@router.post("/rate/break", openapi_extra=forms.body({}))
def end_break(request: Request, rater: Current, data: Sent) -> Response:
    forms.checked(forms.Guarded, request, data)
    store_of(request).events.append(rater.code, "break", forms.new_key(), {}, None)
    return to("/rate")


@router.get("/rate/all")
def overview(request: Request, rater: Current) -> Response:
    course = _open(request, rater)
    return page(request, "overview.html", course=course)


def _open(request: Request, rater: Standing) -> Course:
    """Return the rater's course, where they have agreed and the study is not paused."""
    course = Course(store_of(request), rater)
    if not course.agreed:
        raise HTTPException(303, headers={"Location": "/rate"})
    if course.paused:
        raise HTTPException(409)
    return course


def _at(course: Course, place: int) -> int:
    """Return the number of the assignment at a place that the rater may see: done ones, and the next."""
    number = course.number(place)
    if number is None:
        raise HTTPException(404)
    if not course.may_see(place):
        raise HTTPException(303, headers={"Location": "/rate"})
    return number


@router.get("/rate/{place}")
def item(request: Request, rater: Current, place: Place) -> Response:
    course = _open(request, rater)
    number = _at(course, place)
    each, stored = course.store.assignments[number], course.answers.get(number)
    if course.locked(place):
        return to(f"/rate/{place}/told")
    known = course.store.items[each.item]
    answer = stored.answer if stored else Answer()
    values = forms.shown_answer(answer, course.plan, each) | {"key": forms.new_key()}
    form = forms.form_of(forms.answer_form(course.plan), request, values=values)
    return page(
        request, "item.html", form=form, course=course, place=place, item=shown.item(known, each), faults=[],
        marks=shown.marks_of(answer, known, each),
    )  # fmt: skip


@router.post(
    "/rate/{place}",
    openapi_extra=forms.body(
        dict.fromkeys(("overall", "cannot", "comment", "risk", "seconds", "key", "action"), _TEXT)
    ),
)
def save(request: Request, rater: Current, place: Place, data: Sent) -> Response:
    """Keep what is on the page; `action` is `save`, `done` or `skip`. It is on the disk when this answers."""
    course = _open(request, rater)
    number = _at(course, place)
    form = forms.checked(forms.answer_form(course.plan), request, data)
    each = course.store.assignments[number]
    known, action = course.store.items[each.item], form.action.data or "done"
    spans = shown.spans_of(data, known, each)
    # What is changed afterwards stays done, as long as nothing is missing.
    finished = action == "done" or (action == "save" and course.answers_done(number))
    answer = forms.answer_of(form, course.plan, each, spans, done=finished, skipped=action == "skip")
    faults = answer.missing(course.plan) if finished else []
    if faults:
        answer = answer.model_copy(update={"done": False})
    key = form.key.data or forms.new_key()
    # Who was not told that it was saved sends it again, and is told now.
    if course.locked(place) and not course.store.has(number, answer, key):
        raise HTTPException(400, "The expected answer has been shown, so this one can no longer be changed.")
    try:
        saved = course.store.save(number, answer, key)
    except InputError:  # a span outside its text, or the like: no page of ours sends it
        raise HTTPException(400) from None
    if wants_json(request):
        return JSONResponse({"saved": saved.id, "missing": faults})
    if faults and action == "done":
        return page(
            request, "item.html", 422, form=form, course=course, place=place, item=shown.item(known, each),
            faults=faults, marks=shown.marks_of(answer, known, each),
        )  # fmt: skip
    if action == "skip":
        return to(f"/rate/{place}/skipped")
    if action == "save":
        return to(f"/rate/{place}")
    if known.role == "calibration" and course.plan.feedback and known.expected is not None:
        return to(f"/rate/{place}/told")
    return to("/rate")


@router.get("/rate/{place}/skipped")
def skipped(request: Request, rater: Current, place: Place) -> Response:
    course = _open(request, rater)
    _at(course, place)
    return page(request, "skipped.html", course=course, place=place)


@router.get("/rate/{place}/told")
def told(request: Request, rater: Current, place: Place) -> Response:
    """What was expected of a calibration item, after the rater has answered it."""
    course = _open(request, rater)
    number = _at(course, place)
    if not course.locked(place):
        return to(f"/rate/{place}")
    each = course.store.assignments[number]
    known = course.store.items[each.item]
    feedback: dict[str, Any] = shown.feedback(known, each, course.answers[number].answer, course.plan)
    return page(request, "told.html", course=course, place=place, item=shown.item(known, each), feedback=feedback)
