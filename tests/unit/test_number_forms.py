"""Numbers as people write them in CSV cells: which form a column has, and what its cells become."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewright.core.csv.cells import Plan, _exact, _fast
from edgewright.core.csv.rows import open_csv, read_csv
from edgewright.core.csv.text import Block, NumberForm, number_forms
from edgewright.core.errors import CsvNumberError, TextEncodingError
from edgewright.core.records.data import DataSet
from edgewright.data.load import load_data
from edgewright.data.preview import read_preview


@pytest.mark.parametrize(
    ("cells", "form", "value"),
    [
        (["0,981", "-1,5"], NumberForm(","), 0.981),
        (["1,234.5", "12"], NumberForm(".", ","), 1234.5),
        (["1.234,5", "1.234"], NumberForm(",", "."), 1234.5),
        (["1,234,567", "1,234"], NumberForm(".", ","), 1234567),
        (["1.234.567", "1.234", "12"], NumberForm(",", "."), 1234567),
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
    assert number_forms({"x": cells}) == {"x": (form,)}
    assert float(form.plain(cells[0]) or "nan") == value


@pytest.mark.parametrize(
    "cells",
    [
        ["1.5", "2"], ["1.234", "5.678"], ["12:30", "12:31"], ["2024-05-01"], ["1,23,4"], ["hall 1", "hall 2"],
        ["5 ms", "6 ms"], ["1-2"], ["", "nan"], ["12 apples"], ["1.234.567", "1.5"], ["0001,5 x"], ["1.2.3"],
        ["1K", "2.2K", "500"], ["1A", "8A", "12"],
    ],
)  # fmt: skip
def test_other_columns_stay_as_they_are(cells: list[str]) -> None:
    assert number_forms({"x": cells}) == {}


def test_another_column_shows_what_one_means() -> None:
    assert number_forms({"x": ["1,234"], "y": ["0,5"]})["x"] == (NumberForm(","),)
    assert number_forms({"x": ["1,234"], "y": ["1,234.5"]})["x"] == (NumberForm(".", ","),)
    # Points beside decimal commas with points between thousands are between thousands, too.
    assert number_forms({"x": ["1.234", "5.678"], "y": ["1.234,5"]})["x"] == (NumberForm(",", "."),)
    assert number_forms({"x": ["1.234.567"], "y": ["1.234,5"]})["x"] == (NumberForm(",", "."),)
    both = io.StringIO("x;y;z\n1,234;0,5;1,234.5\n")
    with pytest.raises(CsvNumberError, match=r"'1,234', which is 1\.234 or 1234 - at a\.csv, column x"):
        read_csv(both, name="a.csv")


def test_points_beside_decimal_commas_are_never_taken_for_decimals_silently() -> None:
    with pytest.raises(CsvNumberError, match=r"'1\.034', which is 1\.034 or 1034 - at a\.csv, column b"):
        read_csv(io.StringIO("a;b\n0,5;1.034\n1,5;950\n"), name="a.csv")
    german = "a;b\n" + "0,5;950\n" * 1000
    rows = read_csv(io.StringIO(f"{german}0,5;1.050\n"), name="a.csv")
    assert rows.values[-1].tolist() == [0.5, 1050]
    assert rows.header.assumptions(rows.names) == "a semicolon between cells, decimal comma (a)"
    with pytest.raises(CsvNumberError, match=r"got '12\.5' - at a\.csv line 1002, column b"):
        read_csv(io.StringIO(f"{german}0,5;12.5\n"), name="a.csv")
    # Where another column has decimal points, points between thousands are not sure.
    mixed = german.replace("\n", ";0.25\n").replace("b;0.25", "b;c")
    assert read_csv(io.StringIO(mixed), name="a.csv").values[0].tolist() == [0.5, 950, 0.25]
    with pytest.raises(CsvNumberError, match=r"got '1\.050'"):
        read_csv(io.StringIO(f"{mixed}0,5;1.050;1\n"), name="a.csv")
    units = read_csv(io.StringIO("a;b\n" + "0,5;950 g\n" * 1000 + "1,5;1.050 g\n"), name="a.csv")
    assert (units.values[-1].tolist(), units.header.unit("b")) == ([1.5, 1050], "g")


def test_only_what_is_read_as_a_number_is_refused() -> None:
    text = "x;y;z;n\n1,234;0,5;1,234.5;1\n"
    assert read_csv(io.StringIO(text), name="a.csv", ignored_columns=["x"]).names == ("y", "z", "n")
    assert read_csv(io.StringIO(text), name="a.csv", text_columns=["x"]).text["x"].tolist() == ["1,234"]
    seats = "x,seat\n1,1A\n2,2C\n"
    assert read_csv(io.StringIO(seats), name="a.csv", only_columns=["x"]).values.tolist() == [[1], [2]]
    with pytest.raises(CsvNumberError, match="column seat"):
        read_csv(io.StringIO(seats), name="a.csv")


_CELLS = (
    "1", "-2.5", "1,5", "1.234", "1.234,5", "1,234.5", "1 234", "1'234,5", "3 °C", "4,5°C", "n/a", "none", "-", "",
    " 7 ", "nan", "1e5", "1,5e3", "9.8.1", "1,2,3", "x", "inf", "1_0", "1e300", "+.5",
)  # fmt: skip
_FORMS = (NumberForm(), NumberForm(","), NumberForm(",", "."), NumberForm(".", ","), NumberForm(",", " "),
          NumberForm(",", "'"), NumberForm(unit="°C"), NumberForm(",", unit="°C"))  # fmt: skip


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_fast_way_reads_what_the_exact_way_reads(data: st.DataObject) -> None:
    forms = data.draw(st.lists(st.sampled_from(_FORMS), min_size=3, max_size=3))
    rows = data.draw(st.lists(st.tuples(*[st.sampled_from(_CELLS)] * 3), min_size=1, max_size=4))
    block = Block("".join(f"{';'.join(row)};w\n" for row in rows).encode(), 2)
    chosen = {column: form for column, form in enumerate(forms) if form != NumberForm()}
    plan = Plan("a.csv", ";", ("x", "y", "t", "w"), (0,), (1,), (2, 3), chosen)
    fast = _fast(block, plan)
    if fast is not None:
        exact = _exact(block, plan)
        assert np.array_equal(fast.values, exact.values, equal_nan=True)
        assert np.array_equal(fast.wide, exact.wide, equal_nan=True)
        assert {column: cells.tolist() for column, cells in fast.text.items()} == {
            column: cells.tolist() for column, cells in exact.text.items()
        }


@pytest.mark.parametrize("cell", ["1,5", "1.234,5", "1,234.5", "3 °C", "n/a", "4,5 °C"])
def test_an_odd_column_leaves_the_others_to_the_fast_way(cell: str) -> None:
    (form,) = number_forms({"x": [cell, "2"], "y": ["1.234,5" if cell == "1,5" else "1"]}).get("x", (NumberForm(),))
    plan = Plan("a.csv", ";", ("x", "y"), (0, 1), (), (), {0: form})
    assert _fast(Block(f"{cell};1\n2;3.5\n".encode(), 2), plan) is not None


def test_texts_stay_as_they_are() -> None:
    rows = read_csv(io.StringIO("x,y\n1,none\n2,10%\n3,20%\n"), name="a.csv", text_columns=["y"])
    assert rows.text["y"].tolist() == ["none", "10%", "20%"]
    times = read_csv(io.StringIO("t;y\n0,5;1\n1,0;2\n"), name="a.csv", time_columns=["t"])
    assert times.text["t"].tolist() == ["0.5", "1.0"]


def data_of(tmp_path: Path, text: str, **keys: str) -> DataSet:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    return load_data({"kind": "csv", "path": str(tmp_path / "a.csv"), **keys}, seed=0)


def test_persons_and_classes_keep_their_texts_and_amounts_become_numbers(tmp_path: Path) -> None:
    text = "x,seat,y\n1,12A,none\n2,13A,10%\n3,12A,20%\n"
    recording = data_of(tmp_path, text, target="y", group="seat").recordings[0]
    assert recording.target.tolist() == ["none", "10%", "20%"]
    assert recording.groups is not None
    assert recording.groups.tolist() == ["12A", "13A", "12A"]
    amounts = data_of(tmp_path, "x;t;y\n1;0,0;0,5\n2;0,5;\n3;1,0;1,5\n", target="y", time="t").recordings[0]
    assert amounts.target.tolist() == [0.5, pytest.approx(math.nan, nan_ok=True), 1.5]
    with pytest.raises(CsvNumberError, match="one unit in a column, got C and F"):
        data_of(tmp_path, "x,y\n1,20 C\n2,70 F\n3,21 C\n", target="y")


def test_a_preview_decides_for_each_column_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{20 + i / 8} °C;{'1A' if i % 2 else '2C'};{i},5;{'20 C' if i % 2 else '70 F'}" for i in range(8)]
    path.write_text("\n".join(["temp;seat;y;mixed", *rows]) + "\n", encoding="utf-8")
    preview = read_preview(str(path))
    assert [preview.columns[name][1] for name in ("temp", "seat", "y", "mixed")] == ["20.125", "1A", "1.5", "20"]
    assert preview.units == {"temp": "°C", "mixed": "F"}
    assert preview.top.assumptions(["temp"]) == "a semicolon between cells, °C behind each number (temp)"


@given(st.lists(st.floats(-1e7, 1e7), min_size=3), st.sampled_from([",.", ".,", ".'", ", "]))
def test_what_a_spreadsheet_writes_is_read_back(values: list[float], signs: str) -> None:
    cells = [f"{value:,.2f}".translate(str.maketrans(",.", signs[::-1])) for value in values]
    text = "\n".join(["x;y", *(f"{cell};1" for cell in cells)]) + "\n"
    rows = read_csv(open_csv(io.StringIO(text), "a.csv", ";"), name="a.csv", float64_columns=["x"])
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
    assumption = read_preview(str(path)).top.assumptions(rows.names)
    shown = {"utf-8": "", "utf-8-sig": "", "cp1252": "text in cp1252, "}.get(encoding, "text in utf-16, ")
    assert assumption == f"{shown}a semicolon between cells, decimal comma (Temperatur °C)"


def test_bytes_after_utf8_are_not_taken_for_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("a,ü\n1,2\n".encode() + b"3,4\n" * 200_000 + b"5,\xfc\n")
    with pytest.raises(TextEncodingError, match="the byte 0xfc"):
        read_csv(path, name="a.csv")
    path.write_bytes("a,ü\n1,2\n".encode("utf-16")[:-1])
    with pytest.raises(TextEncodingError):
        read_csv(path, name="a.csv")


def test_texts_that_mean_missing_stay_labels() -> None:
    rows = read_csv(io.StringIO("a,y\n1,none\n2,1\n3,2\n"), name="a.csv", text_columns=["y"])
    assert rows.text["y"].tolist() == ["none", "1", "2"]
