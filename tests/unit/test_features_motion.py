"""Gravity, posture, unsteadiness and noise against signals whose answer is known."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import InputError
from edgewright.features import posture, spectral, statistics, unsteadiness
from edgewright.graph.stage import Stage
from edgewright.preprocessing import gravity
from stage_examples import unfitted

Estimator = Any  # scikit-learn carries no types
Floats = NDArray[np.float32]
NAMES = ("ax", "ay", "az", "gx", "gy", "gz")
ACC, GYRO = list(NAMES[:3]), list(NAMES[3:])
TIME = np.arange(128) / 50.0
build = partial(unfitted, samples=128, names=NAMES)


def channels(stage: Estimator, X: Floats) -> dict[str, NDArray[np.float64]]:
    result = np.moveaxis(stage.fit_transform(X), 1, 0).astype(np.float64)
    return dict(zip(stage.get_feature_names_out(), result, strict=True))


def window(acc: NDArray[np.float64], gyro: NDArray[np.float64] | None = None) -> Floats:
    both = np.concatenate([acc, np.zeros((3, 128)) if gyro is None else gyro])
    return both[None].astype(np.float32)


def bounce(amplitude: float, frequency: float, axis: int) -> Floats:
    """Return a device held with gravity along y that moves along one axis."""
    acc = np.zeros((3, 128))
    acc[1] = 1.0
    acc[axis] += amplitude * np.sin(2 * np.pi * frequency * TIME)
    return window(acc)


def test_movement_along_gravity_is_vertical_and_across_it_horizontal() -> None:
    stage = build(gravity.STAGE, {"acceleration": ACC})
    up, aside = channels(stage, bounce(0.3, 3.0, 1)), channels(stage, bounce(0.3, 3.0, 0))
    assert np.abs(up["body vertical"]).max() == pytest.approx(0.3, abs=0.03)
    assert up["body horizontal"].max() < 1e-3
    assert np.abs(aside["body vertical"]).max() < 5e-3
    assert aside["body horizontal"].max() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_allclose(up["body magnitude"], np.abs(up["body vertical"]), atol=2e-4)


def test_drift_and_body_make_up_the_acceleration() -> None:
    X = bounce(0.3, 3.0, 0)
    separated = channels(build(gravity.STAGE, {"acceleration": ACC, "cutoff": 0.5}), X)
    for index, name in enumerate(ACC):
        level = X[:, index].astype(np.float64).mean()
        np.testing.assert_allclose(
            separated[f"{name} drift"] + separated[f"{name} body"] + level, X[:, index], atol=1e-6
        )
        np.testing.assert_array_equal(separated[name], X[:, index])


def test_the_smoother_keeps_lines_and_halves_the_cutoff() -> None:
    matrix = gravity.smoother(512, 0.02).astype(np.float64)
    line = np.arange(512) / 512.0
    np.testing.assert_allclose(matrix @ line, line, atol=1e-5)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-7)
    tone = np.sin(2 * np.pi * 0.02 * np.arange(512))
    inside = slice(128, 384)
    assert np.ptp((matrix @ tone)[inside]) == pytest.approx(0.5 * np.ptp(tone[inside]), rel=0.02)


def test_free_fall_gives_ordinary_numbers() -> None:
    separated = channels(
        build(gravity.STAGE, {"acceleration": ACC, "rotation": GYRO}), np.zeros((2, 6, 128), np.float32)
    )
    assert all(np.isfinite(values).all() for values in separated.values())


def test_posture_is_the_direction_of_the_mean() -> None:
    X = np.zeros((1, 6, 128), np.float32)
    X[0, 0], X[0, 2] = 3.0, 4.0
    columns = channels(build(posture.STAGE, {"of": ACC, "name": "acc"}), X)
    assert [columns[f"{name} level"][0] for name in ACC] == [3.0, 0.0, 4.0]
    np.testing.assert_allclose([columns[f"{name} direction"][0] for name in ACC], [0.6, 0.0, 0.8], atol=1e-6)
    assert columns["acc level length"][0] == pytest.approx(5.0)


def test_unsteadiness_tells_a_burst_from_a_walk() -> None:
    walk = np.sin(2 * np.pi * 6.25 * TIME)
    burst = np.where(np.arange(128) < 32, walk, 0.0)
    X = np.zeros((2, 6, 128), np.float32)
    X[0, 0], X[1, 0] = walk, burst
    unsteady = channels(build(unsteadiness.STAGE, {"channels": ["ax"], "noise": 1e-2}), X)["ax unsteadiness"]
    assert unsteady[0] == pytest.approx(0.01, abs=1e-3)
    powers = np.log(np.array([0.5, 0, 0, 0]) + 1e-4)
    assert unsteady[1] == pytest.approx(np.sqrt(powers.var() + 1e-4), rel=1e-3)


def test_noise_is_what_logarithms_start_from() -> None:
    X = np.zeros((3, 6, 128), np.float32)
    X[1, 0] = 0.1 * np.sin(2 * np.pi * 6.25 * TIME)
    table = {"features": ["std", "rise", "fall", "energy"], "log": True, "channels": ["ax"], "noise": 0.001}
    columns = channels(build(statistics.STAGE, table), X)
    still, moving = np.log(0.001), 0.1
    np.testing.assert_allclose(columns["ax log std"][:2], [still, np.log(moving / np.sqrt(2) + 0.001)], rtol=1e-4)
    np.testing.assert_allclose(columns["ax log rise"][:2], [still, np.log(moving + 0.001)], rtol=1e-3)
    np.testing.assert_allclose(columns["ax log fall"][:2], [still, np.log(moving + 0.001)], rtol=1e-3)
    np.testing.assert_allclose(columns["ax log energy"][:2], np.log([1e-6, 0.005 + 1e-6]), rtol=1e-4)
    bands = channels(build(spectral.STAGE, {"features": ["bands"], "bands": 5, "noise": 0.01}), X)
    np.testing.assert_allclose(bands["ay 0-5 Hz"], np.log(1e-4 / 5), rtol=1e-5)


def test_signed_logarithms_keep_the_sign() -> None:
    X = np.zeros((3, 6, 128), np.float32)
    X[1, 3], X[2, 3] = 0.5, -0.5
    table = {"features": ["mean"], "signed_log": True, "channels": ["gx"], "noise": 0.01}
    log_mean = channels(build(statistics.STAGE, table), X)["gx log mean"]
    np.testing.assert_allclose(log_mean, [0.0, np.log(51.0), -np.log(51.0)], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("stage", "table", "message"),
    [
        (gravity.STAGE, {"acceleration": ["ax", "ay", "q"]}, "'q'"),
        (gravity.STAGE, {"acceleration": ["ax", "ay", "ay"]}, "three different axes"),
        (gravity.STAGE, {"acceleration": ACC, "cutoff": 25.0}, "below half the rate"),
        (posture.STAGE, {"of": ["ax"]}, "two or more"),
        (unsteadiness.STAGE, {"parts": 65}, "at least 130 samples"),
        (unsteadiness.STAGE, {"noise": [0.1, 0.2]}, "one number or 6"),
        (statistics.STAGE, {"noise": 0.0}, "above 0"),
        (spectral.STAGE, {"noise": [0.1], "channels": ["ax", "ay"]}, "one number or 2"),
    ],
)
def test_impossible_settings_are_refused(stage: Stage[Any], table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        build(stage, table)
    assert message in str(caught.value.args[0])
