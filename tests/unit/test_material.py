"""Recordings shorter than a window: left out and said so, or filled up."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.samples import cut
from edgewright.pipeline.config import parse
from edgewright.pipeline.evaluation.robustness import plausible_changes
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan


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
    notes = prepare(data_plan(parse(text, "words.toml")), None, _dataset()).card.notes
    assert any("4 of 12 recordings or sessions hold no window of 10 samples and are left out" in note for note in notes)
    padded = prepare(data_plan(parse(text, "words.toml", ("window.pad=true",))), None, _dataset()).card.notes
    assert not any("left out" in note for note in padded)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ("task='classification'",),
            f"target: 30 classes, {', '.join(f'{k} (4)' for k in range(20))} and 10 more",
        ),
        ((), "target: a number from 0 to 29; if its whole numbers are classes, set task = 'classification'"),
        (("task='regression'",), "target: a number from 0 to 29"),
    ],
)
def test_the_card_says_what_is_learned(changes: tuple[str, ...], message: str) -> None:
    y = np.arange(120, dtype=np.float64) % 30
    recording = Recording(name="rows", values=np.zeros((120, 1), np.float32), target=y)
    dataset = DataSet(name="rows", columns=(Column(name="a"),), recordings=(recording,), rate=None)
    text = 'name = "rows"\n[data]\nkind = "csv"\n[split]\nby = "row"\n'
    assert prepare(data_plan(parse(text, "rows.toml", changes)), None, dataset).card.notes[0] == message


def test_recordings_of_one_window_are_not_measured_at_a_lower_rate() -> None:
    rng = np.random.default_rng(0)
    recordings = tuple(
        Recording(
            name=f"beat-{i}",
            values=rng.normal(size=(40, 1)).astype(np.float32),
            target=np.full(40, "ab"[i % 2]),
            groups=np.full(40, f"person {i // 4}"),
        )
        for i in range(8)
    )
    dataset = DataSet(name="beats", columns=(Column(name="ecg"),), recordings=recordings, rate=100.0)
    window = WindowConfig(samples=40)
    samples = cut(dataset, window)
    changes = plausible_changes(dataset, samples, window, frozenset({"person 0"}), np.arange(4))
    names = [name for name, _, _ in changes]
    assert names == ["signal gain +5 %", "signal gain -5 %", "sampling rate +2 %"]
