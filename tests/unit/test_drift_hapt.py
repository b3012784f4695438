"""Drift on real people: none on those the reference has not seen, and swapped axes named with their time."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core.records.config import WindowConfig
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.monitor.drift.stream_monitor import DriftConfig, DriftWatch
from edgewright.pipeline.package.packaging import reference
from support import shared_data

pytestmark = pytest.mark.slow
TRAINED = ("1", "3", "5", "6", "7", "8", "11", "14")
OTHERS = ("15", "16", "17", "19", "21", "22", "23", "25")
RATE = 50.0


def test_swapped_axes_of_a_phone_are_named_and_other_people_are_no_drift() -> None:
    dataset = load_data({"kind": "hapt", "path": str(shared_data("har-hapt"))}, seed=0)
    samples = cut(dataset, WindowConfig(samples=128, step=128))
    assert samples.groups is not None
    trained = reference(samples, np.flatnonzero(np.isin(samples.groups, TRAINED)))
    rows = np.concatenate([r.values for r in dataset.recordings if r.groups is not None and str(r.groups[0]) in OTHERS])
    times = np.arange(len(rows)) / RATE
    config = DriftConfig(rhythm=1800.0)
    assert DriftWatch(trained, RATE, config).push(rows, times) == []
    half = len(rows) // 2
    rows[half:] = rows[half:][:, [1, 0, 2, 3, 4, 5]]
    events = DriftWatch(trained, RATE, config).push(rows, times)
    assert {event.label for event in events} == {"acc_x", "acc_y"}
    first = events[0]
    assert half / RATE < first.time <= half / RATE + 2 * 1800
    assert abs(first.detail["since"] - half / RATE) <= 1800 / 8
