"""The CSV source: parts of columns, folders, event labels, and one clear line for what is wrong."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewright.core.csv import rows
from edgewright.core.csv.blocks import blocks
from edgewright.core.csv.rows import iter_csv
from edgewright.core.csv.text import Block
from edgewright.core.errors import CsvColumnsDifferError, CsvEmptyError, DataWarning, EdgewrightError, InputError
from edgewright.core.formatting import unit_in
from edgewright.core.records.data import DataSet
from edgewright.data.load import load_data
from edgewright.data.matching import is_text
from edgewright.data.preview import read_preview
from edgewright.data.roles import assign_roles


def _load(path: Path, text: str | None = None, **keys: object) -> DataSet:
    if text is not None:
        path.write_text(text)
    return load_data({"kind": "csv", "path": str(path), **keys}, seed=0)


def test_states_of_home_assistant_are_missing(file: Path) -> None:
    rows = [f"{i % 7}.5,{i * 1.5},{'on' if i % 2 else 'off'}" for i in range(40)]
    rows[3], rows[5], rows[8] = "unavailable,3.5,on", "unknown,Unavailable,off", "1,unknown,unavailable"
    text = "a,amount,state\n" + "\n".join(rows) + "\n"
    recording = _load(file, text, target="state", ignore=["amount"]).recordings[0]
    assert np.flatnonzero(np.isnan(recording.values[:, 0])).tolist() == [3, 5]
    assert np.flatnonzero(recording.target == "").tolist() == [8]
    amounts = _load(file, target="amount", ignore=["state"]).recordings[0].target
    assert amounts.dtype.kind == "f"
    assert np.flatnonzero(np.isnan(amounts)).tolist() == [5, 8]
    preview = read_preview(str(file))
    assert assign_roles(preview.columns, {"target": "state"}).readings == ("a", "amount")


@pytest.mark.parametrize(("cells", "text"), [("0 1 unknown unavailable none", False), ("none unknown", True)])
def test_a_column_of_numbers_with_states_is_no_text(cells: str, text: bool) -> None:
    assert is_text(np.array(cells.split())) is text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_columns_get_their_parts(file: Path) -> None:
    data = _load(
        file,
        "t,temp [C],hum,who,day,what\n1700000000,20,40,ann,1,walk\n1700000001,21,,bob,1,sit\n1700000002,22,42,bob,2,\n",
        target="what", group="who", session="day", time="t", ranges={"hum": [0, 100]}, units={"hum": "%"},
    )  # fmt: skip
    (recording,) = data.recordings
    assert [(c.name, c.unit, c.maximum) for c in data.columns] == [("temp [C]", "C", None), ("hum", "%", 100.0)]
    assert recording.values.dtype == np.float32
    np.testing.assert_array_equal(recording.values, np.array([[20, 40], [21, np.nan], [22, 42]]))
    assert recording.target.tolist() == ["walk", "sit", ""]
    assert recording.groups is not None
    assert recording.groups.tolist() == ["ann", "bob", "bob"]
    assert recording.time is not None
    assert recording.time.tolist() == [0.0, 1.0, 2.0]
    assert (data.rate, data.target_name, data.group_name) == (1.0, "what", "who")


def test_a_numeric_target_stays_a_number(file: Path) -> None:
    target = _load(file, "a,y\n1,0\n2,1\n3,\n", target="y").recordings[0].target
    assert target.dtype == np.float64
    np.testing.assert_array_equal(target, [0, 1, np.nan])


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("a,b\n1,2\n", {"target": "lable"}, "no column 'lable'. Known: a, b - at rows.csv line 1"),
        ("a,label\n1,2\n", {"target": "lable"}, "Did you mean 'label'?"),
        ("a,b\n1,\n2,\n", {"target": "a"}, "expected a value in column b, got an all-missing column"),
        (
            "a,b\n1,x\n2,y\n",
            {"target": "a"},
            "got 'x' - at rows.csv line 2, column b. Correct or empty the cell, or name",
        ),
        ("a,b\n1,2024-01-01\n", {"target": "a"}, "or name the column 'b' as time"),
        ("a,b\n1,2\n1,inf\n", {"target": "a"}, "'inf' - at rows.csv line 3, column b"),
        ("a,b\n1,2\n", {"target": "a", "columns": ["a"]}, "expected a column with one part, got 'a' with two"),
        ("a,b\n1,\n2,\n", {"target": "b"}, "an all-missing target"),
        ("a\n1\n", {"target": "a"}, "expected at least one column of numbers besides"),
        (
            "a,y\n1,inf\n2,1\n",
            {"target": "y"},
            "expected a finite number, got an infinite value - at rows.csv line 2, column y",
        ),
        (
            "a,g\n1,x\n2,\n",
            {"group": "g"},
            "expected a name in every row, got an empty field - at rows.csv line 3, column g",
        ),
        ("a,t\n1,0\n2,noon\n", {"time": "t"}, "got 'noon' - at rows.csv line 3, column t"),
        ("a,t\n1,2024-01-01\n2,noon\n", {"time": "t"}, "got 'noon' - at rows.csv line 3, column t"),
        ("a,t\n1,5\n2,\n", {"time": "t"}, "expected a time in every row, got '' - at rows.csv line 3, column t"),
        ("a,b\n1,2\n", {"ranges": {"a": [2, 1]}}, "expected a range of a smaller and a larger number"),
        ("", {}, "an empty file - at rows.csv"),
        ("a,b\n", {}, "only a header line"),
        ("a,b\n1,2,3,4\n", {}, "rows.csv"),
        ("1,0.5,0.5\n2,0.1,0.2\n", {}, "expected a header line with column names, got numbers"),
        ("1 0.5 0.5\n2 0.1 0.2\n", {}, "expected a comma, semicolon, tab or bar between columns, got spaces (1 0.5"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(file: Path, text: str, keys: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        _load(file, text, **keys)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ignored_and_unlisted_columns_may_hold_text(file: Path) -> None:
    text = "id,a,note,b\nx1,1,hello,2\nx2,3,there,4\n"
    assert [c.name for c in _load(file, text, ignore=["id", "note"]).columns] == ["a", "b"]
    data = _load(file, text, columns=["b", "a"])
    assert data.recordings[0].values.tolist() == [[2, 1], [4, 3]]


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("a,b,y\n1,2,3\n")
    with gzip.open(tmp_path / "two.csv.gz", "wt") as stream:
        stream.write("b,a,y\n2,1,walk\n")
    (tmp_path / "README.md").write_text("about")
    data = _load(tmp_path, target="y")
    assert [r.name for r in data.recordings] == ["one.csv", "two.csv.gz"]
    assert [r.values.tolist() for r in data.recordings] == [[[1, 2]], [[1, 2]]]
    assert [r.target.tolist() for r in data.recordings] == [["3"], ["walk"]]
    (tmp_path / "three.csv").write_text("a,c,y\n1,2,3\n")
    with pytest.raises(
        CsvColumnsDifferError, match=r"the columns of one\.csv, got a difference in b, c - at three\.csv"
    ):
        _load(tmp_path, target="y")


def test_files_of_two_rates_are_averaged_to_the_lower(tmp_path: Path) -> None:
    for name, step in (("slow.csv", 0.02), ("fast.csv", 0.01)):
        (tmp_path / name).write_text("t,a\n" + "".join(f"{i * step:.3f},{i}\n" for i in range(20)))
    with pytest.warns(DataWarning, match="faster recordings are averaged to 50 rows a second"):
        dataset = _load(tmp_path, time="t")
    assert dataset.rate == 50
    assert [len(recording.values) for recording in dataset.recordings] == [10, 20]
    assert _load(tmp_path, time="t", rate=50).rate == 50


def test_event_labels_in_seconds_and_samples(file: Path, tmp_path: Path) -> None:
    rows = "t,a\n" + "".join(f"{1000 + 10 * i},{i}\n" for i in range(10))
    events = tmp_path / "events.csv"
    events.write_text("start,end,label\n0,0.03,rest\n0.05,0.2,run\n")
    data = _load(file, rows, time="t", time_unit="ms", labels=str(events))
    assert data.rate == 100
    assert data.target_name == "label"
    assert data.recordings[0].target.tolist() == ["rest"] * 3 + [""] * 2 + ["run"] * 5
    events.write_text("start_sample,end_sample,label\n1,2,x\n")
    assert _load(file, rows, time="t", labels=str(events)).recordings[0].target.tolist() == ["", "x", *[""] * 8]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ("start,end,label\n5,2,x\n", "expected an event that ends after its start, got 5..2 - at events.csv line 2"),
        ("start,end,label\n0,4,x\n2,5,y\n", "expected events that do not overlap, got 2..5 - at events.csv line 3"),
        ("start,end,label\n50,60,x\n", "expected an event within rows.csv, got 50..60 - at events.csv line 2"),
        ("start,end,label\nsoon,6,x\n", "expected a number or a date, got 'soon' - at events.csv line 2"),
        ("start,end,what\n1,2,x\n", "no column 'label'"),
        ("start,label\n1,x\n", "expected columns start and end, or neither"),
    ],
)
def test_bad_event_labels(file: Path, tmp_path: Path, events: str, message: str) -> None:
    (tmp_path / "events.csv").write_text(events)
    rows = "a,b\n" + "1,2\n" * 10
    with pytest.raises(InputError) as caught:
        _load(file, rows, labels=str(tmp_path / "events.csv"))
    assert message in str(caught.value)


def test_event_labels_as_dates(file: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.csv"
    events.write_text("start,end,label\n2024-01-01 00:01,2024-01-01 00:03,late\n")
    rows = "t,a\n" + "".join(f"2024-01-01T00:0{i}:00,{i}\n" for i in range(5))
    assert _load(file, rows, time="t", labels=str(events)).recordings[0].target.tolist() == ["", "late", "late", "", ""]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("Air temperature [K]", "K"), ("acc (m/s²)", "m/s²"), ("a (mean)", ""), ("b", ""), ("x[12]", "")],
)
def test_units_in_brackets(name: str, unit: str) -> None:
    assert unit_in(name) == unit


_TEXT = st.text(alphabet="ab,;\t\n\"'0123456789.-+einfNaN \r\0é?#", max_size=80)
_KEYS = st.fixed_dictionaries(
    {},
    optional={"target": st.sampled_from(["a", "b", "c"]), "time": st.sampled_from(["a", "b"]),
              "group": st.sampled_from(["a", "b"]), "columns": st.just(["a"])},
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(_TEXT, _TEXT.map(lambda rest: "a,b,c\n" + rest)), keys=_KEYS)
def test_any_text_is_data_or_a_clear_error(tmp_path: Path, text: str, keys: dict[str, object]) -> None:
    file = tmp_path / "any.csv"
    file.write_bytes(text.encode())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # NUL bytes at the end
            data = _load(file, None, **keys)
    except EdgewrightError as error:
        assert "\n" not in str(error) and str(error)
    else:
        assert data.recordings[0].values.shape[1] == len(data.columns) > 0
        assert not np.isinf(data.recordings[0].values).any()


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"RIFF\x24\xa4\x00\x00WAVE", "a sound file (WAV)"),
        (b"PK\x03\x04\x14\x00\x06\xff", "a ZIP file or a spreadsheet"),
        (b"\x1f\x8b\x08\x00", "a gzip file without the ending .gz"),
    ],
)
def test_another_kind_of_file_is_called_by_its_name(tmp_path: Path, start: bytes, message: str) -> None:
    (tmp_path / "rows.csv").write_bytes(start + bytes(range(1, 200)) + b"\n")
    with pytest.raises(CsvEmptyError) as caught:
        list(iter_csv(tmp_path / "rows.csv", name="rows.csv"))
    assert str(caught.value).startswith(f"expected a CSV file, got {message} - at rows.csv.")


def test_a_table_and_a_preview_open_a_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1, "y": "on"}\n{"a": 2, "y": "off"}\n')
    opened: list[str] = []

    def counted(source: Path | TextIO, name: str, *others: Any, **settings: Any) -> Iterator[Block]:  # noqa: ANN401
        opened.append(name)
        return blocks(source, name, *others, **settings)

    monkeypatch.setattr(rows, "blocks", counted)
    load_data({"kind": "csv", "path": str(path), "target": "y"}, seed=0)
    read_preview(str(path))
    assert opened == ["a.jsonl", "a.jsonl"]
