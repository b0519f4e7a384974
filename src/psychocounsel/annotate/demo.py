"""A study to look at: of a run's pairs, with ten simulated raters who have answered and one place that is free."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from psychocounsel.annotate.design import design_study, read_candidates
from psychocounsel.annotate.simulated import SimulatedRater
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import Design, StudyPlan
from psychocounsel.errors import ResourceError

RATERS, ITEMS, PER_ITEM = 10, 40, 4
FREE = "R11"
"""The rater that nobody simulates."""
COORDINATOR = "demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """What is needed to come in."""

    token: str
    """Of the free rater's link."""
    coordinator: str
    password: str


def make_demo(run: Path, where: Path, seed: int = 0) -> Demo:
    """Make the demonstration's study at `where`, anew. Raises InputError where the run has too few pairs."""
    candidates = read_candidates(run, "pairs")
    plan = StudyPlan(
        name="Demonstration with simulated raters",
        per_item=PER_ITEM,
        repeats=4,
        seed=seed,
        source=str(run.name),
        simulated=True,
    )
    design, _ = design_study(candidates, plan, raters=RATERS + 1, items=ITEMS, calibration=2, attention=2)
    where.parent.mkdir(parents=True, exist_ok=True)
    _remove(where)
    store = Store.make(where, design)
    try:
        _answer(store, design, seed)
        password = secrets.token_urlsafe(12)
        store.access.set_coordinator(COORDINATOR, password, "owner")
        store.note("demonstration", "made with simulated raters")
        return Demo(store.access.invite(FREE), COORDINATOR, password)
    finally:
        store.close()


def _answer(store: Store, design: Design, seed: int) -> None:
    raters = {code: SimulatedRater.named(code, seed) for code in design.raters if code != FREE}
    for code in raters:
        store.events.append(code, "consent", "simulated consent", {"simulated": True}, None)
    for number, each in store.assignments.items():
        if each.rater in raters:
            said = raters[each.rater].answer(design.plan, store.items[each.item], each, seed)
            store.save(number, said, f"simulated {number}")


def _remove(where: Path) -> None:
    """Remove a demonstration that was made before; a study of people is left alone."""
    if where.exists():
        with Store.open(where) as store:
            if not any(line["who"] == "demonstration" for line in store.audit()):
                raise ResourceError(f"{where} is no demonstration, and is left as it is. Name another file by --study.")
    for path in (where, where.with_name(where.name + "-wal"), where.with_name(where.name + "-shm")):
        path.unlink(missing_ok=True)
