"""Everything is away for hours, for everybody; then the whole fleet returns at once, with full outboxes."""

from __future__ import annotations

from edgewright.fleet.simulator.fault import Fault
from edgewright.fleet.simulator.outbox import SimulatedOutbox
from edgewright.fleet.simulator.simulation import Simulation
from edgewright.fleet.simulator.world import BEGIN

_AFTER, _AWAY = 9000.0, 6 * 3600.0


class Outage(Fault):
    """Files and control plane cannot be reached; devices go on and keep what they have to say."""

    broken = (
        "files and control plane are away for 6 hours in the middle of the canary; then {rate} of the devices return "
        "at once with full outboxes"
    )
    holds = (
        "a good release goes on", "everybody gets there", "the plan's pace", "drained after an outage", "alarms first",
    )  # fmt: skip
    spoils = ("in time",)
    rate = 1.0
    least = 0.6
    calm = False
    did = "items that wait in outboxes"

    def prepare(self, simulation: Simulation) -> None:
        """Everybody has an outbox; who reports at all has been given it before the agent begins."""
        begin = simulation.world.now + _AFTER
        end = begin + _AWAY
        for device in simulation.devices:
            device.outbox = outbox = SimulatedOutbox(device.name, device.clock)
            device.boot()
            if device.number < self.rate * len(simulation.devices):
                outbox.until = end - BEGIN
                device.link.away.append((begin, end))
        if self.rate >= 1.0:
            simulation.world.at(begin, lambda: _set(simulation, down=True))
            simulation.world.at(end, lambda: _set(simulation, down=False))

    def count(self, simulation: Simulation) -> int:
        """Of all devices."""
        return sum(device.outbox.waiting for device in simulation.devices if isinstance(device.outbox, SimulatedOutbox))


def _set(simulation: Simulation, *, down: bool) -> None:
    simulation.served.down = down
    simulation.say("everything is away" if down else "everything is there again, for everybody at once")


FAULT = Outage()
