"""The dataset's files: the released layout, a file a split, without what may not leave."""

from __future__ import annotations

from pathlib import Path

from psychocounsel.errors import ArtifactError
from psychocounsel.publish.leaving import Texts
from psychocounsel.publish.markdown import public_name
from psychocounsel.records import PreferencePair

SPLITS = {"train": "train", "dev": "validation", "test": "test"}
"""Our split to the hub's usual name for it."""
TEXTS = ("question", "chosen", "rejected")
MODELS = ("chosen_model", "rejected_model")


def write_rows(
    run: Path, folder: Path, pairs: list[PreferencePair], texts: Texts, *, with_texts: bool
) -> dict[str, int]:
    """Write `data/SPLIT-00000-of-00001.parquet` for every split that has rows. Returns rows by split.

    Rows are those of `pair/released`, in order; names of models lose the folders of this machine.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    shut = {pair.speech_id for pair in pairs if texts.keeps_back(pair)}
    written: dict[str, int] = {}
    for ours, name in SPLITS.items():
        path = run / "pair" / "released" / f"{ours}.parquet"
        try:
            table = pq.read_table(path)
        except (FileNotFoundError, pa.ArrowInvalid):
            raise ArtifactError(f"{path} is missing or is not Parquet. Run its recipe again.") from None
        table = table.filter(pa.array([i not in shut for i in table["ID"].to_pylist()], pa.bool_()))
        for column in () if with_texts else TEXTS:
            nothing = pa.nulls(len(table), pa.string())
            table = table.set_column(table.column_names.index(column), column, nothing)
        for column in MODELS:
            names = pa.array([public_name(m) for m in table[column].to_pylist()], pa.string())
            table = table.set_column(table.column_names.index(column), column, names)
        if len(table):
            to = folder / "data" / f"{name}-00000-of-00001.parquet"
            to.parent.mkdir(exist_ok=True)
            pq.write_table(table, to, compression="zstd")
            written[name] = len(table)
    return written
