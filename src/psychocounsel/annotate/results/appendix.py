"""One page for a paper's appendix: a file that loads and runs nothing, with every text escaped."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Any

import jinja2

from psychocounsel import __version__
from psychocounsel.annotate.results import words
from psychocounsel.annotate.results.agreement import MEASURES, RESAMPLES
from psychocounsel.annotate.results.whole import Results
from psychocounsel.annotate.store import Store
from psychocounsel.annotate.study import StudyPlan
from psychocounsel.artifacts import write_text

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
REFERENCES = (
    "Cohen, J. (1960). A coefficient of agreement for nominal scales. Educational and Psychological Measurement, "
    "20(1), 37–46.",
    "Cohen, J. (1968). Weighted kappa: nominal scale agreement with provision for scaled disagreement or partial "
    "credit. Psychological Bulletin, 70(4), 213–220.",
    "Efron, B. (1987). Better bootstrap confidence intervals. Journal of the American Statistical Association, "
    "82(397), 171–185.",
    "Fleiss, J. L. (1971). Measuring nominal scale agreement among many raters. Psychological Bulletin, "
    "76(5), 378–382.",
    "Gwet, K. L. (2008). Computing inter-rater reliability and its variance in the presence of high agreement. British "
    "Journal of Mathematical and Statistical Psychology, 61(1), 29–48.",
    "Hesterberg, T. C. (2015). What teachers should know about the bootstrap. The American Statistician, 69(4), "
    "371–386.",
    "Krippendorff, K. (2011). Computing Krippendorff's alpha-reliability. University of Pennsylvania.",
    "Shrout, P. E., & Fleiss, J. L. (1979). Intraclass correlations: uses in assessing rater reliability. "
    "Psychological Bulletin, 86(2), 420–428.",
)


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, middle and greatest of some numbers."""

    least: float
    middle: float
    greatest: float

    @classmethod
    def of(cls, values: list[float]) -> Spread | None:
        return cls(min(values), median(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Made:
    """A study's design as it was carried out."""

    plan: StudyPlan
    raters: int
    items: dict[str, int]
    """Role to items."""
    speeches: int
    """Different client speeches of main items."""
    per_item: Spread | None
    """Raters that a main item was given to."""
    repeats: int
    """Second showings, of all raters."""
    first_b: float | None
    """Share of pairs that were shown with b first; None of single responses."""
    strata: dict[str, dict[str, int]]
    """Topic, risk, split and model to main items (of models: responses) of each."""
    gap: Spread | None
    labellers: tuple[str, ...]

    @classmethod
    def of(cls, store: Store) -> Made:
        items = store.items
        main = [item for item in items.values() if item.role == "main"]
        first = [a for a in store.assignments.values() if a.repeat == 0 and items[a.item].role == "main"]
        times = Counter(a.item for a in first)
        strata = {
            "Topic": Counter(item.topic or "not known" for item in main),
            "Risk": Counter(item.risk or "not known" for item in main),
            "Split": Counter(item.split or "none" for item in main),
            "Response by": Counter(model for item in main for model in item.models),
        }
        return cls(
            plan=store.plan,
            raters=len(store.numbers),
            items=dict(Counter(item.role for item in items.values())),
            speeches=len({item.conversation for item in main}),
            per_item=Spread.of([float(times[item.id]) for item in main]),
            repeats=sum(a.repeat > 0 for a in store.assignments.values()),
            first_b=sum(a.flipped for a in first) / len(first) if first and store.plan.kind == "pairs" else None,
            strata={name: dict(each.most_common()) for name, each in strata.items() if each},
            gap=Spread.of([item.gap for item in main if item.gap is not None]),
            labellers=tuple(sorted({item.labeller for item in main if item.labeller})),
        )


def _printable(value: Any) -> Any:
    """Replace what HTML or UTF-8 cannot hold; called on everything that the template prints."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def _text(name: str) -> str:
    return resources.files("psychocounsel.annotate.results").joinpath("templates", name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": words.number, "interval": words.interval, "listed": words.listed}
    return made


def appendix(results: Results, made: Made | None = None) -> str:
    """Return the page; without `made` (a file of labels) it has no design, consent or raters."""
    columns = {
        reference: list(
            dict.fromkeys(line.measure for a in results.against if a.reference == reference for line in a.lines)
        )
        for reference in ("majority", "others")
    }
    whys = {
        f"A dash for {each.who}, {line.measure}: {line.why}"
        for each in results.against
        for line in each.lines
        if line.why
    }
    return _environment().get_template("appendix.html.j2").render(
        policy=CONTENT_POLICY, results=results, made=made, columns=columns, unfigured=sorted(whys),
        references=REFERENCES, resamples=RESAMPLES, version=__version__,
        measures=[m for m in MEASURES if any(line.measure == m for p in results.people for line in p.lines)],
        absent=_absent(results),
    )  # fmt: skip


def _absent(results: Results) -> dict[str, str]:
    """Return measure to why it could not be had, where it could for no question."""
    found: dict[str, str] = {}
    for measure in MEASURES:
        lines = [line for each in results.people for line in each.lines if line.measure == measure]
        if lines and all(line.figure is None for line in lines):
            found[measure] = lines[0].why
    return found


def write_appendix(path: Path, results: Results, store: Store | None = None) -> None:
    """Write the page as one file."""
    write_text(path, appendix(results, Made.of(store) if store is not None else None))
