"""Polynomial features, selection, PCA and compression against scikit-learn and NumPy."""

from __future__ import annotations

import tracemalloc
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif, f_regression, mutual_info_classif
from sklearn.preprocessing import PolynomialFeatures

from edgewright.core.errors import InputError, StageSettingsError
from edgewright.features import compress, pca, polynomial, select
from stage_examples import run_graph, unfitted

Floats = NDArray[np.float32]
build = partial(unfitted, rate=None, names=tuple(f"s{i}" for i in range(20)), seed=4)


@pytest.fixture
def table() -> Floats:
    return np.random.default_rng(8).normal(size=(300, 20)).astype(np.float32)


def test_20_columns_become_230_in_the_order_of_scikit_learn(table: Floats) -> None:
    stage = build(polynomial.STAGE, {}).fit(table)
    result = stage.transform(table)
    assert result.shape == (300, 230)
    peer = PolynomialFeatures(2, include_bias=False).fit(table)
    np.testing.assert_array_equal(result, peer.transform(table))
    np.testing.assert_array_equal(run_graph(peer, table), result)
    expected = [name.replace(" ", " × ") for name in peer.get_feature_names_out([f"s{i}" for i in range(20)])]
    assert list(stage.get_feature_names_out()) == expected


def test_other_polynomials_of_scikit_learn_are_refused(table: Floats) -> None:
    with pytest.raises(StageSettingsError):
        run_graph(PolynomialFeatures(2).fit(table), table)


@pytest.mark.parametrize("score", ["mutual_information", "anova"])
def test_select_keeps_what_select_k_best_keeps(table: Floats, score: str) -> None:
    y = np.where(table[:, 3] + 0.5 * table[:, 11] > 0, "sitting", "walking")
    stage = build(select.STAGE, {"k": 5, "score": score}).fit(table, y)
    function = f_classif if score == "anova" else partial(mutual_info_classif, random_state=4)
    peer = SelectKBest(function, k=5).fit(table, y)
    np.testing.assert_array_equal(stage.transform(table), peer.transform(table))
    np.testing.assert_array_equal(run_graph(peer, table), peer.transform(table))
    assert {"s3", "s11"} <= set(stage.get_feature_names_out())
    assert len(stage.dropped_) == 15
    assert stage.dropped_[0][1].startswith("score ")


def test_select_for_regression_scores_by_the_number(table: Floats) -> None:
    y = table[:, 2] * 3.0 + table[:, 7]
    stage = build(select.STAGE, {"k": 2, "score": "anova"}, task="regression").fit(table, y)
    assert list(stage.get_feature_names_out()) == ["s2", "s7"]
    np.testing.assert_allclose(stage.scores_, f_regression(table.astype(np.float64), y)[0])
    mutual = build(select.STAGE, {"k": 1}, task="regression").fit(table, y)
    assert list(mutual.get_feature_names_out()) == ["s2"]


def test_select_gives_a_constant_column_the_lowest_place(table: Floats) -> None:
    table[:, 0] = 5.0
    y = np.where(table[:, 1] > 0, "a", "b")
    assert 0 not in build(select.STAGE, {"k": 19, "score": "anova"}).fit(table, y).kept_


def test_select_refuses_more_columns_than_there_are_and_a_missing_target(table: Floats) -> None:
    with pytest.raises(StageSettingsError):
        build(select.STAGE, {"k": 21})
    with pytest.raises(InputError, match="target"):
        build(select.STAGE, {"k": 2}).fit(table)


def test_any_selector_of_scikit_learn_can_be_emitted(table: Floats) -> None:
    table[:, 4] = 1.0
    peer = VarianceThreshold().fit(table)
    np.testing.assert_array_equal(run_graph(peer, table), peer.transform(table))


@pytest.mark.parametrize("components", [6, 0.8])
def test_pca_equals_scikit_learn(table: Floats, components: float) -> None:
    table[:, 5:] = table[:, :15] + 0.1 * table[:, 5:]
    stage = build(pca.STAGE, {"components": components}).fit(table)
    peer = PCA(components, svd_solver="full").fit(table.astype(np.float64))
    expected = peer.transform(table.astype(np.float64))
    np.testing.assert_allclose(stage.transform(table), expected, atol=2e-6)
    np.testing.assert_allclose(run_graph(peer, table), expected, atol=1e-5)


def test_impossible_pca_is_refused(table: Floats) -> None:
    with pytest.raises(StageSettingsError):
        build(pca.STAGE, {"components": 21})
    with pytest.raises(StageSettingsError):
        build(pca.STAGE, {"components": 9}).fit(table[:5])
    with pytest.raises(InputError, match="constant"):
        build(pca.STAGE, {"components": 2}).fit(np.ones((9, 20), np.float32))
    with pytest.raises(StageSettingsError, match="whiten"):
        run_graph(PCA(2, whiten=True).fit(table), table)


def test_compress_is_a_signed_logarithm(table: Floats) -> None:
    stage = build(compress.STAGE, {"scale": 0.5})
    expected = np.sign(table) * np.log1p(np.abs(table.astype(np.float64)) / 0.5)
    np.testing.assert_allclose(stage.fit_transform(table), expected, rtol=1e-6)
    table[:, 0] = 0.0
    learned = build(compress.STAGE, {}).fit(table)
    assert learned.inverse_[0] == 1.0
    assert learned.inverse_[1] == pytest.approx(1 / np.median(np.abs(table[:, 1])))


def test_many_rows_need_little_more_memory_than_their_result() -> None:
    table = np.ones((100_000, 20), np.float32)
    stage = build(polynomial.STAGE, {}).fit(table)
    tracemalloc.start()
    result = stage.transform(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.nbytes == 100_000 * 230 * 4
    assert peak < 1.4 * result.nbytes
