"""`psychocounsel annotate design` and `power`: who rates what, and how wide the intervals will be."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from psychocounsel.cli.options import JsonFlag
from psychocounsel.errors import InputError

if TYPE_CHECKING:
    from psychocounsel.annotate.design import Errors, Measure, Precision, Summary

_KINDS = ("pairs", "responses")
_MEASURES: dict[str, Measure] = {"alpha": "alpha", "agreement": "agreement", "label-agreement": "label agreement"}


def design(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A run's folder such as runs/quickstart, or a file of items.")
    ],
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="Where to make it: study.sqlite, or postgresql://USER@HOST/DATABASE.")
    ],
    kind: Annotated[str, typer.Option(help="pairs are compared; responses are rated from 1 to 5.")] = "pairs",
    items: Annotated[int, typer.Option(min=1, help="Items, besides practice and checks.")] = 100,
    raters: Annotated[int, typer.Option(min=1)] = 6,
    per_item: Annotated[int, typer.Option("--per-item", min=1, help="Raters of each item.")] = 3,
    repeats: Annotated[int, typer.Option(min=0, help="Items that each rater sees twice.")] = 5,
    attention: Annotated[int, typer.Option(min=0, help="Checks that somebody is reading.")] = 3,
    calibration: Annotated[int, typer.Option(min=0, help="Practice items, which come first.")] = 3,
    name: Annotated[str, typer.Option(help="What raters see above each page.")] = "Responses to clients",
    split: Annotated[
        str | None, typer.Option(help="train, dev, test or all; by default a run's test, and all of a file.")
    ] = None,
    seed: Annotated[int, typer.Option()] = 0,
    extra: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Practice items and checks of your own, with `expected`.")
    ] = None,
    consent: Annotated[Path | None, typer.Option(metavar="FILE", help="The consent form's text, in UTF-8.")] = None,
    instructions: Annotated[Path | None, typer.Option(metavar="FILE", help="What raters are told, in UTF-8.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a study: draw items by topic, risk and gap, and decide who rates which of them in which order.

    Two raters share as many items as any other two, each response stands first half of the time, and the same source,
    numbers and seed give the same study. docs/annotate/design.md has the columns that a file may have.
    """
    from psychocounsel.annotate.design import design_study, read_candidates, read_own
    from psychocounsel.annotate.store import Store
    from psychocounsel.annotate.study import StudyPlan

    if kind not in _KINDS:
        raise typer.BadParameter(f"there are {' and '.join(_KINDS)}.", param_hint="--kind")
    candidates = read_candidates(source, kind, split)  # type: ignore[arg-type]
    chosen: dict[str, Any] = {"rubric": candidates.rubric} if candidates.rubric else {}
    for field, file in (("consent", consent), ("instructions", instructions)):
        if file is not None:
            chosen[field] = _text_of(file)
    plan = StudyPlan(
        name=_name_of(name), kind=kind, per_item=per_item, repeats=repeats, seed=seed, **chosen,  # type: ignore[arg-type]
    )  # fmt: skip
    own = read_own(extra, plan.kind) if extra else ()
    made, summary = design_study(
        candidates, plan, raters=raters, items=items, calibration=calibration, attention=attention, own=own
    )
    Store.make(study, made).close()
    if as_json:
        from psychocounsel.statistics.intervals import finite

        print(json.dumps({"event": "designed"} | finite(summary.as_dict()), ensure_ascii=False, allow_nan=False))
        return
    console = Console(highlight=False)
    _print_summary(console, summary, made.plan.source)
    _print_width(console, summary, kind)
    shown = study if "://" not in study else "STUDY"  # a URL may hold a password
    console.print("\nNext:", style="bold")
    for line in (f"coordinator {shown} NAME", f"invite {shown}", f"serve {shown}"):
        console.print(f"  psychocounsel annotate {line}", markup=False, soft_wrap=True)


def power(
    width: Annotated[float | None, typer.Option(help="Full width wanted of the 95 % interval, such as 0.2.")] = None,
    items: Annotated[int | None, typer.Option(help="Or the items there are, to learn the width.")] = None,
    kappa: Annotated[float, typer.Option(help="True agreement beyond chance, 0 to under 1.")] = 0.5,
    per_item: Annotated[int, typer.Option("--per-item", min=1, help="Raters of each item.")] = 3,
    raters: Annotated[int, typer.Option(min=1, help="Raters in all, who share the work.")] = 6,
    categories: Annotated[
        int | None, typer.Option(help="Labels, all as often; by default 3 (a, b, tie), with --ordinal 5.")
    ] = None,
    ordinal: Annotated[bool, typer.Option("--ordinal", help="Ordered labels, such as 1 to 5.")] = False,
    prevalence: Annotated[
        str | None, typer.Option(metavar="SHARES", help="How often each label is right, such as 0.4,0.4,0.2.")
    ] = None,
    measure: Annotated[
        str,
        typer.Option(help="alpha; agreement of two raters, in per cent; or label-agreement, of clear majorities."),
    ] = "alpha",
    as_json: JsonFlag = False,
) -> None:
    """Say how wide an interval will be, or how many items a width needs, before anybody is invited.

    For Krippendorff's alpha (Fleiss' and Cohen's kappa are the same in the limit), or for agreement in per cent. Raters
    are taken to know the right label or to guess: docs/annotate/design.md has the model, and how far it holds.
    """
    from psychocounsel.annotate.design import expected_width, items_needed
    from psychocounsel.annotate.design.make import SECONDS
    from psychocounsel.annotate.design.power import RARE, shares_of

    if (width is None) == (items is None):
        raise typer.BadParameter("say --width, to learn the items, or --items, to learn the width.")
    if per_item > raters:
        raise typer.BadParameter(f"{per_item} raters an item are more than {raters}; say --raters.")
    if measure not in _MEASURES:
        raise typer.BadParameter(f"there are {', '.join(_MEASURES)}; not {measure}.", param_hint="--measure")
    if ordinal and measure != "alpha":
        raise typer.BadParameter(f"{measure} takes no order of labels; leave one out.", param_hint="--ordinal")
    if prevalence is not None and categories is not None:
        raise typer.BadParameter("its shares tell how many; leave --categories out.", param_hint="--prevalence")
    which: Measure = "ordinal alpha" if ordinal else _MEASURES[measure]
    shares = tuple(map(float, shares_of(_labels(prevalence, categories, ordinal))))
    seconds = SECONDS["responses" if ordinal else "pairs"]

    def asked(m: int, errors: Errors = "guess") -> Precision:
        if width is not None:
            return items_needed(width, m, kappa, shares, which, errors)
        return expected_width(items or 0, m, kappa, shares, which, errors)

    least = 1 if which == "label agreement" else 2
    found = asked(per_item)
    others, unknown = [], {}
    for m in range(max(least, per_item - 2), min(raters, per_item + 2) + 1):
        try:
            others.append(found if m == per_item else asked(m))
        except InputError as error:  # what was asked for stands all the same
            unknown[m] = str(error)
    near = asked(per_item, "miss") if which == "ordinal alpha" else None
    if as_json:
        event = {"event": "power", "measure": which, "kappa": kappa, "prevalence": shares, "raters": raters}
        here = found.as_dict() | _work(found, raters, seconds) | {"seconds_per_item": seconds}
        beside = {"beside": [each.as_dict() | _work(each, raters, seconds) for each in others]}
        missing = {"if_they_miss": near.as_dict() | _work(near, raters, seconds)} if near else {}
        print(json.dumps(event | here | beside | missing, ensure_ascii=False, allow_nan=False))
        return
    console = Console(highlight=False)
    _print_power(console, which, shares, found, others, raters, seconds)
    for m, why in unknown.items():
        console.print(f"No figure for {m} raters an item: {why}", style="yellow", markup=False)
    if found.items * min(shares) < RARE:
        console.print(
            f"The rarest label is right in fewer than {RARE} items, which makes the width itself less sure: "
            "docs/annotate/design.md says how far.",
            style="yellow",
        )
    if near:
        console.print(f"Should they be off by a little instead: {near.items:,} items, {near.width:.3f} wide.")


def _work(each: Precision, raters: int, seconds: float) -> dict[str, float]:
    """Return the items and hours of one rater."""
    load = each.items * each.per_item / raters
    return {"items_each": round(load, 1), "hours_each": round(load * seconds / 3600, 2)}


def _print_power(
    console: Console, which: str, shares: tuple[float, ...], found: Precision, others: list[Precision], raters: int,
    seconds: float,
) -> None:  # fmt: skip
    names = {
        "alpha": "Krippendorff's alpha", "ordinal alpha": "Krippendorff's alpha, ordinal",
        "agreement": "Agreement of two raters", "label agreement": "Agreement of the majority with a label",
    }  # fmt: skip
    console.print(f"\n{names[which]}, true value {found.value:.3f}", style="bold")
    console.print(f"Labels are right in {', '.join(f'{share:.0%}' for share in shares)} of the items.\n")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    untied = () if found.untied is None else ("untied",)
    for column in ("raters an item", "items", *untied, "width of 95 %", f"items each of {raters}", "hours each"):
        table.add_column(column, justify="right")
    for each in others:
        work = _work(each, raters, seconds)
        counted = () if each.untied is None else (f"{each.untied:,.0f}",)
        row = (f"{each.per_item}", f"{each.items:,}", *counted, f"{each.width:.3f}", f"{work['items_each']:,.0f}")
        table.add_row(*row, f"{work['hours_each']:.1f}", style="bold" if each is found else None)
    console.print(table)
    if untied:
        console.print(
            "\nItems whose votes are tied are left out, here as in `annotate agree`: value and width are those of the "
            "untied, as many as are expected."
        )
    console.print(
        f"\nReckoned with {seconds:.0f} s an item, without practice, checks and repeats. Raters are taken to know the "
        "right label or to guess. The interval is for other items, rated by such raters."
    )


def _print_summary(console: Console, summary: Summary, source: str) -> None:
    console.print(f"\n{summary.items} items of {summary.candidates:,} candidates: {escape(source)}", style="bold")
    for why, n in summary.left_out.items():
        console.print(f"{n:,} left out: {why}.")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    table.add_column("", overflow="fold")
    for column in ("candidates", "drawn"):
        table.add_column(column, justify="right")
    for field in ("risk", "topic", "band"):
        there, drawn = Counter[str](), Counter[str]()
        for stratum in summary.strata:
            there[getattr(stratum, field)] += stratum.candidates
            drawn[getattr(stratum, field)] += stratum.drawn
        for value in sorted(there, key=lambda value: (-there[value], value)):
            label = value if field == "band" else f"{field} {value}"
            table.add_row(escape(label), f"{there[value]:,}", f"{drawn[value]:,}")
    console.print(table)
    console.print()
    balance, (by_rater, by_item), (least, most) = summary.balance, summary.flips, summary.preferred_first
    facts = [
        ("Raters", f"{summary.raters}, {summary.per_item} an item"),
        ("Items of a rater", _range(balance.least_load, balance.most_load)),
        (
            "Around them",
            f"{summary.calibration} for practice, {summary.attention} checks, {summary.repeats} seen twice",
        ),
        ("Items that two share", _range(balance.least_shared, balance.most_shared)),
        ("Time of a rater", f"{_range(*map(round, summary.minutes))} min, at {summary.seconds:.0f} s an item"),
    ]
    if by_item:
        facts.append(("Sides", f"out of balance by {by_rater} within a rater, {by_item} within an item, at most"))
    if least == least:
        facts.append(("Labelled one first", f"in {least:.0%} to {most:.0%} of a rater's items"))
    grid = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for fact in facts:
        grid.add_row(*fact)
    console.print(grid)
    for note in summary.notes:
        console.print(note, style="yellow", markup=False)


def _print_width(console: Console, summary: Summary, kind: str) -> None:
    """Print how wide the interval of agreement will be, where that can be reckoned."""
    from psychocounsel.annotate.design import expected_width

    try:
        found = (
            expected_width(summary.items, summary.per_item, 0.5, (0.4, 0.4, 0.2))
            if kind == "pairs"
            else expected_width(summary.items, summary.per_item, 0.5, 5, "ordinal alpha")
        )
    except InputError:  # too few items or raters for an interval: nothing to print
        return
    console.print(
        f"If raters agree with an alpha of 0.5, its 95 % interval will be about {found.width:.2f} wide "
        "(psychocounsel annotate power)."
    )


def _range(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def _text_of(file: Path) -> str:
    try:
        text = file.read_text("utf-8-sig").strip()
    except OSError:
        raise InputError(f"{file}: there is no such file, or it may not be read.") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8. Save it as plain text in UTF-8.") from None
    if not text:
        raise InputError(f"{file} is empty.")
    return text


def _name_of(name: str) -> str:
    if not 1 <= len(name.strip()) <= 120:
        raise typer.BadParameter("a name has 1 to 120 characters.", param_hint="--name")
    return name


def _labels(prevalence: str | None, categories: int | None, ordinal: bool) -> int | list[float]:
    """Return how often each label is right, or how many there are, all as often."""
    if prevalence is not None:
        return _shares(prevalence)
    return categories if categories is not None else 5 if ordinal else 3


def _shares(given: str) -> list[float]:
    try:
        return [float(share) for share in given.replace(",", " ").split()]
    except ValueError:
        raise InputError("--prevalence must be numbers, such as 0.4,0.4,0.2.") from None
