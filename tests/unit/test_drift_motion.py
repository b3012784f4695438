"""Changes of motion sensors are named by how gravity turns and how large it is, or nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import DriftStateError
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording, Samples
from edgewright.core.records.package import MotionReference
from edgewright.data.clock import motion_sensors
from edgewright.data.samples import cut
from edgewright.monitor.drift.motion_estimates import Pieces, delay
from edgewright.monitor.drift.motion_monitor import MotionMonitor
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch
from edgewright.pipeline.package.motion import motion_reference
from edgewright.pipeline.package.packaging import reference

Rows = NDArray[np.float32]
RATE, RHYTHM = 25.0, 480.0
NAMES = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
COLUMNS = tuple(Column(name=name, unit="g" if name[0] == "a" else "rad/s") for name in NAMES)


@cache
def _person(seed: int, seconds: int = 300) -> Rows:
    """Somebody who turns to all sides, walks half of the time, and rests for the other half; steps of 1/1000."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    walks = (time // 20) % 2 == 0
    turn = np.repeat(rng.normal(0, 0.7, (count // 50 + 1, 3)), 50, axis=0)[:count]
    rotation = np.where(walks[:, None], turn + 0.8 * np.sin(2 * np.pi * 1.8 * time)[:, None], 0.0)
    gravity = np.zeros((count, 3))
    x, y, z = 1.0, 0.0, 0.0
    for row, (p, q, r) in enumerate((rotation / RATE).tolist()):
        x, y, z = x + y * r - z * q, y + z * p - x * r, z + x * q - y * p
        size = (x * x + y * y + z * z) ** 0.5
        x, y, z = x / size, y / size, z / size
        gravity[row] = x, y, z
    body = walks[:, None] * 0.25 * np.sin(2 * np.pi * 1.8 * time + rng.uniform(0, 6))[:, None] * np.array([1, 0.4, 0.3])
    rows = np.concatenate([gravity + body, rotation], axis=1) + rng.normal(0, 0.004, (count, 6))
    return np.asarray(np.rint(rows * 1000) / 1000, np.float32)


def _set(columns: tuple[Column, ...] = COLUMNS, factor: float = 1.0) -> DataSet:
    recordings = []
    for number in range(9):
        rows = _person(number)[:, : len(columns)] * np.float32(factor)
        groups, labels = np.full(len(rows), f"p{number}"), np.where(np.arange(len(rows)) % 500 < 250, "a", "b")
        recordings.append(Recording(name=f"r{number}", values=rows, groups=groups, target=labels))
    return DataSet(name="worn", columns=columns, recordings=tuple(recordings), rate=RATE, target_name="y")


@pytest.fixture(scope="module")
def known() -> tuple[Samples, MotionReference]:
    data = _set()
    samples = cut(data, WindowConfig(samples=50, step=50))
    motion = motion_reference(data, samples, np.arange(len(samples.y)))
    assert motion is not None
    return samples, motion


@pytest.fixture(scope="module")
def stream() -> Rows:
    return np.concatenate([_person(seed, 480) for seed in (100, 101)])


def _watch(known: tuple[Samples, MotionReference]) -> DriftWatch:
    samples, motion = known
    columns = reference(samples, np.arange(len(samples.y)))
    return DriftWatch(columns, RATE, DriftConfig(rhythm=RHYTHM), motion=MotionMonitor(motion, COLUMNS))


def _words(watch: DriftWatch, rows: Rows, packet: int = 10_000) -> list[str]:
    times = np.arange(len(rows)) / RATE
    events = [
        e for at in range(0, len(rows), packet) for e in watch.push(rows[at : at + packet], times[at : at + packet])
    ]
    return [event.detail.get("change", event.label) for event in events]


def _swap(rows: Rows) -> Rows:
    return np.ascontiguousarray(rows[:, [0, 2, 1, 3, 4, 5]])


def _times(*factors: float) -> Callable[[Rows], Rows]:
    return lambda rows: rows * np.asarray(factors, np.float32)


CHANGES: dict[str, Callable[[Rows], Rows]] = {
    "acc_y and acc_z swapped": _swap,
    "sign of gyro_z": _times(1, 1, 1, 1, 1, -1),
    "gain of acc_x, acc_y, acc_z": _times(1.1, 1.1, 1.1, 1, 1, 1),
    "offset of acc_z": lambda rows: rows + np.asarray([0, 0, 0.3, 0, 0, 0], np.float32),
    "offset of gyro_y": lambda rows: rows + np.asarray([0, 0, 0, 0, 0.2, 0], np.float32),
    "delay between sensors": lambda rows: np.concatenate([rows[:, :3], np.roll(rows[:, 3:], 4, axis=0)], axis=1),
    "units of gyro_x, gyro_y, gyro_z": _times(1, 1, 1, 57.3, 57.3, 57.3),
    "samples lost": lambda rows: rows[
        np.maximum.accumulate(np.where(np.arange(len(rows)) % 10, np.arange(len(rows)), 0))
    ],
}


@pytest.mark.parametrize("message", CHANGES)
def test_a_change_is_named_and_nothing_else(known: tuple[Samples, MotionReference], stream: Rows, message: str) -> None:
    rows = np.asarray(CHANGES[message](stream), np.float32)
    words = _words(_watch(known), rows)
    assert [text for text in words if text not in NAMES] == [message]


def test_another_wearer_as_he_is_gives_no_event(known: tuple[Samples, MotionReference], stream: Rows) -> None:
    assert _words(_watch(known), stream) == []


def test_packets_and_a_state_between_them_change_nothing(known: tuple[Samples, MotionReference], stream: Rows) -> None:
    rows = _swap(stream)
    first, second = _watch(known), _watch(known)
    words = _words(first, rows[:9000], packet=333)
    second.restore(first.state())
    assert second.state() == first.state()
    words += _words(second, rows[9000:], packet=777)
    assert words == ["acc_y and acc_z swapped"]
    assert len(first.state()) < 30_000
    assert second.motion is not None
    for wrong in (b"", b"12", second.motion.to_bytes()[:-1]):
        with pytest.raises(DriftStateError):
            second.motion.restore(wrong)


@pytest.mark.parametrize("rate", [10.0, 12.5, 20.0, 25.0])
def test_a_delay_is_measured_at_every_rate(rate: float) -> None:
    rows = _person(0).copy()
    rows[:, 3:] *= np.float32(rate / RATE)  # the same turns at another rate
    pieces = Pieces(rate, 1.0, 1.0)
    seen = []
    for shift in (-1, 0, 1):
        moved = np.concatenate([rows[:, :3], np.roll(rows[:, 3:], shift, axis=0)], axis=1)
        whole = len(moved) // pieces.rows
        sums = pieces.sums(moved[: whole * pieces.rows].reshape(whole, pieces.rows, 6))
        seen.append(delay(sums, pieces.lags))
    assert np.diff(seen) == pytest.approx([1, 1], abs=0.35), seen


def test_a_state_holds_changes_of_columns_with_long_names(known: tuple[Samples, MotionReference], stream: Rows) -> None:
    columns = tuple(Column(name=f"{column.name} of the {'left ' * 30}wrist", unit=column.unit) for column in COLUMNS)
    first, second = (MotionMonitor(known[1], columns) for _ in range(2))
    for begin in range(0, 12_000, 2000):
        first.push(stream[begin : begin + 2000] * np.float32(1.1) ** np.asarray([1, 1, 1, 0, 0, 0], np.float32))
        first.close()
    second.restore(first.to_bytes())
    assert second.to_bytes() == first.to_bytes()
    assert "left left" in first.to_bytes().decode("latin-1")


def test_rows_that_miss_a_value_are_left_out(known: tuple[Samples, MotionReference], stream: Rows) -> None:
    rows = stream.copy()
    rows[::997, 4] = np.nan
    assert _words(_watch(known), rows) == []


def test_a_package_lists_what_it_cannot_notice(known: tuple[Samples, MotionReference]) -> None:
    _, motion = known
    assert "acc_y and acc_z swapped" not in motion.unnoticed
    assert "a wrong sampling rate, where rows carry no times" in motion.unnoticed
    only = _set(COLUMNS[:3])
    samples = cut(only, WindowConfig(samples=50, step=50))
    alone = motion_reference(only, samples, np.arange(len(samples.y)))
    assert alone is not None
    assert any(text.startswith("swapped axes, signs") for text in alone.unnoticed)
    assert msgspec.json.decode(msgspec.json.encode(alone), type=MotionReference) == alone


def test_only_sensors_that_feel_gravity_are_compared_by_it() -> None:
    assert motion_sensors(COLUMNS) == ([0, 1, 2], [3, 4, 5])
    assert motion_sensors(COLUMNS[3:]) == ([], [])
    weak = _set(factor=0.3)
    samples = cut(weak, WindowConfig(samples=50, step=50))
    assert motion_reference(weak, samples, np.arange(len(samples.y))) is None
    metres = _set(factor=9.8)
    motion = motion_reference(metres, samples, np.arange(len(samples.y)))
    assert motion is not None
    assert motion.gravity == pytest.approx(9.80665)
