"""Windows of a package never span two recordings, people or sides of a gap, whatever reads the rows."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import TimeFormatError
from edgewright.core.input.recordings import Boundaries, cut, names_of
from edgewright.core.input.samples import to_samples
from edgewright.core.neighbours import read_examples, read_samples
from edgewright.core.package import package_bytes, parse_package
from edgewright.core.prediction_input import answer_rows
from edgewright.core.predictor import Predictor
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import DataSet, Recording, TimeUnit
from edgewright.core.records.package import Manifest, RecordingColumns, WindowSpec
from edgewright.data.samples import cut as cut_as_in_training
from edgewright.workflows.detection.rows import watched_of
from edgewright.workflows.scoring.rows import ScoreRequest, read_labelled
from runtime_example import window_parts

COLUMNS = RecordingColumns(group="who", session="take", time="t")
# Rows of stretches: a person, two recordings of the next one, and a gap in the second.
LENGTHS = (21, 9, 16, 7, 12)
BEGINS = np.cumsum([0, *LENGTHS])


def _predictor(columns: RecordingColumns | msgspec.UnsetType = COLUMNS) -> Predictor:
    manifest, files = window_parts()
    return Predictor(parse_package(package_bytes(msgspec.structs.replace(manifest, recordings=columns), files), "p"))


def _table() -> dict[str, NDArray[np.str_]]:
    values = np.random.default_rng(0).normal(size=(sum(LENGTHS), 2)).round(3)
    places = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    time = np.arange(len(values)) * 20 + np.where(places >= 3, 5000, 0)
    table = {"who": np.array(["ann", "7", "7", "7", "8"])[places], "take": np.array(["1", "1", "2", "2", "2"])[places]}
    return {**table, "t": time.astype(str), "x": values[:, 0].astype(str), "y": values[:, 1].astype(str)}


def _csv(table: dict[str, NDArray[np.str_]]) -> str:
    return "\n".join(",".join(row) for row in [list(table), *zip(*table.values(), strict=True)]) + "\n"


def _expected(lengths: tuple[int, ...] = LENGTHS) -> tuple[NDArray[np.float32], list[int]]:
    table = _table()
    values = np.stack([table["x"], table["y"]], axis=1).astype(np.float32)
    begins = np.cumsum([0, *lengths])
    parts = [cut(values[a:b], 8, 4) for a, b in pairwise(begins.tolist())]
    starts = [int(a + start) for a, (_, firsts) in zip(begins, parts, strict=False) for start in firsts]
    return np.concatenate([windows for windows, _ in parts]), starts


@pytest.mark.parametrize("columns", [COLUMNS, msgspec.UNSET])
def test_windows_of_a_file_end_where_a_recording_a_person_or_a_stretch_ends(
    columns: RecordingColumns | msgspec.UnsetType,
) -> None:
    predictor = _predictor(columns)
    windows, starts = _expected() if columns is COLUMNS else _expected((sum(LENGTHS),))
    expected = np.asarray(predictor.predict(windows).predictions, np.float64).tolist()
    answers = list(answer_rows(predictor, io.StringIO(_csv(_table())), "rows"))
    assert [(one["place"], one["prediction"]) for one in answers] == [
        (f"row {start + 1}", value) for start, value in zip(starts, expected, strict=True)
    ]


@pytest.mark.parametrize("damaged", ['8,2,"0.1,0.2', "8", "\0"])
def test_a_damaged_line_of_a_stream_splits_no_recording(damaged: str) -> None:
    lines = _csv(_table()).splitlines()
    whole = [one["place"] for one in answer_rows(_predictor(), io.StringIO("\n".join(lines)), "rows", print)]
    lines[12] = damaged
    faults: list[str] = []
    answers = list(answer_rows(_predictor(), io.StringIO("\n".join(lines)), "rows", faults.append))
    assert [one["place"] for one in answers] == whole
    assert len(faults) == 1
    assert "line 13" in faults[0]


def _frame(table: dict[str, NDArray[np.str_]], manifest: Manifest, path: Path) -> object:
    return {name: cells if name in names_of(manifest) else cells.astype(float) for name, cells in table.items()}


def _polars(table: dict[str, NDArray[np.str_]], manifest: Manifest, path: Path) -> object:
    return pytest.importorskip("polars").read_csv(io.StringIO(_csv(table)))


def _rows(table: dict[str, NDArray[np.str_]], manifest: Manifest, path: Path) -> object:
    return read_csv(io.StringIO(_csv(table)), name="rows", text_columns=names_of(manifest))


@pytest.mark.parametrize("make_data", [_frame, _polars, _rows])
def test_tables_are_cut_as_files_are(
    make_data: Callable[[dict[str, NDArray[np.str_]], Manifest, Path], object], tmp_path: Path
) -> None:
    manifest = _predictor().manifest
    np.testing.assert_array_equal(to_samples(make_data(_table(), manifest, tmp_path), manifest), _expected()[0])


def test_examples_are_cut_as_files_are(tmp_path: Path) -> None:
    path, manifest = tmp_path / "rows.csv", _predictor().manifest
    path.write_text(_csv(_table()))
    windows, starts = _expected()
    samples, places = read_samples(path, manifest)
    np.testing.assert_array_equal(samples, windows)
    assert places == [f"line {start + 2}" for start in starts]
    label = np.full(sum(LENGTHS), "a")
    path.write_text(_csv({**_table(), "label": label}))
    np.testing.assert_array_equal(read_examples(path, manifest, "label")["a"], windows)


def test_recordings_that_are_shorter_than_a_padded_window_are_answered_as_in_training(tmp_path: Path) -> None:
    predictor = _predictor()
    assert predictor.manifest.window is not None
    window = msgspec.structs.replace(predictor.manifest.window, pad=True)
    manifest = msgspec.structs.replace(predictor.manifest, window=window)
    predictor = Predictor(parse_package(package_bytes(manifest, window_parts()[1]), "p"))
    table = _table()
    values = np.stack([table["x"], table["y"]], axis=1).astype(np.float32)
    recordings = tuple(
        Recording(name=f"r{a}", values=values[a:b], target=np.full(b - a, float(a % 2)))
        for a, b in pairwise(BEGINS.tolist())
    )
    dataset = DataSet(name="d", columns=manifest.columns, recordings=recordings, target_name="level")
    expected = cut_as_in_training(dataset, WindowConfig(samples=8, step=4, pad=True)).X
    assert len(expected) == len(_expected()[0]) + 1
    np.testing.assert_array_equal(to_samples(_rows(table, manifest, tmp_path), manifest), expected)
    answers = list(answer_rows(predictor, io.StringIO(_csv(table)), "rows"))
    assert [one["prediction"] for one in answers] == predictor.predict(expected).predictions.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("columns", [COLUMNS, msgspec.UNSET])
def test_score_reads_the_columns_that_the_package_names(
    columns: RecordingColumns | msgspec.UnsetType, tmp_path: Path
) -> None:
    path, manifest = tmp_path / "rows.csv", _predictor(columns).manifest
    path.write_text(_csv({**_table(), "label": np.arange(sum(LENGTHS)).astype(str)}))
    dataset = read_labelled(manifest, None, ScoreRequest(data=str(path), target="label"), tmp_path)
    groups = dataset.recordings[0].groups
    assert (groups is None) == (columns is msgspec.UNSET)
    assert groups is None or set(groups.tolist()) == {"ann", "7", "8"}
    # Its rows come at 50 Hz: an older package does not say that its clock counts milliseconds.
    time = dataset.recordings[0].time
    assert (time is None) == (columns is msgspec.UNSET)
    assert time is None or time[:3].tolist() == pytest.approx([0.0, 0.02, 0.04])


def test_score_reads_the_clock_in_the_unit_of_the_package(tmp_path: Path) -> None:
    path, manifest = tmp_path / "rows.csv", _predictor(msgspec.structs.replace(COLUMNS, time_unit="ms")).manifest
    path.write_text(_csv({**_table(), "label": np.arange(sum(LENGTHS)).astype(str)}))
    dataset = read_labelled(manifest, None, ScoreRequest(data=str(path), target="label"), tmp_path)
    assert dataset.recordings[0].time is not None
    assert dataset.recordings[0].time[:3].tolist() == pytest.approx([0.0, 0.02, 0.04])


def test_score_reads_every_file_of_a_folder_where_training_drew_some(tmp_path: Path) -> None:
    manifest = _predictor(COLUMNS).manifest
    loader = {"kind": "csv", "path": "elsewhere", "files": 1}
    manifest = msgspec.structs.replace(manifest, provenance={"loader": msgspec.json.encode(loader).decode()})
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(3):
        rows = _csv({**_table(), "label": np.arange(sum(LENGTHS)).astype(str)})
        (folder / f"{number}.csv").write_text(rows)
    request = ScoreRequest(data=str(folder), target="label")
    assert len(read_labelled(manifest, None, request, tmp_path).recordings) == 3
    some = replace(request, settings={"files": 2})
    assert len(read_labelled(manifest, None, some, tmp_path).recordings) == 2


def test_windows_of_a_detector_stay_within_a_person_and_a_recording() -> None:
    table = _table()
    values = np.stack([table["x"], table["y"]], axis=1).astype(np.float32)
    one = Recording(name="r", values=values, groups=table["who"], sessions=table["take"], time=table["t"].astype(float))
    dataset = DataSet(name="d", columns=_predictor().manifest.columns, recordings=(one,), rate=0.05)
    watched = watched_of(dataset, WindowSpec(samples=8, step=4, rate=0.05))
    assert sum(len(stretch.values) for stretch in watched.stretches) == len(_expected()[0])


def test_a_file_without_the_columns_is_one_recording() -> None:
    table = {name: cells for name, cells in _table().items() if name in ("x", "y")}
    answers = list(answer_rows(_predictor(), io.StringIO(_csv(table)), "rows"))
    assert len(answers) == len(_expected((sum(LENGTHS),))[1])


@pytest.mark.parametrize("block", [1, 2, 5, 64, 1000])
def test_blocks_of_any_size_are_cut_alike(block: int) -> None:
    table, boundaries, starts = _table(), Boundaries(COLUMNS), []
    for at in range(0, sum(LENGTHS), block):
        part = {name: cells[at : at + block] for name, cells in table.items()}
        starts += [at + row for row in boundaries.starts(part, len(part["t"]))]
    assert starts == BEGINS[1:-1].tolist()


@pytest.mark.parametrize(
    ("times", "starts"),
    [
        (["2026-01-01T00:00:00", "2026-01-01T00:00:01", "2026-01-01T00:00:02", "2026-01-01T01:00:00Z"], [3]),
        (["0", "1", "2", "", "4", "5", "", "40"], [7]),
        (["", "nan", "NaT", "None"], []),
        (["5", "5", "5", "5"], []),
        (["1"], []),
        ([], []),
    ],
)
def test_clocks_that_cannot_tell_say_nothing(times: list[str], starts: list[int]) -> None:
    cells = {"t": np.array(times, np.str_)}
    assert Boundaries(RecordingColumns(time="t")).starts(cells, len(times)) == starts


@pytest.mark.parametrize(
    ("unit", "cell", "expected"),
    [
        ("dmy", "12/25/2024 10:00", "dates with the day first, as in training"),
        ("mdy", "25/12/2024 10:00", "dates with the month first, as in training"),
        ("auto", "3/4/2024 10:00", "dates whose order of day and month is clear, as in training"),
        ("auto", "one", "times such as 2024-05-01T12:00:00, 12:00:00.5 or numbers of seconds, as in training"),
    ],
)
def test_a_column_of_times_that_nobody_can_read_is_refused(unit: TimeUnit, cell: str, expected: str) -> None:
    columns = msgspec.structs.replace(COLUMNS, time_unit=unit)
    text = _csv({**_table(), "t": np.array(["", *[cell] * (sum(LENGTHS) - 1)])})
    with pytest.raises(TimeFormatError) as error:
        list(answer_rows(_predictor(columns), io.StringIO(text), "new.csv"))
    assert (error.value.expected, error.value.got) == (expected, repr(cell))
    assert error.value.where == "new.csv line 2, column t"
    assert "Write the times as in 2024-05-01T12:00:00" in error.value.do
    boundaries = Boundaries(RecordingColumns(time="t", time_unit=unit))
    boundaries.starts({"t": np.array(["2024-01-01"])}, 1)
    for _ in range(19):  # a row that was spoilt on its way says nothing
        boundaries.starts({"t": np.array([cell])}, 1)
    with pytest.raises(TimeFormatError):
        boundaries.starts({"t": np.array([cell])}, 1)


@pytest.mark.parametrize("stamp", ["datetime64[ns]", "datetime64[us]", "datetime64[s]"])
def test_frames_of_dates_and_times_of_day_keep_their_clock(stamp: str) -> None:
    rows = sum(LENGTHS)
    hours = np.arange(rows) + np.where(np.arange(rows) >= 20, 30, 0)
    frame = pd.DataFrame({
        "Date": (np.datetime64("2024-12-25") + hours // 24).astype(stamp),
        "Time": [f"{hour % 24:02}:00" for hour in hours],
        "x": np.ones(rows), "y": np.ones(rows),
    })  # fmt: skip
    manifest = _predictor(RecordingColumns(time="Date + Time")).manifest
    assert len(to_samples(frame, manifest)) == len(_expected((20, rows - 20))[1])
    alone = pd.DataFrame({**frame, "t": (np.datetime64("2024-12-25T00") + hours).astype(stamp)})
    manifest = _predictor(RecordingColumns(time="t", time_unit="s")).manifest
    assert len(to_samples(alone, manifest)) == len(_expected((20, rows - 20))[1])


def test_too_few_rows_of_any_recording_are_an_error() -> None:
    table = {name: cells[18:26] for name, cells in _table().items()}
    with pytest.raises(Exception, match="at least 8 rows, one window"):
        list(answer_rows(_predictor(), io.StringIO(_csv(table)), "rows"))
