"""Columns of real heartbeats that compare each with those before it in its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.data.sets import mitdb
from edgewright.schema.data import Recording
from edgewright.schema.errors import InputError
from support import shared_data


def table(**keys: Any) -> Recording:  # noqa: ANN401 - values of several types
    return mitdb.SET.load(shared_data("mitdb") / "raw", mitdb.Config(**keys)).recordings[0]


def test_a_baseline_is_that_of_the_beats_before() -> None:
    plain, found = table(intervals=True).values, table(intervals=True, baseline=True, average=4).values
    assert found.shape == (len(plain), 105)
    means = plain[:, :200].reshape(len(plain), 50, 4).mean(axis=2)
    means -= means.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found[:, :50], means, atol=1e-5)
    np.testing.assert_array_equal(found[0, 50:100], 0)
    # The first 50 beats weigh the same.
    np.testing.assert_allclose(found[30, 50:100], means[30] - means[:30].mean(axis=0), atol=1e-5)
    np.testing.assert_array_equal(found[:, 100:103], plain[:, 200:])
    lately = plain[201:301, 200].mean()
    np.testing.assert_allclose(found[300, 103:], [plain[300, 200] / lately, plain[301, 200] / lately], rtol=1e-5)


def test_later_beats_change_no_earlier_row(tmp_path: Path) -> None:
    source = np.load(shared_data("mitdb") / "beats.npz")
    mine = np.flatnonzero(source["record"] == source["record"][0])
    config = mitdb.Config(intervals=True, baseline=True, average=4)
    rows = []
    for count in (300, 400):
        np.savez(tmp_path / "beats.npz", **{key: source[key][mine[:count]] for key in ("x", "y", "record", "sample")})
        rows.append(mitdb.SET.load(tmp_path, config).recordings[0].values)
    # The last row of a record lacks the interval after it.
    np.testing.assert_array_equal(rows[0][:-1], rows[1][:299])


def test_columns_are_named_after_their_first_sample() -> None:
    names = [c.name for c in mitdb.SET.load(
        shared_data("mitdb") / "raw", mitdb.Config(intervals=True, baseline=True, average=20)
    ).columns]  # fmt: skip
    assert names[:2] == ["sample_-90", "sample_-70"]
    assert names[10:12] == ["change_-90", "change_-70"]
    assert names[-2:] == ["interval_long_share", "next_interval_long_share"]


@pytest.mark.parametrize("keys", [{"baseline": True}, {"average": 4}])
def test_windows_have_no_columns_of_a_table(keys: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(keys))} with form 'table', got form 'windows'"):
        table(form="windows", **keys)
