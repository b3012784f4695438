"""Rows whose columns are values one after the other: series, spectra, several channels, and what is none of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from edgewright.core.csv.header import families
from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import CsvHeaderError, UnknownNameError
from edgewright.core.records.data import Column, DataSet, Floats, Recording
from edgewright.data.roles import assign_roles
from edgewright.data.series import find_series
from edgewright.data.table_proposal import choose_framing, propose_table
from edgewright.pipeline.config import checked
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.preprocessing.series import STAGE
from edgewright.race.pipeline_end import entrants_of
from edgewright.race.problem import problem_of_training
from edgewright.workflows.own_data.document import data_document
from edgewright.workflows.own_data.proposal import OwnDataRequest, propose
from edgewright.workflows.own_data.recipes import Recipe
from stage_examples import run_graph, unfitted
from support import shared_data


@pytest.fixture(scope="module")
def beats() -> Floats:
    rows = np.loadtxt(shared_data("ecg200") / "ECG200_TRAIN.tsv")
    return rows[:, 1:].astype(np.float32)


def names(stem: str, count: int, first: int = 0, unit: str = "") -> list[str]:
    return [f"{stem}{first + number}{unit}" for number in range(count)]


def dataset(columns: Sequence[str], values: Any, target: Any) -> DataSet:  # noqa: ANN401 - arrays
    recording = Recording(name="one", values=np.asarray(values, np.float32), target=np.asarray(target))
    return DataSet(name="made", columns=tuple(Column(name=n) for n in columns), recordings=(recording,))


def test_a_family_of_columns_differs_in_the_number_of_which_there_are_most() -> None:
    column_families = families(["ch2_t1", "ch2_t0", "ch1_t0", "ch1_t1", "ch1_t10", "ch2_t10", "label"])
    assert column_families == {
        "ch2_t#": {0.0: "ch2_t0", 1.0: "ch2_t1", 10.0: "ch2_t10"},
        "ch1_t#": {0.0: "ch1_t0", 1.0: "ch1_t1", 10.0: "ch1_t10"},
    }
    assert list(families(["402.5 nm", "400 nm", "-1 nm"])["# nm"]) == [-1.0, 400.0, 402.5]


@pytest.mark.parametrize("stem", ["x_", "V", "sample", "", "ecg "])
def test_numbered_columns_with_alike_neighbours_are_a_series(beats: Floats, stem: str) -> None:
    series = find_series(names(stem, 96, 1), beats)
    assert series is not None
    assert series.description == f"a series of 96 values, {stem}1 to {stem}96"


def test_columns_in_the_order_of_the_alphabet_are_put_in_that_of_their_numbers(beats: Floats) -> None:
    order = sorted(range(96), key=str)
    series = find_series([f"x{number}" for number in order], beats[:, order])
    assert series is not None
    assert series.columns == tuple(names("x", 96))


def test_interleaved_columns_are_channels(beats: Floats) -> None:
    values = np.stack([beats, beats[:, ::-1]], axis=2).reshape(len(beats), -1)
    series = find_series([f"{axis}_{number}" for number in range(96) for axis in ("ax", "ay")], values)
    assert series is not None
    assert series.description == "a series of 2 channels of 96 values, ax_0 to ax_95; ay_0 to ay_95"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([f"{400 + 2.5 * n:g} nm" for n in range(96)], "a spectrum of 96 values, 400 nm to 637.5 nm"),
        (names("", 96, 900), "a spectrum of 96 values, 900 to 995"),
        (names("wavenumber_", 96, 900), "a spectrum of 96 values, wavenumber_900 to wavenumber_995"),
    ],
)
def test_wavelengths_are_a_spectrum(beats: Floats, columns: list[str], message: str) -> None:
    series = find_series(columns, beats)
    assert series is not None
    assert series.description == message


def test_features_are_no_series_however_they_are_numbered(beats: Floats) -> None:
    rng = np.random.default_rng(0)
    tables: dict[str, Any] = {
        "cancer": load_breast_cancer().data,
        "digits": load_digits().data,
        "rising means": rng.normal(size=(200, 30)) + np.linspace(0, 10, 30),
        "one cause": rng.normal(size=(200, 30)) + 3 * rng.normal(size=(200, 1)),
        "mixed": beats[:, rng.permutation(96)],
    }
    for name, values in tables.items():
        assert find_series(names("feature_", values.shape[1]), values) is None, name
    assert find_series(names("pixel", 96), beats) is None
    assert find_series(names("T", 30, 1), np.asarray(rng.normal(size=(200, 30)), np.float32)) is None
    assert find_series([*names("x", 96), *names("y", 40), *names("z", 30)], np.tile(beats, 2)[:, :166]) is None


def test_independent_sensors_are_no_series_by_their_names(beats: Floats) -> None:
    values: Any = np.random.default_rng(0).normal(size=(200, 20))
    assert find_series(names("T", 20), values) is None
    assert find_series(names("T", 20), values + 30 * np.random.default_rng(1).normal(size=20)) is None
    alternating = np.where(np.arange(20) % 2, 1, -1) * np.cumsum(values, axis=1)
    assert find_series(names("T", 20), alternating) is None
    assert find_series(names("t", 20), alternating) is not None
    assert find_series(names("T", 96), beats) is not None


@pytest.mark.parametrize(("groups", "each"), [(5, 6), (3, 10), (2, 15)])
def test_groups_of_alike_features_are_no_series(groups: int, each: int) -> None:
    rng = np.random.default_rng(0)
    values: Any = np.repeat(rng.normal(size=(200, groups)), each, axis=1) + 0.2 * rng.normal(size=(200, groups * each))
    assert find_series(names("f", groups * each, 1), values) is None


def test_missing_values_hide_no_series(beats: Floats) -> None:
    rng = np.random.default_rng(0)
    values: Any = np.where(rng.random(beats.shape) < 0.3, np.nan, beats)
    values[3] = np.nan
    assert find_series(names("x", 96), values) is not None
    assert find_series(names("x", 96), values * np.nan) is None
    assert find_series(names("x", 96), values[:0]) is None


def test_channels_of_a_stream_are_no_series_of_their_own() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.arange(2000), np.arange(32)
    waves: Any = np.sin(rows[:, None] / 5 + columns / 4 + rng.uniform(0, 6)) + 0.05 * rng.normal(size=(2000, 32))
    target = np.where((rows // 500) % 2 == 0, "still", "moving")
    assert find_series(names("emg", 32), waves) is not None
    choice = choose_framing(dataset(names("emg", 32), waves, target))
    assert (choice.kind, choice.window is None) == ("window", False)


def test_rows_of_recordings_stay_together_and_a_few_series_a_session_do_not(beats: Floats) -> None:
    rng = np.random.default_rng(0)
    for rows, kind in ((30, "recording"), (5, "series")):
        values = beats[rng.integers(0, 100, 40 * rows)]
        recordings = tuple(
            Recording(name=str(n), values=values[n * rows : (n + 1) * rows], target=np.full(rows, "ab"[n % 2]))
            for n in range(40)
        )
        columns = tuple(Column(name=name) for name in names("x", 96))
        assert choose_framing(DataSet(name="made", columns=columns, recordings=recordings)).kind == kind


def test_the_reason_of_rows_says_that_numbered_columns_are_no_series() -> None:
    values = np.random.default_rng(0).normal(size=(100, 30))
    choice = choose_framing(dataset(names("feature_", 30, 1), values, np.tile(["a", "b"], 50)))
    assert choice.kind == "row"
    assert choice.why.endswith("feature_1 to feature_30 are readings of their own, because neighbours are not alike")


def test_every_value_of_a_series_is_an_input_and_none_is_another_part(beats: Floats) -> None:
    values = np.round(beats, 3)
    values[:, 0] = 0.0
    cells = dict(zip(names("t", 96), values.T.astype(np.str_), strict=True))
    y = np.where(np.arange(100) % 2, "normal", "odd")
    roles = assign_roles({"age": np.arange(100).astype(np.str_), **cells, "label": y}, {})
    assert roles.target == "label"
    assert set(names("t", 96)) <= set(roles.readings)
    assert (roles.group, roles.session, roles.time) == ("", "", "")
    assert roles.series is not None


def test_wavelengths_are_names_of_columns_and_a_row_of_readings_is_none(beats: Floats, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    for header in (range(900, 1092, 2), range(4000, 3232, -8)):
        path.write_text("\n".join(",".join(map(str, row)) for row in (list(header), *beats[:3].tolist())) + "\n")
        rows = read_csv(path, name="new.csv")
        assert rows.names == tuple(map(str, header))
        assert rows.values.shape == (3, 96)
    path.write_text("\n".join(",".join(str(10 * n + k) for n in range(1, 21)) for k in range(3)) + "\n")
    with pytest.raises(CsvHeaderError):
        read_csv(path, name="new.csv")
    for row in (beats[0], np.ones(96), np.sort(beats[0]) ** 3):
        path.write_text("\n".join(",".join(map(str, one)) for one in (row.tolist(), *beats[:3].tolist())) + "\n")
        with pytest.raises(CsvHeaderError):
            read_csv(path, name="new.csv")


def written(path: Path, columns: Sequence[str], values: Floats) -> Path:
    lines = [",".join([*columns, "label"])]
    lines += [",".join([*(f"{v:.4f}" for v in row), "ab"[n % 2]]) for n, row in enumerate(values)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_commands_without_a_pipeline_say_that_rows_are_a_series(beats: Floats, tmp_path: Path) -> None:
    path = written(tmp_path / "beats.csv", names("x", 96), beats)
    assert "each row is a series of 96 values, x0 to x95" in propose_table(str(path), {"target": "label"}).sentence


def test_a_window_is_made_of_the_columns_of_its_channels() -> None:
    X = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    columns = ("age", "b_1", "a_1", "b_0", "a_0", "b_10", "a_10")
    stage = unfitted(STAGE, {"channels": ["a_#", "b_#"]}, names=columns).fit(X)
    expected = X[:, [[4, 2, 6], [3, 1, 5]]]
    np.testing.assert_array_equal(stage.transform(X), expected)
    np.testing.assert_array_equal(run_graph(stage, X), expected)
    assert list(stage.get_feature_names_out()) == ["a_#", "b_#"]
    with pytest.raises(UnknownNameError, match="c_#"):
        unfitted(STAGE, {"channels": ["c_#"]}, names=columns)


def test_channels_and_a_reading_beside_them_race_as_a_series(beats: Floats, tmp_path: Path) -> None:
    values = np.concatenate([np.arange(100)[:, None], beats, beats[:, ::-1]], axis=1)
    columns = ["age", *names("ax_", 96), *names("ay_", 96)]
    path = written(tmp_path / "beats.csv", columns, values)
    config = checked({"name": "p", "data": {"kind": "csv", "path": str(path), "target": "label"},
                      "model": {"kind": "linear"}}, "p")  # fmt: skip
    problem = problem_of_training(prepare(data_plan(config), None))
    stages = {entrant.name: entrant.config.stages for entrant in entrants_of(problem, config)}
    series = {"kind": "series", "channels": ["ax_#", "ay_#"]}
    assert stages["kernels"] == ({"kind": "impute"}, series, {"kind": "kernels"})
    assert stages["slopes"] == ({"kind": "impute"}, series, {"kind": "slopes"}, {"kind": "flatten"})
    assert stages["features_and_kernels"][1] == series
    assert [stage["kind"] for stage in stages["linear"]] == ["impute", "scale"]


def test_the_document_of_a_series_has_a_line_a_channel(beats: Floats, tmp_path: Path) -> None:
    values = beats.copy()
    values[:, 7] = np.nan
    path = written(tmp_path / "beats.csv", ["age", *names("x_", 96, 1)], np.c_[np.arange(100) % 60, values])
    text = path.read_text().replace("nan", "")
    path.write_text(text)
    proposal = propose(OwnDataRequest(path=str(path)), recipe_for=lambda framing: Recipe("none", "", {}))
    lines = data_document(proposal, "beats.csv").splitlines()
    assert "- A decision: each row is a series of 95 values, x_1 to x_96" in lines
    assert [line for line in lines if "| series of 95 values |" in line]
    assert [line.split(" | ")[:2] for line in lines if line.startswith("| ")][1:] == [
        ["| age", "reading"], ["| x_1 to x_96", "series of 95 values"],
        ["| label", "target"], ["| x_8", "left out: empty"],
    ]  # fmt: skip
