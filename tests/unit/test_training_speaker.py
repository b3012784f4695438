"""The augmentation of another speaker."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import LayerSettingsError
from edgewright.models.network import NetworkClassifier
from edgewright.training.augmentations import speaker
from edgewright.training.contract import Changes

Floats = NDArray[np.float32]
SAME = speaker.SpeakerConfig(tract=0.0, tempo=0.0, shift=0.0, tilt=0.0, level=0.0)
BANDS = np.random.default_rng(1).normal(size=(300, 20, 30)).astype(np.float32)
RIDGE = np.zeros((200, 20, 30), np.float32)
RIDGE[:, 9, :] = 1.0


def spoken(config: speaker.SpeakerConfig, bands: Floats = BANDS) -> Floats:
    return speaker.apply(config, bands, np.random.default_rng(2))


def test_the_same_speaker_says_the_same() -> None:
    np.testing.assert_allclose(spoken(SAME), BANDS, atol=1e-6)


def test_a_longer_vocal_tract_moves_a_resonance_by_a_factor() -> None:
    stretched = spoken(msgspec.structs.replace(SAME, tract=0.2), RIDGE)
    # Band 9 is the tenth step of the scale: it arrives at 10 / 1.2 to 10 / 0.8.
    peaks = stretched[:, :, 0].argmax(axis=1) + 1
    assert peaks.min() == 8 and peaks.max() in (12, 13)


def test_words_are_faster_slower_earlier_and_later() -> None:
    ramp = np.broadcast_to(np.arange(30, dtype=np.float32), (200, 20, 30))
    tempo = spoken(msgspec.structs.replace(SAME, tempo=0.3), ramp)[:, 0, 10] / 10
    assert 0.69 < tempo.min() < 0.73 and 1.27 < tempo.max() < 1.31
    shift = spoken(msgspec.structs.replace(SAME, shift=0.1), ramp)[:, 0, 15] - 15
    assert -3.01 < shift.min() < -2.8 and 2.8 < shift.max() < 3.01


def test_a_microphone_tilts_and_lifts_all_bands() -> None:
    added = spoken(msgspec.structs.replace(SAME, tilt=0.5)) - BANDS
    np.testing.assert_allclose(added[:, 0], -added[:, -1], atol=1e-5)
    assert 0.45 < np.abs(added[:, 0]).max() / BANDS.std() <= 0.5
    lifted = spoken(msgspec.structs.replace(SAME, level=0.5)) - BANDS
    np.testing.assert_allclose(lifted, lifted[:, :1, :1].repeat(20, 1).repeat(30, 2), atol=1e-5)


def test_every_epoch_sees_another_change() -> None:
    changes = Changes(({"kind": "speaker"},))
    rng = np.random.default_rng(4)
    assert np.abs(changes.changed(BANDS, rng) - changes.changed(BANDS, rng)).max() > 0.1


@pytest.mark.slow
def test_a_network_learns_what_a_moved_resonance_does_not_change() -> None:
    """Two words, a rising and a falling resonance, of speakers higher than any of the training."""
    rng = np.random.default_rng(5)

    def words(count: int, low: float, high: float) -> tuple[Any, Any]:
        rising = rng.integers(0, 2, count)
        slope = np.where(rising, 1.0, -1.0)[:, None] * np.linspace(-3, 3, 30) + rng.uniform(low, high, (count, 1))
        X = np.exp(-0.5 * (np.arange(20)[None, :, None] - slope[:, None, :]) ** 2)
        return (X + 0.1 * rng.normal(size=X.shape)).astype(np.float32), rising

    layers = ({"kind": "flatten"}, {"kind": "dense", "units": 16})
    train, test = words(120, 5.5, 6.5), words(300, 9.0, 11.0)
    right = []
    for augment in ((), ({"kind": "speaker", "tract": 0.7},)):
        network = NetworkClassifier(layers, epochs=30, augment=augment, calibrate=False)
        right.append(float((network.fit(*train).predict(test[0]) == test[1]).mean()))
    assert right[1] > right[0] + 0.1


@pytest.mark.parametrize("shape", [(4, 20), (4, 1, 30), (4, 3, 8, 8)])
def test_other_samples_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LayerSettingsError, match=r"training\.augment"):
        spoken(SAME, np.zeros(shape, np.float32))
