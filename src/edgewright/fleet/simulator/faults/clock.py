"""Clocks that are wrong by more than a year, to both sides."""

from __future__ import annotations

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.simulator.fault import Fault, chosen
from edgewright.fleet.simulator.simulation import Simulation

_WRONG = 400 * DAY


class WrongClocks(Fault):
    """Half of them are behind, half ahead; a clock that is ahead finds everything expired, and stays as it is."""

    broken = "{rate} of the devices have clocks that are 400 days behind or ahead"
    holds = ("a good release goes on", "everybody gets there", "the plan's pace")
    rate = 0.3
    did = "devices whose clock is wrong that run the new release"

    def prepare(self, simulation: Simulation) -> None:
        """Whose clock is wrong."""
        for device in simulation.devices:
            if chosen(device, self.rate):
                ahead = chosen(device, 0.5)
                device.clock.skew = _WRONG if ahead else -_WRONG
                if ahead:
                    simulation.excluded.add(device.number)

    def count(self, simulation: Simulation) -> int:
        """Of those whose clock is wrong."""
        new = simulation.new
        wrong = (device for device in simulation.devices if device.clock.skew)
        return 0 if new is None else sum(device.held.counter == new.counter for device in wrong)


FAULT = WrongClocks()
