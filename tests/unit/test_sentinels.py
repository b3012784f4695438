"""Numbers that loggers write for a missing value: where they are sentinels, and how they are read."""

from __future__ import annotations

import warnings
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import small_pipeline
from cli_runner import Cli
from edgewright.core.errors import DataWarning
from edgewright.core.input.samples import without_sentinels
from edgewright.core.predictor import load
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.load import load_data
from edgewright.data.quality import find_sentinels
from edgewright.data.table_proposal import data_table
from edgewright.pipeline.config import read_config
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.workflows.own_data.proposal import OwnDataRequest, base_table, look

ROWS = 400
RNG = np.random.default_rng(5)
READING = RNG.normal(20.0, 3.0, ROWS)


def dataset(**columns: NDArray[np.float64]) -> DataSet:
    values = np.stack([*columns.values()], axis=1).astype(np.float32)
    names = tuple(Column(name=name) for name in columns)
    return DataSet(name="made", columns=names, recordings=(Recording(name="one", values=values),))


def with_value(value: float, cells: int = 8, reading: NDArray[np.float64] = READING) -> NDArray[np.float64]:
    column = reading.copy()
    column[:: ROWS // cells][:cells] = value
    return column


@pytest.mark.parametrize("value", [999999, -9999, -32768, -127, 99.9, -999.25, 255, 2**32 - 1, 1e20, -1e31, 9.96921e36])
def test_a_repeated_code_far_from_all_other_values_is_a_sentinel(value: float) -> None:
    sentinels = find_sentinels(dataset(plain=READING, odd=with_value(value)))
    assert [(one.column, one.cells) for one in sentinels] == [("odd", 8)]
    assert np.float32(sentinels[0].value) == np.float32(value)
    rest = READING[with_value(value) == READING]
    distance = min(abs(value - rest.min()), abs(value - rest.max()))
    assert sentinels[0].spreads == pytest.approx(distance / np.ptp(rest), rel=1e-3)


def test_several_sentinels_of_a_column_do_not_hide_each_other() -> None:
    column = with_value(-9999.0)
    column[3:9] = 9999.0
    column[5] = np.nan
    assert {(one.value, one.cells) for one in find_sentinels(dataset(a=column))} == {(-9999.0, 8), (9999.0, 5)}


def test_one_cell_is_a_sentinel_only_where_it_is_very_far() -> None:
    assert [one.cells for one in find_sentinels(dataset(a=with_value(999999.0, 1)))] == [1]
    assert find_sentinels(dataset(a=with_value(-127.0, 1))) == ()


@pytest.mark.parametrize(
    "column",
    [
        np.arange(ROWS) % 100.0,  # counts to 99
        np.clip(RNG.normal(0, 30_000, ROWS), -32768, 32767),  # a converter at its limits
        RNG.lognormal(0, 3, ROWS) + np.where(np.arange(ROWS) % 50 == 0, 999.0, 0.0),
        np.where(np.arange(ROWS) % 7 == 0, 255.0, 0.0),  # a flag
        np.where(np.arange(ROWS) % 2 == 0, 9999.0, np.arange(ROWS) % 10),  # few states
        np.full(ROWS, -9999.0),
        np.full(ROWS, np.nan),
        np.where(np.arange(ROWS) % 9 == 0, 0.0, READING + 5000),  # a pump that is off
    ],
)
def test_codes_among_the_values_of_a_column_are_measurements(column: NDArray[np.float64]) -> None:
    assert find_sentinels(dataset(a=column)) == ()


def test_85_degrees_is_a_sentinel_of_a_temperature_only() -> None:
    assert [one.column for one in find_sentinels(dataset(load=with_value(85.0), water_temp=with_value(85.0)))] == [
        "water_temp"
    ]


def test_an_amount_to_predict_and_configured_columns() -> None:
    labelled = dataset(a=with_value(-9999.0))
    recording = msgspec.structs.replace(labelled.recordings[0], target=with_value(999999.0))
    labelled = msgspec.structs.replace(labelled, recordings=(recording,), target_name="load")
    assert [one.column for one in find_sentinels(labelled)] == ["a", "load"]
    decided = msgspec.structs.replace(labelled, columns=(Column(name="a", missing_values=()),))
    assert [one.column for one in find_sentinels(decided)] == ["load"]


def test_sentinels_of_rows_and_windows_are_missing() -> None:
    columns = (Column(name="a", missing_values=(-9999.0, 85.0)), Column(name="b"))
    rows = np.array([[1, -9999], [-9999, 2], [85, 3]], np.float32)
    marked = without_sentinels(rows, columns)
    assert np.isnan(marked[:, 0]).tolist() == [False, True, True]
    assert marked[:, 1].tolist() == [-9999, 2, 3]
    assert np.isnan(without_sentinels(rows.T[None], columns)[0]).sum() == 2
    assert without_sentinels(rows[:1], columns) is not None
    assert not np.isnan(rows).any()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Write the rows of the small pipeline with -9999 in some cells of the column a."""
    rows = small_pipeline.rows()
    for row in rows[::20]:
        row[0] = "-9999"
    return small_pipeline.write_rows(tmp_path / "rows.csv", rows)


def test_init_reads_sentinels_as_missing_and_records_the_key(table: Path) -> None:
    request = OwnDataRequest(path=str(table))
    own = look(request)
    assert [(one.column, one.value, one.cells) for one in own.sentinels] == [("a", -9999.0, 6)]
    assert base_table(request, own)["data"]["missing_values"] == {"a": [-9999]}
    read = load_data(data_table(own.preview, own.roles), seed=0)
    np.testing.assert_array_equal(read.recordings[0].values, own.dataset.recordings[0].values)
    assert read.columns == own.dataset.columns
    assert int(np.isnan(read.recordings[0].values).sum()) == 6


def test_check_names_the_sentinel(table: Path, cli: Cli) -> None:
    findings = cli.json("check", table, "--target", "label")["quality"]["findings"]
    (finding,) = [one for one in findings if one["kind"] == "sentinel"]
    assert (finding["column"], finding["numbers"]["value"], finding["numbers"]["cells"]) == ("a", -9999.0, 6.0)


def test_a_run_without_the_key_warns_and_one_with_it_does_not(table: Path, tmp_path: Path) -> None:
    config = read_config(str(small_pipeline.write_toml(tmp_path / "p.toml", table)))
    with pytest.warns(DataWarning, match="-9999"):
        material = prepare(data_plan(config), None)
    assert not np.isnan(material.samples.X).any()
    config = msgspec.structs.replace(config, data={**config.data, "missing_values": {"a": [-9999]}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        material = prepare(data_plan(config), None)
    assert int(np.isnan(material.samples.X).sum()) == 6


@pytest.mark.slow
def test_a_package_reads_the_sentinels_of_its_training_as_missing(table: Path, tmp_path: Path) -> None:
    toml = small_pipeline.write_toml(tmp_path / "p.toml", table)
    result = small_pipeline.run_small(toml, tmp_path / "runs", "data.missing_values.a=[-9999]")
    predictor = load(result.folder)
    rows = np.array([[-9999, 1.0], [np.nan, 1.0], [0.5, -9999], [0.5, np.nan]], np.float32)
    sentinel, missing, number, absent = predictor.predict(rows).probabilities.tolist()
    assert sentinel == missing
    assert number != absent  # the column b has no sentinel
