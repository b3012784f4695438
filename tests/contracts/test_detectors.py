"""Every file of `monitor/detectors` keeps the contract of a detector, found by listing the folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector_example import CHANNELS, KINDS, SETTINGS, fitted, resumed, rows, started
from edgewright.core.catalogue import names
from edgewright.core.errors import InputError, SampleShapeError, UnknownNameError
from edgewright.core.records.data import Column
from edgewright.monitor.detector_stream import Watch, read_detector, state_bytes, write_detector
from edgewright.monitor.detectors import DetectorConfig, kind
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.workflows.detection.fit import learn
from edgewright.workflows.detection.rows import Stretch
from support import check_settings

# How far into the rows every detector has learnt enough to give scores.
_WARM = 80


def test_every_module_is_a_detector() -> None:
    assert set(KINDS) == set(names("edgewright.monitor.detectors"))
    assert {"robust", "spectral_residual", "k_means", "pca", "autoencoder", "var", "own_past"} <= set(KINDS)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'own_past'"):
        kind("onw_past")


@pytest.mark.parametrize("name", KINDS)
def test_settings_are_frozen_and_every_one_is_described(name: str) -> None:
    config = kind(name).config
    assert issubclass(config, DetectorConfig)
    check_settings(config)


@pytest.mark.parametrize("name", KINDS)
def test_rows_one_by_one_give_what_all_at_once_give(name: str) -> None:
    values, time = rows(200, seed=1)
    values[50:60, 1] = np.nan
    values[70] = np.nan
    whole = started(name).update(values, time)
    one = started(name)
    singly = np.concatenate([one.update(values[i : i + 1], time[i : i + 1]) for i in range(len(values))])
    np.testing.assert_array_equal(singly, whole)
    assert np.isfinite(whole[_WARM:]).all()


@pytest.mark.parametrize("name", KINDS)
def test_resumed_it_goes_on_as_if_it_had_never_stopped(name: str) -> None:
    values, time = rows(300, seed=2)
    whole = started(name)
    first = whole.update(values[:130], time[:130])
    state = whole.state()
    kept = state_bytes(state)
    rest = whole.update(values[130:], time[130:])
    again = resumed(name, state)
    np.testing.assert_array_equal(again.update(values[130:], time[130:]), rest)
    np.testing.assert_array_equal(again.blame(), whole.blame())
    assert len(first) == 130
    # Going on has not changed what was handed out.
    assert state_bytes(state) == kept
    np.testing.assert_array_equal(resumed(name, state).update(values[130:], time[130:]), rest)


@pytest.mark.parametrize("name", KINDS)
def test_memory_does_not_grow(name: str) -> None:
    values, time = rows(1200, seed=3)
    running = started(name)
    running.update(values[:200], time[:200])
    early = state_bytes(running.state())
    running.update(values[200:], time[200:])
    assert state_bytes(running.state()) == early
    assert early <= 64_000


@pytest.mark.parametrize("name", KINDS)
def test_missing_values_are_not_odd(name: str) -> None:
    values, time = rows(300, seed=4)
    running = started(name)
    usual = np.nanmax(running.update(values[:200], time[:200])[_WARM:])
    nothing = running.update(np.full((1, CHANNELS), np.nan, np.float32), time[200:201])
    assert nothing[0] == 0.0
    assert not running.blame().any()
    some = values[201:].copy()
    some[:, 2] = np.nan
    scores = running.update(some, time[201:])
    assert np.isfinite(scores).all()
    assert np.median(scores) <= max(2 * usual, 1.0)
    assert running.blame()[2] == 0.0 or not np.isnan(running.blame()).any()


@pytest.mark.parametrize("name", KINDS)
def test_a_row_far_out_is_odder_and_its_channel_is_to_blame(name: str) -> None:
    values, time = rows(240, seed=5)
    running = started(name)
    usual = running.update(values[:200], time[:200])[_WARM:]
    before = running.state()
    for channel in range(CHANNELS):
        again = resumed(name, before)
        odd = values[200:203].copy()
        odd[:, channel] += 40.0
        scores = again.update(odd, time[200:203])
        assert scores.max() > np.quantile(usual, 0.9), channel
        again = resumed(name, before)
        again.update(odd[:1], time[200:201])
        shares = again.blame()
        assert shares.shape == (CHANNELS,)
        assert (shares >= 0).all()
        assert shares.sum() == pytest.approx(1.0)
        assert int(shares.argmax()) == channel


@pytest.mark.parametrize("still", [1, slice(None)], ids=["one", "all"])
@pytest.mark.parametrize("name", KINDS)
def test_a_channel_that_stands_still_is_no_division_by_zero(name: str, still: int | slice) -> None:
    values, time = rows(300, seed=6)
    values[:, still] = 7.0
    config = kind(name).config(**{**SETTINGS.get(name, {}), **({"epochs": 2} if name == "autoencoder" else {})})
    learnt = learn(name, config, (Stretch("", values, time),))
    scores = kind(name).start(learnt).update(values, time)
    assert np.isfinite(scores[_WARM:]).all()


@pytest.mark.parametrize("name", KINDS)
def test_too_few_rows_and_other_channels_are_refused(name: str) -> None:
    with pytest.raises(SampleShapeError):
        started(name).update(np.zeros((1, 4), np.float32), np.zeros(1))
    values, time = rows(3)
    try:
        learnt = learn(name, kind(name).config(), (Stretch("", values, time),))
    except InputError as error:
        assert "rows" in str(error)
    else:  # it learns only as it goes
        assert not any(isinstance(value, np.ndarray) for value in learnt.values())


@pytest.mark.parametrize("name", KINDS)
def test_the_file_gives_back_the_same_detector(name: str, tmp_path: Path) -> None:
    values, time = rows(150, seed=7)
    spec = DetectorSpec(
        kind=name, config={}, columns=tuple(Column(name=n) for n in "abc"), threshold=Threshold(value=2.0, by="given")
    )
    path = tmp_path / "one.detector"
    write_detector(path, spec, fitted(name))
    read = read_detector(path)
    verdicts = Watch(read).push(values, time)
    expected = started(name).update(values, time)
    np.testing.assert_array_equal([j.score for j in verdicts], expected)
    np.testing.assert_array_equal([j.odd for j in verdicts], expected >= 2.0)
