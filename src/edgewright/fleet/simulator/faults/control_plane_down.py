"""The control plane is away in the middle of a rollout; the signed files are served all the same."""

from __future__ import annotations

from edgewright.fleet.simulator.fault import Fault
from edgewright.fleet.simulator.simulation import Simulation

_AFTER, _AWAY = 2400.0, 36 * 3600.0


class ControlPlaneDown(Fault):
    """It dies in the canary for a day and a half: longer than the signature on standings lasts."""

    broken = "the control plane is dead for 36 hours, from the middle of the canary on"
    holds = ("a good release goes on", "everybody gets there", "the plan's pace", "nobody begins without leave")
    spoils = ("in time",)
    days = 3.0
    least = 2.0
    calm = False
    did = "reports and intents that found nobody so far"

    def started(self, simulation: Simulation) -> None:
        """It ends, and it comes back."""
        simulation.world.after(_AFTER, lambda: _set(simulation, down=True))
        simulation.world.after(_AFTER + _AWAY, lambda: _set(simulation, down=False))

    def count(self, simulation: Simulation) -> int:
        """Requests."""
        return simulation.served.unanswered


def _set(simulation: Simulation, *, down: bool) -> None:
    simulation.served.down = down
    simulation.say("the control plane is dead" if down else "the control plane is there again")


FAULT = ControlPlaneDown()
