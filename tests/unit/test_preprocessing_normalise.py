"""Windows normalised by themselves."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from edgewright.core.errors import StageSettingsError
from edgewright.preprocessing import normalise
from stage_examples import unfitted

build = partial(unfitted, samples=64, names=("left", "right"), unit="1")
SOUND = np.random.default_rng(3).normal(0.0, [[0.1], [3.0]], (30, 2, 64)).astype(np.float32)


def test_loudness_and_level_of_a_window_do_not_matter() -> None:
    stage = build(normalise.STAGE, {}).fit(SOUND)
    normalised = stage.transform(SOUND)
    np.testing.assert_allclose(normalised.mean(axis=2), 0.0, atol=1e-6)
    np.testing.assert_allclose(normalised.std(axis=2), 1.0, atol=2e-3)
    np.testing.assert_allclose(stage.transform(SOUND * 20 + np.float32(5.0)), normalised, atol=5e-3)


def test_the_level_or_the_spread_alone() -> None:
    mean = build(normalise.STAGE, {"spread": False}).fit_transform(SOUND)
    np.testing.assert_allclose(mean, SOUND - SOUND.mean(axis=2, keepdims=True), atol=1e-6)
    spread = build(normalise.STAGE, {"level": "keep"}).fit_transform(SOUND)
    np.testing.assert_allclose((spread**2).mean(axis=2), 1.0, atol=3e-3)
    assert np.abs(spread.mean(axis=2)).max() > 0.1


def test_silence_after_a_word_does_not_move_its_peak() -> None:
    stage = build(normalise.STAGE, {"level": "peak", "spread": False}).fit(SOUND)
    padded = np.where(np.arange(64) < 40, SOUND, SOUND.min() - 9)
    cut = np.where(np.arange(64) < 40, SOUND, SOUND.min() - 1)
    np.testing.assert_array_equal(stage.transform(padded)[:, :, :40], stage.transform(cut)[:, :, :40])
    np.testing.assert_array_equal(stage.transform(SOUND).max(axis=2), 0.0)


def test_silence_stays_quiet_and_a_channel_that_is_always_silent_stays_0() -> None:
    quiet = SOUND * np.float32(1e-4)
    assert np.abs(build(normalise.STAGE, {}).fit(SOUND).transform(quiet)).max() < 0.02
    dead = SOUND.copy()
    dead[:, 1] = 7.0
    np.testing.assert_array_equal(build(normalise.STAGE, {}).fit_transform(dead)[:, 1], 0.0)


def test_to_leave_everything_as_it_is_is_no_stage() -> None:
    with pytest.raises(StageSettingsError):
        build(normalise.STAGE, {"level": "keep", "spread": False})
