"""The three simulators: repeatable, of the promised shape, with the promised troubles, and learnable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import ConfigError, DataKindUnknownError
from edgewright.core.records.data import DataSet
from edgewright.data.contract import Source
from edgewright.data.load import load_data
from edgewright.data.sources import machine, plant, speech, wearable

SHAPES: tuple[tuple[Any, tuple[int, int], int, tuple[str, ...]], ...] = (
    (wearable.SOURCE, (10_000, 20), 50, ("running", "sitting", "walking")),
    (machine.SOURCE, (1_000, 10), 25, ("no", "yes")),
    (plant.SOURCE, (10_000, 20), 100, ("bad", "good")),
)


def _rows(data: DataSet) -> tuple[NDArray[np.float32], Any, Any]:
    """All rows, targets and groups of a set."""
    groups = [r.groups for r in data.recordings if r.groups is not None]
    return (
        np.concatenate([r.values for r in data.recordings]),
        np.concatenate([r.target for r in data.recordings]),
        np.concatenate(groups),
    )


@pytest.mark.parametrize(("source", "shape", "groups", "labels"), SHAPES)
def test_default_shape_and_classes(
    source: Source[Any], shape: tuple[int, int], groups: int, labels: tuple[str, ...]
) -> None:
    data = source.load(source.config(), 0)
    values, target, people = _rows(data)
    assert values.shape == shape
    assert values.dtype == np.float32
    assert len(data.columns) == shape[1]
    names, counts = np.unique(target, return_counts=True)
    assert tuple(names) == labels
    assert counts.min() > 0.2 * shape[0]
    sizes = np.unique(people, return_counts=True)[1]
    assert len(sizes) == groups
    # Equal groups: a fifth of the groups is exactly a fifth of the rows.
    assert set(sizes) == {shape[0] // groups}


@pytest.mark.parametrize("source", [s for s, *_ in SHAPES])
def test_same_seed_same_rows(source: Source[Any]) -> None:
    config = source.config(rows=600)
    first, again, other = (_rows(source.load(config, seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("source", [s for s, *_ in SHAPES])
def test_columns_are_documented_and_kept(source: Source[Any]) -> None:
    data = source.load(source.config(rows=2_000), 1)
    values, _, _ = _rows(data)
    for column, readings in zip(data.columns, values.T, strict=True):
        assert column.unit, column.name
        assert column.minimum is not None, column.name
        assert column.maximum is not None, column.name
        assert np.nanmin(readings) >= column.minimum
        assert np.nanmax(readings) <= column.maximum
        assert np.nanstd(readings) > 0, column.name


@pytest.mark.parametrize("source", [s for s, *_ in SHAPES])
def test_uneven_rows_add_up(source: Source[Any]) -> None:
    data = source.load(source.config(rows=1_003), 0)
    assert sum(len(r.values) for r in data.recordings) == 1_003
    for r in data.recordings:
        assert r.groups is not None
        assert len(r.groups) == len(r.target) == len(r.values)
        assert r.sessions is not None
        assert len(r.sessions) == len(r.values)


@pytest.mark.parametrize("source", [s for s, *_ in SHAPES])
def test_fewer_rows_than_one_are_refused(source: Source[Any]) -> None:
    with pytest.raises(ConfigError, match="rows = 0"):
        source.load(source.config(rows=0), 0)


@pytest.mark.slow
def test_wearable_loses_and_repeats_the_configured_share() -> None:
    source = wearable.SOURCE
    share = np.isnan(_rows(source.load(wearable.Config(rows=100_000), 0))[0]).mean()
    assert 0.02 < share < 0.04
    whole = source.load(wearable.Config(missing=0.0, stuck=0.0), 0)
    values, _, _ = _rows(whole)
    assert not np.isnan(values).any()
    at = [c.name for c in whole.columns].index("heart_rate")
    stuck = source.load(wearable.Config(rows=100_000, missing=0.0, stuck=0.1), 0)
    repeats = np.concatenate([np.diff(r.values[:, at]) == 0 for r in stuck.recordings]).mean()
    alone = np.concatenate([np.diff(r.values[:, at]) == 0 for r in whole.recordings]).mean()
    assert alone < 0.01
    assert 0.06 < repeats < 0.13


def test_wearable_loses_a_sensor_as_a_whole() -> None:
    data = wearable.SOURCE.load(wearable.Config(), 0)
    names = [c.name for c in data.columns]
    motion = [names.index(n) for n in ("motion_intensity", "acceleration_x", "acceleration_spread")]
    values, _, _ = _rows(data)
    lost = np.isnan(values[:, motion])
    assert lost.any()
    np.testing.assert_array_equal(lost.any(axis=1), lost.all(axis=1))


@pytest.mark.slow
def test_wearable_people_differ_and_activities_last() -> None:
    def gait_spread(variety: float) -> float:
        data = wearable.SOURCE.load(wearable.Config(rows=40_000, variety=variety), 0)
        at = [c.name for c in data.columns].index("motion_intensity")
        walks = [np.nanmedian(r.values[r.target == "walking", at]) for r in data.recordings]
        return float(np.std(np.log(walks)))

    assert gait_spread(1.0) > 2 * gait_spread(0.0)
    data = wearable.SOURCE.load(wearable.Config(rows=100_000), 0)
    changes = np.concatenate([r.target[1:] != r.target[:-1] for r in data.recordings]).mean()
    assert 1 / 40 < changes < 1 / 22


def _linear_accuracy(data: DataSet, squares: bool) -> float:
    """Accuracy on unseen groups of a linear model fitted by least squares, with or without products of columns."""
    values, target, groups = _rows(data)
    filled = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    z = (filled - filled.mean(axis=0)) / filled.std(axis=0)
    if squares:
        i, j = np.triu_indices(z.shape[1])
        z = np.concatenate([z, z[:, i] * z[:, j]], axis=1)
    z = np.concatenate([z, np.ones((len(z), 1))], axis=1)
    labels, y = np.unique(target, return_inverse=True)
    test = np.isin(groups, np.unique(groups)[::5])
    weights = np.linalg.lstsq(z[~test], np.eye(len(labels))[y[~test]], rcond=None)[0]
    return float(np.mean(np.argmax(z[test] @ weights, axis=1) == y[test]))


def test_simulated_sets_can_be_learned_but_not_perfectly() -> None:
    assert 0.78 < _linear_accuracy(wearable.SOURCE.load(wearable.Config(), 0), squares=False) < 0.96
    assert 0.80 < _linear_accuracy(machine.SOURCE.load(machine.Config(), 0), squares=False) < 0.96


def test_speakers_differ_and_the_background_hides_words() -> None:
    def loudness(noise: float, variety: float = 1.0) -> list[float]:
        data = speech.SOURCE.load(speech.Config(speakers=2, repetitions=1, noise=noise, variety=variety), 0)
        assert {str(np.unique(one.target)[0]) for one in data.recordings} == {"go", "no", "stop", "yes"}
        return [float(np.abs(one.values[:200]).mean() / np.abs(one.values).max()) for one in data.recordings]

    assert max(loudness(0.0)) == 0.0
    assert min(loudness(1.0)) > 0.01
    dataset, again = (load_data({"kind": "speech", "speakers": 2}, seed=2) for _ in range(2))
    assert len({one.values.tobytes() for one in dataset.recordings}) == len(dataset.recordings) == 16
    for one, other in zip(dataset.recordings, again.recordings, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    with pytest.raises(ConfigError):
        load_data({"kind": "speech", "speakers": 0}, seed=0)


def test_plant_needs_products_of_columns() -> None:
    data = plant.SOURCE.load(plant.Config(), 0)
    assert _linear_accuracy(data, squares=False) < 0.75
    assert 0.85 < _linear_accuracy(data, squares=True) < 0.96


def test_a_larger_plant_begins_with_the_smaller_one() -> None:
    small, large = (plant.SOURCE.load(plant.Config(rows=n), 7).recordings[0] for n in (1_050, 20_000))
    np.testing.assert_array_equal(small.values, large.values[:1_050])
    np.testing.assert_array_equal(small.target, large.target[:1_050])


@pytest.mark.parametrize("given", [{}, {"path": "mine.csv"}])
def test_a_file_beside_rows_that_are_made_up_is_refused(given: dict[str, object]) -> None:
    path = None if given else "mine.csv"
    with pytest.raises(DataKindUnknownError, match=r"no data with the kind 'wearable'.*'mine.csv'"):
        load_data({"kind": "wearable", "rows": 100, **given}, seed=0, path=path)


@pytest.mark.parametrize("vowel", ["_O", "_U", "_A"])
def test_a_spoken_vowel_is_harmonics_of_the_pitch_that_are_largest_at_the_formants(vowel: str) -> None:
    formants = vars(speech)[vowel]
    sizes = np.zeros(1000)
    pitches = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        speaker = speech._Speaker(pitch=90.0, tract=1.0, accent=np.ones(3), tempo=1.0)
        word = speech._word(rng, (speech._Phone(1.0, formants, voice=1.0),), speaker)
        middle = word[len(word) // 2 - 800 : len(word) // 2 + 800] * np.hanning(1600)
        spectrum = np.abs(np.fft.rfft(middle, 2 * len(sizes)))[: len(sizes)]
        sizes += spectrum / spectrum.max()
        # The pitch by the highest repetition of the signal.
        repeats = np.correlate(middle, middle, "full")[len(middle) - 1 :]
        pitches.append(speech.RATE / (50 + np.argmax(repeats[50:150])))
    assert 75 < np.median(pitches) < 105
    hertz = np.arange(len(sizes)) * speech.RATE / 2 / len(sizes)
    strongest = hertz[np.argmax(np.convolve(sizes, np.hanning(60), "same"))]
    assert strongest == pytest.approx(formants[0], rel=0.25)
    # A second of the formants is louder than what lies between it and the third.
    near = sizes[np.abs(hertz - formants[1]) < 80].mean()
    between = sizes[np.abs(hertz - (formants[1] + formants[2]) / 2) < 80].mean()
    assert near > 3 * between
