"""Windows: cut at once and as a stream."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import CsvNumberError, SampleShapeError
from edgewright.core.input.recordings import Windower, cut


def rows(n: int, channels: int = 2) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.arange(n * channels, dtype=np.float32).reshape(n, channels)


def test_cut_gives_windows_channels_first_with_their_starts() -> None:
    windows, starts = cut(rows(7), 3, 2)
    assert windows.shape == (3, 2, 3)
    assert starts.tolist() == [0, 2, 4]
    assert windows[1].tolist() == [[4, 6, 8], [5, 7, 9]]


def test_too_few_rows_give_no_window() -> None:
    windows, starts = cut(rows(2), 3, 1)
    assert windows.shape == (0, 2, 3)
    assert starts.size == 0


@pytest.mark.parametrize(("samples", "step", "key"), [(0, 1, "samples"), (3, 0, "step")])
def test_lengths_below_one_are_refused(samples: int, step: int, key: str) -> None:
    with pytest.raises(CsvNumberError, match=f"window.{key}"):
        cut(rows(5), samples, step)
    with pytest.raises(CsvNumberError, match=f"window.{key}"):
        Windower(samples, step, 2)


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(SampleShapeError):
        Windower(4, 2, 3).push(rows(2))


@pytest.mark.slow
@given(
    st.integers(1, 9),
    st.integers(1, 14),
    st.lists(st.integers(0, 12), max_size=12),
    st.booleans(),
)
@settings(max_examples=200)
def test_a_stream_gives_the_same_windows_however_it_arrives(
    samples: int, step: int, pieces: list[int], fill: bool
) -> None:
    values = rows(sum(pieces))
    windower, got, at = Windower(samples, step, 2, fill_start=fill), [], 0
    for piece in pieces:
        got += windower.push(values[at : at + piece])
        at += piece
        assert len(windower._held) < samples
    windows, starts = cut(values, samples, step, fill_start=fill)
    assert len(got) == len(windows)
    assert all(np.array_equal(a, b) for a, b in zip(got, windows, strict=True))
    assert windower.next_start == len(starts) * step - (samples - 1) * fill


def test_copies_of_the_first_row_complete_the_first_windows() -> None:
    windows, starts = cut(rows(4, 1), 3, 2, fill_start=True)
    assert windows[:, 0].tolist() == [[0, 0, 0], [0, 1, 2]]
    assert starts.tolist() == [-2, 0]
    assert cut(rows(0), 3, 2, fill_start=True)[0].shape == (0, 2, 3)


def test_one_row_at_a_time() -> None:
    windower = Windower(2, 1, 2)
    assert windower.push(rows(3)[0]) == []
    assert windower.push(rows(3)[1])[0].tolist() == [[0, 2], [1, 3]]
