"""Devices that say all is well with a bad release: they must not push it."""

from __future__ import annotations

import msgspec

from edgewright.fleet.simulator.behaviour import Behaviour
from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import TAKEN_BACK, Fault, chosen
from edgewright.fleet.simulator.simulation import Simulation
from edgewright.schema.fleet_report import Outcome, Report


class Liars(Fault):
    """What failed they report as confirmed."""

    broken = "the new model is wrong, and {rate} of the devices report that it is fine"
    holds = TAKEN_BACK
    bad = True
    rate = 0.2
    did = "reports that were lies so far"
    lies = 0

    def behaviour(self, device: Device) -> Behaviour:
        """Bad at once."""
        return Behaviour(unsure=0.6, alarms=400.0, drifting=4)

    def prepare(self, simulation: Simulation) -> None:
        """Who lies."""
        for device in simulation.devices:
            if chosen(device, self.rate):
                device.tell = self._tell

    def count(self, simulation: Simulation) -> int:
        """Lies."""
        return self.lies

    def _tell(self, report: Report) -> Report:
        said = all_is_well(report)
        self.lies += said != report
        return said


def all_is_well(report: Report) -> Report:
    """A report that says nothing bad."""
    outcomes = tuple(_confirmed(one) for one in report.outcomes)
    vitals = report.vitals and msgspec.structs.replace(report.vitals, unsure=0, alarms=0, drifting=())
    return msgspec.structs.replace(report, outcomes=outcomes, vitals=vitals)


def _confirmed(one: Outcome) -> Outcome:
    return msgspec.structs.replace(one, what="confirmed", because="") if one.what == "reverted" else one


FAULT = Liars()
