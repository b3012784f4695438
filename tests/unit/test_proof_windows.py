"""The windows that a run learns from and those that a package cuts from the same rows: one hop, one order."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core.input.recordings import cut as cut_rows
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.samples import cut


@pytest.mark.parametrize(("length", "step"), [(4, 2), (5, 5), (7, 3), (6, 1), (3, 5)])
def test_windows_of_a_run_are_those_of_its_package(length: int, step: int) -> None:
    values = np.random.default_rng(length).standard_normal((23, 2)).astype(np.float32)
    # Two recordings, as one class alone is refused.
    recordings = tuple(
        Recording(name=n, values=v, target=np.array([n] * 23)) for n, v in (("r", values), ("s", -values))
    )
    data = DataSet(name="s", columns=(Column(name="a"), Column(name="b")), recordings=recordings, target_name="y")
    learned = cut(data, WindowConfig(samples=length, step=step))
    answered, starts = cut_rows(values, length, step)
    assert len(answered) > 1
    np.testing.assert_array_equal(learned.X, np.concatenate([answered, -answered]))
    assert learned.starts.tolist() == starts.tolist() * 2
