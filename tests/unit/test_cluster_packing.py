"""What travels to workers: names of many rows as runs, and everything bit for bit."""

from __future__ import annotations

import pickle  # noqa: TID251 - as workers read it
from typing import Any

import numpy as np
import pytest

from edgewright.cluster.mapping import packed

ROWS = 20_000
_RNG = np.random.default_rng(0)
_NAMES = np.repeat(np.array(["", "walking", "Treppe hinauf"]), (ROWS // 2, ROWS // 4, ROWS - ROWS // 2 - ROWS // 4))
_SIGNS = np.repeat(np.array([0.0, -0.0]), ROWS // 2)


@pytest.mark.parametrize(
    ("value", "largest"),
    [
        (_NAMES, 1000),
        (np.broadcast_to(_NAMES[:1], ROWS), 1000),
        (np.repeat(np.arange(5, dtype=">i4"), ROWS // 5), 1000),
        (np.arange(ROWS) % 2 == 0, 2 * ROWS),
        (_RNG.permutation(_NAMES), 2 * _NAMES.nbytes),
        (_SIGNS, 2 * _SIGNS.nbytes),
        (_RNG.normal(size=(5000, 3)).astype(np.float32), 2 * 60_000),
        (np.zeros(0, "U3"), 1000),
    ],
)
def test_an_array_comes_back_bit_for_bit(value: Any, largest: int) -> None:  # noqa: ANN401 - any array
    content = packed({"y": value, "same": value})
    back = pickle.loads(content)  # noqa: S301 - of this test
    assert back["y"] is back["same"]
    assert (back["y"].dtype, back["y"].shape) == (value.dtype, value.shape)
    assert back["y"].tobytes() == value.tobytes()
    assert len(content) <= largest
