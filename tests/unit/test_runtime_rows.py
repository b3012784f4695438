"""CSV rows: what is read, what is refused and how the message names it."""

from __future__ import annotations

import gzip
import io
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.csv import blocks
from edgewright.core.csv.cells import Plan, _exact, _fast
from edgewright.core.csv.rows import Rows, iter_csv, open_csv, read_csv
from edgewright.core.csv.text import Block
from edgewright.core.errors import (
    CsvBadRowsError,
    CsvDelimiterError,
    CsvError,
    CsvQuotesError,
    DataWarning,
    InputError,
    MissingFileError,
)
from support import shared_data


def read(text: str, *text_columns: str, delimiter: str | None = None) -> Rows:
    opened = open_csv(io.StringIO(text), "rows.csv", delimiter)
    return read_csv(opened, name="rows.csv", text_columns=text_columns)


def refused(data: str | bytes, tmp_path: Path) -> str:
    path = tmp_path / "rows.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(InputError) as caught:
        read_csv(path, name="rows.csv")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_numbers_missing_cells_and_text() -> None:
    rows = read("a,b,label\n1,2.5,walk\n,NaN,sit\nNA,?,\n-1e-3,+4,run\n", "label")
    assert rows.names == ("a", "b")
    np.testing.assert_array_equal(rows.values, np.array([[1, 2.5], [np.nan] * 2, [np.nan] * 2, [-1e-3, 4]], np.float32))
    assert rows.values.dtype == np.float32
    assert rows.text["label"].tolist() == ["walk", "sit", "", "run"]
    assert rows.lines.tolist() == [2, 3, 4, 5]
    assert rows.columns == ("a", "b", "label")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found_and_told(delimiter: str) -> None:
    rows = read(f"a{delimiter}b\n1{delimiter}2\n3{delimiter}4\n")
    assert rows.header.delimiter == delimiter
    assert rows.values.tolist() == [[1, 2], [3, 4]]


def test_bom_crlf_quotes_blank_lines_and_no_last_line_end() -> None:
    rows = read('\ufeff"a, first",b\r\n"1",2\r\n\r\n"3","four ""4"""', "b")
    assert rows.names == ("a, first",)
    assert rows.values.tolist() == [[1], [3]]
    assert rows.text["b"].tolist() == ["2", 'four "4"']
    assert rows.lines.tolist() == [2, 4]


def test_quoted_line_breaks_keep_line_numbers() -> None:
    rows = read('a,note\n1,"two\nlines"\n2,x\n', "note")
    assert rows.text["note"].tolist() == ["two\nlines", "x"]
    assert rows.lines.tolist() == [2, 4]


def test_old_line_ends() -> None:
    assert read("a,b\r1,2\r3,4\r").values.tolist() == [[1, 2], [3, 4]]


def test_row_numbers_without_a_name_are_left_out() -> None:
    assert read('"a","b"\n"1",5,6\n"2",7,8\n').values.tolist() == [[5, 6], [7, 8]]
    assert read(",a,b\n0,5,6\n1,7,8\n").values.tolist() == [[5, 6], [7, 8]]


def test_file_as_r_writes_it() -> None:
    path = shared_data("occupancy") / "datatraining.txt"
    rows = read_csv(path, name=path.name, text_columns=["date"])
    assert rows.names == ("Temperature", "Humidity", "Light", "CO2", "HumidityRatio", "Occupancy")
    assert rows.values.shape == (8143, 6)
    assert rows.text["date"][0] == "2015-02-04 17:51:00"
    assert rows.lines[-1] == 8144


def test_epoch_times_keep_their_digits_as_float64() -> None:
    source = io.StringIO("time,a\n1700000000.125,1\n1700000001.250,2\n")
    rows = read_csv(source, name="rows.csv", float64_columns=["time"])
    assert rows.wide["time"].tolist() == [1700000000.125, 1700000001.25]
    assert rows.names == ("a",)


def test_ignored_and_only_columns() -> None:
    text = "date,a,b,note\nMonday,1,2,x\nTuesday,3,4,y\n"
    assert read_csv(io.StringIO(text), name="r", ignored_columns=["date", "note"]).names == ("a", "b")
    only = read_csv(io.StringIO(text), name="r", only_columns=["b", "note", "absent"], text_columns=["note"])
    assert only.names == ("b",)
    assert list(only.text) == ["note"]
    assert only.columns == ("date", "a", "b", "note")


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_compressed(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.csv{suffix}"
    data = (gzip.compress if suffix == ".gz" else lzma.compress)(b"a,b\n1,2\n" + b"3,4\n" * 5000)
    path.write_bytes(data)
    assert read_csv(path, name="r").values.shape == (5001, 2)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CsvError):
        read_csv(path, name="r")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "expected a header line and rows, got an empty file - at rows.csv"),
        ("\n\n", "an empty file"),
        ("a,b\n", "expected at least one row, got only a header line - at rows.csv"),
        ("a,b\n1,2\n3,abc\n", "expected a number, got 'abc' - at rows.csv line 3, column b"),
        ("a,b\n1,2\n3,1_000\n", "expected a number, got '1_000' - at rows.csv line 3, column b"),
        ("a,b\n1,2.5\n2,3.5\n" * 1 + "3,4\n" * 1000 + '3,"2,5"\n', "line 1004, column b. Write decimals with a point"),
        ("a;b\n1;2,500\n", "got '2,500', which is 2.500 or 2500 - at rows.csv, column b. Write decimals with a point"),
        ("a,b\n1,20 °C\n2,70 °F\n", "expected one unit in a column, got °C and °F - at rows.csv, column b"),
        ("a,b\n1,2\n3\n", "expected 2 cells, got 1 - at rows.csv line 3"),
        ("a,b\n1,2\n3,4,5\n", "expected 2 cells, got 3 - at rows.csv line 3"),
        ("a,\n1,2\n", "none for column 2 - at rows.csv line 1"),
        ("a,b\n1,inf\n", "got 'inf' - at rows.csv line 2, column b"),
        ("a,b\n1,2\n-Infinity,2\n", "got '-Infinity' - at rows.csv line 3, column a"),
        ("a,b\n1,2\n1e39,2\n", "a finite number that float32 holds, got '1e39' - at rows.csv line 3, column a"),
        ("3.5,4\n1,2\n", "a header line with column names, got numbers"),
        (b"a,b\n1,\x81\n", "expected text in UTF-8, UTF-16 or cp1252, got the byte 0x81 - at rows.csv line 2"),
        (b"a,b\n1,2\n3,\x00\n", "a NUL byte - at rows.csv line 3"),
        ('a,b\n1,"2\n', "rows.csv line 2"),
        ("a;b|c\n1;2|3\n", "semicolon and bar"),
        ("a,b\n1, \n 5 ,x y\n", "'x y' - at rows.csv line 3, column b"),
    ],
)
def test_bad_input_is_one_clear_line(data: str | bytes, message: str, tmp_path: Path) -> None:
    assert message in refused(data, tmp_path)


@pytest.mark.parametrize("rows", ["0;20,5\n1;21,5\n", "0,5;20,5\n1,5;21,5\n", "0;20\n1;21\n", "0;20,5\n1;21\n"])
def test_a_comma_in_a_name_and_before_decimals_cuts_nothing(rows: str) -> None:
    assert read("Zeit;Temp, C\n" + rows).header.names == ("Zeit", "Temp, C")
    assert read("Zeit;Ort;Temp, C\n" + rows.replace(";", ";Halle;"), "Ort").header.names == ("Zeit", "Ort", "Temp, C")
    assert read("note,value\na; b,1\nc; d,2\n", "note").header.names == ("note", "value")


def test_missing_file_folder_and_delimiter(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file - at gone"):
        read_csv(tmp_path / "gone.csv", name="gone.csv")
    with pytest.raises(CsvBadRowsError):
        read_csv(tmp_path, name="folder")
    with pytest.raises(CsvDelimiterError, match="a delimiter of one character, got '::'"):
        read("a,b\n1,2\n", delimiter="::")


def test_a_quote_that_never_ends_is_refused_within_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LONGEST_LINE", 1 << 12)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 8)
    with pytest.raises(CsvQuotesError):
        read('a,b\n1,2\n3,"' + "x" * 10_000 + "\n4,5\n")


def test_rows_of_a_stream_come_as_they_arrive() -> None:
    class Pipe(io.RawIOBase):
        """Gives one line a read, as a sensor does."""

        def __init__(self) -> None:
            self.lines = [b"a,b\n", b"1,2\n", b"3,", b"4\n", b"5,6"]

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
            piece = self.lines.pop(0) if self.lines else b""
            buffer[: len(piece)] = piece
            return len(piece)

    pipe = Pipe()
    chunks = iter_csv(io.TextIOWrapper(io.BufferedReader(pipe)), name="standard input")
    assert next(chunks).values.tolist() == [[1, 2]]
    assert len(pipe.lines) == 3, "the first row was answered before the next was read"
    assert [c.values.tolist() for c in chunks] == [[[3, 4]], [[5, 6]]]


_DAMAGED = (
    b'7,"8\n',
    b"\x007,8\n",
    b'7,"8" 9\n',
    b'"\n',
    b"7\n",
    b"7,8,9\n",
    b"7,\xff\x81\n",
    b'"' + b"x" * 200_000 + b"\n",
)


@pytest.mark.parametrize("line", _DAMAGED)
@pytest.mark.parametrize("before", [0, 1, 2000])
@pytest.mark.parametrize("piece", [1 << 4, 1 << 18])
def test_a_damaged_line_of_a_stream_is_reported_and_all_others_are_read(
    line: bytes, before: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if line.count(b",") == 2 and not before:
        piece = 1 << 18  # a first row with a cell too many shows as damaged only beside the rows below it
    monkeypatch.setattr(blocks, "BLOCK_BYTES", piece)
    data = b"a,b\n" + b"1,2\n" * before + line + b'"3",4\n' * 50 + b'5,"6"'
    faults: list[str] = []
    chunks = list(iter_csv(io.TextIOWrapper(io.BytesIO(data)), name="in", report=faults.append))
    assert len(faults) == 1
    assert f"line {before + 2}" in faults[0]
    rows = np.concatenate([chunk.values for chunk in chunks])
    lines = np.concatenate([chunk.lines for chunk in chunks])
    damaged = np.isnan(rows).any(axis=1)
    assert lines[damaged].tolist() == [before + 2]
    assert rows[~damaged].tolist() == [[1, 2]] * before + [[3, 4]] * 50 + [[5, 6]]


def test_a_stream_is_read_behind_a_line_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LONGEST_LINE", 1 << 12)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 8)
    faults: list[str] = []
    data = "a,b\n1,2\n" + "x" * 10_000 + "\n3,4\n5,6\n"
    chunks = list(iter_csv(io.StringIO(data), name="in", report=faults.append))
    assert np.concatenate([chunk.values for chunk in chunks]).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert np.concatenate([chunk.lines for chunk in chunks]).tolist() == [2, 4, 5]
    assert len(faults) == 1


@pytest.mark.parametrize("piece", [1 << 4, 1 << 18])
@pytest.mark.parametrize("zeros", [1, 64, 5000])
@pytest.mark.parametrize(("end", "rows"), [("", 20), ("9,9", 20), ("9", 20), ('9,"', 20)])
def test_nul_bytes_at_the_end_are_left_out_with_a_cut_line(
    piece: int, zeros: int, end: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", piece)
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * rows + end.encode() + b"\0" * zeros)
    with pytest.warns(DataWarning, match=f"{zeros:,} NUL bytes") as warned:
        assert read_csv(path, name="rows.csv").values.tolist() == [[1, 2]] * rows
    assert ("line 22" in str(warned[0].message)) is bool(end)


def test_nul_bytes_with_rows_behind_them_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 16)
    assert "line 22" in refused(b"a,b\n" + b"1,2\n" * 20 + b"\0" * 100 + b"\n3,4\n", tmp_path)


def test_large_files_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    body = "".join(f"{i},{i * 0.5},name {i}\n" for i in range(500))
    chunks = list(iter_csv(io.StringIO("a,b,c\n" + body), name="r", text_columns=["c"]))
    whole = read("a,b,c\n" + body, "c")
    assert len(chunks) > 50
    assert whole.values[:, 0].tolist() == list(range(500))
    assert whole.lines.tolist() == list(range(2, 502))
    assert whole.text["c"][499] == "name 499"


_CELL = st.one_of(
    st.floats(width=32, allow_infinity=False).map(repr),
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(
        ["", "NaN", "NA", "?", " ", " 1", "2 ", "inf", "-nan", "-?", "NAN", "1,5", "x", "1e", "--1", "1_0", "1 2"]
    ),
)


@pytest.mark.slow
@given(
    st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(_CELL, min_size=width, max_size=width), min_size=1)),
    st.sampled_from([",", ";", "\t"]),
)
@settings(max_examples=400)
def test_fast_way_agrees_with_the_exact_one(table: list[list[str]], delimiter: str) -> None:
    data = "".join(delimiter.join(row) + "\n" for row in table[:8]).encode()
    names = ("a", "b", "c")[: len(table[0])]
    text = (1,) if len(names) > 1 else ()
    plan = Plan(
        name="r", delimiter=delimiter, columns=names, numbers=(0, 2)[: (len(names) + 1) // 2], wide=(), text=text
    )
    fast = _fast(Block(data, 2), plan)
    if fast is None:
        return
    exact = _exact(Block(data, 2), plan)
    np.testing.assert_array_equal(fast.values, exact.values)
    for column in text:
        np.testing.assert_array_equal(fast.text[column], exact.text[column])
    np.testing.assert_array_equal(fast.lines, exact.lines)


def test_clean_numbers_take_the_fast_way() -> None:
    plan = Plan(name="r", delimiter=",", columns=("a", "b", "c"), numbers=(0, 2), wide=(), text=(1,))
    cells = _fast(Block(b"1,walk,2.5\n,sit,NaN\nNA,,?\n 4,x, 5\n", 2), plan)
    assert cells is not None
    assert np.isnan(cells.values).sum() == 4
    assert cells.values[3].tolist() == [4, 5]


@pytest.mark.slow
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='ab1.,;\t"\n\r- eE?NA', max_size=60).map(str.encode)))
@settings(max_examples=500)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    source = io.TextIOWrapper(io.BytesIO(data))
    try:
        rows = read_csv(source, name="rows.csv", text_columns=["a"])
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert len(rows) > 0
        assert rows.values.shape == (len(rows), len(rows.names))
        assert not np.isinf(rows.values).any()
