"""Every way to make synthetic signals: it keeps shapes, its seed, and what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.language.synthesis.methods import Windows, method, method_of


@pytest.mark.parametrize("name", sorted(method.known))
def test_a_method_keeps_shapes_and_its_seed(name: str) -> None:
    """Sound with the names of axes, for methods of either."""
    rng = np.random.default_rng(1)
    x = np.sin(np.arange(200) * rng.uniform(0.1, 0.4, (12, 3, 1))) + 0.05 * rng.normal(size=(12, 3, 200)) + 9.0
    columns = ("acc_x", "acc_y", "acc_z")
    windows = Windows(x=np.asarray(x, np.float32), y=np.array(["a", "b"] * 6), rate=8000.0, columns=columns)
    before = windows.x.copy()
    part, config = method_of(name, {})
    new, again, other = (part.apply(config, windows, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert new.shape == before.shape and new.dtype == np.float32
    np.testing.assert_array_equal(windows.x, before, err_msg="what was measured stays")
    assert not np.array_equal(new, before)
    np.testing.assert_array_equal(new, again)
    assert not np.array_equal(new, other, equal_nan=True)
