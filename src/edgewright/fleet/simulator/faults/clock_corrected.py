"""Clocks that are wrong by years when the rollout begins, and are set right hours later."""

from __future__ import annotations

from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.simulator.default_plan import HOUR
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import GETS_THERE, Fault, chosen
from edgewright.fleet.simulator.simulation import Simulation
from edgewright.fleet.simulator.world import BEGIN, Act

_WRONG = (-BEGIN, -400 * DAY, 400 * DAY)
"""From 1970 on, as after a dead battery; more than a year behind, and ahead."""
_FIRST, _LAST = 2.0, 8.0  # hours


class ClockCorrected(Fault):
    """A third of them each; once right, each of them gets there."""

    broken = (
        "{rate} of the devices have clocks that stand at 1970 or are 400 days behind or ahead, and are set right 2 to "
        "8 hours later"
    )
    holds = GETS_THERE
    least = 0.5
    rate = 0.3
    did = "devices whose clock is wrong now"

    def prepare(self, simulation: Simulation) -> None:
        """Whose clock is wrong, how, and for how long."""
        for device in simulation.devices:
            if chosen(device, self.rate):
                device.clock.skew = _WRONG[int(device.chance.share() * len(_WRONG))]
                simulation.world.after(device.chance.between(_FIRST, _LAST) * HOUR, _right(device))

    def count(self, simulation: Simulation) -> int:
        """Now."""
        return sum(device.clock.skew != 0.0 for device in simulation.devices)


def _right(device: Device) -> Act:
    def right() -> None:
        device.clock.skew = 0.0

    return right


FAULT = ClockCorrected()
