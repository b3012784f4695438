"""Resample, filter and channels against scipy and NumPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import InputError, StageSettingsError
from edgewright.preprocessing import channels, resample
from edgewright.preprocessing import filter as filters
from stage_examples import unfitted

Floats = NDArray[np.float32]
NAMES = ("ax", "ay", "az")
build = partial(unfitted, samples=128, names=NAMES, unit="g")


@pytest.fixture
def waves() -> Floats:
    rng = np.random.default_rng(3)
    return np.cumsum(rng.normal(size=(40, 3, 128)), axis=2).astype(np.float32) * np.float32(0.1) + np.float32(1.0)


def test_a_constant_window_passes_a_low_pass_and_vanishes_in_a_high_pass() -> None:
    level = np.full((2, 3, 128), 101325.0, np.float32)
    np.testing.assert_array_equal(build(filters.STAGE, {"cutoff": 2.0}).fit_transform(level), level)
    np.testing.assert_array_equal(build(filters.STAGE, {"band": "high", "cutoff": 2.0}).fit_transform(level), 0.0)


@pytest.mark.parametrize(
    ("table", "rate", "message"),
    [
        ({"cutoff": 25.0}, 50.0, "half the rate"),
        ({"cutoff": [3.0, 5.0]}, 50.0, "1 cutoff"),
        ({"band": "band", "cutoff": [5.0, 3.0]}, 50.0, "rising"),
        ({"cutoff": 3.0}, None, "sampling rate"),
    ],
)
def test_impossible_filters_are_refused(table: dict[str, Any], rate: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(filters.STAGE, table, rate=rate)


def test_resample_keeps_a_missing_value_among_its_neighbours(waves: Floats) -> None:
    waves[0, 0, 60] = np.nan
    result = build(resample.STAGE, {"rate": 50.0}, rate=52.0).fit_transform(waves)
    assert 1 <= np.isnan(result[0, 0]).sum() <= 2
    assert np.isnan(result).sum() == np.isnan(result[0, 0]).sum()


def test_resample_to_a_half_takes_every_second_sample(waves: Floats) -> None:
    result = build(resample.STAGE, {"rate": 25.0}).fit_transform(waves)
    np.testing.assert_array_equal(result, waves[:, :, ::2])
    with pytest.raises(StageSettingsError):
        build(resample.STAGE, {"rate": 25.0, "samples": 70}).fit(waves)


def test_gravity_and_body_add_up_and_gravity_is_slow(waves: Floats) -> None:
    time = np.arange(128) / 50.0
    still = np.broadcast_to(np.asarray([0.1, -0.2, 0.97])[:, None], (3, 128))
    X = (still + 0.3 * np.sin(2 * np.pi * 5.0 * time)).astype(np.float32)[None]
    split = build(channels.STAGE, {"add": [{"what": "split", "of": ["ax", "az"]}], "keep": "new"})
    result = split.fit(waves).transform(X)
    assert list(split.get_feature_names_out()) == ["ax gravity", "az gravity", "ax body", "az body"]
    np.testing.assert_allclose(result[:, :2] + result[:, 2:], X[:, [0, 2]], atol=1e-6)
    np.testing.assert_allclose(result[0, 1], 0.97, atol=0.02)


def test_later_steps_take_the_channels_of_earlier_ones(waves: Floats) -> None:
    steps = [{"what": "jerk"}, {"what": "magnitude", "of": ["ax jerk", "ay jerk"], "name": "j"}]
    table = {"add": [*steps, {"what": "vertical", "name": "a"}], "keep": ["j magnitude", "ax jerk", "ay jerk"]}
    stage = build(channels.STAGE, table)
    result = stage.fit_transform(waves)
    assert list(stage.get_feature_names_out()) == table["keep"]
    np.testing.assert_allclose(result[:, 0], np.hypot(result[:, 1], result[:, 2]), rtol=1e-6)


def test_vertical_and_horizontal_do_not_depend_on_how_the_device_is_held(waves: Floats) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    stage = build(channels.STAGE, {"add": [{"what": "vertical", "name": "a"}], "keep": "new"}).fit(waves)
    turned = np.einsum("ij,njt->nit", turn, waves.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(stage.transform(turned), stage.transform(waves), atol=1e-4)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"add": [{"what": "jerk", "of": ["q"]}]}, "'q'"),
        ({"add": [{"what": "jerk"}, {"what": "jerk"}]}, "twice"),
        ({"add": [{"what": "jerk"}], "keep": ["q"]}, "'q'"),
        ({"add": [{"what": "split", "cutoff": 30.0}]}, "half the rate"),
        ({"add": [], "keep": "new"}, "at least one channel"),
    ],
)
def test_impossible_channels_are_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(StageSettingsError, match=message):
        build(channels.STAGE, table)
