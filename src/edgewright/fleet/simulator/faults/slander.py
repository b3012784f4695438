"""Devices that speak ill of a good release: a few must not stop it."""

from __future__ import annotations

import msgspec

from edgewright.fleet.simulator.fault import Fault, chosen
from edgewright.fleet.simulator.simulation import Simulation
from edgewright.schema.fleet_report import Outcome, Report


class Slander(Fault):
    """What was confirmed they report as failed."""

    broken = "the new model is good, and {rate} of the devices report that it failed"
    holds = ("a good release goes on",)
    rate = 0.05
    did = "reports that were lies so far"
    lies = 0

    def prepare(self, simulation: Simulation) -> None:
        """Who lies."""
        for device in simulation.devices:
            if chosen(device, self.rate):
                device.tell = self._tell

    def count(self, simulation: Simulation) -> int:
        """Lies."""
        return self.lies

    def _tell(self, report: Report) -> Report:
        said = all_is_lost(report)
        self.lies += said != report
        return said


def all_is_lost(report: Report) -> Report:
    """A report that says nothing good."""
    outcomes = tuple(_reverted(one) for one in report.outcomes)
    vitals = report.vitals and msgspec.structs.replace(
        report.vitals, unsure=report.vitals.windows, alarms=10_000, latency=(9.0, 9.0)
    )
    return msgspec.structs.replace(report, outcomes=outcomes, vitals=vitals)


def _reverted(one: Outcome) -> Outcome:
    return msgspec.structs.replace(one, what="reverted", because="unsure") if one.what == "confirmed" else one


FAULT = Slander()
