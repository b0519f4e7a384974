"""`psychocounsel annotate export`, `import` and `form`: a study's answers out, others' answers in, and by mail."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Study = Annotated[str, typer.Argument(metavar="STUDY", help="The study's file, or its postgresql:// URL.")]
RaterIds = Annotated[
    list[str] | None,
    typer.Option("--rater", metavar="ID=CODE", help="Who a user of Label Studio or Argilla is; may be repeated."),
]
SHOWN = 20
"""Refused answers that are told one by one."""
WHO = "command line"
"""As the audit log calls whoever has the study's file."""


class ExportFormat(StrEnum):
    """What a study is written as."""

    PARQUET = "parquet"
    CSV = "csv"
    LONG = "long"
    LABEL_STUDIO = "label-studio"
    ARGILLA = "argilla"
    QUALTRICS = "qualtrics"


class ImportFormat(StrEnum):
    """What answers are read from."""

    AUTO = "auto"
    OFFLINE = "offline"
    CSV = "csv"
    PARQUET = "parquet"
    LONG = "long"
    LABEL_STUDIO = "label-studio"
    ARGILLA = "argilla"
    QUALTRICS = "qualtrics"


def _mapped(raters: list[str] | None) -> dict[str, str]:
    from psychocounsel.errors import InputError

    mapped = {}
    for each in raters or []:
        user, equals, code = each.rpartition("=")
        if not equals or not user or not code:
            raise InputError("--rater: write ID=CODE, such as 7=R01.")
        mapped[user] = code
    return mapped


def export(
    study: Study,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write into.")],
    kind: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.PARQUET,
    blind: Annotated[
        bool, typer.Option("--blind", help="Leave out models, labels, rewards, expected answers.")
    ] = False,
    rater: RaterIds = None,
) -> None:
    """Write a study's answers and items for other tools. No export holds a name.

    Without --blind it holds who wrote what: it is for the coordinator. Raters get a blind one alone, for Label
    Studio, Argilla or Qualtrics: the other forms hold everybody's answers.
    """
    from psychocounsel.annotate.exchange import export_study
    from psychocounsel.annotate.store import Store

    with Store.open(study) as store:
        done = export_study(store, out, kind.value, blind, _mapped(rater))
        store.note(WHO, f"export as {kind.value}{', blind' if blind else ''}")
    print(f"{done.answers} answers. Written:")
    for path in done.files:
        print(f"  {path}")
    if kind in (ExportFormat.PARQUET, ExportFormat.CSV, ExportFormat.LONG):
        print("It holds the answers of all raters: show it to none of them.")
    elif not blind and kind is not ExportFormat.QUALTRICS:
        print("It says who wrote what and what the labels are: show it to no rater.")


def import_(
    study: Study,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Answers that came back.")],
    kind: Annotated[ImportFormat, typer.Option("--format", help="What made it.")] = ImportFormat.AUTO,
    rater: RaterIds = None,
) -> None:
    """Take in answers: an offline form's, ours, Label Studio's, Argilla's, Qualtrics'.

    Answers that do not fit are told, and the others are kept. The same file a second time adds nothing, and an answer
    that is older than the study's own, or not finished where that is, does not replace it.
    """
    from psychocounsel.annotate.exchange import import_answers
    from psychocounsel.annotate.store import Store
    from psychocounsel.errors import InputError

    with Store.open(study) as store:
        done = import_answers(store, file, kind.value, _mapped(rater))
        store.note(WHO, f"import as {done.format}: {done.saved} answers")
    print(f"{done.format}: {done.read} answers read, {done.saved} saved, {done.already} there already,")
    print(f"{len(done.refused)} refused.")
    if done.replaced:
        print(f"{done.replaced} of those saved took the place of another answer; the log keeps both.")
    if done.incomplete:
        print(f"{done.incomplete} of those saved lack something and count as begun: see the danger or comment in them.")
    for each in done.refused[:SHOWN]:
        print(f"  row {each.row}: {each.reason}")
    if len(done.refused) > SHOWN:
        print(f"  and {len(done.refused) - SHOWN} more")
    if done.refused and not done.saved + done.already:
        raise InputError("nothing was taken from this file. Is it this study's, and are --rater and --format right?")


def form(
    study: Study,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The rater's code, such as R01.")],
    out: Annotated[Path | None, typer.Argument(metavar="[OUT]", help="File to write; form-CODE.html if none.")] = None,
) -> None:
    """Write a rater's offline form: one HTML file to send by mail, which needs no server.

    It holds the client speeches of that rater's items: send it as you would send those.
    """
    from psychocounsel.annotate.exchange import write_form
    from psychocounsel.annotate.exchange.sides import plain
    from psychocounsel.annotate.store import Store
    from psychocounsel.artifacts import write_text

    with Store.open(study) as store:
        html = write_form(store, code)
        path = out or Path(f"form-{plain(code)}.html")
        write_text(path, html)
        store.note(WHO, "wrote an offline form", code)
    print(f"{path}: send it to {code}. Their answers come back as a file; then:")
    print(f"  psychocounsel annotate import STUDY answers-{plain(code)}.json")
