"""Numbers as people write them in CSV cells: which form a column has, and what its cells become."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.core.csv.number_forms import NumberForm, number_forms
from edgewright.core.csv.rows import read_csv
from edgewright.data.headers import read_top
from edgewright.schema.errors import InputError


@pytest.mark.parametrize(
    ("cells", "form", "value"),
    [
        (["0,981", "-1,5"], NumberForm(","), 0.981),
        (["1,234.5", "12"], NumberForm(".", ","), 1234.5),
        (["1.234,5", "1.234"], NumberForm(",", "."), 1234.5),
        (["1,234,567", "1,234"], NumberForm(".", ","), 1234567),
        (["1 234", "56 789,5"], NumberForm(",", " "), 1234),
        (["1\u202f234", "5"], NumberForm(".", "\u202f"), 1234),
        (["1'234.50", "2"], NumberForm(".", "'"), 1234.5),
        (["23.5 °C", "n/a", "22 °C"], NumberForm(unit="°C"), 23.5),
        (["23,5°C", "22°C"], NumberForm(",", unit="°C"), 23.5),
        (["40 %", "41"], NumberForm(unit="%"), 40),
        (["1,5e3", "2"], NumberForm(","), 1500),
    ],
)
def test_the_form_of_a_column(cells: list[str], form: NumberForm, value: float) -> None:
    assert number_forms({"x": cells}, "a.csv") == {"x": form}
    assert float(form.plain(cells[0])) == value


@pytest.mark.parametrize(
    "cells",
    [
        ["1.5", "2"], ["1.234", "5.678"], ["12:30", "12:31"], ["2024-05-01"], ["1,23,4"], ["hall 1", "hall 2"],
        ["5 ms", "6 ms"], ["1-2"], ["", "nan"], ["12 apples"], ["0001,5 x"], ["1.2.3"],
    ],
)  # fmt: skip
def test_other_columns_stay_as_they_are(cells: list[str]) -> None:
    assert number_forms({"x": cells}, "a.csv") == {}


def test_another_column_shows_what_one_means() -> None:
    assert number_forms({"x": ["1,234"], "y": ["0,5"]}, "a.csv")["x"] == NumberForm(",")
    assert number_forms({"x": ["1,234"], "y": ["1,234.5"]}, "a.csv")["x"] == NumberForm(".", ",")
    # Points beside decimal commas with points between thousands are between thousands, too.
    assert number_forms({"x": ["1.234", "5.678"], "y": ["1.234,5"]}, "a.csv")["x"] == NumberForm(",", ".")
    with pytest.raises(InputError, match=r"'1,234', which is 1\.234 or 1234 - at a\.csv, column x"):
        number_forms({"x": ["1,234"], "y": ["0,5"], "z": ["1,234.5"]}, "a.csv")


@given(st.lists(st.floats(-1e7, 1e7), min_size=3), st.sampled_from([",.", ".,", ".'", ", "]))
def test_what_a_spreadsheet_writes_is_read_back(values: list[float], signs: str) -> None:
    cells = [f"{value:,.2f}".translate(str.maketrans(",.", signs[::-1])) for value in values]
    text = "\n".join(["x;y", *(f"{cell};1" for cell in cells)]) + "\n"
    rows = read_csv(io.StringIO(text), name="a.csv", delimiter=";", float64_columns=["x"])
    assert rows.wide["x"].tolist() == [pytest.approx(round(value, 2)) for value in values]


@pytest.mark.parametrize("spelled", ["NA", "n/a", "-", "--", "null", "None", "#N/A", "<NA>", "missing", "?"])
def test_spellings_of_a_missing_number(spelled: str) -> None:
    values = read_csv(io.StringIO(f"a,b\n1,2\n{spelled},3\n"), name="a.csv").values
    assert math.isnan(values[1, 0])
    assert values[:, 1].tolist() == [2, 3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_are_read_alike(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Temperatur °C;Größe\n1,5;2\n".encode(encoding))
    rows = read_csv(path, name="a.csv")
    assert rows.names == ("Temperatur °C", "Größe")
    assert np.array_equal(rows.values, [[1.5, 2]])
    told = read_top(path, "a.csv").told
    shown = {"utf-8": "", "utf-8-sig": "", "cp1252": "text in cp1252, "}.get(encoding, "text in utf-16, ")
    assert told == f"{shown}a semicolon between cells, decimal comma (Temperatur °C)"


def test_bytes_after_utf8_are_not_taken_for_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("a,ü\n1,2\n".encode() + b"3,4\n" * 200_000 + b"5,\xfc\n")
    with pytest.raises(InputError, match="the byte 0xfc"):
        read_csv(path, name="a.csv")
    path.write_bytes("a,ü\n1,2\n".encode("utf-16")[:-1])
    with pytest.raises(InputError, match="whole text in UTF-16"):
        read_csv(path, name="a.csv")


def test_texts_that_mean_missing_stay_labels() -> None:
    rows = read_csv(io.StringIO("a,y\n1,none\n2,1\n3,2\n"), name="a.csv", text_columns=["y"])
    assert rows.text["y"].tolist() == ["none", "1", "2"]
