"""Plausible errors of sensors: by unit and name of each column, and none of times, counts and one-hot columns."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Floats, Recording, Samples
from edgewright.data.clock import axis_pairs, kind_of, sensors_of
from edgewright.data.samples import cut
from edgewright.pipeline.evaluation.robustness import plausible_changes


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [
        ("acc_x", "", "acceleration"), ("x", "", "other"), ("wrist", "m/s²", "acceleration"),
        ("gyro_z", "", "rotation"), ("body", "deg/s", "rotation"), ("ecg", "", "signal"), ("lead", "mV", "signal"),
        ("bearing_temperature", "°C", "temperature"), ("Temp", "", "temperature"), ("tempo", "", "other"),
        ("temperature_trend", "", "other"), ("pressure_std", "hPa", "other"), ("pressure", "hPa", "pressure"),
        ("barometer", "", "pressure"), ("pressure", "bar", "pressure"), ("humidity", "%", "other"),
        ("timestamp", "", "time"), ("Tool wear", "min", "time"), ("age", "", "time"), ("usage", "", "other"),
        ("hour", "", "time"), ("steps", "", "count"), ("error_count", "", "count"), ("account", "", "other"),
        ("Type=H", "", "category"), ("temperature=high", "", "category"),
    ],
)  # fmt: skip
def test_the_kind_of_a_column_comes_from_its_unit_and_name(name: str, unit: str, kind: str) -> None:
    assert kind_of(Column(name=name, unit=unit)) == kind


def columns(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name) for name in names)


def test_axes_are_one_sensor_and_times_and_counts_none() -> None:
    mixed = columns("acc_x", "acc_y", "acc_z", "gx", "gy", "gz", "time", "steps", "light", "day=mon", "max", "may")
    assert sensors_of(mixed) == {"acc": [0, 1, 2], "g": [3, 4, 5], "light": [8], "max": [10], "may": [11]}
    assert axis_pairs(mixed) == [(0, 1), (3, 4)]
    assert sensors_of(columns("x", "y", "z")) == {"x, y, z": [0, 1, 2]}


def changes(given: tuple[Column, ...], X: Floats) -> dict[str, Floats]:
    """Return the change that each plausible error makes to rows or windows."""
    y = np.full(len(X), "a")
    samples = Samples(
        X=X, y=y, groups=None, sessions=np.full(len(X), "s"), starts=np.arange(len(X)), columns=given, rate=None
    )
    dataset = DataSet(name="d", columns=given, recordings=(Recording(name="r", values=X.reshape(len(X), -1)),))
    plausible = plausible_changes(dataset, samples, None, frozenset(), np.arange(len(X)))
    return {name: np.asarray(changed) - X for name, changed, _ in plausible}


def test_each_kind_has_its_own_error_and_the_rest_stays() -> None:
    given = (
        Column(name="pressure", unit="hPa"), Column(name="inlet", unit="Pa"), Column(name="oven_temp", unit="°F"),
        Column(name="time"), Column(name="Type=H"), Column(name="steps"),
    )  # fmt: skip
    X = np.tile(np.array([1013, 101_300, 350, 7, 1, 12], np.float32), (5, 1))
    differences = changes(given, X)
    assert sorted(differences) == [
        "inlet missing", "oven_temp missing", "pressure +2 hPa", "pressure -2 hPa", "pressure missing",
        "temperature +1 °C", "temperature -1 °C",
    ]  # fmt: skip
    np.testing.assert_allclose(differences["pressure +2 hPa"][0], [2, 200, 0, 0, 0, 0], atol=0.01)
    np.testing.assert_allclose(differences["temperature -1 °C"][0], [0, 0, -1.8, 0, 0, 0], atol=1e-4)
    assert np.isnan(differences["inlet missing"]).sum(axis=0).tolist() == [0, 5, 0, 0, 0, 0]


@pytest.mark.parametrize(("usual", "size"), [(1013.0, 2.0), (101_300.0, 200.0), (101.3, 0.2), (5.0, None)])
def test_a_pressure_without_a_unit_is_one_of_air_by_its_values(usual: float, size: float | None) -> None:
    differences = changes(columns("pressure", "light"), np.full((9, 2), usual, np.float32))
    step = differences.get("pressure +2 hPa")
    assert (None if step is None else round(float(step[0, 0]), 2)) == size


def test_motion_has_gains_and_swapped_axes_and_a_silent_triple() -> None:
    names = columns("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
    X = np.random.default_rng(0).normal(size=(4, 6, 8)).astype(np.float32)
    differences = changes(names, X)
    assert list(differences) == [
        "acceleration gain +5 %", "acceleration gain -5 %", "rotation gain +5 %", "rotation gain -5 %",
        "axes x and y swapped", "acc missing", "gyro missing",
    ]  # fmt: skip
    np.testing.assert_allclose(differences["rotation gain -5 %"][:, 3:], -0.05 * X[:, 3:], atol=1e-6)
    assert not differences["rotation gain -5 %"][:, :3].any()
    np.testing.assert_allclose(differences["axes x and y swapped"][:, 3], X[:, 4] - X[:, 3], atol=1e-6)
    assert np.isnan(differences["gyro missing"])[:, 3:].all()
    assert not np.isnan(differences["gyro missing"])[:, :3].any()


def test_a_single_sensor_is_not_taken_away() -> None:
    assert list(changes(columns("ecg"), np.ones((3, 1, 5), np.float32))) == ["signal gain +5 %", "signal gain -5 %"]
    assert not changes(columns("light"), np.ones((3, 1), np.float32))


@pytest.mark.parametrize("rows", [60, 101])
def test_another_rate_reads_the_same_line_at_other_times_in_recordings_of_the_test_groups_alone(rows: int) -> None:
    line = np.arange(rows, dtype=np.float32)
    recordings = tuple(
        Recording(
            name=group, values=np.stack([10.0 * number + line, -line], axis=1), groups=np.full(rows, group),
            target=np.where(line < 30, f"{group} first", f"{group} second"), time=line.astype(np.float64),
        )
        for number, group in enumerate(("a", "b", "c"))
    )  # fmt: skip
    dataset = DataSet(name="d", columns=columns("ramp", "fall"), recordings=recordings, rate=50.0, target_name="y")
    window = WindowConfig(samples=5, step=1)
    samples = cut(dataset, window)
    rates = {
        name: (np.asarray(X), np.asarray(y))
        for name, X, y in plausible_changes(dataset, samples, window, frozenset({"b"}), np.arange(len(samples.y)))
        if name.startswith("sampling rate")
    }
    assert list(rates) == ["sampling rate +2 %", "sampling rate -2 %"]
    for (X, y), factor in zip(rates.values(), (1.02, 0.98), strict=True):
        times = np.arange(2 * rows) / factor
        times = times[: int(rows * factor)][times[: int(rows * factor)] <= rows - 1]
        parts = [times[np.round(times) < 30], times[np.round(times) >= 30]]
        starts = np.concatenate([part[: len(part) - 4] for part in parts])
        expected = starts[:, None] + np.arange(5) / factor
        np.testing.assert_allclose(X, np.stack([10.0 + expected, -expected], axis=1), atol=1e-4)
        assert y.tolist() == ["b first"] * (len(parts[0]) - 4) + ["b second"] * (len(parts[1]) - 4)
    # Recordings of one window each have none at a lower rate.
    short = DataSet(
        name="d", columns=dataset.columns, recordings=tuple(stretch(part, rows) for part in recordings), rate=50.0,
        target_name="y",
    )  # fmt: skip
    whole = WindowConfig(samples=rows, step=1)
    left = plausible_changes(short, cut(short, whole), whole, frozenset({"b", "c"}), np.arange(3))
    assert [(name, len(X)) for name, X, _ in left if name.startswith("sampling")] == [
        ("sampling rate +2 %", 2 * (int(rows * 1.02) - rows + 1))
    ]


def test_another_rate_of_long_recordings_writes_no_name_for_each_row() -> None:
    rows = 200_000
    groups = np.broadcast_to(np.array("person " * 40), rows)
    target = np.where(np.arange(rows) < 10, "a", np.where(np.arange(rows) < 20, "b", ""))
    values = np.ones((rows, 1), np.float32)
    recordings = tuple(Recording(name=name, values=values, target=target, groups=groups) for name in ("c", "d"))
    dataset = DataSet(name="d", columns=columns("light"), recordings=recordings, rate=50.0, target_name="y")
    window = WindowConfig(samples=5, step=1, within="label")
    samples = cut(dataset, window)
    tracemalloc.start()
    plausible = plausible_changes(dataset, samples, window, frozenset({"person " * 40}), np.arange(len(samples.y)))
    changed = [name for name, _, _ in plausible]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert changed == ["sampling rate +2 %", "sampling rate -2 %"]
    # A name of 280 letters takes 1,120 bytes.
    assert peak < 200 * rows


def stretch(recording: Recording, rows: int) -> Recording:
    """Return a recording with one label."""
    return Recording(
        name=recording.name, values=recording.values, groups=recording.groups, target=np.full(rows, recording.name)
    )
