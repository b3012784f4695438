"""How far a simulation is: on a terminal, and nowhere else."""

from __future__ import annotations

import sys

import pytest

from edgewright.cli.fleet._progress import Progress, words
from edgewright.fleet.simulator.settings import Settings
from edgewright.fleet.simulator.simulation import simulate


def test_the_line_says_day_hour_share_and_what_is_left() -> None:
    assert words(14.0, 0.25, 60.0) == "day 3, hour 12 of 14 days, 25% done, about 3 min left"
    assert words(0.5, 0.5, 10.0) == "day 0, hour 06 of 0.5 days, 50% done, about 10 s left"
    assert words(30.0, 0.1, 3600.0).endswith("about 9.0 h left")
    assert words(1.0, 0.0, 60.0) == "day 0, hour 00 of 1 day, 0% done"
    assert words(7.0, 1.0, 60.0) == "day 7, hour 00 of 7 days, 100% done, about 0 s left"


@pytest.mark.parametrize("terminal", [True, False])
def test_it_is_drawn_on_a_terminal_only_and_taken_away(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    shares: list[float] = []
    with Progress(4) as progress:
        simulate(Settings(devices=4, days=0.1), lambda one: progress.begin(one.days), shares.append)
        progress.passed(shares[-1])
    assert shares[0] == 0.0 and shares[-1] == 1.0 and shares == sorted(shares)
    said = capsys.readouterr()
    assert said.out == "" and (said.err == "") is not terminal
    if terminal:
        assert "making 4 devices" in said.err and "100% done" in said.err and said.err.endswith("\r\x1b[K")
