"""Files with a table that are no CSV: spreadsheets, JSON lines, arrays, ARFF and .ts are read as CSV files are."""

from __future__ import annotations

import json
import tracemalloc
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.io import savemat

from cli_runner import Cli
from edgewright.core.csv.formats import cell_text
from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import (
    ArrayFileError,
    CsvCellCountError,
    CsvError,
    DataWarning,
    ParquetDamagedError,
    TextEncodingError,
)
from edgewright.data.contract import read_columns
from edgewright.data.load import load_data
from odd_files.containers import write_ods


def table(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return names of the columns and cells, as every command reads them."""
    names = read_columns(path, path.name)
    rows = read_csv(path, name=path.name, text_columns=names)
    return names, [list(row) for row in zip(*(rows.text[name].tolist() for name in names), strict=True)]


def test_json_lines_have_the_keys_of_all_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1.5, "y": "on"}\n\n{"y": "off", "b": null, "a": 2}\n')
    assert table(path) == (("a", "y", "b"), [["1.5", "on", ""], ["2", "off", ""]])
    for line, message in (
        ("[1]", "a JSON object"),
        ('{"a": [1]}', "got a list - at a.jsonl line 1, a"),
        ("{", "a JSON"),
    ):
        path.write_text(line + "\n")
        with pytest.raises(CsvError, match=message):
            table(path)


def test_arrays_are_columns_and_a_matrix_has_numbered_ones(tmp_path: Path) -> None:
    values = np.array([[0.1, 2.0], [0.3, 4.0]])
    np.savez(tmp_path / "a.npz", X=values, y=np.array(["on", "off"]))
    savemat(tmp_path / "a.mat", {"X": values, "y": np.array([1.0, 2.0])})
    assert table(tmp_path / "a.npz") == (("x0", "x1", "y"), [["0.1", "2", "on"], ["0.3", "4", "off"]])
    assert table(tmp_path / "a.mat") == (("x0", "x1", "y"), [["0.1", "2", "1"], ["0.3", "4", "2"]])
    np.savez(tmp_path / "a.npz", X=values, y=np.array([1]))
    with pytest.raises(ArrayFileError, match="arrays of one length, got x0 2, x1 2, y 1"):
        table(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", X=np.array([{}]))
    with pytest.raises(ArrayFileError, match="pickled objects"):
        table(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", values)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(ArrayFileError, match=r"an \.npz file, got another file"):
        table(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", X=values)
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    for name in ("a.npz", "b.npy"):
        with pytest.raises(ArrayFileError):
            load_data({"kind": "numpy", "path": str(tmp_path / name)}, seed=0)
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file" + bytes(200))
    with pytest.raises(ArrayFileError):
        table(tmp_path / "a.mat")


def test_relations_have_quoted_names_and_missing_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.arff"
    path.write_text(
        "% c\n@RELATION r\n@ATTRIBUTE 'a b' NUMERIC\n@attribute y {on, 'not on'}\n@DATA\n1.5, on\n?,'not on'\n"
    )
    assert table(path) == (("a b", "y"), [["1.5", "on"], ["?", "not on"]])
    path.write_text("@attribute a NUMERIC\n@data\n{0 1.5}\n")
    with pytest.raises(CsvCellCountError, match="a sparse row"):
        table(path)


def test_series_of_one_length_are_rows_and_others_are_recordings(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_text("#c\n@univariate true\n@classLabel true a b\n@data\n1,2:a\n3,4:b\n")
    assert table(path) == (("t0", "t1", "label"), [["1", "2", "a"], ["3", "4", "b"]])
    path.write_text("@classLabel true a b\n@data\n1,2:5,6:a\n3:7:b\n")
    names, rows = table(path)
    assert names == ("recording", "x0", "x1", "label")
    assert rows == [["0", "1", "5", "a"], ["0", "2", "6", "a"], ["1", "3", "7", "b"]]


def test_letters_are_those_of_the_encoding(tmp_path: Path) -> None:
    arff, series, lines = (tmp_path / name for name in ("a.arff", "a.ts", "a.jsonl"))
    relation = "@relation r\n@attribute größe numeric\n@attribute y {für, nicht}\n@data\n1,für\n2,nicht\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        arff.write_text(relation, encoding=encoding)
        assert table(arff) == (("größe", "y"), [["1", "für"], ["2", "nicht"]])
        series.write_text("@classLabel true für nicht\n@data\n1,2:für\n3,4:nicht\n", encoding=encoding)
        assert table(series)[1] == [["1", "2", "für"], ["3", "4", "nicht"]]
        lines.write_text('{"größe": 1, "y": "für\u2028"}\n{"größe": 2, "y": "ä"}\n'.replace(
            "\u2028", "" if encoding == "cp1252" else "\u2028 x"), encoding=encoding)  # fmt: skip
        assert [row[0] for row in table(lines)[1]] == ["1", "2"]
    arff.write_bytes(relation.encode("cp1252").replace(b"nicht", b"\x81"))
    with pytest.raises(TextEncodingError):
        table(arff)


def test_bytes_are_texts_and_names_that_differ_in_case_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for encoding in ("utf-8", "cp1252"):
        np.savez(
            path, X=np.array([[1.0], [2.0]]), x=np.array([[3.0], [4.0]]), y=np.array(["für".encode(encoding), b"b"])
        )
        assert table(path) == (("X0", "x0", "y"), [["1", "3", "für"], ["2", "4", "b"]])
        target = load_data({"kind": "numpy", "path": str(path)}, seed=0).recordings[0].target
        assert target is not None
        assert target.tolist() == ["für", "b"]
    np.savez(path, X=np.array([[1.0], [2.0]]), x0=np.array([3.0, 4.0]))
    assert table(path) == (("x0", "x0.1"), [["1", "3"], ["2", "4"]])
    np.savez(path, a=np.array([b"\x81"]))
    with pytest.raises(TextEncodingError, match=r"texts in UTF-8 or cp1252, got other bytes - at a\.npz a"):
        table(path)


def test_the_sheet_that_is_read_is_said_where_others_are_not(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "a.ods"
    rows: list[list[object]] = [["a", "y"], [1.5, "on"], [2.5, "off"]]
    write_ods(path, {"Data": rows, "Empty": [], "Title": [["about"]]})
    assert table(path) == (("a", "y"), [["1.5", "on"], ["2.5", "off"]])
    write_ods(path, {"Title": [["about"]], "Data": rows, "Notes": [["who", "when"], ["Ann", "May"]]})
    with pytest.warns(DataWarning, match=r"a\.ods: the sheet 'Data' is read, and not Notes"):
        assert table(path) == (("a", "y"), [["1.5", "on"], ["2.5", "off"]])
    cli("check", path, "--target", "y")
    assert cli.err.count("a.ods: the sheet 'Data' is read, and not Notes") == 1
    write_ods(path, {"Monday": rows, "Tuesday": rows})
    with pytest.raises(CsvError, match="one sheet with these columns, got 2: Monday, Tuesday"):
        table(path)


def test_names_of_json_lines_are_read_without_keeping_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"t": {i}, "a": {i}.5, "label": "on"}}\n' for i in range(20_000)) + '{"b": 1}\n')
    tracemalloc.start()
    assert read_columns(path, path.name) == ("t", "a", "label", "b")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * path.stat().st_size


@pytest.mark.parametrize("suffix", [".xlsx", ".ods", ".jsonl", ".npz", ".mat", ".arff", ".ts", ".xls"])
def test_a_file_that_is_none_of_its_kind_is_a_line(cli: Cli, tmp_path: Path, suffix: str) -> None:
    for content in (b"", b"a,b\n1,2\n", b"PK\x03\x04 broken", bytes(300)):
        (tmp_path / f"a{suffix}").write_bytes(content)
        text = cli("init", tmp_path / f"a{suffix}", "--yes", "--out", tmp_path / "made", code=2)
        assert text.startswith("edgewright: error[") and "Traceback" not in text and text.count("\n") == 1
        assert not (tmp_path / "made" / "pipeline.toml").exists()


def test_a_prediction_reads_them_as_the_run_did(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"a": float(a), "b": float(b), "y": "on" if a > b else "off"} for a, b in rng.normal(size=(300, 2)).round(3)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    cli("run", path, "--budget", "1s", "--out", tmp_path / "runs", "--json")
    (tmp_path / "rows.csv").write_text("a,b,y\n" + "\n".join(f"{r['a']},{r['b']},{r['y']}" for r in rows) + "\n")
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    answers = {
        cli("predict", tmp_path / "runs" / "rows", "--csv", tmp_path / f"rows.{ending}")
        for ending in ("jsonl", "csv", "parquet")
    }
    assert len(answers) == 1


def test_parquet_has_the_cells_of_its_types(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    moment = datetime(2024, 5, 1, 12, 0, 0, 250_000)
    pl.DataFrame({
        "at": [moment, None], "since": [timedelta(seconds=1.5), timedelta(0)], "on": [True, None], "n": [3, 2**53 + 1],
        "x": pl.Series([0.1, None], dtype=pl.Float32), "list": [[1, 2], []], "text": ["a,\"b\"\nc", "é"],
    }).write_parquet(path)  # fmt: skip
    names, (first, second) = table(path)
    assert names == ("at", "since", "on", "n", "x", "list", "text")
    assert first == [
        "2024-05-01T12:00:00.250000",
        "1.5",
        "1",
        "3",
        str(float(np.float32(0.1))),
        "List(Int64)",
        'a,"b"\nc',
    ]
    assert second == ["", "0.0", "", str(2**53 + 1), "", "List(Int64)", "é"]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ParquetDamagedError):
        table(path)


def test_cells_are_written_as_a_csv_file_has_them() -> None:
    given = (1.0, 0.5, None, datetime(2024, 5, 1, 12), "on", True, 1e20)
    assert [cell_text(cell) for cell in given] == ["1", "0.5", "", "2024-05-01T12:00:00", "on", "True", "1e+20"]
