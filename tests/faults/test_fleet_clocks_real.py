"""Clocks that are wrong and then put right, with a real server, its signer, and real devices: all of them processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from clock_fleet import DAY, ClockFleet, Unit, until

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
OPEN = ("--stages", "all:100%", "--open", "all", "--dwell", "0s", "--quorum", "1")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[ClockFleet]:
    clock_fleet = ClockFleet(tmp_path)
    try:
        yield clock_fleet
    finally:
        clock_fleet.close()


def everybody_has(fleet: ClockFleet, release: int) -> None:
    """All devices have confirmed a release."""
    until(lambda: {unit.release for unit in fleet.units} == {release}, fleet.told)


def begun(fleet: ClockFleet, *units: Unit) -> None:
    """Devices that came with release 0 have confirmed release 1."""
    token = fleet.token(len(units))
    for unit in units:
        unit.start(str(fleet.folder / "r0.edge"), "--token", token)
    plan = fleet.roll_out(1, *OPEN)
    everybody_has(fleet, 1)
    until(lambda: fleet.rollout(plan) == ("finished", 0), fleet.log)


def well_in_the_end(fleet: ClockFleet, release: int) -> None:
    """Everybody has the release, nothing was held against anybody, and no event is lost."""
    everybody_has(fleet, release)
    for unit in fleet.units:
        state = unit.held()
        assert (state.counter, state.floor, state.burned, state.quarantined) == (release, release, (), "")
        unit.end()
        assert unit.lost() == set()
    assert "rows are valid" in fleet.ask("fleet", "audit", "verify")


def test_devices_with_wrong_clocks_run_on_and_get_there_once_they_are_right(fleet: ClockFleet) -> None:
    first, ahead, behind = (fleet.unit(name) for name in ("first", "ahead", "behind"))
    first.clock.set_to(30.0)  # as where nobody has set it since it was switched on
    begun(fleet, first, ahead, behind)

    ahead.clock.set(400 * DAY)
    fleet.roll_out(2, *OPEN, trial="seconds = 6.0")
    until(lambda: behind.held().trial is not None, fleet.told)
    behind.clock.set(-400 * DAY)  # in the middle of its trial
    until(lambda: (first.release, behind.release) == (2, 2), fleet.told)

    # One that is ahead runs what it has, over a kill too, and says what is wrong, here and at the fleet.
    until(lambda: "news refused" in ahead.said(), fleet.told)
    ahead.kill()
    ahead.start()
    until(lambda: ahead.said().count("package on csv") > 2 and "news refused" in ahead.said(), fleet.told)
    assert (ahead.release, ahead.held().floor) == (1, 1)
    assert "by this device's clock, 20" in ahead.said()
    assert "Set the clock if it is wrong" in ahead.status()
    assert "Set it: TLS fails" in behind.status()
    until(lambda: "Is the clock right?" in fleet.ask("fleet", "devices", "ahead"), fleet.told)
    for name, how in (("first", "d behind"), ("ahead", "d ahead"), ("behind", "d behind")):
        assert f"{how}\n" in fleet.ask("fleet", "devices", name)

    for unit in fleet.units:
        unit.clock.set(0.0)
    well_in_the_end(fleet, 2)


def test_a_device_that_slept_for_a_month_in_the_middle_of_a_trial_goes_on_with_it(fleet: ClockFleet) -> None:
    unit = fleet.unit("sleeper")
    begun(fleet, unit)
    fleet.roll_out(2, *OPEN, trial="seconds = 8.0\npatience = 86400.0")
    until(lambda: unit.held().trial is not None and unit.said().count("package on csv") > 2, fleet.told)
    asleep = unit.processes()
    for process in asleep:
        os.kill(process, signal.SIGSTOP)
    try:
        # The world goes on: the server signs all the while, and both clocks of the device that count sleep go on.
        fleet.clock.set(29 * DAY)
        unit.clock.set(29 * DAY, slept=29 * DAY)
        until(lambda: "rollout.renewed" in fleet.log(), fleet.log)
    finally:
        for process in asleep:
            os.kill(process, signal.SIGCONT)
    well_in_the_end(fleet, 2)


def test_a_server_whose_clock_is_wrong_exposes_nobody_and_says_what_to_do(fleet: ClockFleet) -> None:
    begun(fleet, fleet.unit("one"), fleet.unit("two"))
    # One device in an hour: the other one waits.
    plan = fleet.roll_out(2, "--stages", "all:100%", "--dwell", "1h", "--pace", "1/h")
    until(lambda: sorted(unit.release for unit in fleet.units) == [1, 2], fleet.told)
    new = next(unit for unit in fleet.units if unit.release == 2)

    # Behind: nothing is signed, which is said at once and not when signatures have expired; also over a restart.
    fleet.clock.set(-400 * DAY)
    until(lambda: "400 d in the future: nothing can be signed" in fleet.ready(), fleet.ready)
    assert "expected a clock that does not go back" in fleet.refused("fleet", "rollout", "pause", plan)
    fleet.end()
    fleet.serve()
    until(lambda: "nothing can be signed; set the clock" in fleet.ready(), fleet.ready)
    fleet.clock.set(0.0)
    until(lambda: '"ok":true' in fleet.ready(), fleet.ready)
    assert fleet.rollout(plan) == ("running", 0)

    # Ahead: the plan has expired by then, so nobody else begins; also over a restart.
    fleet.clock.set(400 * DAY)
    until(lambda: fleet.rollout(plan) == ("finished", 0), fleet.log)
    fleet.end()
    fleet.serve()
    until(lambda: any("after metadata they depend on had expired" in unit.said() for unit in fleet.units), fleet.told)
    fleet.clock.set(0.0)
    until(lambda: "key rotate timestamp" in fleet.ready(), fleet.ready)
    assert [unit.release for unit in fleet.units if unit is not new] == [1]

    # What it says to do is done, and the fleet goes on.
    assert "devices reset their signed time" in fleet.ask("fleet", "key", "rotate", "timestamp")
    until(lambda: '"ok":true' in fleet.ready(), fleet.ready)
    fleet.roll_out(3, *OPEN)
    for unit in fleet.units:  # who refused news for a while looks ever more seldom, up to once an hour, or at its start
        unit.end()
        unit.start()
    well_in_the_end(fleet, 4)
