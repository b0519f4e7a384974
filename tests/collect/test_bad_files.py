from __future__ import annotations

import csv
import gzip
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_helpers import faults, jsonl, rows_of, write_csv

from psychocounsel.errors import InputError
from psychocounsel.files import read_rows

# Bad input


def test_byte_order_marks_of_utf8_and_utf16_are_read(tmp_path):
    text = 'text,topic\r\n"I am sad,\r\nso sad – שלום",mood\r\n'
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        (tmp_path / "a.csv").write_bytes(text.encode(encoding))
        assert faults(tmp_path / "a.csv") == (["I am sad,\r\nso sad – שלום"], [])
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        (tmp_path / "a.jsonl").write_bytes(mark + '{"text": "I am sad"}\n'.encode(encoding))
        assert faults(tmp_path / "a.jsonl")[0] == ["I am sad"]
    (tmp_path / "a.csv").write_bytes(text.encode("utf-16")[:-3])
    with pytest.raises(InputError, match="cut off"):
        rows_of("file", tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes("text\nI am sad\n".encode("utf-16-le"))
    with pytest.raises(InputError, match="UTF-16LE without a byte-order mark"):
        rows_of("file", tmp_path / "a.csv")


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_few_lines_in_another_encoding_are_faults_and_many_raise(tmp_path, ending):
    def lines(bad, total):
        head = b"text\n" if ending == "csv" else b""
        form = b"a speech %d of a caf%b\n" if ending == "csv" else b'{"text": "a speech %d of a caf%b"}\n'
        return head + b"".join(form % (i, b"\xe9" if i in bad else "é".encode()) for i in range(total))

    path = tmp_path / f"a.{ending}"
    path.write_bytes(lines({3, 7}, 20))
    kept, found = faults(path)
    assert len(kept) == 18
    assert [where for where, _ in found] == [f"a.{ending} row 4", f"a.{ending} row 8"]
    position = path.read_bytes().index(b"\xe9")
    assert found[0][1] == f"byte {position} is not UTF-8"
    path.write_bytes(b"\xef\xbb\xbf" + lines({3, 7}, 20))
    assert faults(path)[1][0][1] == f"byte {position + 3} is not UTF-8"
    path.write_bytes(lines(set(range(15)), 20))
    with pytest.raises(InputError, match=r"not UTF-8.*iconv -f WINDOWS-1252"):
        rows_of("file", path)


def test_a_bad_byte_inside_a_cell_of_several_lines_spoils_its_row_alone(tmp_path):
    rows = b'text\n"line one\nline tw\xf6\nthree"\n' + b"".join(b"a good speech %d\n" % i for i in range(6))
    (tmp_path / "a.csv").write_bytes(rows)
    kept, found = faults(tmp_path / "a.csv")
    assert len(kept) == 6
    assert found == [("a.csv row 1", "byte 22 is not UTF-8")]


def test_ragged_rows_semicolons_tabs_and_old_line_ends(tmp_path):
    (tmp_path / "a.csv").write_text('text,topic\none,x\n"two\nlines",x,y\n\nthree,x\n')
    kept, found = faults(tmp_path / "a.csv")
    assert kept == ["one", "three"]
    assert found == [("a.csv row 2", "3 cells where the header has 2, on lines 3 to 4: is a quote not closed?")]
    for name, text in (
        ("b.csv", "text;topic\none;x\n"),
        ("c.tsv", "text\ttopic\none\tx\n"),
        ("d.csv", "text,topic\rone,x\r"),
    ):
        (tmp_path / name).write_bytes(text.encode())
        assert faults(tmp_path / name) == (["one"], [])


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path):
    good_rows = "".join(f'"speech number {i}"\n' for i in range(5))
    (tmp_path / "a.csv").write_text(f'text\n{good_rows}"never closed\nplain one\nplain two\n')
    kept, found = faults(tmp_path / "a.csv")
    assert kept == [*(f"speech number {i}" for i in range(5)), "plain one", "plain two"]
    assert found == [("a.csv row 6", "a cell on line 7 opens a quote that is never closed")]
    many = '"never closed\n' + "a plain line that goes on\n" * 200_000
    (tmp_path / "b.csv").write_text("text\n" + many)
    kept, found = faults(tmp_path / "b.csv")
    assert len(kept) == 200_000
    assert len(found) == 1


def test_a_million_characters_emoji_and_direction_marks_go_through(tmp_path):
    texts = ["word " * 250_000, "😀😀😀", "\u200fאני עצוב מאוד\u200f", "\u202eabc def ghi"]
    for name, writer in (("a.jsonl", jsonl), ("a.csv", write_csv)):
        assert faults(writer(tmp_path / name, [{"text": t} for t in texts])) == (texts, [])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", gzip.compress(b"text\nx\n", mtime=0), "gzip compressed archive.*gunzip"),
        ("a.csv.gz", gzip.compress(b"text\nx\n", mtime=0), "gzip compressed archive"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Office document.*CSV"),
        ("a.jsonl", b"%PDF-1.7 ...", "a PDF"),
        ("a.csv", b"PAR1....", "is Parquet.*ending .parquet"),
        ("a.csv", b"text,text\nx,y\n", "more than one column is named 'text'"),
        ("a.csv", b"t\xe9xt,topic\n" + b"x,y\n" * 9, "in the header"),
        ("a.json", b'[{"text": "x"}, {"te', "is not JSON at line 1"),
        ("a.json", b'{\n "text": "x"\n}', "one JSON object"),
    ],
)
def test_what_is_no_table_is_said_with_the_way_to_mend_it(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        rows_of("file", tmp_path / name)


def test_a_zip_and_a_workbook_are_told_apart(tmp_path):
    for inside, says in (("xl/workbook.xml", "Excel workbook"), ("a.csv", "ZIP compressed archive")):
        with zipfile.ZipFile(tmp_path / "a.csv", "w") as archive:
            archive.writestr(inside, "x")
        with pytest.raises(InputError, match=says):
            rows_of("file", tmp_path / "a.csv")


def test_a_file_without_a_header_does_not_show_its_first_line(tmp_path):
    (tmp_path / "a.csv").write_text("I have wanted to leave my husband for years and nobody knows\nanother\n")
    with pytest.raises(InputError, match="has the file a header") as told:
        rows_of("file", tmp_path / "a.csv")
    assert "husband" not in str(told.value)


def test_a_column_that_changes_its_type_is_told_by_row(tmp_path):
    rows = [{"text": "a fine speech"}, {"text": 5}, {"text": ["x"]}, {"other": 1}, {"text": "the last one"}]
    kept, found = faults(jsonl(tmp_path / "a.jsonl", rows))
    assert kept == ["a fine speech", "the last one"]
    assert [f for _, f in found] == [f"text is {t}, not a string" for t in ("int", "list", "absent")]
    (tmp_path / "b.jsonl").write_text('{"text": "fine"}\n{"n": ' + "9" * 5000 + "}\n" + "[" * 100_000 + "\n")
    assert [f for _, f in faults(tmp_path / "b.jsonl")[1]] == [
        "not JSON: a number too long",
        "not JSON: nested too deep",
    ]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_what_csv_writes_is_read_back(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("c") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "topic"), *pairs])
    assert [tuple((row.values or {}).values()) for row in read_rows(path)] == pairs


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=1, max_size=200), st.sampled_from(["csv", "jsonl", "json", "tsv", "parquet"]))
def test_no_bytes_at_all_break_the_reader(tmp_path_factory, content, ending):
    path = tmp_path_factory.mktemp("b") / f"a.{ending}"
    path.write_bytes(content)
    try:
        rows = list(read_rows(path))
    except InputError:
        return
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert all((row.values is None) == bool(row.fault) for row in rows)
