"""Rows in JSON: dates that cannot be read are told once, when they begin."""

from __future__ import annotations

import numpy as np

from edgewright.device.sources._json import JsonReader


def test_dates_that_cannot_be_read_are_told_when_they_begin() -> None:
    reader = JsonReader(("x",), name="http", time="at")
    good = reader.read(b'[{"at": "2026-11-20T13:00:00", "x": 1}, {"at": "2026-11-20T13:00:01", "x": 2}]')
    assert good.notices == ()
    assert good.time is not None and np.diff(good.time).tolist() == [1.0]
    odd = reader.read(b'[{"at": "yesterday", "x": 3}, {"at": "2026-11-20T13:00:03", "x": 4}]')
    assert len(odd.notices) == 1 and "expected a date such as" in odd.notices[0] and "'yesterday'" in odd.notices[0]
    assert odd.time is not None and np.isnan(odd.time).tolist() == [True, False]
    assert reader.read(b'{"at": "the day before", "x": 5}').notices == ()
    assert reader.read(b'{"at": "2026-11-20T13:00:05", "x": 6}').notices == ()
    assert len(reader.read(b'{"at": "again", "x": 7}').notices) == 1
