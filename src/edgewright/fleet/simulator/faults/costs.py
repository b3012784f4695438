"""New releases with hidden costs: wrong answers or a high power consumption."""
# ruff: noqa: D102 - `Fault` describes its methods, and `did` says what `count` counts

from __future__ import annotations

from edgewright.fleet.simulator.behaviour import Behaviour
from edgewright.fleet.simulator.fault import Fault
from edgewright.fleet.simulator.faults.releases import CALLED_BACK, BadRelease
from edgewright.fleet.simulator.fleet import SimulatedFleet

_POWER = 6.0


class DrainsBattery(BadRelease):
    """Solar power is sufficient for the old release; with the new one a full battery is empty after four hours."""

    did = "hours of the old release's power that the new release used beyond it"

    def count(self, fleet: SimulatedFleet) -> int:
        ran_s = sum(fault.disk.ran.get(fleet.new.sha256, 0.0) for fault in fleet.devices) if fleet.new else 0.0
        return round(ran_s * (_POWER - 1.0) / 3600.0)


FAULTS: dict[str, Fault] = {
    "drains-battery": DrainsBattery(
        "the new release computes six times as long: a full battery is empty after 4 hours and charges for 2",
        lambda _: Behaviour(power=_POWER), CALLED_BACK, 0.7,
    ),
    "wrong-answers": BadRelease(
        "the new model is sure of its answers, and 90 % of them are wrong: they name the rarer class",
        lambda _: Behaviour(wrong=0.9), CALLED_BACK,
    ),
}  # fmt: skip
