"""Wall time of a command and of its parts."""

from __future__ import annotations

import re
import time

import pytest

from edgewright.cli import laps


def test_parts_add_up_and_one_within_another_ends_where_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter((10.0, 11.0, 13.0, 16.0, 20.0))
    monkeypatch.setattr(laps, "_laps", [("import", 0.0), ("read", 1.0)])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    laps.begin()
    laps.lap(laps.READ)
    with laps.lasting(laps.IMPORT):
        pass
    assert laps.laps_text() == "took 10.00 s: import 4.0, read 6.0"


def test_the_first_command_of_a_process_counts_from_the_start_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laps, "_laps", [("import", time.perf_counter() - 2.0)])
    laps.begin()
    assert re.fullmatch(r"took 2\.\d\d s: import 2\.\d", laps.laps_text())
