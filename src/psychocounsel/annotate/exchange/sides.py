"""What a rater sees as first and second, and what the study keeps as a and b; and which study it is."""

from __future__ import annotations

import re
from typing import Any

from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Assignment, Item
from psychocounsel.records import content_id

VERDICTS = {"first": "First", "second": "Second", "tie": "Equally good", "cannot": "I cannot judge"}
"""What a rater may say of a pair, and how it is put."""
RISK = "The client, or a response, worries me: flag a danger"
SKIP = "Skip this item: it distresses me"
CANNOT = "I cannot judge this response"


def own_side(shown: Any, flipped: bool) -> Any:
    """Return what `first` or `second` is in the item's own terms; anything else stands for itself."""
    if shown not in ("first", "second"):
        return shown
    return "a" if (shown == "first") != flipped else "b"


def shown_side(side: str, flipped: bool) -> str:
    """Return how a or b is shown; anything else stands for itself."""
    if side not in ("a", "b"):
        return side
    return "first" if (side == "a") != flipped else "second"


def shown_texts(item: Item, each: Assignment) -> tuple[str, ...]:
    """Return the responses in the order in which the rater sees them."""
    return tuple(reversed(item.texts)) if each.flipped else item.texts


def turned(answer: dict[str, Any], flipped: bool) -> dict[str, Any]:
    """Return an answer that says first and second as one that says a and b. Other keys and values stay."""
    changed = dict(answer)
    if "verdict" in changed:
        changed["verdict"] = own_side(changed["verdict"], flipped)
    if isinstance(changed.get("verdicts"), dict):
        changed["verdicts"] = {key: own_side(value, flipped) for key, value in changed["verdicts"].items()}
    if isinstance(changed.get("spans"), list):
        changed["spans"] = [span | {"side": own_side(span["side"], flipped)} for span in changed["spans"]]
    return changed


def study_digest(store: Store) -> str:
    """Return 16 hex digits of plan, items and assignments: another study, or a changed one, has others.

    Raters who were added for others are left out: files that were sent before are of the same study.
    """
    added = {new for _, new in store.replacements()}
    given = [a for a in store.assignments.values() if a.rater not in added]
    assignments = [[a.rater, a.item, a.position, a.flipped, a.repeat] for a in given]
    return content_id("study", store.plan.model_dump(mode="json"), list(store.items), assignments)


def plain(code: str) -> str:
    """Return a rater's code as file names and other tools' column names can hold it."""
    return re.sub(r"\W", "_", code)
