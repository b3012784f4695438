"""Somebody has the online keys and serves what they like: a paused rollout runs in its last stage, they say."""

from __future__ import annotations

import hashlib

import msgspec

from edgewright.fleet.repository.acceptance import publish
from edgewright.fleet.simulator.fault import TAKEN_BACK, Fault
from edgewright.fleet.simulator.simulation import Simulation
from edgewright.schema.fleet_plan import Standing, Standings

_HALF_AN_HOUR, _SIX_HOURS = 1800.0, 21_600.0


class StolenOnlineKey(Fault):
    """An operator pauses the canary; then the thief signs that everybody may begin, and a plan that nobody signed."""

    broken = (
        "a thief with all online keys publishes that the paused rollout is in its last stage, and a plan of his own"
    )
    holds = ("nothing beyond the stage", "the plan's pace")
    spoils = TAKEN_BACK
    days = 0.5
    calm = False
    did = "states of the metadata that were published so far"

    def started(self, simulation: Simulation) -> None:
        """First the pause, then the thief."""
        simulation.world.after(_HALF_AN_HOUR, lambda: _pause(simulation))
        simulation.world.after(2 * _HALF_AN_HOUR, lambda: _push(simulation))

    def count(self, simulation: Simulation) -> int:
        """Published by the fleet, and by the thief."""
        return simulation.verifier.newest


def _pause(simulation: Simulation) -> None:
    assert simulation.plan is not None  # noqa: S101 - it has started
    simulation.served.rollouts.pause(simulation.plan.id, "operator", "to look at the canary over night")
    simulation.served.look()
    simulation.say("an operator pauses the rollout at the canary")


def _push(simulation: Simulation) -> None:
    plan, now = simulation.plan, simulation.world.now
    assert plan is not None  # noqa: S101
    digest = hashlib.sha256(msgspec.json.encode(plan)).hexdigest()
    last = len(plan.stages) - 1
    product = plan.release.product
    forged = Standing(
        plan="of-the-thief", sha256=hashlib.sha256(b"").hexdigest(), product=product, state="running", stage=last,
        entered=now,
    )  # fmt: skip
    pushed = Standing(plan=plan.id, sha256=digest, product=product, state="running", stage=last, entered=now)
    index = msgspec.json.encode(Standings(issued=now, rollouts=(forged, pushed)))
    publish(simulation.served.fleet, {}, now, index=index)
    if simulation.watch.first("thief"):
        simulation.say("a thief signs with the online keys: last stage, for everybody, and a plan of his own")
    simulation.served.look()
    simulation.world.after(_SIX_HOURS, lambda: _push(simulation))


FAULT = StolenOnlineKey()
