"""What a rater meets: the personal link, consent, each item in order, breaks, and everything again to change.

Items are named by their place in the rater's own order, so that no address leads to another rater's.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.datastructures import FormData

from psychocounsel.annotate.store import Standing
from psychocounsel.annotate.study import Answer, Item
from psychocounsel.annotate.web import forms, shown
from psychocounsel.annotate.web.course import Course
from psychocounsel.annotate.web.pages import page, prolong, store_of, wants_json
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
    prolong(request)
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
    # The same for each session of this link: a page that was open before can go on saving.
    secret = store_of(request).secret.encode()
    request.session["csrf"] = hmac.new(secret, f"csrf {found.code} {found.version}".encode(), "sha256").hexdigest()
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
        if request.method == "POST":  # a script would follow, and take the page there for an answer
            raise HTTPException(409, "This was not saved, as you have not agreed to take part. Load the page again.")
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
def item(request: Request, rater: Current, place: Place, check: str = "") -> Response:
    """Show an item. With `check` it says what is missing before it is finished."""
    course = _open(request, rater)
    number = _at(course, place)
    each, stored = course.store.assignments[number], course.answers.get(number)
    if course.locked(place):
        return to(f"/rate/{place}/told")
    answer = stored.answer if stored else Answer()
    values = forms.shown_answer(answer, course.plan, each) | {"key": forms.new_key(), "seen": course.saves(number)}
    form = forms.form_of(forms.answer_form(course.plan), request, values=values)
    return _item_page(request, course, place, form, answer, faults=answer.missing(course.plan) if check else [])


def _item_page(
    request: Request, course: Course, place: int, form: Any, answer: Answer, faults: list[str], status: int = 200,
    changed: bool = False,
) -> Response:  # fmt: skip
    each = course.store.assignments[course.numbers[place - 1]]
    known = course.store.items[each.item]
    return page(
        request, "item.html", status, form=form, course=course, place=place, item=shown.item(known, each),
        faults=faults, changed=changed, marks=shown.marks_of(answer, known, each),
    )  # fmt: skip


@router.post(
    "/rate/{place}",
    openapi_extra=forms.body(
        dict.fromkeys(("overall", "cannot", "comment", "risk", "seconds", "key", "seen", "action"), _TEXT)
    ),
)
def save(request: Request, rater: Current, place: Place, data: Sent) -> Response:
    """Keep what is on the page; `action` is `save`, `done` or `skip`. It is on the disk when this answers.

    A page that has not seen the newest save is refused: another tab or device would lose what it said.
    """
    course = _open(request, rater)
    number = course.number(place)
    if number is None:
        raise HTTPException(404)
    if not course.may_save(place):
        raise HTTPException(409, "This was not saved, as items before it are not done. Load the page again.")
    form = forms.checked(forms.answer_form(course.plan), request, data)
    each = course.store.assignments[number]
    known, action = course.store.items[each.item], form.action.data or "done"
    stored = course.answers.get(number)
    try:
        spans = shown.spans_of(data, known, each, stored.answer.spans if stored else ())
    except InputError as error:  # more marks than an answer holds
        raise HTTPException(400, str(error)) from None
    # What is changed afterwards stays done, as long as nothing is missing.
    finished = action == "done" or (action == "save" and course.answers_done(number))
    answer = forms.answer_of(form, course.plan, each, spans, done=finished, skipped=action == "skip")
    faults = answer.missing(course.plan) if finished else []
    if faults:
        answer = answer.model_copy(update={"done": False})
    key = form.key.data or forms.new_key()
    locked, outdated = course.locked(place), _outdated(form, course, number)
    # Who was not told that it was saved sends it again, and is told now.
    if (locked or outdated) and not course.store.has(number, answer, key):
        if locked:
            raise HTTPException(400, "The expected answer has been shown, so this one can no longer be changed.")
        return _changed_elsewhere(request, course, place, form, answer)
    try:
        saved = course.store.save(number, answer, key)
    except InputError:  # a span outside its text, or the like: no page of ours sends it
        raise HTTPException(400) from None
    saves = course.saves(number) + (not saved.again)
    following = _after(course, place, known, action, bool(faults))
    if wants_json(request):
        return JSONResponse({"saves": saves, "missing": faults, "next": following})
    if faults and action == "done":
        form.seen.data = str(saves)
        return _item_page(request, course, place, form, answer, faults, 422)
    return to(following)


def _after(course: Course, place: int, known: Item, action: str, lacking: bool) -> str:
    """Return the address of what comes after a save."""
    if action == "skip":
        return f"/rate/{place}/skipped"
    if lacking:
        return f"/rate/{place}?check=yes"
    if action == "save":
        return f"/rate/{place}"
    if known.role == "calibration" and course.plan.feedback and known.expected is not None:
        return f"/rate/{place}/told"
    return "/rate"


def _outdated(form: Any, course: Course, number: int) -> bool:
    """Whether the page that was sent had not seen the newest save. A page that does not say what it saw is believed."""
    return bool(form.seen.data) and form.seen.data != str(course.saves(number))


def _changed_elsewhere(request: Request, course: Course, place: int, form: Any, answer: Answer) -> Response:
    """Refuse a save; without scripts what was sent stays on the page, and may be sent again by who has read this."""
    if wants_json(request):
        said = (
            "Not saved: this item was changed on another page or device since this page was opened. "
            "Load the page again to see it as it is."
        )
        return JSONResponse({"error": said}, 409)
    form.seen.data = str(course.saves(course.numbers[place - 1]))
    return _item_page(request, course, place, form, answer, [], 409, changed=True)


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
