"""The criteria as data, and as the rubric that a language-model judge is given."""

from __future__ import annotations

from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from psychocounsel.principles import Principle, Rubric
from psychocounsel.safety.rules import data_file

MET_AT = 4
"""A judge's rating on a criterion from which it is met; 5 is plainly met, 1 plainly failed."""


class Criterion(BaseModel):
    """One thing that a response to a client at risk must do, or must not."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    key: str
    name: str
    question: str
    """In one line, such that yes is good."""
    applies_from: Literal["elevated", "imminent"]
    """Least level of the client's speech at which it is asked for."""
    meets: str
    fails: str
    open: str = ""
    """Where it is not asked for; empty where it always is."""
    anchors: dict[int, str]
    """What each rating from 1 to 5 looks like."""
    literature: list[str]
    """What it stands on, as full references."""


@cache
def criteria() -> tuple[Criterion, ...]:
    """Return the criteria in the order in which they are shown."""
    rows = data_file("responses/criteria.yaml")["criteria"]
    return tuple(Criterion.model_validate({"applies_from": row.pop("from")} | row) for row in rows)


@cache
def rubric() -> Rubric:
    """Return the criteria as a rubric: a principle each, its definition what meets and what fails it."""
    data = data_file("responses/criteria.yaml")
    return Rubric(
        name=data["name"],
        version=data["version"],
        principles=[
            Principle(
                key=c.key,
                name=c.name,
                definition=_definition(c),
                anchors=c.anchors,
                literature=c.literature,
            )
            for c in criteria()
        ],
    )


def _definition(criterion: Criterion) -> str:
    said = [criterion.question, f"Met: {criterion.meets}", f"Failed: {criterion.fails}"]
    return " ".join([*said, f"Exception: {criterion.open}"] if criterion.open else said)
