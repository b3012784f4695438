"""Units that nobody declared: guessed from names and values, said with the reason, and nothing is changed."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.records.data import Column, DataSet, Floats, Recording
from edgewright.workflows.own_data.document import choices, data_document, guess_units
from edgewright.workflows.own_data.proposal import OwnDataRequest, Proposal, look
from support import shared_data

ROWS = 2000


def dataset(values: Floats, names: Sequence[str], units: Sequence[str] = ()) -> DataSet:
    columns = tuple(Column(name=name, unit=units[i] if units else "") for i, name in enumerate(names))
    return DataSet(name="made", columns=columns, recordings=(Recording(name="a", values=values.astype(np.float32)),))


def guessed(values: Floats, *names: str) -> dict[str, str]:
    return {name: one.unit for one in guess_units(dataset(values, names)) for name in one.columns}


def at_rest(one_g: float, *, whole: bool) -> Floats:
    """Return an accelerometer that lies in several ways, with noise of 2 % of gravity."""
    generator = np.random.default_rng(3)
    turned = np.repeat(generator.normal(size=(20, 3)), ROWS // 20, axis=0)
    gravity = turned / np.linalg.norm(turned, axis=1, keepdims=True) + generator.normal(0, 0.02, (ROWS, 3))
    return np.asarray(np.round(gravity * one_g) if whole else gravity * one_g, dtype=np.float32)


def one_column(low: float, high: float) -> Floats:
    return np.linspace(low, high, ROWS, dtype=np.float32)[:, None]


@pytest.mark.parametrize(
    ("one_g", "whole", "unit"),
    [
        (1.0, False, "g"),
        (9.80665, False, "m/s²"),
        (1000.0, True, "mg"),
        (4096.0, True, "raw counts, about 4,096 to 1 g"),
        (8192.0, True, "raw counts, about 8,192 to 1 g"),
        (16384.0, True, "raw counts, about 16,384 to 1 g"),
    ],
)
def test_an_accelerometer_is_known_by_gravity(one_g: float, whole: bool, unit: str) -> None:
    values = at_rest(one_g, whole=whole)
    assert guessed(values, "acc_x", "acc_y", "acc_z") == dict.fromkeys(("acc_x", "acc_y", "acc_z"), unit)
    # Whatever else the numbers are, a half of gravity fits no unit.
    assert guessed(values * np.float32(0.55), "acc_x", "acc_y", "acc_z") == {}


def test_whole_numbers_near_a_thousand_may_be_raw_counts() -> None:
    (one,) = guess_units(dataset(at_rest(1024.0, whole=True), ("acc_x", "acc_y", "acc_z")))
    assert one.unit == "mg"
    assert "raw counts of 1,024 to 1 g would look alike" in one.sentence
    assert "no value was changed" in one.sentence


@pytest.mark.parametrize(
    ("name", "low", "high", "unit"),
    [
        ("pump_temp_degC", 500, 900, "°C"),
        ("oilTempC", 70, 90, "°C"),
        ("temp_f", 60, 80, "°F"),
        ("battery_pct", 0, 1, "%"),
        ("accel_x_mg", -50, 40, "mg"),
        ("acc_norm_g", 0, 3, "g"),
        ("gyro_x_dps", 0, 3, "deg/s"),
        ("turn_rad_s", 0, 3, "rad/s"),
        ("temperature", 15, 30, "°C"),
        ("temperature", 290, 300, "K"),
        ("temperature", 60, 80, ""),  # °C of a machine or °F of a room
        ("humidity", 20, 80, "%"),
        ("humidity", 0.2, 0.8, "fraction of 1"),
        ("HumidityRatio", 0.002, 0.006, ""),
        ("gyr_x", -180, 200, "deg/s"),
        ("gyr_x", -1, 2, ""),  # slow in deg/s or fast in rad/s
        ("vitamin_c", 0, 3, ""),
        ("tag", 0, 3, ""),
    ],
)
def test_a_name_or_the_values_say_the_unit(name: str, low: float, high: float, unit: str) -> None:
    assert guessed(one_column(low, high), name) == ({name: unit} if unit else {})


@pytest.mark.parametrize(("moved", "unit"), [(1.0, "rad/s"), (0.0, "")])
def test_a_gyroscope_that_turns_little_measures_radians_where_it_is_moved(moved: float, unit: str) -> None:
    accelerometer = at_rest(1.0, whole=False) * (1.0 + moved * 0.3 * np.sin(np.arange(ROWS))[:, None])
    names = ("acc_x", "acc_y", "acc_z", "gyro_x")
    units = guessed(np.hstack([accelerometer, one_column(-1, 2)]), *names)
    assert units.pop("gyro_x", "") == unit
    assert units == dict.fromkeys(names[:3], "g")


def test_raw_counts_of_a_gyroscope_are_whole_numbers_beyond_its_range() -> None:
    assert guessed(np.round(one_column(-20_000, 25_000)), "gyro_x") == {"gyro_x": "raw counts"}
    assert guessed(one_column(-20_000, 25_000.5), "gyro_x") == {}


def test_a_declared_unit_is_never_guessed_over_and_missing_values_say_nothing() -> None:
    declared = dataset(one_column(290, 300), ["temperature"], ["K"])
    assert guess_units(declared) == ()
    assert guessed(np.full((ROWS, 1), np.nan, dtype=np.float32), "temperature") == {}


def proposal(path: Path, target: str = "") -> Proposal:
    table = {"data": {}, "device": {"profile": "cortex-m4"}}
    return Proposal(look(OwnDataRequest(path=str(path), target=target)), table, {})


def test_the_watch_of_wisdm_measures_metres_per_second_squared(tmp_path: Path) -> None:
    file = tmp_path / "watch.csv"
    file.write_bytes(gzip.decompress((shared_data("har-wisdm-watch") / "data_1600_accel_watch.csv.gz").read_bytes()))
    proposed = proposal(file)
    assert any(line.startswith("Unit: x, y, z: m/s², a GUESS: the median magnitude") for line in choices(proposed))
    assert "| x | reading | m/s² (guess) |" in data_document(proposed, "watch.csv")


@pytest.mark.slow
def test_the_phone_of_hapt_measures_g_and_radians(tmp_path: Path) -> None:
    for file in sorted(shared_data("har-hapt").glob("exp0*.csv.gz"))[:2]:
        shutil.copyfile(file, tmp_path / file.name)
    guessed = {one.columns: one.unit for one in guess_units(proposal(tmp_path, "activity_id").data.dataset)}
    assert guessed == {("acc_x", "acc_y", "acc_z"): "g", ("gyro_x", "gyro_y", "gyro_z"): "rad/s"}


def test_the_office_of_occupancy_has_degrees_and_per_cent(tmp_path: Path) -> None:
    shutil.copyfile(shared_data("occupancy") / "datatraining.txt", tmp_path / "room.txt")
    guessed = {one.columns: one.unit for one in guess_units(proposal(tmp_path / "room.txt").data.dataset)}
    assert guessed == {("Temperature",): "°C", ("Humidity",): "%"}
