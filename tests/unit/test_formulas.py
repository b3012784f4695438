"""Measures, filters and rules with a textbook definition, on windows of any size, level and spread, against SciPy.

A formula that is wrong in Python is wrong in ONNX and in C as well, for all of them come of one; only another
definition shows it. References compute in float64 on the same float32 readings.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import fft, interpolate, linalg, signal, spatial, special, stats

from edgewright.features import _sound, compress, log_mel, mfcc, posture, spectral, statistics, unsteadiness
from edgewright.features import _sound as _dft
from edgewright.graph.stage import Stage
from edgewright.monitor.detector_stream import window_features
from edgewright.monitor.detectors import kind as detector
from edgewright.monitor.forecaster import Forecaster, start_state
from edgewright.monitor.records import LinearModel
from edgewright.nlp.utterance.parse import probabilities
from edgewright.preprocessing import channels, gravity, resample
from edgewright.preprocessing import filter as filters
from stage_examples import unfitted

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
RATE = 50.0
NAMES = ("ax", "ay", "az")
fast = settings(max_examples=20, derandomize=True)
build = partial(unfitted, names=NAMES, unit="g")


def named(stage: Stage[Any], table: dict[str, Any], X: Floats) -> dict[str, Reals]:
    """Return the features of the first channel by name, without the channel's name."""
    estimator = build(stage, table, X.shape[2])
    result = estimator.fit_transform(X).astype(np.float64)
    both = zip(estimator.get_feature_names_out(), result.T, strict=True)
    return {name.removeprefix("ax "): values for name, values in both if name.startswith("ax ")}


@st.composite
def windows(draw: st.DrawFn, min_samples: int = 8, max_samples: int = 200, level: float = 1e3) -> Floats:
    """Windows (6, 3, samples) of noise, drifts and tones about a level, in units from thousandths to thousands."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples = draw(st.integers(min_samples, max_samples))
    time = np.arange(samples)
    noise = draw(st.sampled_from([rng.standard_normal, rng.standard_exponential]))((6, 3, samples))
    drift = np.cumsum(rng.standard_normal((6, 3, samples)), axis=2) * draw(st.sampled_from([0.0, 0.3]))
    tones = np.sin(2 * np.pi * rng.uniform(0.01, 0.5, (6, 3, 1)) * time) * draw(st.sampled_from([0.0, 2.0]))
    unit = 10.0 ** draw(st.integers(-3, 3))
    series = unit * (noise + drift + tones + level * draw(st.sampled_from([0.0, 0.01, -1.0])))
    return np.asarray(series, np.float32)


@pytest.mark.slow
@fast
@given(windows(), st.integers(1, 5))
def test_statistics(X: Floats, lag: int) -> None:
    features = named(
        statistics.STAGE, {"features": list(statistics.MEASURES), "autocorrelation": [lag], "floor": 1e-9}, X
    )
    x = X[:, 0].astype(np.float64)
    c, time = x - x.mean(1, keepdims=True), np.arange(X.shape[2])
    size = np.abs(x).max(1)
    expected = {
        "mean": x.mean(1),
        "std": x.std(1),
        "min": x.min(1),
        "max": x.max(1),
        "range": np.ptp(x, axis=1),
        "rise": c.max(1),
        "fall": -c.min(1),
        "rms": np.sqrt(np.square(x).mean(1)),
        "mean abs": np.abs(x).mean(1),
        "mean abs deviation": np.abs(c).mean(1),
        "mean abs diff": np.abs(np.diff(x, axis=1)).mean(1),
        "energy": np.square(x).mean(1),
        "variance": stats.moment(x, 2, axis=1),
        "skewness": stats.skew(x, axis=1),
        "kurtosis": stats.kurtosis(x, axis=1, fisher=False),
        "slope": np.array([stats.linregress(time, row).slope for row in x]) * (len(time) - 1),
        # The second spectral moment over the zeroth (Hjorth, 1970), in differences.
        "mobility": np.sqrt(np.square(np.diff(x, axis=1)).mean(1) / x.var(1)),
        # The mean of the products that there are: the unbiased estimate of the autocovariance.
        f"autocorrelation {lag}": np.array([signal.correlate(r, r)[len(r) - 1 + lag] for r in c])
        / (len(time) - lag) / x.var(1),
    }  # fmt: skip
    assert set(features) == {*expected, "zero crossings"}
    for name, values in expected.items():
        ratios = name in ("skewness", "kurtosis", "mobility") or name.startswith("autocorrelation")
        unit = np.ones(len(x)) if ratios else np.square(size) if name in ("energy", "variance") else size
        assert np.all(np.abs(features[name] - values) <= 2e-4 * np.abs(values) + (2e-4 if ratios else 2e-6) * unit), (
            name
        )


@fast
@given(st.integers(0, 2**32 - 1), st.integers(4, 60))
def test_zero_crossings_of_values_away_from_the_mean_are_changes_of_sign(seed: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    signs = rng.permuted(np.tile(np.repeat([-1.0, 1.0], pairs), (6, 3, 1)), axis=2)
    x = (signs * rng.uniform(0.9, 1.1, signs.shape)).astype(np.float32)
    features = named(statistics.STAGE, {"features": ["zero_crossings"], "floor": 1e-9}, x)["zero crossings"]
    np.testing.assert_allclose(features, np.count_nonzero(np.diff(signs[:, 0]), axis=1), atol=1e-3)


@pytest.mark.slow
@fast
@given(windows())
def test_correlations(X: Floats) -> None:
    features = named(statistics.STAGE, {"features": ["mean"], "correlations": "all", "floor": 1e-9}, X)
    del features["mean"]
    assert not features
    estimator = build(
        statistics.STAGE, {"features": ["mean"], "correlations": [["ax", "az"]], "floor": 1e-9}, X.shape[2]
    )
    values = estimator.fit_transform(X)[:, -1]
    expected = [stats.pearsonr(a, c).statistic for a, c in X[:, [0, 2]].astype(np.float64)]
    np.testing.assert_allclose(values, expected, atol=2e-4)


@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("taper", ["hann", "none"])
@fast
@given(windows(min_samples=16))
def test_spectra(taper: str, detrend: bool, X: Floats) -> None:
    table = {
        "features": ["bands", *spectral.MEASURES], "bands": 3, "window": taper, "detrend": detrend, "log": False,
        "floor": 1e-9,
    }  # fmt: skip
    features = named(spectral.STAGE, table, X)
    x = X[:, 0].astype(np.float64)
    if not detrend and np.abs(x.mean()) > 100 * x.std():
        return  # the level's power is then all there is
    shape = signal.get_window("hann" if taper == "hann" else "boxcar", x.shape[1])
    # Windows of awkward lengths are followed by zeros.
    length = _dft.fast_length(x.shape[1])
    frequencies, density = signal.periodogram(
        x, RATE, shape, length, detrend="constant" if detrend else False, scaling="density"
    )
    power = density * RATE / length
    total = power.sum(1)
    shares = power / total[:, None]
    centroid = shares @ frequencies
    edges = np.linspace(0, RATE / 2, 4)
    # A bin at an edge is above it; frequencies rounded as the stage has them, for 8 * 50 / 24 Hz is an edge here.
    places = np.minimum(np.digitize(np.fft.rfftfreq(length, 1 / RATE), edges) - 1, 2)
    expected = {f"{edges[b]:.4g}-{edges[b + 1]:.4g} Hz": power[:, places == b].sum(1) / total for b in range(3)}
    expected |= {
        "spectral energy": total / total,
        "spectral peak power": power.max(1) / total,
        "spectral centroid": centroid,
        "spectral spread": np.sqrt((shares * np.square(frequencies - centroid[:, None])).sum(1)),
        "spectral entropy": stats.entropy(power, axis=1) / np.log(len(frequencies)),
    }
    for name, values in expected.items():
        scaled = features[name] / total if name.endswith(("Hz", "energy", "power")) else features[name]
        np.testing.assert_allclose(
            scaled, values, rtol=3e-4, atol=2e-5 * (RATE if "centroid" in name else 1), err_msg=name
        )
    # The mean of squares is the power (Parseval), where nothing is tapered.
    if taper == "none":
        kept = x - x.mean(1, keepdims=True) if detrend else x
        np.testing.assert_allclose(features["spectral energy"], np.square(kept).mean(1), rtol=1e-4)


@pytest.mark.parametrize("samples", [22, 44, 46, 88])
def test_the_bin_at_half_the_rate_belongs_to_the_last_band(samples: int) -> None:
    """11 / (22 * .02 s) is 25.000000000000004 Hz."""
    X = np.random.default_rng(0).standard_normal((6, 3, samples)).astype(np.float32)
    table = {"features": ["bands", "energy"], "bands": 4, "window": "none", "log": False, "floor": 1e-9}
    powers = named(spectral.STAGE, table, X)
    bands = sum(values for name, values in powers.items() if name.endswith("Hz"))
    np.testing.assert_allclose(bands, powers["spectral energy"], rtol=1e-5)


@fast
@given(st.integers(0, 2**32 - 1), st.integers(16, 120))
def test_flatness_is_the_geometric_over_the_arithmetic_mean(seed: int, samples: int) -> None:
    X = np.random.default_rng(seed).standard_normal((6, 3, samples)).astype(np.float32)
    table = {"features": ["flatness"], "detrend": False, "window": "none", "floor": 1e-9}
    flatness = named(spectral.STAGE, table, X)["spectral flatness"]
    x = X[:, 0].astype(np.float64)
    power = signal.periodogram(x, nfft=_dft.fast_length(samples), detrend=False, scaling="spectrum")[1]
    np.testing.assert_allclose(flatness, stats.gmean(power, axis=1) / power.mean(1), rtol=5e-3)


def _mel_htk(hertz: Reals) -> Reals:
    return 1127.0 * np.log1p(hertz / 700.0)


def _mel_slaney(hertz: Reals) -> Reals:
    return np.where(hertz < 1000, hertz / (200 / 3), 15 + np.log(np.maximum(hertz, 1000) / 1000) / (np.log(6.4) / 27))


@pytest.mark.parametrize(("scale", "to_mel"), [("htk", _mel_htk), ("slaney", _mel_slaney)])
@fast
@given(st.integers(0, 2**32 - 1), st.integers(4, 12), st.integers(1, 4))
def test_mel_bands_and_cepstrum(scale: str, to_mel: Any, seed: int, mels: int, kept: int) -> None:  # noqa: ANN401
    """Triangles of height 1 as librosa.filters.mel has them with norm=None; its scales in other words."""
    rate, frame, hop, size = 8000.0, 200, 80, 256
    x = np.random.default_rng(seed).standard_normal((3, 3, 600)).astype(np.float32)
    table = {"mels": mels, "fft": size, "scale": scale, "floor": 1e-6, "low": 100.0}
    estimator = build(log_mel.STAGE, table, 600, rate)
    mel_bands = np.exp(estimator.fit_transform(x).astype(np.float64)) - estimator.floor_
    _, _, spectrum = signal.stft(
        x.astype(np.float64), rate, signal.get_window("hann", frame), frame, frame - hop, size, boundary=None,
        padded=False, detrend=False, scaling="psd",
    )  # fmt: skip
    power = np.square(np.abs(spectrum)) * rate / size
    power[..., 1:-1, :] *= 2
    ends = np.linspace(to_mel(np.array(100.0)), to_mel(np.array(rate / 2)), mels + 2)
    hertz = np.fft.rfftfreq(size, 1 / rate)
    corners = np.interp(ends, to_mel(np.arange(0, 4001, 0.25)), np.arange(0, 4001, 0.25))
    triangles = np.stack([np.interp(hertz, corners[m : m + 3], [0, 1, 0], 0, 0) for m in range(mels)])
    bands = np.einsum("mf,ncfk->ncmk", triangles, power)
    np.testing.assert_allclose(mel_bands, bands.reshape(mel_bands.shape), rtol=2e-3, atol=1e-5)
    cepstrum = build(mfcc.STAGE, {**table, "coefficients": kept}, 600, rate)
    given_of = cepstrum.fit_transform(x)
    above = np.log1p(bands / cepstrum.floor_)
    expected = fft.dct(above, type=2, norm="ortho", axis=2)[:, :, :kept]
    np.testing.assert_allclose(given_of, expected.reshape(given_of.shape), rtol=1e-3, atol=2e-3)


def test_mel_scales_of_librosas_documentation() -> None:
    """librosa.hz_to_mel: 60 Hz is 0.9 mel, 110, 220 and 440 Hz are 1.65, 3.3 and 6.6 (its docstring)."""
    np.testing.assert_allclose(_sound.to_mel(np.array([60.0, 110.0, 220.0, 440.0]), "slaney"), [0.9, 1.65, 3.3, 6.6])


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("band", ["low", "high", "band"])
@fast
@given(windows(min_samples=40), st.integers(1, 4), st.floats(0.05, 0.4))
def test_filters(band: str, both: bool, X: Floats, order: int, cutoff: float) -> None:
    edges = [cutoff * RATE / 2, 0.9 * RATE / 2] if band == "band" else cutoff * RATE / 2
    stage = build(filters.STAGE, {"band": band, "cutoff": edges, "order": order, "zero_phase": both}, X.shape[2])
    x = X.astype(np.float64)
    kinds = {"low": "lowpass", "high": "highpass", "band": "bandpass"}
    sections = signal.butter(order, edges, kinds[band], fs=RATE, output="sos")
    if both:
        expected = signal.sosfiltfilt(sections, x, axis=2)
    else:
        # The difference equation itself, from the steady state of the first sample.
        b, a = signal.butter(order, edges, kinds[band], fs=RATE)
        start = signal.lfilter_zi(b, a) * x[..., :1]
        expected = signal.lfilter(b, a, x, axis=2, zi=start)[0]
    np.testing.assert_allclose(stage.fit_transform(X), expected, atol=2e-5 * np.abs(x).max())


@fast
@given(windows(min_samples=12, level=10.0), st.floats(0.1, 5.0))
def test_gravity(X: Floats, cutoff: float) -> None:
    table = {"acceleration": list(NAMES), "cutoff": cutoff, "keep_arriving": False}
    gravity_rows = build(gravity.STAGE, table, X.shape[2]).fit_transform(X).astype(np.float64)
    x, samples = X.astype(np.float64), X.shape[2]
    level = x.mean(2, keepdims=True)
    # Whittaker: the drift s is least in |x - s|^2 + stiffness |second differences of s|^2.
    stiffness = (2 * np.sin(np.pi * cutoff / RATE)) ** -4
    second = np.sqrt(stiffness) * np.diff(np.eye(samples), 2, axis=0)
    moved = (x - level).reshape(-1, samples)
    system = np.concatenate([np.eye(samples), second])
    drift = linalg.lstsq(system, np.pad(moved, ((0, 0), (0, samples - 2))).T)[0].T.reshape(x.shape)
    body = x - level - drift
    up = level / np.sqrt(np.square(level).sum(1, keepdims=True) + 1e-6)
    vertical = np.einsum("nct,nc->nt", body, up[..., 0])
    across = body - up * vertical[:, None]
    expected = np.concatenate(
        [drift, body, vertical[:, None], np.sqrt(np.square(body).sum(1, keepdims=True) + 1e-8),
         np.sqrt(np.square(across).sum(1, keepdims=True) + 1e-8)], axis=1,
    )  # fmt: skip
    np.testing.assert_allclose(gravity_rows, expected, atol=2e-4 * np.abs(x).max() + 1e-6)


@fast
@given(windows())
def test_posture_and_unsteadiness(X: Floats) -> None:
    x = X.astype(np.float64)
    postures = build(posture.STAGE, {"of": list(NAMES)}, X.shape[2]).fit_transform(X).astype(np.float64)
    level = x.mean(2)
    length = np.sqrt(np.square(level).sum(1, keepdims=True) + 1e-6)
    expected = np.concatenate([level, level / length, length], axis=1)
    np.testing.assert_allclose(postures, expected, rtol=1e-4, atol=2e-6 * np.abs(x).max())
    unsteady = named(unsteadiness.STAGE, {"parts": 4, "noise": 0.01}, X)["unsteadiness"]
    kept = (x - x.mean(2, keepdims=True))[:, 0, : X.shape[2] // 4 * 4].reshape(len(x), 4, -1)
    powers = np.log(np.square(kept).mean(2) + 1e-4)
    np.testing.assert_allclose(unsteady, np.sqrt(powers.var(1) + 1e-4), rtol=1e-3, atol=1e-4)


@fast
@given(windows(), st.floats(10.0, 120.0))
def test_resampling_and_compressing(X: Floats, rate: float) -> None:
    estimator = build(resample.STAGE, {"rate": rate}, X.shape[2])
    resampled = estimator.fit_transform(X)
    line = interpolate.make_interp_spline(np.arange(X.shape[2]) / RATE, X.astype(np.float64), k=1, axis=2)
    expected = line(np.minimum(np.arange(resampled.shape[2]) / rate, (X.shape[2] - 1) / RATE))
    size = float(np.abs(X).max())
    np.testing.assert_allclose(resampled, expected, atol=1e-4 * size)
    bent = build(compress.STAGE, {"scale": 0.5}, X.shape[2]).fit_transform(X)
    np.testing.assert_allclose(bent, np.sign(X) * np.log1p(np.abs(X.astype(np.float64)) / 0.5), rtol=1e-4, atol=1e-5)


@fast
@given(windows())
def test_derived_channels(X: Floats) -> None:
    steps = [{"what": "jerk"}, {"what": "magnitude", "of": list(NAMES), "name": "a"}]
    combined = build(channels.STAGE, {"add": steps, "keep": "new"}, X.shape[2]).fit_transform(X)
    x = X.astype(np.float64)
    # The difference to the sample before; the first one stands twice.
    jerk = signal.lfilter([RATE, -RATE], [1.0], x, axis=2)
    jerk[..., 0] = jerk[..., 1]
    np.testing.assert_allclose(combined[:, 3], linalg.norm(x, axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(combined[:, :3], jerk, atol=2e-6 * RATE * np.abs(x).max())


@fast
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_window_features_of_detectors(seed: int, channel: int) -> None:
    x = np.random.default_rng(seed).standard_normal((5, channel, 20)).astype(np.float32)
    x[np.random.default_rng(seed + 1).random(x.shape) < 0.1] = np.nan
    features = window_features(x).reshape(5, channel, 4)
    wide = x.astype(np.float64)
    expected = np.stack([
        np.nanmean(wide, 2), np.nanstd(wide, 2), np.nanmean(np.abs(np.diff(wide, axis=2)), 2),
        np.nanmax(wide, 2) - np.nanmin(wide, 2),
    ], 2)  # fmt: skip
    np.testing.assert_allclose(features, expected, rtol=1e-6)


@pytest.mark.slow
@fast
@given(st.integers(0, 2**32 - 1))
def test_scores_of_detectors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Turned and stretched: of channels that nearly depend on each other, float32 keeps too few digits for an inverse.
    mixing = linalg.qr(rng.standard_normal((3, 3)))[0] * rng.uniform(0.3, 3.0, 3)
    X = (rng.standard_normal((200, 3)) @ mixing + rng.uniform(-5, 5, 3)).astype(np.float32)
    time, new = np.arange(200.0), X[:20] + np.float32(3.0) * rng.standard_normal((20, 3)).astype(np.float32)
    wide, seen = X.astype(np.float64), new.astype(np.float64)

    def scores(kind: str, **table: Any) -> tuple[dict[str, Any], Reals]:  # noqa: ANN401
        spec = detector(kind)
        learnt = spec.fit(msgspec.convert(table, spec.config), X, time)
        return learnt, spec.start(learnt).update(new, time[:20])

    # The normal deviation is 1.4826 of the median absolute one.
    deviation = stats.median_abs_deviation(wide, scale="normal")
    expected = np.abs((seen - np.median(wide, 0)) / deviation).max(1)
    np.testing.assert_allclose(scores("robust")[1], expected, rtol=1e-3)
    learnt, distances = scores("k_means", centres=4)
    z = (seen - wide.mean(0)) / wide.std(0)
    nearest = spatial.distance.cdist(z, learnt["centres"]).min(1) / np.sqrt(3)
    np.testing.assert_allclose(distances, nearest, rtol=1e-5)
    learnt, distances = scores("pca", variance=1.0)
    covariance = np.cov(((wide - wide.mean(0)) / wide.std(0)).T, bias=True)
    hotelling = [spatial.distance.mahalanobis(row, np.zeros(3), linalg.inv(covariance)) ** 2 for row in z]
    np.testing.assert_allclose(distances, np.array(hotelling) / learnt["t2_limit"], rtol=1e-3)


@fast
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.floats(1e-4, 0.1))
def test_confidence_of_an_intent_is_a_softmax(seed: int, count: int, scale: float) -> None:
    logits = np.random.default_rng(seed).integers(-20_000, 20_000, count)
    np.testing.assert_allclose(probabilities(logits, scale), special.softmax(logits * scale), rtol=1e-10, atol=1e-300)


@fast
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 40))
def test_forecasts_are_the_autoregression_run_on(seed: int, order: int, ahead: int) -> None:
    """What an all-pole filter gives that is started with the past and fed nothing but its constant."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-1, 1, order) / order
    past, bias = rng.standard_normal(order + 5), float(rng.uniform(-0.1, 0.1))
    model = LinearModel(
        centre=3.0, spread=2.0, lags=tuple(range(1, order + 1)), weights=tuple(weights.tolist()), bias=bias
    )
    halves = rng.uniform(0, 1, (1, ahead)).astype(np.float32)
    running = Forecaster(model, start_state(model, 3.0 + 2.0 * past), halves, (80.0,))
    forecasts = running.forecast(ahead)
    poles = np.concatenate([[1.0], -weights])
    start = signal.lfiltic([1.0], poles, past[::-1])
    expected = 3.0 + 2.0 * signal.lfilter([1.0], poles, np.full(ahead, bias), zi=start)[0]
    np.testing.assert_allclose(forecasts.middle, expected, atol=1e-5)
    np.testing.assert_allclose(forecasts.high - forecasts.middle, 2.0 * halves, atol=1e-5)
    np.testing.assert_allclose(forecasts.middle - forecasts.low, 2.0 * halves, atol=1e-5)


@fast
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 40))
def test_a_seasonal_naive_forecast_is_the_season_before(seed: int, season: int, ahead: int) -> None:
    past = np.random.default_rng(seed).standard_normal(season + 3)
    model = LinearModel(lags=(season,), weights=(1.0,))
    repeated = Forecaster(model, start_state(model, past), np.zeros((0, ahead), np.float32), ()).forecast(ahead)
    np.testing.assert_allclose(repeated.middle, np.resize(past[-season:], ahead), rtol=1e-6)
