"""Pictures of another size: means that are exact in float32, so that no form differs by a bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.preprocessing.resize import Resize, _taps
from stage_examples import graph_bytes, run_graph

SIDES = st.integers(1, 40)


@given(before=SIDES, after=SIDES)
@settings(max_examples=300)
def test_weights_are_whole_shares_that_add_up(before: int, after: int) -> None:
    places, weights = _taps(before, after)
    assert places.shape == weights.shape == (len(places), after)
    assert (places >= 0).all() and (places < before).all()
    np.testing.assert_array_equal(weights.sum(axis=0), 1.0)
    np.testing.assert_array_equal(weights * 128, np.rint(weights * 128))
    middle = (places * weights).sum(axis=0)
    assert (np.diff(middle) >= 0).all()
    np.testing.assert_allclose(middle + middle[::-1], before - 1, atol=0.2)


def test_the_same_size_is_the_same_picture() -> None:
    X = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 8)).astype(np.float32)
    np.testing.assert_array_equal(Resize(9, 8).fit(X).transform(X), X)


def test_a_half_is_the_mean_of_four() -> None:
    X = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 6)).astype(np.float32)
    expected = X.reshape(2, 1, 4, 2, 3, 2).mean(axis=(3, 5))
    np.testing.assert_array_equal(Resize(4, 3).fit(X).transform(X), expected)


@pytest.mark.parametrize("size", [(64, 64), (96, 80), (30, 100)])
def test_every_form_gives_the_same_bits(size: tuple[int, int]) -> None:
    X = np.random.default_rng(1).integers(0, 256, (4, 3, 60, 80)).astype(np.float32)
    stage = Resize(*size).fit(X)
    expected = stage.transform(X)
    assert expected.shape == (4, 3, *size)
    np.testing.assert_array_equal(run_graph(stage, X), expected)
    np.testing.assert_array_equal(compile_graph(read_onnx(graph_bytes(stage, X)))(X)["output"], expected)
