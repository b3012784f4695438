"""Cutting recordings into rows and windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewright.core.errors import InputError, LabelsError
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.samples import cut

Array = NDArray[Any]


def _recording(target: Array | list[str] | list[float], name: str = "r", **parts: Array) -> Recording:
    rows = len(target)
    values = np.stack([np.arange(rows), -np.arange(rows)], axis=1).astype(np.float32)
    return Recording(name=name, values=values, target=np.asarray(target), **parts)  # type: ignore[arg-type]


def _set(*recordings: Recording, rate: float | None = None) -> DataSet:
    return DataSet(
        name="s", columns=(Column(name="a"), Column(name="b")), recordings=recordings, rate=rate, target_name="y"
    )


def test_rows_leave_unlabelled_ones_out() -> None:
    data = _set(_recording(["x", "", "y"]), _recording(["y", "y"], "q"))
    samples = cut(data, None)
    assert samples.y.tolist() == ["x", "y", "y", "y"]
    assert samples.X[:, 0].tolist() == [0, 2, 0, 1]
    assert samples.sessions.tolist() == ["r", "r", "q", "q"]
    assert samples.starts.tolist() == [0, 2, 0, 1]
    assert samples.groups is None


def test_windows_lie_inside_stretches_of_one_label() -> None:
    data = _set(_recording(["x"] * 5 + [""] * 3 + ["y"] * 4 + ["x"] * 2, groups=np.array(["p"] * 14)))
    samples = cut(data, WindowConfig(samples=3, step=1))
    assert samples.y.tolist() == ["x", "x", "x", "y", "y"]
    assert samples.starts.tolist() == [0, 1, 2, 8, 9]
    assert samples.X.shape == (5, 2, 3)
    assert samples.X[3, 0].tolist() == [8, 9, 10]
    assert samples.X.dtype == np.float32
    assert samples.groups is not None
    assert samples.groups.tolist() == ["p"] * 5


def test_windows_within_recordings_take_the_commonest_label() -> None:
    data = _set(_recording(["x"] * 4 + ["y"] * 4 + [""] * 4))
    samples = cut(data, WindowConfig(samples=4, step=2, within="recording"))
    assert samples.starts.tolist() == [0, 2, 4, 6]
    assert samples.y.tolist() == ["x", "x", "y", "y"]


def test_half_a_window_is_the_usual_step() -> None:
    assert cut(_set(_recording(["x"] * 8 + ["y"] * 8)), WindowConfig(samples=4)).starts.tolist() == [0, 2, 4, 8, 10, 12]


def test_numbers_as_classes_and_amounts() -> None:
    classes = cut(_set(_recording([0.0] * 4 + [1.0] * 4)), WindowConfig(samples=4, step=4))
    assert classes.y.tolist() == [0.0, 1.0]
    amounts = cut(_set(_recording(np.arange(8) / 2.0 + 0.25)), WindowConfig(samples=4, step=4))
    np.testing.assert_allclose(amounts.y, [1.75, 3.75])


def test_windows_cross_no_session_person_recording_or_gap() -> None:
    sessions = np.array(["m"] * 6 + ["n"] * 6)
    groups = np.array(["p"] * 3 + ["q"] * 9)
    one = _recording(["x"] * 11 + ["y"], sessions=sessions, groups=groups)
    other = _recording(["y"] * 3, "z", groups=np.array(["q"] * 3))
    assert cut(_set(one, other), WindowConfig(samples=3, step=1)).starts.tolist() == [0, 3, 0, 1, 2, 0]
    time = np.arange(12.0)
    time[6:] += 9
    samples = cut(
        _set(_recording(["x"] * 6 + ["y"] * 6, time=time)), WindowConfig(samples=4, step=1, within="recording")
    )
    assert samples.starts.tolist() == [0, 1, 2, 6, 7, 8]


def test_rows_of_one_session_in_two_files_are_counted_on() -> None:
    parts = [_recording(["x", "y"], name, sessions=np.array(["s", "s"])) for name in ("a", "b")]
    assert cut(_set(*parts), None).starts.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("target", "window", "message"),
    [
        ([""] * 4, None, "expected labelled rows, got none - at s"),
        (["x"] * 4, None, "expected at least two different values in the target, got only 'x' - at s, y"),
        (["x", "y"] * 4, WindowConfig(samples=3), r"at least 3 labelled rows \(window.samples\), got at most 1"),
        (["x", "y"], WindowConfig(samples=3, within="recording"), "got at most 2 - at s"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut(target: list[str], window: WindowConfig | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cut(_set(_recording(target)), window)


def test_a_set_without_target_is_refused() -> None:
    with pytest.raises(LabelsError):
        cut(_set(Recording(name="r", values=np.zeros((3, 2), dtype=np.float32))), None)


@settings(max_examples=60)
@given(
    target=st.lists(st.sampled_from(["x", "y", ""]), min_size=2, max_size=40),
    samples=st.integers(1, 6),
    step=st.integers(1, 7),
    within=st.sampled_from(["label", "recording"]),
)
def test_every_window_is_a_true_piece_of_its_recording(target: list[str], samples: int, step: int, within: str) -> None:
    window = WindowConfig(samples=samples, step=step, within="label" if within == "label" else "recording")
    try:
        result = cut(_set(_recording(target)), window)
    except InputError as error:
        assert str(error)
        return
    for X, y, start in zip(result.X, result.y, result.starts, strict=True):
        assert X[0].tolist() == list(range(start, start + samples))
        inside = target[start : start + samples]
        assert y in inside and y != ""
        if within == "label":
            assert set(inside) == {y}
        else:
            assert inside.count(str(y)) == max(inside.count("x"), inside.count("y"))
