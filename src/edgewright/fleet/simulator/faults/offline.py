"""A part of the fleet is away for a day, some with the bad release; coming back they must find the way back too."""

from __future__ import annotations

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.simulator.behaviour import Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import Fault, chosen
from edgewright.fleet.simulator.simulation import Simulation

_MINUTES_15 = 900.0


class Offline(Fault):
    """The release passes its trial and goes bad an hour later; a third goes away just after its trial."""

    broken = "the new model goes bad an hour after it began; {rate} of the devices are away for a day"
    holds = ("halted", "exposed", "nobody begins after the halt", "all back")
    bad = True
    rate = 1 / 3
    days = 2.0
    least = 2.0
    did = "devices that are away"

    def behaviour(self, device: Device) -> Behaviour:
        """Well through the trial."""
        return Behaviour(unsure=0.7, alarms=400.0, drifting=6, well=3600.0)

    def prepare(self, simulation: Simulation) -> None:
        """Who does not get the release in the canary goes away whenever it is."""
        for device in simulation.devices:
            if chosen(device, self.rate):
                begin = simulation.world.now + device.chance.between(2.0, 12.0) * 3600.0
                device.link.away.append((begin, begin + DAY))

    def activated(self, simulation: Simulation, device: Device) -> None:
        """Of those that have it the same share is away soon after."""
        device.link.away.clear()
        count = len(simulation.watch.exposed)
        if int(count * self.rate) > int((count - 1) * self.rate):
            begin = simulation.world.now + _MINUTES_15
            device.link.away.append((begin, begin + DAY))

    def count(self, simulation: Simulation) -> int:
        """Now."""
        return sum(bool(device.link.away) and device.link.down for device in simulation.devices)


FAULT = Offline()
