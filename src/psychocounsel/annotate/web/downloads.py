"""A study's answers as a download, in the formats of `annotate export`."""

from __future__ import annotations

import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

from psychocounsel.annotate.exchange import FORMATS, export_study
from psychocounsel.annotate.web.desk import Actor, view
from psychocounsel.annotate.web.pages import store_of

router = APIRouter(prefix="/coordinator/export")
ABOUT = {
    "csv": "Tables for a spreadsheet: answers and items.",
    "parquet": "Tables with their types, for Python and R: answers and items.",
    "long": "One line a label (task, item, rater, label), for statistics and for annotate agree.",
    "label-studio": "Tasks and answers for Label Studio.",
    "argilla": "A data set with answers for Argilla.",
    "qualtrics": "The items as a survey for Qualtrics.",
}


@router.get("")
def listed(request: Request, who: Actor) -> Response:
    return view(request, who, "coordinator_export.html", formats=[(each, ABOUT[each]) for each in FORMATS])


@router.get("/{kind}")
def download(request: Request, who: Actor, kind: str, blind: bool = False) -> Response:
    """Send a study as a zip archive; `blind` leaves out models, labels, rewards and expected answers."""
    if kind not in FORMATS:
        raise HTTPException(404)
    store = store_of(request)
    with tempfile.TemporaryDirectory() as folder:
        out, packed = Path(folder), BytesIO()
        done = export_study(store, out, kind, blind)
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in done.files:
                archive.write(path, path.relative_to(out).as_posix())
    store.note(who.name, f"exported as {kind}{', blind' if blind else ''}")
    name = f"study-{kind}{'-blind' if blind else ''}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(packed.getvalue(), media_type="application/zip", headers=headers)
