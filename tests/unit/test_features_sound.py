"""Log mel and MFCC against direct computation, and the mel scales against published points."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

from edgewright.features import _mel, log_mel, mfcc
from edgewright.graph.stage import Context, Stage
from edgewright.schema.errors import InputError

Estimator = Any  # scikit-learn carries no types
RATE = 8000.0


def build(stage: Stage[Any], table: dict[str, Any], samples: int = 4000) -> Estimator:
    context = Context(shape=(1, samples), names=("mic",), units=("",), rate=RATE, task="classification", seed=0)
    return stage.build(msgspec.convert(table, stage.config), context)


@pytest.fixture
def sound() -> NDArray[np.float32]:
    rng = np.random.default_rng(2)
    time = np.arange(4000) / RATE
    tones = np.sin(2 * np.pi * rng.uniform(200, 3000, (8, 1, 1)) * time)
    return (0.3 * tones + 0.01 * rng.normal(size=(8, 1, 4000))).astype(np.float32)


def mel_powers(sound: NDArray[np.float32], mels: int, size: int) -> NDArray[np.float64]:
    """Mel band powers (n, frames, mels) through the fast Fourier transform."""
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    starts = range(0, 4000 - 200 + 1, 80)
    framed = np.stack([sound[:, 0, s : s + 200].astype(np.float64) * taper for s in starts], axis=1)
    power = np.abs(np.fft.rfft(framed, size)) ** 2 / (size * (taper**2).sum())
    power[..., 1:-1] *= 2
    edges = _mel.mel_edges(mels, 20.0, 4000.0, "htk")
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    triangles = [np.interp(frequencies, edges[m : m + 3], [0, 1, 0]) for m in range(mels)]
    return np.asarray(power @ np.asarray(triangles).T)


@pytest.mark.parametrize("size", [200, 256])
def test_log_mel_equals_the_fast_fourier_transform(sound: NDArray[np.float32], size: int) -> None:
    stage = build(log_mel.STAGE, {"mels": 16, "fft": size}).fit(sound)
    result = stage.transform(sound)
    assert result.shape == (8, 16, 48)
    assert stage.rate_ == pytest.approx(100.0)
    powers = mel_powers(sound, 16, size)
    expected = np.log(powers + 1e-5 * powers.mean())
    np.testing.assert_allclose(result.transpose(0, 2, 1), expected, atol=2e-5)


def test_mfcc_is_the_orthonormal_cosine_transform_of_log_mel(sound: NDArray[np.float32]) -> None:
    logs = build(log_mel.STAGE, {"mels": 16}).fit(sound)
    result = build(mfcc.STAGE, {"mels": 16, "coefficients": 10}).fit_transform(sound)
    above = logs.transform(sound).astype(np.float64) - np.log(logs.floor_)
    expected = fft.dct(above, type=2, norm="ortho", axis=1)[:, :10]
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_silence_gives_coefficients_of_zero(sound: NDArray[np.float32]) -> None:
    stage = build(mfcc.STAGE, {"mels": 16}).fit(sound)
    np.testing.assert_array_equal(stage.transform(np.zeros_like(sound)), 0.0)
    assert np.isfinite(build(log_mel.STAGE, {"mels": 16}).fit_transform(np.zeros_like(sound))).all()


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_scales_go_back_and_forth(scale: str) -> None:
    hertz = np.linspace(0.0, 8000.0, 100)
    np.testing.assert_allclose(_mel.from_mel(_mel.to_mel(hertz, scale), scale), hertz, atol=1e-9)


def test_mel_scales_pass_through_known_points() -> None:
    # 1000 Hz is 1000 mel by the constants of the HTK formula, and 15 by Slaney's, where the logarithm begins.
    assert _mel.to_mel(np.asarray(1000.0), "htk") == pytest.approx(1000.0, abs=0.02)
    assert _mel.to_mel(np.asarray(1000.0), "slaney") == pytest.approx(15.0)
    assert _mel.to_mel(np.asarray(6400.0), "slaney") == pytest.approx(42.0)


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
    with pytest.raises(InputError, match=message):
        build(stage, table)
