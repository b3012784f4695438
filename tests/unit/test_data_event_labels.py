"""Labels of events: rows by the order of time and others get the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core.errors import LabelsError
from edgewright.core.records.data import Recording
from edgewright.data.labels import Mark, label_rows


def _labels(times: list[float], *marks: Mark) -> dict[float, str]:
    recording = Recording(name="walk", values=np.zeros((len(times), 1), np.float32), time=np.array(times))
    target = label_rows(recording, marks, unit="seconds", samples=False, rate=None, origin=0.0).target
    assert target is not None
    return dict(zip(times, map(str, target), strict=True))


def test_rows_in_any_order_have_the_labels_of_their_times() -> None:
    marks = (Mark(label="walk", start="0", end="2"), Mark(label="run", start="2", end="3.5"))
    times = [0.0, 1.0, 2.0, 3.0, 3.5, 4.0]
    labels = _labels(times, *marks)
    assert labels == {0.0: "walk", 1.0: "walk", 2.0: "run", 3.0: "run", 3.5: "", 4.0: ""}
    assert _labels([3.0, 0.0, 4.0, 2.0, 3.5, 1.0], *marks) == labels


@pytest.mark.parametrize("times", [[0.0, 1.0, 2.0, 3.0], [3.0, 1.0, 0.0, 2.0]])
def test_events_outside_or_over_another_are_refused_in_any_order(times: list[float]) -> None:
    with pytest.raises(LabelsError):
        _labels(times, Mark(label="late", start="5", end="6", where="labels.csv line 2"))
    with pytest.raises(LabelsError):
        _labels(times, Mark(label="walk", start="0", end="2"), Mark(label="run", start="1", end="3"))
