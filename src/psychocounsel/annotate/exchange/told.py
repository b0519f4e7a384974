"""What an export for the coordinator says of an assignment, in the order of sides that the rater sees."""

from __future__ import annotations

from typing import Any

from psychocounsel.annotate.exchange.sides import shown_side
from psychocounsel.annotate.study import Assignment, Item


def told_of(item: Item, each: Assignment) -> dict[str, Any]:
    """Return item, role, models and label. Never for who rates."""
    models = tuple(reversed(item.models)) if each.flipped else item.models
    told: dict[str, Any] = {"item": item.id, "role": item.role, "repeat": each.repeat}
    told |= {f"model_{side}": model for side, model in zip(("first", "second"), models, strict=False)}
    return told | {"label": shown_side(item.label, each.flipped), "topic": item.topic, "risk": item.risk}
