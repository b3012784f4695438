"""Recordings shorter than a window: left out and said so, or filled up."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.data.samples import cut
from edgewright.pipeline.config import parse
from edgewright.pipeline.material import prepare
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import Column, DataSet, Recording


def _dataset() -> DataSet:
    """Twelve recordings, every third shorter than a window of ten samples."""
    return DataSet(
        name="words",
        columns=(Column(name="sound"),),
        recordings=tuple(
            Recording(
                name=f"word-{i}",
                values=np.full((6 if i % 3 == 0 else 10, 1), i + 1, np.float32),
                target=np.full(6 if i % 3 == 0 else 10, "ab"[i % 2]),
            )
            for i in range(12)
        ),
        rate=100.0,
    )


@pytest.mark.parametrize("within", ["label", "recording"])
def test_short_recordings_are_filled_up_with_zeros(within: str) -> None:
    window = WindowConfig(samples=10, within="label" if within == "label" else "recording", pad=True)
    samples = cut(_dataset(), window)
    assert samples.X.shape == (12, 1, 10)
    assert samples.X[0, 0].tolist() == [1.0] * 6 + [0.0] * 4
    assert samples.X[1, 0].tolist() == [2.0] * 10
    assert samples.y.tolist() == ["a", "b"] * 6


def test_recordings_that_are_left_out_are_told() -> None:
    text = 'name = "words"\n[data]\nkind = "wav"\n[window]\nsamples = 10\n[split]\nby = "row"\ntest = 0.4\n'
    notes = prepare(parse(text, "words.toml"), None, _dataset()).card.notes
    assert any("4 of 12 recordings or sessions hold no window of 10 samples and are left out" in note for note in notes)
    padded = prepare(parse(text, "words.toml", ("window.pad=true",)), None, _dataset()).card.notes
    assert not any("left out" in note for note in padded)
