"""New releases: a good one, and those that are wrong, slow, hungry, crash or hang."""

from __future__ import annotations

from collections.abc import Callable

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.simulator.behaviour import MEGABYTE, Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import GETS_THERE, SHORTEST, TAKEN_BACK, Fault, chosen
from edgewright.fleet.simulator.fleet import SimulatedFleet

_LATE = 0.2
"""Share of the devices on which the bad model passes its trial, and is bad only `_TRIAL_AND_MORE` seconds later."""
_TRIAL_AND_MORE, _MINUTES_15 = 900.0, 900.0
_CALLED_BACK = ("halted", "exposed", "no start after the halt", "all back")


class GoodRelease(Fault):
    """Nothing is broken."""

    did = ""
    broken = "nothing: the new release is good"
    holds = GETS_THERE


class BadRelease(Fault):
    """A new release that behaves badly.

    Args:
        broken: what is broken, in words.
        behaviour: of the release on a device; it may draw from the device's chance.
        holds: names of rules that hold.
        least: days that a simulation of it needs.
    """

    bad = True

    def __init__(
        self, broken: str, behaviour: Callable[[Device], Behaviour], holds: tuple[str, ...] = TAKEN_BACK,
        minimum: float = SHORTEST,
    ) -> None:  # fmt: skip
        self.broken, self._behaviour, self.holds, self.least = broken, behaviour, holds, minimum

    def behaviour(self, device: Device) -> Behaviour:
        """Return how the release behaves on a device."""
        return self._behaviour(device)


class Offline(BadRelease):
    """The release passes its trial and goes bad an hour later; a third of the devices is away for a day meanwhile."""

    rate = 1 / 3
    days = 2.0
    did = "devices that are away"

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Choose devices outside of the canary that are away at some time."""
        for device in fleet.devices:
            if chosen(device, self.rate):
                begin = fleet.events.now + device.chance.between(2.0, 12.0) * 3600.0
                device.link.away.append((begin, begin + DAY))

    def activated(self, fleet: SimulatedFleet, device: Device) -> None:
        """Take the same share of those that have the release off the network soon after."""
        device.link.away.clear()
        count = len(fleet.observer.exposed)
        if int(count * self.rate) > int((count - 1) * self.rate):
            begin = fleet.events.now + _MINUTES_15
            device.link.away.append((begin, begin + DAY))

    def count(self, fleet: SimulatedFleet) -> int:
        """Count devices without a network now."""
        return sum(bool(device.link.away) and device.link.down for device in fleet.devices)


def _unsure(device: Device) -> Behaviour:
    well = _TRIAL_AND_MORE if chosen(device, _LATE) else 0.0
    return Behaviour(unsure=0.45, alarms=400.0, drifting=2, well=well)


def _hungry(device: Device) -> Behaviour:
    if chosen(device, 0.5):
        return Behaviour(crashes=device.chance.between(20.0, 120.0), kills=True)
    return Behaviour(memory=400 * MEGABYTE)


FAULTS: dict[str, Fault] = {
    "none": GoodRelease(),
    "bad-model": BadRelease(
        "the new model is bad: 45 % unsure answers and alarms all day, on a fifth of the devices only later",
        _unsure,
    ),
    "slow-model": BadRelease(
        "the new model takes 1 to 3 seconds for an answer; half a second is allowed",
        lambda device: Behaviour(latency=device.chance.between(1.0, 3.0)),
    ),
    "out-of-memory": BadRelease(
        "the new model takes 400 MB where 200 MB are allowed; on half of the devices the system ends it", _hungry
    ),
    "crash-loop": BadRelease(
        "the new release crashes with a segmentation fault 15 to 90 seconds after each start",
        lambda device: Behaviour(crashes=device.chance.between(15.0, 90.0)),
    ),
    "dead-silent": BadRelease(
        "devices hang 5 to 60 seconds after the new release starts, until a watchdog pulls the plug 2 hours later",
        lambda device: Behaviour(hangs=device.chance.between(5.0, 60.0)), _CALLED_BACK, 0.5,
    ),
    "dies-later": BadRelease(
        "devices hang 40 to 60 minutes after the new release starts, until a watchdog pulls the plug 2 hours later",
        lambda device: Behaviour(hangs=device.chance.between(2400.0, 3600.0)), _CALLED_BACK, 0.2,
    ),
    "offline": Offline(
        "the new model goes bad an hour after it began; {rate} of the devices are away for a day",
        lambda _: Behaviour(unsure=0.7, alarms=400.0, drifting=6, well=3600.0), _CALLED_BACK, 2.0,
    ),
}  # fmt: skip
