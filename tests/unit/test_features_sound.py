"""Log mel and MFCC against direct computation, and the mel scales against published points."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.features import _sound, log_mel, mfcc
from edgewright.graph.stage import Stage
from stage_examples import unfitted

RATE = 8000.0
build = partial(unfitted, samples=4000, rate=RATE, names=("mic",))


@pytest.fixture
def sound() -> NDArray[np.float32]:
    rng = np.random.default_rng(2)
    time = np.arange(4000) / RATE
    tones = np.sin(2 * np.pi * rng.uniform(200, 3000, (8, 1, 1)) * time)
    return (0.3 * tones + 0.01 * rng.normal(size=(8, 1, 4000))).astype(np.float32)


def test_silence_gives_coefficients_of_zero(sound: NDArray[np.float32]) -> None:
    stage = build(mfcc.STAGE, {"mels": 16}).fit(sound)
    np.testing.assert_array_equal(stage.transform(np.zeros_like(sound)), 0.0)
    assert np.isfinite(build(log_mel.STAGE, {"mels": 16}).fit_transform(np.zeros_like(sound))).all()


def test_mel_scales_pass_through_known_points() -> None:
    # 1000 Hz is 1000 mel by the constants of the HTK formula, and 15 by Slaney's, where the logarithm begins.
    assert _sound.to_mel(np.asarray(1000.0), "htk") == pytest.approx(1000.0, abs=0.02)
    assert _sound.to_mel(np.asarray(1000.0), "slaney") == pytest.approx(15.0)
    assert _sound.to_mel(np.asarray(6400.0), "slaney") == pytest.approx(42.0)


def test_flattened_names_say_band_and_frame(sound: NDArray[np.float32]) -> None:
    stage = build(log_mel.STAGE, {"mels": 4, "flatten": True}).fit(sound)
    names = stage.get_feature_names_out()
    assert stage.transform(sound).shape == (8, len(names))
    assert names[0].startswith("mic 20-")
    assert names[1].endswith("frame 1")


@pytest.mark.parametrize(
    ("stage", "table", "message"),
    [
        (log_mel.STAGE, {"mels": 128}, "without a bin"),
        (log_mel.STAGE, {"frame": 1.0}, "window"),
        (log_mel.STAGE, {"high": 5000.0}, "4000 Hz"),
        (log_mel.STAGE, {"fft": 100}, "at least a frame"),
        (mfcc.STAGE, {"mels": 8, "coefficients": 9}, "at most 8"),
    ],
)
def test_impossible_sound_settings_are_refused(stage: Stage[Any], table: dict[str, Any], message: str) -> None:
    with pytest.raises(StageSettingsError, match=message):
        build(stage, table)
