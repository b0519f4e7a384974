"""Adjudication: items on which raters disagree, what each of them said, and a coordinator's decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from wtforms import HiddenField
from wtforms.validators import Length

from psychocounsel.annotate.exchange.sides import own_side, shown_side
from psychocounsel.annotate.store import Coordinator, Store
from psychocounsel.annotate.store.store import Decision
from psychocounsel.annotate.study import Answer, Assignment, Item
from psychocounsel.annotate.web import forms, shown
from psychocounsel.annotate.web.desk import Actor, to, view
from psychocounsel.annotate.web.disagreements import disagreements, flipped, votes_on
from psychocounsel.annotate.web.pages import store_of
from psychocounsel.annotate.web.progress import progress_of
from psychocounsel.annotate.web.rater import Sent

router = APIRouter(prefix="/coordinator/adjudicate")
_DECISION = {key: {"type": "string"} for key in ("overall", "cannot", "comment", "decided")}
Place = Annotated[int, "1 for the first item of the design"]


def _form(store: Store) -> type[forms.Guarded]:
    """Return the form of a decision: a rater's, and the decision that its page was made from."""
    return type("DecisionForm", (forms.answer_form(store.plan),), {"decided": HiddenField(validators=[Length(max=20)])})


def _number(decision: Decision | None) -> int:
    return decision.number if decision else 0


def _item(store: Store, place: int) -> Item:
    items = list(store.items.values())
    if not 1 <= place <= len(items):
        raise HTTPException(404)
    return items[place - 1]


def _as_shown(store: Store, item: Item) -> Assignment:
    """Return the item as an assignment of nobody, which says what is shown first."""
    return Assignment("", item.id, 0, flipped(store.plan, item))


@router.get("")
def listed(request: Request, who: Actor) -> Response:
    """List the items on which raters disagree, those without a decision first."""
    store = store_of(request)
    found = disagreements(store.plan, store.items, store.annotations())
    decided = store.adjudicated()
    found.sort(key=lambda each: (each.item.id in decided, each.place))
    return view(request, who, "coordinator_adjudicate.html", found=found, decided=decided)


@router.get("/{place}")
def item(request: Request, who: Actor, place: Place) -> Response:
    """Show one item with all that was said of it."""
    return _afresh(request, who, place, store_of(request).decision(_item(store_of(request), place).id))


def _afresh(
    request: Request, who: Coordinator, place: int, decision: Decision | None, meanwhile: str = "", unsaved: str = ""
) -> Response:
    """Return an item's page with the decision on it, if there is one; 409 where that came `meanwhile`, in words."""
    store = store_of(request)
    answer = decision.answer if decision else Answer()
    values = forms.shown_answer(answer, store.plan, _as_shown(store, _item(store, place)))
    form = forms.form_of(_form(store), request, values=values)
    return _page(request, who, place, form, decision, 409 if meanwhile else 200, meanwhile=meanwhile, unsaved=unsaved)


def _page(
    request: Request, who: Coordinator, place: int, form: Any, decision: Decision | None, status: int, /,
    faults: Sequence[str] = (), meanwhile: str = "", unsaved: str = "",
) -> Response:  # fmt: skip
    store = store_of(request)
    known = _item(store, place)
    each, by = _as_shown(store, known), decision.who if decision else ""
    return view(
        request, who, "coordinator_item.html", status, place=place, total=len(store.items),
        item=shown.item(known, each), role=known.role, topic=known.topic, form=form, faults=faults, by=by,
        decided=_number(decision), meanwhile=meanwhile, unsaved=unsaved,
        votes=votes_on(store.plan, known, store.annotations()), hidden=_hidden(known, each) if by else None,
        flags=[flag for flag in progress_of(store).flags if flag.place == place],
    )  # fmt: skip


def _hidden(known: Item, each: Assignment) -> dict[str, Any]:
    """Return what is kept from whoever still has to decide: who wrote what, and which one the label prefers."""
    sides = [own_side(side, each.flipped) for side in ("first", "second")[: len(known.texts)]]
    rows = []
    for response, side in zip(shown.item(known, each).responses, sides, strict=True):
        number = "ab".index(side)
        scores = known.label_scores.get(side, {})
        rows.append(
            {
                "title": response.title,
                "model": known.models[number] if number < len(known.models) else "",
                "scores": {key: f"{round(score, 2):g}" for key, score in scores.items()},
                "reward": f"{known.rewards[side]:.3f}" if side in known.rewards else "",
            }
        )
    preferred = {"first": "the first", "second": "the second", "tie": "neither"}
    label = preferred.get(shown_side(known.label, each.flipped), "")
    return {"rows": rows, "label": label, "labeller": known.labeller, "gap": known.gap}


@router.post("/{place}", openapi_extra=forms.body(_DECISION))
def decide(request: Request, who: Actor, place: Place, data: Sent) -> Response:
    """Keep a decision. An item is decided as a whole: every principle and overall, or that it cannot be judged."""
    store = store_of(request)
    known = _item(store, place)
    if known.role != "main":
        raise HTTPException(400, "Only items of the study itself are decided: of a check the answer is known.")
    form = forms.checked(_form(store), request, data)
    answer = forms.answer_of(form, store.plan, _as_shown(store, known), (), done=True, skipped=False)
    answer = answer.model_copy(update={"risk": False, "seconds": 0.0})
    before = store.decision(known.id)
    if (form.decided.data or "0") != str(_number(before)):
        return _overtaken(request, who, place, before, answer)
    if faults := answer.missing(store.plan):
        return _page(request, who, place, form, before, 422, faults)
    if not store.adjudicate(known.id, who.name, answer, after=_number(before)):
        return _overtaken(request, who, place, store.decision(known.id), answer)
    store.note(who.name, "changed a decision, models known" if before else "decided", f"item {place}")
    return to(f"/coordinator/adjudicate/{place}")


def _overtaken(
    request: Request, who: Coordinator, place: int, decision: Decision | None, answer: Answer
) -> Response:  # fmt: skip
    """Answer a page that was made before the newest decision: that one stands, and who wrote what is now shown."""
    if decision is not None and (decision.who, decision.answer) == (who.name, answer):
        return to(f"/coordinator/adjudicate/{place}")  # the same form sent twice
    by = decision.who if decision else ""
    said = f"{'You have' if by == who.name else f'{by} has'} decided meanwhile; look at it and decide again."
    return _afresh(request, who, place, decision, said, answer.comment)
