"""Adjudication: items on which raters disagree, what each of them said, and a coordinator's decision."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response

from psychocounsel.annotate.exchange.sides import own_side, shown_side
from psychocounsel.annotate.store import Coordinator, Store
from psychocounsel.annotate.study import Answer, Assignment, Item
from psychocounsel.annotate.web import forms, shown
from psychocounsel.annotate.web.desk import Actor, to, view
from psychocounsel.annotate.web.disagreements import disagreements, flipped, votes_on
from psychocounsel.annotate.web.pages import store_of
from psychocounsel.annotate.web.progress import progress_of
from psychocounsel.annotate.web.rater import Sent

router = APIRouter(prefix="/coordinator/adjudicate")
_TEXT = {"type": "string"}
Place = Annotated[int, "1 for the first item of the design"]


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
    store = store_of(request)
    known = _item(store, place)
    answer, _ = store.adjudicated().get(known.id, (Answer(), ""))
    values = forms.shown_answer(answer, store.plan, _as_shown(store, known))
    form = forms.form_of(forms.answer_form(store.plan), request, values=values)
    return _page(request, who, place, form, [])


def _page(request: Request, who: Coordinator, place: int, form: Any, faults: list[str]) -> Response:
    store = store_of(request)
    known = _item(store, place)
    each = _as_shown(store, known)
    _, by = store.adjudicated().get(known.id, (None, ""))
    return view(
        request, who, "coordinator_item.html", 422 if faults else 200, place=place, total=len(store.items),
        item=shown.item(known, each), role=known.role, topic=known.topic, form=form, faults=faults, by=by,
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


@router.post("/{place}", openapi_extra=forms.body({"overall": _TEXT, "cannot": _TEXT, "comment": _TEXT}))
def decide(request: Request, who: Actor, place: Place, data: Sent) -> Response:
    """Keep a decision. An item is decided as a whole: every principle and overall, or that it cannot be judged."""
    store = store_of(request)
    known = _item(store, place)
    if known.role != "main":
        raise HTTPException(400, "Only items of the study itself are decided: of a check the answer is known.")
    form = forms.checked(forms.answer_form(store.plan), request, data)
    answer = forms.answer_of(form, store.plan, _as_shown(store, known), (), done=True, skipped=False)
    answer = answer.model_copy(update={"risk": False, "seconds": 0.0})
    if faults := answer.missing(store.plan):
        return _page(request, who, place, form, faults)
    before = known.id in store.adjudicated()
    store.adjudicate(known.id, who.name, answer)
    store.note(who.name, "changed a decision, models known" if before else "decided", f"item {place}")
    return to(f"/coordinator/adjudicate/{place}")
