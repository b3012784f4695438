"""Somebody with a token makes id after id, and keeps those that the plan puts into its canary, to vote there."""

from __future__ import annotations

import base64

from edgewright.fleet.protocol.plans.position import place
from edgewright.fleet.simulator.fault import GETS_THERE, Fault
from edgewright.fleet.simulator.faults.liars import all_is_well
from edgewright.fleet.simulator.faults.slander import all_is_lost
from edgewright.fleet.simulator.served_fleet import PRODUCT
from edgewright.fleet.simulator.simulation import Simulation
from edgewright.fleet.simulator.world import Drawn
from edgewright.schema.fleet_report import Enrolment

_BATCH = "stolen"
_READS = 1.0


class Grinders(Fault):
    """They can be made only once the plan's salt is known; then they say the contrary of what is true."""

    broken = (
        "somebody enrols as many ids as {rate} of the devices once the plan is there, keeps those of its canary and "
        "has them say the contrary of what is true"
    )
    holds = GETS_THERE
    rate = 1.0
    did = "made-up devices in the canary"
    kept = 0

    def started(self, simulation: Simulation) -> None:
        """The plan has to be read first."""
        simulation.world.after(_READS, lambda: self._grind(simulation))

    def count(self, simulation: Simulation) -> int:
        """All of them, from then on."""
        return self.kept

    def _grind(self, simulation: Simulation) -> None:
        """Ids are drawn by the control plane; whoever wants another one needs another key."""
        plan = simulation.plan
        assert plan is not None  # noqa: S101 - it has started
        count = round(self.rate * simulation.settings.devices)
        chance = Drawn(simulation.settings.seed, "grinder")
        secret = chance.bytes(18).hex()
        simulation.served.token(secret, _BATCH, count)
        asked = [
            Enrolment(
                token=secret, key=base64.b64encode(chance.bytes(32)).decode(), name=f"ground-{number + 1}",
                profile="gateway", product=PRODUCT,
            )
            for number in range(count)
        ]  # fmt: skip
        bad = any(one.bad for one in simulation.faults.each)
        for answer in simulation.served.enrol_all(asked) if asked else ():
            if place(plan.salt, plan.id, answer.device) >= plan.stages[0].percent:
                continue
            device = simulation.add(f"ground {self.kept}")
            device.enrolled(answer)
            device.tell = all_is_well if bad else all_is_lost
            simulation.devices.append(device)
            simulation.excluded.add(device.number)
            device.wake(60.0)
            self.kept += 1
        simulation.say(f"somebody makes {count:,} ids and keeps {self.kept:,} that the plan puts into its canary")


FAULT = Grinders()
