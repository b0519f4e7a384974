from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psychocounsel.errors import ArtifactError
from psychocounsel.records import Comparison
from psychocounsel.report.columns import columns, rows, speech_points, tally, word_counts
from psychocounsel.tables import write_records


def test_files_of_many_row_groups_are_counted_as_one(tmp_path: Path):
    # Each row group has a dictionary of its own.
    path = tmp_path / "answers.parquet"
    models = [f"model {n % 7}" for n in range(100)]
    errors = ["" if n % 3 else f"why {n % 9}" for n in range(100)]
    pq.write_table(pa.table({"model": models, "error": errors}), path, row_group_size=9)
    counted = tally(columns(path, ("model", "error")), "model", "error")
    assert counted.total() == 100
    assert all(n == sum(pair == one for pair in zip(models, errors, strict=True)) for one, n in counted.items())


def test_what_is_not_there_is_none_and_what_is_wrong_is_told(tmp_path: Path):
    assert columns(tmp_path / "none.parquet", ("a",)) is None
    assert tally(None, "a") == {}
    assert rows(tmp_path / "none.parquet", {"a": {"b"}}) == []
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(ArtifactError, match="cannot be read as Parquet"):
        columns(tmp_path / "bad.parquet", ("a",))
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "old.parquet")
    with pytest.raises(ArtifactError, match="lacks the column b; it was written by another version"):
        columns(tmp_path / "old.parquet", ("a", "b"))


@given(st.lists(st.text(st.sampled_from("ab \n\t\u00a0\u3000é"), max_size=20), min_size=1))
def test_words_are_counted_as_python_counts_them(texts: list[str]):
    assert word_counts(pa.array(texts)).to_pylist() == [len(text.split()) for text in texts]


VERDICTS = st.sampled_from(["a", "b", "tie"])


@given(
    given_rows=st.lists(
        st.tuples(
            st.sampled_from(["s1", "s2", "s3"]),
            VERDICTS,
            st.dictionaries(st.sampled_from("xyz"), VERDICTS),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_points_are_the_mean_over_orders_and_lost_rows_are_left_out(
    tmp_path_factory: pytest.TempPathFactory, given_rows: list
):
    path = tmp_path_factory.mktemp("points") / "comparisons.parquet"
    made = [
        Comparison(str(n), s, "free", "m", "reference", "j", "ab", v, by, 1, 1, 1, 1, "lost" if lost else "")
        for n, (s, v, by, lost) in enumerate(given_rows)
    ]
    others = [Comparison("o", "s1", "free", "m", "reference", "other judge", "ab", "a", {}, 1, 1, 1, 1, "")]
    write_records(path, Comparison, made + others)
    worth = {"a": 1.0, "tie": 0.5, "b": 0.0}
    points: dict[str, list[float]] = {}
    margins: dict[str, float] = {}
    for row in made:
        if not row.error:
            points.setdefault(row.speech_id, []).append(worth[row.verdict])
            margin = sum(2 * worth[v] - 1 for v in row.principle_verdicts.values())
            margins[row.speech_id] = margins.get(row.speech_id, 0) + margin
    for row in made:
        if row.error:  # half of a speech's verdicts are none
            points.pop(row.speech_id, None)
    found = speech_points(path, "j", "free", "m", "reference")
    assert found.ids.tolist() == sorted(points)
    assert found.points.tolist() == pytest.approx([np.mean(points[s]) for s in sorted(points)])
    assert found.margins.tolist() == [margins[s] for s in sorted(points)]
