"""CSV files that a spreadsheet opens: readable, and without formulas."""

import csv
import io

import pytest

from llmops.web.csv import download, safe, table


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


@pytest.mark.requirement("WEB-06")
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(sign: str) -> None:
    cell = f"{sign}HYPERLINK(1)"
    assert safe(cell) == f"'{cell}"
    assert read(table([cell], [[cell]])) == [[f"'{cell}"]] * 2


@pytest.mark.parametrize("cell", ["Ann", "a=b", "3-4", " =1", "", 5])
def test_another_cell_stays_as_it_is(cell: object) -> None:
    assert safe(cell) == str(cell)


def test_quotes_commas_and_line_breaks_stay_in_their_cell() -> None:
    row = ['say "hi", then', "one\r\ntwo", "Zoë 山田"]
    assert read(table(["a", "b", "c"], [row, [None, "", 0]])) == [["a", "b", "c"], row, ["", "", "0"]]


def test_a_spreadsheet_is_told_that_it_is_utf_8() -> None:
    assert table(["ä"], []).startswith(b"\xef\xbb\xbf")


def test_a_browser_saves_it_under_the_name() -> None:
    answer = download("team.csv", ["a"], [])
    assert answer.headers["content-disposition"] == 'attachment; filename="team.csv"'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
