"""New releases: a good one, and bad ones that are wrong, slow, hungry, costly, or crash or hang devices."""
# ruff: noqa: D102 - `Fault` describes its methods, and `did` says what `count` counts

from __future__ import annotations

import math
from collections.abc import Callable

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.simulator.behaviour import GOOD, MEGABYTE, Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import GETS_THERE, SHORTEST, TAKEN_BACK, Fault, chosen
from edgewright.fleet.simulator.fleet import SimulatedFleet

_LATE = 0.2
"""Share of the devices on which the bad model passes its trial and becomes bad after `_TRIAL_AND_MORE` seconds."""
_TRIAL_AND_MORE, _MINUTES_15 = 900.0, 900.0
CALLED_BACK = ("halted", "exposed", "no start after the halt", "all back")
"""Rules for a bad release whose problem does not appear in reports."""


class GoodRelease(Fault):
    """Nothing is broken."""

    did = ""
    broken = "nothing: the new release is good"
    holds = GETS_THERE


class BadRelease(Fault):
    """A new release that behaves badly.

    Args:
        broken: description of the fault.
        behaviour: returns the behaviour on a device; it may use the device's random numbers.
        holds: names of rules that must hold.
        minimum: shortest duration of a simulation in days.
    """

    bad = True

    def __init__(
        self, broken: str, behaviour: Callable[[Device], Behaviour], holds: tuple[str, ...] = TAKEN_BACK,
        minimum: float = SHORTEST,
    ) -> None:  # fmt: skip
        self.broken, self._behaviour, self.holds, self.shortest_days = broken, behaviour, holds, minimum

    def behaviour(self, device: Device) -> Behaviour:
        """Return how the release behaves on a device."""
        return self._behaviour(device)


class Offline(BadRelease):
    """The release becomes bad an hour after its activation, while a third of the devices is offline for a day."""

    rate = 1 / 3
    days = 2.0
    did = "devices that are away"

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Choose devices and the day on which each is offline."""
        self._planned: dict[int, tuple[float, float]] = {}
        for device in fleet.devices:
            if chosen(device, self.rate):
                begin = fleet.events.now + device.chance.between(2.0, 12.0) * 3600.0
                self._away(device, begin)

    def activated(self, fleet: SimulatedFleet, device: Device) -> None:
        """Take the same share of updated devices offline shortly after the activation."""
        planned = self._planned.pop(device.number, None)
        if planned is not None:
            device.link.away.remove(planned)
        count = len(fleet.observer.exposed)
        if int(count * self.rate) > int((count - 1) * self.rate):
            self._away(device, fleet.events.now + _MINUTES_15)

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(bool(device.link.away) and device.link.down for device in fleet.devices)

    def _away(self, device: Device, begin: float) -> None:
        self._planned[device.number] = begin, begin + DAY
        device.link.away.append(self._planned[device.number])


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
    "offline": Offline(
        "the new model goes bad an hour after it began; {rate} of the devices are away for a day",
        lambda _: Behaviour(unsure=0.7, alarms=400.0, drifting=6, well=3600.0), CALLED_BACK, 2.0,
    ),
}  # fmt: skip


_POWER = 6.0


class DrainsBattery(BadRelease):
    """Solar power is sufficient for the old release; with the new one a full battery is empty after four hours."""

    did = "hours of the old release's power that the new release used beyond it"

    def count(self, fleet: SimulatedFleet) -> int:
        ran_s = sum(fault.disk.ran.get(fleet.new.sha256, 0.0) for fault in fleet.devices) if fleet.new else 0.0
        return round(ran_s * (_POWER - 1.0) / 3600.0)


FAULTS |= {
    "drains-battery": DrainsBattery(
        "the new release computes six times as long: a full battery is empty after 4 hours and charges for 2",
        lambda _: Behaviour(power=_POWER), CALLED_BACK, 0.7,
    ),
    "wrong-answers": BadRelease(
        "the new model is sure of its answers, and 90 % of them are wrong: they name the rarer class",
        lambda _: Behaviour(wrong=0.9), CALLED_BACK,
    ),
}  # fmt: skip


_WATCHDOG_S, _FADES_S = 60.0, 7200.0


class Hangs(BadRelease):
    """A share of the devices hangs permanently: each of them needs a visit."""

    rate = 0.38
    lethal = True
    did = "devices that are dead"

    def behaviour(self, device: Device) -> Behaviour:
        """Return a behaviour that hangs a share of the devices permanently."""
        if not chosen(device, self.rate):
            return GOOD
        return Behaviour(hangs=device.chance.between(5.0, 60.0), watchdog=math.inf)

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(device.dead for device in fleet.devices)


def _after(low_s: float, high_s: float) -> Callable[[Device], Behaviour]:
    return lambda device: Behaviour(hangs=device.chance.between(low_s, high_s))


def _fading(device: Device) -> Behaviour:
    """Return a behaviour with a first run longer than a trial and ever shorter later runs."""
    return Behaviour(hangs=device.chance.between(1200.0, 1800.0), watchdog=_WATCHDOG_S, fades=_FADES_S)


FAULTS |= {
    "dead-silent": BadRelease(
        "devices hang 5 to 60 seconds after the new release starts, until a watchdog pulls the plug 2 hours later",
        _after(5.0, 60.0), CALLED_BACK, 0.5,
    ),
    "dies-later": BadRelease(
        "devices hang 40 to 60 minutes after the new release starts, until a watchdog pulls the plug 2 hours later",
        _after(2400.0, 3600.0), CALLED_BACK, 0.2,
    ),
    "dies-after-hours": BadRelease(
        "devices hang 3 to 5 hours after the new release starts, until a watchdog pulls the plug 2 hours later",
        _after(10_800.0, 18_000.0), CALLED_BACK, 0.7,
    ),
    "hangs": Hangs(
        "{rate} of the devices hang for good 5 to 60 seconds after the new release starts", lambda _: GOOD, CALLED_BACK,
        0.5,
    ),
    "slow-death": BadRelease(
        "devices hang 20 to 30 minutes after the new release starts, and after each restart by a watchdog sooner",
        _fading, CALLED_BACK, 0.5,
    ),
}  # fmt: skip
