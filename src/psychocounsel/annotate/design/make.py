"""A whole study: which items, who rates them, in which order, and which response is shown first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psychocounsel.annotate.design.blocks import Balance, assign, balance_of
from psychocounsel.annotate.design.candidates import Candidates, usable
from psychocounsel.annotate.design.orders import Shown, order_of
from psychocounsel.annotate.design.practice import calibration_of, checks_of
from psychocounsel.annotate.design.sampling import Stratum, draw, strata
from psychocounsel.annotate.design.sides import flipped
from psychocounsel.annotate.study import Assignment, Design, Item, StudyPlan, speech_of
from psychocounsel.errors import InputError

SECONDS = {"pairs": 75.0, "responses": 60.0}
"""What an item is reckoned to take, by kind; an assumption, as on the rater's page before they have done any."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was made, to be read before anybody is invited."""

    candidates: int
    """Items that could be drawn."""
    left_out: dict[str, int]
    """Why rows of the source could not be, to how many."""
    strata: tuple[Stratum, ...]
    items: int
    """Main items."""
    raters: int
    per_item: int
    balance: Balance
    """How even loads and concurrences are."""
    calibration: int
    attention: int
    repeats: int
    """Of each rater."""
    flips: tuple[int, int]
    """The greatest difference between items shown either way round: within a rater, within an item."""
    preferred_first: tuple[float, float]
    """Least and greatest share, over raters, of labelled items of which the preferred one is first; NaN without any."""
    seconds: float
    """Assumed of an item."""
    minutes: tuple[float, float]
    """Of the least and of the most loaded rater, under that assumption."""
    notes: tuple[str, ...]
    """What to know of it, as sentences."""

    def as_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__}
        rest = {"strata": [each.as_dict() for each in self.strata], "balance": self.balance.as_dict()}
        return plain | rest


def design_study(
    candidates: Candidates,
    plan: StudyPlan,
    *,
    raters: int,
    items: int,
    calibration: int = 3,
    attention: int = 3,
    own: Sequence[Item] = (),
) -> tuple[Design, Summary]:
    """Return a study of `items` candidates by `raters` raters, `plan.per_item` of them an item, and its summary.

    Where `own` has calibration items, they are the study's, and none is made; likewise attention checks. The plan's
    source, and whether it is simulated, are taken over from the candidates. The same candidates, in whatever order,
    and the same seed give the same study. Raises InputError where the numbers cannot be met.
    """
    there = _besides(usable(candidates), own)
    plan = plan.model_copy(
        update={"source": plan.source or there.source, "simulated": plan.simulated or there.simulated}
    )
    _refuse(there, plan, raters, items, own)
    drawn = draw(there.items, items, plan.seed)
    taken = {item.id for item in drawn}
    rest = [item for item in there.items if item.id not in taken]
    practice, checks, shared = _around(rest, drawn, plan, calibration, attention, own)
    codes = tuple(f"R{n:0{max(2, len(str(raters)))}d}" for n in range(1, raters + 1))
    blocks = assign(items, raters, plan.per_item, plan.seed)
    loads = {code: [i for i, block in zip(drawn, blocks, strict=True) if n in block] for n, code in enumerate(codes)}
    fewest = min(map(len, loads.values()))
    if plan.repeats > fewest:
        raise InputError(f"{plan.repeats} repeats are more than the {fewest} items that a rater has. Ask for fewer.")
    orders = {
        code: order_of(
            code, loads[code], calibration=practice, attention=checks, repeats=plan.repeats, seed=plan.seed
        )
        for code in codes
    }  # fmt: skip
    first = [(code, item) for code, mine in loads.items() for item in mine]
    flips = flipped(first, plan.seed) if plan.kind == "pairs" else {}
    assignments = tuple(each for place, code in enumerate(codes) for each in _placed(place, code, orders[code], flips))
    design = Design(plan, (*practice, *checks, *drawn), codes, assignments)
    seconds = SECONDS[plan.kind]
    summary = Summary(
        candidates=len(there.items),
        left_out=there.left_out,
        strata=strata(there.items, drawn),
        items=items,
        raters=raters,
        per_item=plan.per_item,
        balance=balance_of(blocks, raters),
        calibration=len(practice),
        attention=len(checks),
        repeats=plan.repeats,
        flips=_most_apart(flips),
        preferred_first=_preferred_first(first, flips),
        seconds=seconds,
        minutes=(min(map(len, orders.values())) * seconds / 60, max(map(len, orders.values())) * seconds / 60),
        notes=_notes(plan, own, practice, drawn, shared),
    )
    return design, summary


def _besides(there: Candidates, own: Sequence[Item]) -> Candidates:
    """Leave out candidates that are among the coordinator's own items: raters would be told the answer beforehand."""
    known = {_content(item) for item in own}
    items = tuple(item for item in there.items if _content(item) not in known)
    if len(items) == len(there.items):
        return there
    why = {"among your own practice items or checks": len(there.items) - len(items)}
    return replace(there, items=items, left_out=there.left_out | why)


def _refuse(there: Candidates, plan: StudyPlan, raters: int, items: int, own: Sequence[Item]) -> None:
    """Raise InputError with everything that cannot be."""
    faults = []
    if items < 1 or raters < 1:
        faults.append("a study needs an item and a rater at least")
    if plan.per_item > raters:
        faults.append(f"{plan.per_item} raters an item are more than the {raters} raters there are")
    if items > len(there.items):
        left_out = "".join(f"; {n} left out: {why}" for why, n in there.left_out.items())
        faults.append(f"{items} items are more than the {len(there.items)} candidates there are{left_out}")
    if 0 < items * plan.per_item < raters:
        faults.append(f"{items} items of {plan.per_item} raters each leave some of {raters} raters without any")
    texts = 2 if plan.kind == "pairs" else 1
    if any(len(item.texts) != texts for item in (*there.items, *own)):
        faults.append(f"a study of {plan.kind} is of items with {texts} response{'s' * (texts > 1)}")
    if any(item.role == "main" or item.expected is None for item in own):
        faults.append("an item of your own must be for calibration or attention, and have an expected answer")
    unknown = {key for item in own if item.expected for key in item.expected.scores} - set(plan.rubric.keys)
    if unknown:
        faults.append(f"{len(unknown)} of the principles that your own items expect are not in {plan.rubric.name}")
    if len({item.id for item in own}) < len(own):
        faults.append("an item of your own is there twice")
    if faults:
        raise InputError("This study cannot be: " + "; ".join(faults) + ".")


def _around(
    rest: Sequence[Item], drawn: Sequence[Item], plan: StudyPlan, calibration: int, attention: int, own: Sequence[Item]
) -> tuple[list[Item], list[Item], int]:
    """Return calibration items and attention checks, the coordinator's own or made ones; and how many practice items
    are of a speech or a response that the study has too: whose answer raters are told before they judge it.
    """
    speeches, texts = {speech_of(item) for item in drawn}, {text for item in drawn for text in item.texts}

    def apart(item: Item) -> bool:
        return speech_of(item) not in speeches and texts.isdisjoint(item.texts)

    practice = [item for item in own if item.role == "calibration"]
    checks = [item for item in own if item.role == "attention"]
    if not practice and calibration:
        practice = calibration_of(filter(apart, rest), calibration, plan)
        if len(practice) < calibration:
            practice = calibration_of(rest, calibration, plan)
        if len(practice) < calibration:
            raise InputError(
                f"{calibration} calibration items cannot be made: {len(practice)} labelled candidates are left besides "
                "the study's items. Draw fewer items, ask for fewer to calibrate by, or bring your own (--extra)."
            )
    if not checks and attention:
        used = {_content(item) for item in practice}
        unused = [item for item in rest if _content(item) not in used]
        others = [item for item in unused if not apart(item)]
        checks = checks_of(list(filter(apart, unused)), [*others, *drawn], attention, plan)
        if len(checks) < attention:
            raise InputError(f"{attention} attention checks are more than the {len(checks)} that can be made here.")
    return practice, checks, sum(not apart(item) for item in practice)


def _content(item: Item) -> tuple[object, ...]:
    return item.conversation, item.texts


def _placed(place: int, code: str, order: Iterable[Shown], flips: dict[tuple[str, str], bool]) -> Iterable[Assignment]:
    """Yield a rater's assignments. Practice and checks alternate sides from one to the next and from rater to rater."""
    others = place
    for position, shown in enumerate(order):
        item = shown.item
        if len(item.texts) < 2:
            flip = False
        elif item.role == "main":
            flip = flips[code, item.id] != bool(shown.repeat)
        else:
            flip = others % 2 == 1
            others += 1
        yield Assignment(code, item.id, position, flip, shown.repeat)


def _most_apart(flips: dict[tuple[str, str], bool]) -> tuple[int, int]:
    apart: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for edge, flip in flips.items():
        for end, name in enumerate(edge):
            apart[end][name] += 1 if flip else -1
    by_rater, by_item = (max(map(abs, each.values()), default=0) for each in apart)
    return by_rater, by_item


def _preferred_first(first: Sequence[tuple[str, Item]], flips: dict[tuple[str, str], bool]) -> tuple[float, float]:
    shown: dict[str, list[bool]] = {}
    for code, item in first:
        if item.label in ("a", "b") and (code, item.id) in flips:
            shown.setdefault(code, []).append((item.label == "b") == flips[code, item.id])
    shares = [sum(each) / len(each) for each in shown.values()]
    return (min(shares), max(shares)) if shares else (float("nan"), float("nan"))


def _notes(
    plan: StudyPlan, own: Sequence[Item], practice: Sequence[Item], drawn: Sequence[Item], shared: int
) -> tuple[str, ...]:  # fmt: skip
    notes = []
    if learnt := sum(item.split in ("train", "dev") for item in drawn):
        notes.append(
            f"{learnt} of the {len(drawn)} items are of train or dev: a model that learnt from them agrees with raters "
            "more than it would on others. Only items of test tell how good it is."
        )
    if shared:
        notes.append(
            f"{shared} of the {len(practice)} practice items are of a client speech or response that the study has "
            "too, and raters are told what is expected of them. Draw fewer items, or bring your own practice (--extra)."
        )
    if plan.simulated:
        notes.append("Responses or labels are simulated: rules of this package made them, and no model and no person.")
    if practice and not any(item.role == "calibration" for item in own):
        notes.append(
            "The calibration items are the clearest labelled ones. They teach raters the labeller's taste, so that "
            "agreement with the labels comes out a little high; items written by people (--extra) do not."
        )
    if plan.per_item == 1:
        notes.append("One rater an item: how far raters agree cannot be said.")
    return tuple(notes)
