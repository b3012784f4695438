"""Sensors of one board are turned together when windows are copied as if it were worn another way."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.race.stages import body_axes
from edgewright.training.augmentations.remount import RemountConfig, apply


def board(*names: str) -> DataSet:
    """Return two people's readings at 50 Hz; the first three columns named for acceleration hold gravity."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.3, (2, 400, len(names))).astype(np.float32)
    values[:, :, next(n for n, name in enumerate(names) if name.lower().endswith("z"))] += 9.81
    label = np.where(np.arange(400) < 200, "still", "moving")
    recordings = tuple(
        Recording(name=f"r{n}", values=values[n], target=label, groups=np.full(400, f"p{n}")) for n in range(2)
    )
    return DataSet(name="board", columns=tuple(Column(name=name) for name in names), recordings=recordings, rate=50.0)


def groups(dataset: DataSet) -> list[list[int]]:
    return body_axes(dataset, 100)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("acc_x acc_y acc_z gyro_x gyro_y gyro_z", [[0, 1, 2], [3, 4, 5]]),
        ("gyr.z gyr.y gyr.x Acc.x Acc.y Acc.z", [[3, 4, 5], [2, 1, 0]]),
        ("x y z gyroX gyroY gyroZ", [[0, 1, 2], [3, 4, 5]]),
        ("acceleration_x acceleration_y acceleration_z angular_velocity_x angular_velocity_y angular_velocity_z",
         [[0, 1, 2], [3, 4, 5]]),
        ("wrist_acc_x wrist_acc_y wrist_acc_z ankle_gyro_x ankle_gyro_y ankle_gyro_z wrist_gyro_x wrist_gyro_y "
         "wrist_gyro_z", [[0, 1, 2], [6, 7, 8]]),
        ("acc_left_x acc_left_y acc_left_z rotation_rate_left_x rotation_rate_left_y rotation_rate_left_z",
         [[0, 1, 2], [3, 4, 5]]),
        ("acc_x acc_y acc_z temperature", [[0, 1, 2]]),
        ("acc_x acc_y acc_z gyro_x gyro_y", [[0, 1, 2]]),
        # Angles and the vector part of a quaternion do not turn as a vector of rates does.
        ("acc_x acc_y acc_z angle_x angle_y angle_z range_x range_y range_z", [[0, 1, 2]]),
        ("acc_x acc_y acc_z rotation_vector_x rotation_vector_y rotation_vector_z", [[0, 1, 2]]),
    ],
)  # fmt: skip
def test_the_gyroscope_of_a_board_turns_with_its_accelerometer(names: str, expected: list[list[int]]) -> None:
    assert groups(board(*names.split())) == expected


def test_copies_are_those_of_a_board_that_was_turned() -> None:
    """Acceleration and rotation keep the angle between them, up to the gain that each sensor has."""
    dataset = board("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
    windows = np.random.default_rng(1).normal(size=(300, 6, 100)).astype(np.float32)
    config = RemountConfig(groups=tuple(map(tuple, groups(dataset))), stretch=0.0)
    copies = apply(config, windows, np.random.default_rng(2))

    def between(x: NDArray[np.float32]) -> NDArray[np.float64]:
        first, second = x[:, :3].astype(np.float64), x[:, 3:].astype(np.float64)
        return np.asarray((first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1))

    np.testing.assert_allclose(between(copies), between(windows), atol=1e-4)
    assert np.abs(copies - windows).mean() > 0.05
