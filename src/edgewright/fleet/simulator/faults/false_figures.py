"""Devices whose figures make no sense, while the release is good."""

from __future__ import annotations

from functools import partial

import msgspec

from edgewright.fleet.simulator.device import Device
from edgewright.fleet.simulator.fault import GETS_THERE, Fault, chosen
from edgewright.fleet.simulator.simulation import Simulation
from edgewright.schema.fleet_report import Report, Vitals

_NOTHING = Vitals()
_NEGATIVE = Vitals(
    seconds=-600.0, windows=-600, unsure=-(2**40), alarms=-(2**40), crashes=-(2**40), latency=(-1.0, -1.0),
    memory=-(2**40), channels=-6,
)  # fmt: skip
_LARGEST = Vitals(
    seconds=2.0**53, windows=2**40, unsure=2**40, alarms=2**40, crashes=2**40, latency=(2.0**53, 2.0**53),
    memory=2**40, drifting=("channel-0",), channels=1,
)  # fmt: skip
_ENDLESS = Vitals(seconds=1e308, windows=600, latency=(1e308, 1e308), memory=2**20, channels=6)
"""Two of them have no sum that a computer can write: the control plane hears no such report."""
_FIXED = (_NOTHING, _NEGATIVE, _LARGEST, _ENDLESS)


class FalseFigures(Fault):
    """Each of their reports says something else: nothing, less than nothing, the largest numbers, or anything."""

    broken = "the new model is good, and {rate} of the devices report figures that make no sense"
    holds = GETS_THERE
    rate = 0.05
    did = "reports with false figures so far"
    lies = 0

    def prepare(self, simulation: Simulation) -> None:
        """Whose figures are false."""
        for device in simulation.devices:
            if chosen(device, self.rate):
                device.tell = partial(self._tell, device)

    def count(self, simulation: Simulation) -> int:
        """Reports."""
        return self.lies

    def _tell(self, device: Device, report: Report) -> Report:
        self.lies += 1
        kind = int(device.chance.share() * (len(_FIXED) + 1))
        return msgspec.structs.replace(report, vitals=_FIXED[kind] if kind < len(_FIXED) else _drawn(device))


def _drawn(device: Device) -> Vitals:
    chance = device.chance
    windows = int(chance.between(0.0, 1e6))
    return Vitals(
        seconds=chance.between(0.0, 1e6), windows=windows, unsure=int(chance.share() * windows),
        alarms=int(chance.between(0.0, 1e4)), crashes=int(chance.between(0.0, 100.0)),
        latency=(chance.between(0.0, 10.0), chance.between(0.0, 10.0)), memory=int(chance.between(0.0, 2.0**33)),
        channels=6,
    )  # fmt: skip


FAULT = FalseFigures()
