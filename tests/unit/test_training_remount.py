"""The augmentation of another person with another device."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edgewright.core.errors import LayerSettingsError
from edgewright.training.augmentations.remount import RemountConfig, apply
from edgewright.training.augmentations.rotate import turns

BOTH = ((0, 1, 2), (3, 4, 5))
STILL = RemountConfig(groups=BOTH, degrees=0.0, gain=0.0, stretch=0.0)
WINDOWS = np.random.default_rng(1).normal(size=(400, 6, 64)).astype(np.float32)


def changed(config: RemountConfig) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(apply(config, WINDOWS, np.random.default_rng(2)), np.float64)


def test_without_any_change_nothing_changes() -> None:
    np.testing.assert_allclose(changed(STILL), WINDOWS, atol=1e-6)


def test_a_turn_keeps_lengths_and_turns_both_sensors_alike() -> None:
    remounted = changed(msgspec.structs.replace(STILL, degrees=20.0))
    for group in BOTH:
        length = np.linalg.norm(WINDOWS[:, list(group)].astype(np.float64), axis=1)
        np.testing.assert_allclose(np.linalg.norm(remounted[:, list(group)], axis=1), length, rtol=1e-4, atol=1e-5)
    before = (WINDOWS[:, :3].astype(np.float64) * WINDOWS[:, 3:]).sum(axis=1)
    np.testing.assert_allclose((remounted[:, :3] * remounted[:, 3:]).sum(axis=1), before, atol=1e-4)
    assert np.abs(remounted - WINDOWS).mean() > 0.1


def test_the_turn_has_the_deviation_asked_for() -> None:
    vectors = np.random.default_rng(3).normal(0, np.radians(8), (20000, 3))
    angle = np.degrees(np.arccos(np.clip((np.trace(turns(vectors), axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert np.sqrt((angle**2).mean()) == pytest.approx(8 * np.sqrt(3), rel=0.02)


def test_each_sensor_has_its_own_gain() -> None:
    remounted = changed(msgspec.structs.replace(STILL, gain=0.2))
    gains = np.stack([(remounted[:, g] / WINDOWS[:, g]).mean(axis=(1, 2)) for g in (slice(0, 3), slice(3, 6))], axis=1)
    assert 0.79 < gains.min() < 0.83 and 1.17 < gains.max() < 1.21
    assert abs(np.corrcoef(gains.T)[0, 1]) < 0.15
    np.testing.assert_allclose(remounted[:, 0] / WINDOWS[:, 0], gains[:, :1].repeat(64, axis=1), rtol=1e-3)


def test_a_group_is_three_channels_of_the_window() -> None:
    with pytest.raises(LayerSettingsError):
        changed(RemountConfig(groups=((0, 1),)))
    with pytest.raises(LayerSettingsError):
        changed(RemountConfig(groups=((4, 5, 6),)))
