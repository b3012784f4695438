"""Columns of real heartbeats that compare each with those before it in its record."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beat_habits import NAMES, habits
from edgewright.core.errors import InputError
from edgewright.core.records.data import Recording
from example_sources import read_set
from heartbeats import BEFORE
from support import shared_data


def table(**keys: Any) -> Recording:  # noqa: ANN401 - values of several types
    """Return the first record, read alone."""
    with tempfile.TemporaryDirectory() as folder:
        for file in (shared_data("mitdb") / "raw").glob("101.*"):
            (Path(folder) / file.name).symlink_to(file)
        return read_set("mitdb", Path(folder), **keys).recordings[0]


def test_changes_are_those_from_the_beats_before() -> None:
    plain, averaged = table().values, table(changes=True, average=4).values
    assert averaged.shape == (len(plain), 100)
    means = plain.reshape(len(plain), 50, 4).mean(axis=2)
    means -= means.mean(axis=1, keepdims=True)
    np.testing.assert_array_equal(averaged[0, 50:], 0)
    # The first 50 beats weigh the same.
    usual = means[:30].mean(axis=0)
    size = np.sqrt((usual**2).mean()) + 0.02
    np.testing.assert_allclose(averaged[30, :50], means[30] / size, rtol=1e-3)
    np.testing.assert_allclose(averaged[30, 50:], (means[30] - usual) / size, atol=1e-4)


def test_intervals_are_logarithms_of_shares() -> None:
    plain, with_habits = table(intervals=True).values, table(habits=True).values
    assert with_habits.shape == (len(plain), 231)
    np.testing.assert_allclose(with_habits[300, 200:203], np.log(plain[300, 200:]), rtol=1e-4)
    lately = plain[201:301, 200].mean()
    shares = [plain[300, 200] / lately, plain[301, 200] / lately, plain[300, 200] / plain[299, 200]]
    np.testing.assert_allclose(with_habits[300, 203:206], np.log(shares), rtol=1e-3)
    np.testing.assert_allclose(with_habits[300, 206], np.log(plain[301, 200] / plain[300, 200]), rtol=1e-3)
    changes = np.abs(np.diff(np.log(plain[:301, 200])))
    np.testing.assert_allclose(with_habits[300, 207], np.log(changes[-10:].mean() + 0.01), rtol=1e-3)


def test_a_premature_beat_is_unusual_and_a_steady_one_is_not() -> None:
    rng = np.random.default_rng(0)
    wave = np.exp(-(((np.arange(50) - 22) / 3) ** 2)) + 0.2 * np.exp(-(((np.arange(50) - 8) / 3) ** 2))
    beats = (wave + rng.normal(0, 0.01, (200, 50))).astype(np.float32)
    seconds = np.cumsum(0.8 + rng.normal(0, 0.01, 200))
    seconds[150] -= 0.3
    beats[150] = -beats[150]
    habit_columns = dict(zip(NAMES, np.array(habits(beats, seconds)).T, strict=True))
    share, likeness = habit_columns["unusual_interval_share_log"], habit_columns["unusual_likeness"]
    assert share[150] == likeness[150] == -12
    assert np.abs(share[20:150]).max() < 5
    assert np.abs(likeness[20:150]).max() < 5
    # A single odd beat does not change what is usual.
    assert np.abs(likeness[160:]).max() < 5
    assert share[0] == likeness[0] == 0


def test_later_beats_change_no_earlier_row(tmp_path: Path) -> None:
    source = np.load(shared_data("mitdb") / "beats.npz")
    mine = np.flatnonzero(source["record"] == source["record"][0])
    config: dict[str, object] = {"intervals": True, "changes": True, "habits": True, "average": 4}
    rows = []
    for count in (300, 400):
        np.savez(tmp_path / "beats.npz", **{key: source[key][mine[:count]] for key in ("x", "y", "record", "sample")})
        rows.append(read_set("mitdb", tmp_path, **config).recordings[0].values)
    # The last row of a record lacks the interval after it.
    np.testing.assert_array_equal(rows[0][:-1], rows[1][:299])


def test_columns_are_named_after_their_first_sample() -> None:
    names = [c.name for c in read_set("mitdb",
        shared_data("mitdb") / "raw", changes=True, habits=True, average=20
    ).columns]  # fmt: skip
    assert names[:2] == ["sample_-90", "sample_-70"]
    assert names[10:12] == ["change_-90", "change_-70"]
    assert names[-2:] == ["unusual_area_share", "unusual_range_share"]


@pytest.mark.parametrize("keys", [{"changes": True}, {"habits": True}, {"average": 4}])
def test_windows_have_no_columns_of_a_table(keys: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(keys))} with form 'table', got form 'windows'"):
        table(form="windows", **keys)


def test_the_signal_itself_has_the_class_of_the_nearest_beat() -> None:
    one = table(form="signal")
    beats = table()
    assert one.values.shape == (650_000, 1)
    assert beats.time is not None
    # The second beat of the record, cut out around its peak, is a stretch of the signal and has its label.
    starts = np.flatnonzero(
        (np.lib.stride_tricks.sliding_window_view(one.values[:2000, 0], 200) == beats.values[1]).all(1)
    )
    assert len(starts) == 1
    assert one.target is not None
    assert one.target[starts[0] + BEFORE] == beats.target[1]
    with pytest.raises(InputError, match="habits with form 'table'"):
        read_set("mitdb", shared_data("mitdb") / "raw", form="signal", habits=True)
