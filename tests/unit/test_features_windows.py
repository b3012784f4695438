"""Statistics and spectra against NumPy, SciPy and signals whose answer is known."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import GraphError, InputError, StageSettingsError
from edgewright.features import flatten, spectral, statistics, union
from edgewright.graph.stage import Stage
from stage_examples import unfitted
from support import shared_data

Estimator = Any  # scikit-learn carries no types
Floats = NDArray[np.float32]
NAMES = ("ax", "ay", "gx")
build = partial(unfitted, samples=128, names=NAMES)


def columns(stage: Estimator, X: Floats) -> dict[str, NDArray[np.float64]]:
    result = stage.fit_transform(X).astype(np.float64)
    return dict(zip(stage.get_feature_names_out(), result.T, strict=True))


def tone(frequency: float, samples: int = 128) -> Floats:
    time = np.arange(samples) / 50.0
    return np.broadcast_to(np.sin(2 * np.pi * frequency * time), (2, 3, samples)).astype(np.float32)


@pytest.fixture
def waves() -> Floats:
    rng = np.random.default_rng(5)
    return (rng.normal(size=(50, 3, 128)) * [[1.0], [0.3], [20.0]] + [[1.0], [0.0], [5.0]]).astype(np.float32)


def test_logarithms_have_a_floor_learned_from_training(waves: Floats) -> None:
    got = columns(build(statistics.STAGE, {"features": ["std", "mean"], "log": True}), waves)
    deviation = waves[:, 1].astype(np.float64).std(1)
    np.testing.assert_allclose(got["ay log std"], np.log(deviation + 1e-3 * deviation.mean()), rtol=1e-6)
    assert "ay mean" in got


def test_correlations_are_named_by_pair(waves: Floats) -> None:
    got = columns(build(statistics.STAGE, {"features": [], "correlations": "all", "floor": 1e-9}), waves)
    assert list(got) == ["ax~ay correlation", "ax~gx correlation", "ay~gx correlation"]


def test_a_still_window_gives_ordinary_numbers(waves: Floats) -> None:
    waves[0] = 9.81
    features = ["std", "zero_crossings", "skewness", "kurtosis", "mobility"]
    got = columns(build(statistics.STAGE, {"features": features, "correlations": "all", "log": True}), waves)
    assert all(np.isfinite(values).all() and np.abs(values[0]) < 50 for values in got.values())


@pytest.mark.parametrize("frequency", [2.0, 7.03125, 20.0])
def test_the_peak_is_the_frequency_of_a_tone(frequency: float) -> None:
    got = columns(build(spectral.STAGE, {"features": ["peak"]}), tone(frequency))
    assert got["ax peak"][0] == pytest.approx(frequency, abs=50.0 / 128)


def test_the_peak_of_two_equal_tones_does_not_jump() -> None:
    def peak(X: Floats) -> float:
        stage = build(spectral.STAGE, {"features": ["peak"]}).fit(X)
        return float(stage.transform(X)[0, 0])

    low, high = tone(50.0 * 8 / 128), tone(50.0 * 32 / 128)
    assert abs(peak(low * np.float32(1 + 1e-6) + high) - peak(low + high * np.float32(1 + 1e-6))) < 1e-3


@pytest.mark.parametrize(
    ("stage", "table", "message"),
    [
        (statistics.STAGE, {"features": ["men"]}, "one of mean"),
        (statistics.STAGE, {"features": []}, "at least one feature"),
        (statistics.STAGE, {"channels": ["q"]}, "'q'"),
        (statistics.STAGE, {"correlations": [["ax", "q"]]}, "'q'"),
        (spectral.STAGE, {"features": ["bnds"]}, "one of bands"),
        (spectral.STAGE, {"edges": [3.0, 1.0]}, "rising"),
        (spectral.STAGE, {"edges": [0.0, 30.0]}, "25 Hz"),
        (union.STAGE, {"parts": []}, "at least one part"),
        (union.STAGE, {"parts": [{"kind": "statistic"}]}, "Did you mean 'statistics'"),
        (union.STAGE, {"parts": [{"kind": "statistics", "lag": 1}]}, "lag"),
    ],
)
def test_impossible_features_are_refused(stage: Stage[Any], table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        build(stage, table)
    assert message in str(caught.value.args[0])


def test_more_bands_than_bins_are_refused(waves: Floats) -> None:
    with pytest.raises(StageSettingsError, match="holds no bin"):
        build(spectral.STAGE, {"bands": 200}).fit(waves)


def test_bands_need_no_rate_and_hertz_do(waves: Floats) -> None:
    bands = {"features": ["bands"], "bands": 4}
    fast, unknown = build(spectral.STAGE, bands), build(spectral.STAGE, bands, rate=None)
    np.testing.assert_array_equal(unknown.fit_transform(waves), fast.fit_transform(waves))
    assert list(unknown.get_feature_names_out()[:2]) == ["ax 0-0.125 of the rate", "ax 0.125-0.25 of the rate"]
    for table in ({"features": ["peak"]}, {"features": ["bands"], "edges": [0.0, 0.2, 0.5]}):
        with pytest.raises(GraphError, match="expected a sampling rate"):
            build(spectral.STAGE, table, rate=None)


def test_union_puts_parts_side_by_side_and_refuses_windows(waves: Floats) -> None:
    parts = [{"kind": "statistics", "features": ["mean"]}, {"kind": "flatten"}]
    both = build(union.STAGE, {"parts": parts}).fit(waves)
    expected = np.concatenate(
        [waves.astype(np.float64).mean(axis=2), build(flatten.STAGE, {}).fit_transform(waves)], axis=1
    )
    np.testing.assert_allclose(both.transform(waves), expected, rtol=1e-6)
    with pytest.raises(StageSettingsError, match="windows from 'compress'"):
        build(union.STAGE, {"parts": [{"kind": "compress"}]}).fit(waves)


@pytest.mark.needs_data
def test_features_of_real_walking_show_the_step_frequency() -> None:
    folder = shared_data("har-hapt")
    table = np.loadtxt(folder / "exp01_user01.csv.gz", delimiter=",", skiprows=1)
    walking = table[table[:, 6] == 1][:1280, :3].T
    X = walking.reshape(3, 10, 128).transpose(1, 0, 2).astype(np.float32)
    got = columns(build(spectral.STAGE, {"features": ["peak"]}), X)
    assert 1.0 < np.median(got["ax peak"]) < 3.0
