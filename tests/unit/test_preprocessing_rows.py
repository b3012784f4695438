"""Impute, scale and units against scikit-learn and hand-computed values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from edgewright.core.errors import StageSettingsError
from edgewright.preprocessing import impute, scale, units
from edgewright.preprocessing.impute import medians
from stage_examples import run_graph, unfitted

Estimator = Any  # scikit-learn carries no types
Floats = NDArray[np.float32]


@pytest.fixture
def holes() -> Floats:
    rng = np.random.default_rng(1)
    X = (rng.normal(size=(400, 3)) * [1.0, 50.0, 1e-3] + [0.0, 101325.0, 2.0]).astype(np.float32)
    X[rng.uniform(size=X.shape) < 0.1] = np.nan
    return X


@pytest.mark.parametrize("strategy", ["mean", "median"])
def test_impute_fills_what_scikit_learn_fills(holes: Floats, strategy: str) -> None:
    mine = unfitted(impute.STAGE, {"strategy": strategy}, names=("a", "b", "c")).fit(holes)
    expected = SimpleImputer(strategy=strategy).fit_transform(holes.astype(np.float64))
    np.testing.assert_allclose(mine.transform(holes), expected, rtol=1e-7)
    assert mine.filled_.sum() == np.isnan(holes).sum()


def test_impute_of_windows_fills_a_channel_from_all_its_samples() -> None:
    X = np.zeros((4, 2, 5), np.float32)
    X[:, 1] = 3.0
    X[0, 1, :4] = np.nan
    X[1, 0, 2] = np.nan
    filled = unfitted(impute.STAGE, {"strategy": "median"}, 5, names=("a", "b")).fit_transform(X)
    np.testing.assert_array_equal(filled[:, 0], 0.0)
    np.testing.assert_array_equal(filled[:, 1], 3.0)


def test_impute_names_the_column_that_is_always_missing(holes: Floats) -> None:
    holes[:, 1] = np.nan
    with pytest.raises(StageSettingsError, match="column pressure"):
        unfitted(impute.STAGE, {}, names=("a", "pressure", "c")).fit(holes)
    constant = unfitted(impute.STAGE, {"strategy": "constant", "value": 5.0}, names=("a", "pressure", "c"))
    np.testing.assert_array_equal(constant.fit_transform(holes)[:, 1], 5.0)


@pytest.mark.parametrize(
    ("method", "peer"), [("minmax", MinMaxScaler()), ("standard", StandardScaler()), ("robust", RobustScaler())]
)
def test_scale_equals_scikit_learn_and_keeps_missing_values(holes: Floats, method: str, peer: Estimator) -> None:
    mine = unfitted(scale.STAGE, {"method": method}, names=("a", "b", "c")).fit_transform(holes)
    expected = peer.fit_transform(holes.astype(np.float64))
    # Offsets are rounded to float32, as the graph carries them: 101325 ± 50 keeps four digits of a deviation.
    np.testing.assert_allclose(mine, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("peer", [MinMaxScaler((-1, 1), clip=True), StandardScaler(with_mean=False), RobustScaler()])
def test_scikit_learns_own_scalers_can_be_emitted(holes: Floats, peer: Estimator) -> None:
    peer.fit(holes)
    expected = peer.transform(holes.astype(np.float64))
    np.testing.assert_allclose(run_graph(peer, holes), expected, atol=2e-4, rtol=1e-5)


def test_scikit_learns_own_imputer_can_be_emitted_without_indicators(holes: Floats) -> None:
    peer = SimpleImputer().fit(holes)
    np.testing.assert_allclose(run_graph(peer, holes), peer.transform(holes), rtol=1e-6)
    with pytest.raises(StageSettingsError, match="indicator"):
        run_graph(SimpleImputer(add_indicator=True).fit(holes), holes)


def test_scale_brings_training_values_to_0_and_1_and_a_constant_column_to_0() -> None:
    X = np.asarray([[1.0, 7.0], [3.0, 7.0], [2.0, 7.0]], np.float32)
    y = unfitted(scale.STAGE, {}, names=("a", "b")).fit_transform(X)
    np.testing.assert_array_equal(y, [[0.0, 0.0], [1.0, 0.0], [0.5, 0.0]])


def test_a_column_that_moves_less_than_float32_can_tell_comes_out_as_0() -> None:
    X = np.asarray([[101325.0, 7.0], [101325.01, 7.0], [101325.0, 7.0]], np.float32)
    stage = unfitted(scale.STAGE, {"method": "standard"}, names=("a", "b")).fit(X)
    np.testing.assert_array_equal(stage.transform(X + np.float32(100.0)), 0.0)
    assert "0 and deviation 1" in scale.STAGE.why(stage)


def test_clip_limits_what_training_did_not_see() -> None:
    X = np.asarray([[0.0], [10.0]], np.float32)
    far = np.asarray([[-100.0], [100.0], [np.nan]], np.float32)
    y = unfitted(scale.STAGE, {"clip": 0.5}, names=("a",)).fit(X).transform(far)
    np.testing.assert_array_equal(y, [[-0.5], [1.5], [np.nan]])
    with pytest.raises(StageSettingsError):
        unfitted(scale.STAGE, {"clip": [1.0, 1.0]}, names=("a",))


@settings(max_examples=25)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_minmax_stays_between_0_and_1(level: float, spread: float, seed: int) -> None:
    X = (level + spread * np.random.default_rng(seed).normal(size=(30, 2))).astype(np.float32)
    y = unfitted(scale.STAGE, {}, names=("a", "b")).fit_transform(X)
    assert y.min() >= 0.0
    assert y.max() <= 1.0 + 1e-6


def test_counts_of_16_bits_become_g() -> None:
    stage = unfitted(units.STAGE, {"scale": {"full_scale": 2.0, "bits": 16}, "unit": "g"}, names=("acc_x",))
    y = stage.fit_transform(np.asarray([[-32768.0], [16384.0], [np.nan]], np.float32))
    np.testing.assert_array_equal(y, [[-2.0], [1.0], [np.nan]])
    assert stage.units_out == ("g",)


def test_axis_map_moves_and_mirrors_named_channels_only() -> None:
    names = ("light", "x1", "y1", "z1")
    table = {"maps": [{"channels": ["x1", "y1", "z1"], "axes": ["-y", "x", "z"]}], "offset": [0.0, 1.0, 2.0, 3.0]}
    y = unfitted(units.STAGE, table, names=names).fit_transform(np.asarray([[9.0, 10.0, 20.0, 30.0]], np.float32))
    np.testing.assert_array_equal(y, [[9.0, -18.0, 9.0, 27.0]])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"maps": [{"channels": ["a", "b", "c"], "axes": ["x", "x", "z"]}]}, "x, y and z once each"),
        ({"maps": [{"channels": ["a", "b", "d"], "axes": ["x", "y", "z"]}]}, "'d'"),
        ({"scale": [1.0, 2.0]}, "1 or 3 values of scale"),
        ({"channels": ["q"]}, "'q'"),
    ],
)
def test_impossible_units_are_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(StageSettingsError, match=message):
        unfitted(units.STAGE, table, names=("a", "b", "c"))


def test_medians_are_those_of_numpy_without_what_is_missing() -> None:
    table = np.random.default_rng(4).normal(size=(41, 5))
    table[np.random.default_rng(5).random(table.shape) < 0.3] = np.nan
    assert np.array_equal(medians(table), np.nanmedian(table, axis=0))
    table[:, 2] = np.nan
    assert medians(table)[2] == 0.0
