"""Families of alike heartbeats and medians of intervals, formed from the beats before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beat_families import FAMILIES, MEDIANS, families, medians
from edgewright.core.errors import InputError
from example_sources import read_set
from support import shared_data

BEATS, EVERY = 200, 3


@pytest.fixture(scope="module")
def record() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return beats, times of R peaks, and which are premature: every third, wide and upside down."""
    rng, at = np.random.default_rng(0), np.arange(50)
    narrow, wide = np.exp(-(((at - 22) / 2) ** 2)), -np.exp(-(((at - 24) / 6) ** 2))
    premature = np.arange(BEATS) % EVERY == EVERY - 1
    beats = np.where(premature[:, None], wide, narrow) + rng.normal(0, 0.01, (BEATS, 50))
    intervals = np.where(premature, 0.5, np.where(np.roll(premature, 1), 1.1, 0.8))
    return beats.astype(np.float32), np.cumsum(intervals), premature


def test_beats_of_another_shape_form_a_family_of_their_own(record: tuple[np.ndarray, ...]) -> None:
    beats, seconds, premature = record
    of = dict(zip(FAMILIES, np.array(families(beats, seconds)).T[:, 20:], strict=True))
    premature = premature[20:]
    np.testing.assert_array_equal(of["in_usual_family"], ~premature)
    np.testing.assert_allclose(np.exp(of["family_share"]), np.where(premature, 1 / 3, 2 / 3), atol=0.05)
    assert of["family_likeness"].min() > 0.95
    # Premature ones are a third of all, and the largest family holds none of them: it stays equal to the usual beat.
    assert of["usual_family_likeness"][~premature].min() > 0.95
    assert of["usual_family_likeness"][premature].max() < 0
    assert of["family_width"][premature].min() > 0.5 > np.abs(of["family_width"][~premature]).max()
    assert of["family_interval"][premature].max() < of["family_interval"][~premature].min()


def test_a_seventh_family_takes_the_place_of_the_smallest() -> None:
    beats = np.zeros((80, 50), np.float32)
    for number, row in enumerate(beats):
        row[12 + 3 * min(number // 10, 7)] = 1.0
    of = dict(zip(FAMILIES, np.array(families(beats, np.arange(80.0))).T, strict=True))
    new = np.flatnonzero(of["family_likeness"] < 0.9)
    np.testing.assert_array_equal(new, np.arange(0, 80, 10))
    assert np.isfinite(np.array(list(of.values()))).all()


def test_a_premature_beat_does_not_move_the_median() -> None:
    seconds = np.concatenate([np.arange(1.0, 61.0), 60.6 + np.arange(40.0)])
    of = dict(zip(MEDIANS, np.array(medians(seconds)).T, strict=True))
    assert of["interval_median_20"][60] == pytest.approx(np.log(0.6), abs=1e-5)
    assert of["next_interval_median_20"][59] == pytest.approx(np.log(0.6), abs=1e-5)
    assert of["interval_deviations_20"][60] == -12
    assert of["interval_rank_20"][60] == 0
    assert of["interval_median_before_1"][61] == of["interval_median_80"][60]
    np.testing.assert_allclose(of["interval_median_20"][61:], 0, atol=1e-5)


def test_later_beats_change_no_earlier_row(tmp_path: Path) -> None:
    source = np.load(shared_data("mitdb") / "beats.npz")
    mine = np.flatnonzero(source["record"] == source["record"][0])
    config: dict[str, object] = {"families": True, "medians": True, "shape": False}
    rows = []
    for count in (300, 400):
        np.savez(tmp_path / "beats.npz", **{key: source[key][mine[:count]] for key in ("x", "y", "record", "sample")})
        dataset = read_set("mitdb", tmp_path, **config)
        rows.append(dataset.recordings[0].values)
    assert tuple(column.name for column in dataset.columns) == (*FAMILIES, *MEDIANS)
    # The last row of a record lacks the interval after it.
    np.testing.assert_array_equal(rows[0][:-1], rows[1][:299])


def test_a_table_has_columns() -> None:
    with pytest.raises(InputError, match="habits, families, medians or intervals"):
        read_set("mitdb", shared_data("mitdb") / "raw", shape=False)
