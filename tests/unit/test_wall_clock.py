"""The time of day with its doubt, and a clock that is set."""

from __future__ import annotations

import time

import pytest

from edgewright.device.wall_clock import WallClock, kernel_doubt


class Clocks:
    """A time of day and a steady clock that tests move."""

    def __init__(self) -> None:
        self.wall, self.steady = 1.7e9, 50.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.mark.parametrize("days", [400, -400])
def test_a_clock_that_is_set_is_noticed_once(days: float) -> None:
    clocks = Clocks()
    watch = WallClock(lambda: clocks.wall, lambda: clocks.steady, lambda: 0.01)
    assert watch.now().jumped == 0.0
    clocks.pass_by(3600)
    clocks.wall += 0.2  # what a time service corrects
    assert watch.now().jumped == 0.0
    clocks.wall += days * 86400
    assert watch.now().jumped == pytest.approx(days * 86400)
    clocks.pass_by(1)
    moment = watch.now()
    assert (moment.jumped, moment.wall, moment.doubt) == (0.0, clocks.wall, 0.01)


def test_the_kernel_says_a_doubt_or_that_nobody_set_the_clock() -> None:
    doubt = kernel_doubt()
    assert doubt is None or 0.0 <= doubt < 1000.0
    assert abs(WallClock().now().wall - time.time()) < 1.0
