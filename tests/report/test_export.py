from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_run import Page

from psychocounsel.report.export import csv_text, escaped, latex_text
from psychocounsel.report.sheet import PAGE_ROWS, Column, Table, shown

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10, "clusters": 9}


def table(*rows: tuple, columns: tuple[Column, ...] = (Column("who"), Column("rate, %", "share"))) -> Table:
    return Table("t", "A title", columns, rows)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_a_figure_is_five_columns_in_the_unit_of_its_heading():
    rows = read(csv_text(table(("a", FIGURE), ("b", None), ("c", {**FIGURE, "low": None, "value": float("nan")}))))
    heads = ["who", "rate, %", "rate, %: low", "rate, %: high", "rate, %: n", "rate, %: clusters"]
    assert rows == [heads, ["a", "50.0", "40.0", "60.0", "10", "9"], ["b", *[""] * 5], ["c", "", "", "60.0", "10", "9"]]


def test_a_simulated_table_says_so_in_both_forms():
    assert [row[-1] for row in read(csv_text(table(("a", FIGURE)), True))] == ["simulated", "yes"]
    assert "Simulated run" in latex_text(table(("a", FIGURE)), True)
    assert "imulated" not in csv_text(table(("a", FIGURE))) + latex_text(table(("a", FIGURE)))


@given(TEXT, st.sampled_from(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", ""]))
def test_no_text_cell_is_a_formula_and_none_is_lost(text: str, start: str):
    for given_text in (start + text, text):
        cells = read(csv_text(table((given_text, FIGURE))))
        assert len(cells) == 2
        cell = cells[1][0]
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
        assert len(cells[1]) == 6


@pytest.mark.parametrize(("value", "cell"), [(-1.5, "-1.5"), (float("inf"), ""), (None, ""), (True, ""), (3, "3")])
def test_numbers_stay_numbers(value: object, cell: str):
    assert read(csv_text(table((value,), columns=(Column("x", "number"),))))[1:] == [[cell]] if cell else True
    assert csv_text(table(("a", value), columns=(Column("who"), Column("x", "number")))).splitlines()[1] == f"a,{cell}"


ALLOWED = re.compile(
    r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|textasciigrave|dots)\{\}"
    r"|\\[{}&%$#_]|\$-\$|\$\\(kappa|alpha)\$|~"
)


@given(TEXT)
def test_latex_prints_any_text_and_obeys_none(text: str):
    left = ALLOWED.sub("", escaped(text))
    assert not set(left) & set("\\{}&%$#_~^")
    assert all(letter.isprintable() for letter in left)
    assert max(map(ord, left), default=0) <= 0x17F


def test_latex_escapes_what_a_model_may_be_called():
    made = latex_text(table((r"\input{/etc/passwd} 100% & $x_1$ #1 ~^", FIGURE), ("[x]", FIGURE)))
    assert r"\textbackslash{}input\{/etc/passwd\} 100\% \& \$x\_1\$ \#1 \textasciitilde{}\textasciicircum{}" in made
    assert "\n{}[x] & 50.0 (40.0--60.0) \\\\" in made
    assert escaped("− κ … 😶 שלום").startswith(r"$-$ $\kappa$ \dots{} [U+1F636] [U+05E9]")
    body = made.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert all(len(re.findall(r"(?<!\\)&", line)) == 1 for line in body)


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError, match="1 rows have not 2 cells"):
        table(("a",))


def test_the_page_shows_so_many_rows_and_counts_the_rest():
    long = table(*(("a", FIGURE) for _ in range(PAGE_ROWS + 7)))
    assert long.hidden == 7
    assert sum(len(rows) for _, rows in long.groups) == PAGE_ROWS
    assert len(read(csv_text(long))) == 1 + PAGE_ROWS + 7


def test_what_is_absent_is_a_dash_and_never_a_zero():
    for kind in ("text", "code", "count", "number", "percent", "share", "decimal", "points", "odds", "p", "reasons"):
        assert shown(Column("x", kind), None) == ("–", "")
    for figure in ({"value": None}, {"value": float("nan"), "low": 0.1, "high": 0.2}, {}):
        assert shown(Column("x", "share"), figure) == ("–", "")
    assert shown(Column("x", "share"), {**FIGURE, "low": None}) == ("50.0", "no interval")
    assert shown(Column("x", "share", with_n=True), FIGURE) == ("50.0", "40.0–60.0, n = 10")


def test_every_table_of_the_page_is_in_both_files(usual_run: Path, usual_page: Page):
    folder = usual_run / "report" / "tables"
    on_page = {a["id"].removeprefix("t-") for a in usual_page.all("div", "box")}
    made = {path.stem for path in folder.glob("*.csv")}
    assert made == {path.stem for path in folder.glob("*.tex")}
    assert on_page == made - {"findings", "safety-failures"}
    rows = read((folder / "win-rates.csv").read_text("utf-8"))
    assert len(rows) == 1 + 18
    assert rows[0][:5] == ["judge", "stands to the labels", "length", "model", "win rate, %"]
    assert {row[-1] for row in rows[1:]} == {"yes"}
    for path in folder.glob("*.csv"):
        assert len({len(row) for row in read(path.read_text("utf-8"))}) == 1, path.name
