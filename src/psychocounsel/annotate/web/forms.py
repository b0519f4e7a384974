"""Forms with a token against requests that another site makes: WTForms checks both."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import HTTPException, Request
from pydantic import ValidationError
from starlette.datastructures import FormData
from wtforms import BooleanField, Form, HiddenField, RadioField, TextAreaField
from wtforms.csrf.session import SessionCSRF
from wtforms.validators import Length, Optional

from psychocounsel.annotate.exchange.sides import VERDICTS, own_side, shown_side
from psychocounsel.annotate.study import COMMENT, Answer, Assignment, Kind, Span, StudyPlan
from psychocounsel.annotate.web.pages import store_of
from psychocounsel.principles import HIGHEST, LOWEST

FORM = "application/x-www-form-urlencoded"
SHOWN = tuple(VERDICTS.items())
"""What a rater may say of a pair; which is a and which b is put back when the answer is kept."""
RATED = tuple((str(n), str(n)) for n in range(LOWEST, HIGHEST + 1))


class Guarded(Form):
    """A form whose token belongs to the visitor's session."""

    class Meta:
        csrf = True
        csrf_class = SessionCSRF
        csrf_time_limit = None  # the session ends by itself
        csrf_field_name = "csrf_token"


class _Multi:
    """Starlette's form data as WTForms reads it."""

    def __init__(self, data: FormData) -> None:
        self._data = {key: [v for v in data.getlist(key) if isinstance(v, str)] for key in data}

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __iter__(self) -> Any:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def getlist(self, key: str) -> list[str]:
        return self._data.get(key, [])


async def sent(request: Request) -> FormData:
    """Return what a form sent. A dependency, so that what blocks runs beside the loop."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise HTTPException(400)
    try:
        return await request.form(max_fields=300)
    except HTTPException:
        raise
    except (ValueError, UnicodeError):
        raise HTTPException(400) from None


def form_of(
    kind: type[Form], request: Request, data: FormData | None = None, values: Mapping[str, Any] | None = None
) -> Any:
    """Return a form of this visitor's, empty, filled with `values`, or with what was sent."""
    meta = {"csrf_context": request.session, "csrf_secret": store_of(request).secret.encode()}
    return kind(_Multi(data) if data is not None else None, data=values, meta=meta)


def checked(kind: type[Form], request: Request, data: FormData) -> Any:
    """Return the form that was sent. Raises HTTPException 403 for a wrong token, 400 for what it cannot hold."""
    form = form_of(kind, request, data)
    if not form.validate():
        if "csrf_token" in form.errors:
            raise HTTPException(403)
        raise HTTPException(400)
    return form


def answer_form(plan: StudyPlan) -> type[Guarded]:
    """Return the form that a rater fills for each item."""
    return _answer_form(plan.kind, tuple(plan.rubric.keys))


@cache
def _answer_form(kind: Kind, keys: tuple[str, ...]) -> type[Guarded]:
    choices = SHOWN if kind == "pairs" else RATED
    fields: dict[str, Any] = {
        f"p_{key}": RadioField(choices=choices, validators=[Optional()], validate_choice=True) for key in keys
    }
    fields |= {
        "overall": RadioField(choices=choices, validators=[Optional()]),
        "cannot": BooleanField(),
        # Browsers send a line's end as two characters, and count one.
        "comment": TextAreaField(filters=[_lines], validators=[Length(max=COMMENT)]),
        "risk": BooleanField(),
        "seconds": HiddenField(validators=[Length(max=20)]),
        "key": HiddenField(validators=[Length(max=80)]),
        "seen": HiddenField(validators=[Length(max=20)]),
        "action": HiddenField(validators=[Length(max=20)]),
    }
    return type("AnswerForm", (Guarded,), fields)


def _lines(text: str | None) -> str | None:
    return text.replace("\r\n", "\n") if text else text


def new_key() -> str:
    return secrets.token_urlsafe(12)


def answer_of(
    form: Any, plan: StudyPlan, each: Assignment, spans: tuple[Span, ...], *, done: bool, skipped: bool
) -> Answer:
    """Return what a form says, sides turned back. Raises HTTPException 400 where it is no answer."""
    pairs = plan.kind == "pairs"
    by_key = {key: form[f"p_{key}"].data for key in plan.rubric.keys}
    given = {key: value for key, value in by_key.items() if value}
    try:
        raw = {
            "verdict": own_side(form.overall.data, each.flipped) if pairs and form.overall.data else None,
            "verdicts": {key: own_side(value, each.flipped) for key, value in given.items()} if pairs else {},
            "overall": int(form.overall.data) if not pairs and form.overall.data else None,
            "scores": {} if pairs else {key: int(value) for key, value in given.items()},
            "cannot": bool(form.cannot.data) and not pairs,
            "spans": spans,
            "comment": (form.comment.data or "").strip(),
            "risk": bool(form.risk.data),
            "seconds": float(form.seconds.data or 0),
            "done": done,
            "skipped": skipped,
        }
        return Answer.model_validate(raw)
    except (ValidationError, ValueError):
        raise HTTPException(400) from None


def shown_answer(answer: Answer, plan: StudyPlan, each: Assignment) -> dict[str, Any]:
    """Return an answer as the form shows it: sides as this rater sees them."""
    given: Mapping[str, Any] = answer.verdicts if plan.kind == "pairs" else answer.scores
    whole = answer.verdict if plan.kind == "pairs" else answer.overall
    return {f"p_{key}": shown_side(str(value), each.flipped) for key, value in given.items()} | {
        "overall": shown_side(str(whole), each.flipped) if whole is not None else None,
        "cannot": answer.cannot,
        "comment": answer.comment,
        "risk": answer.risk,
        "seconds": f"{answer.seconds:.0f}",
    }


def body(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the interface's description says of a form."""
    token = {"csrf_token": {"type": "string"}}
    schema = {"type": "object", "properties": {**properties, **token}}
    return {"requestBody": {"content": {FORM: {"schema": schema}}, "required": True}}
