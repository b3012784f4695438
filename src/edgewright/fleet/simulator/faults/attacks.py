"""Attackers: devices with false reports, cloned devices, mass enrolment, and a thief of the online keys."""
# ruff: noqa: D102 - `Fault` describes its methods, and `did` says what `count` counts

from __future__ import annotations

import base64
import hashlib
from functools import partial

import msgspec

from edgewright.core.records.fleet import Enrolment, Outcome, Report, Standing, Standings, Vitals
from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.repository.acceptance import publish
from edgewright.fleet.simulator.behaviour import Behaviour
from edgewright.fleet.simulator.device import Device, copy_of
from edgewright.fleet.simulator.fault import GETS_THERE, TAKEN_BACK, Fault, chosen
from edgewright.fleet.simulator.fleet import SimulatedFleet
from edgewright.fleet.simulator.network import SeededRandom
from edgewright.fleet.simulator.served_fleet import PRODUCT

_HALF_AN_HOUR, _SIX_HOURS = 1800.0, 21_600.0
_BATCH = "stolen"
_READS = 1.0

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
"""Two of these values have no finite sum: the control plane rejects such reports."""
_FIXED = (_NOTHING, _NEGATIVE, _LARGEST, _ENDLESS)


class FalseReports(Fault):
    """A share of the devices sends false reports.

    Attributes:
        lies: number of false reports so far.
    """

    lies = 0

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Choose the devices with false reports."""
        for device in fleet.devices:
            if chosen(device, self.rate):
                device.alter_report = partial(self._alter, device)

    def count(self, fleet: SimulatedFleet) -> int:
        return self.lies

    def falsified(self, device: Device, report: Report) -> Report:
        """Return the false report of a device."""
        raise NotImplementedError

    def _alter(self, device: Device, report: Report) -> Report:
        falsified = self.falsified(device, report)
        self.lies += falsified != report
        return falsified


class Liars(FalseReports):
    """Devices report failures as confirmations; they must not advance a bad release."""

    broken = "the new model is wrong, and {rate} of the devices report that it is fine"
    # Until the dwell is over, the gates may wait for the devices that have not answered.
    holds = tuple(rule for rule in TAKEN_BACK if rule != "in time")
    bad = True
    rate = 0.2
    did = "false reports so far"

    def behaviour(self, device: Device) -> Behaviour:
        """Return a behaviour that is bad from the start."""
        return Behaviour(unsure=0.6, alarms=400.0, drifting=4)

    def falsified(self, device: Device, report: Report) -> Report:
        """Return a report that says nothing bad."""
        return all_is_well(report)


class Slander(FalseReports):
    """Devices report confirmations as failures; a few of them must not stop a good release."""

    broken = "the new model is good, and {rate} of the devices report that it failed"
    holds = ("a good release continues",)
    rate = 0.05
    did = "false reports so far"

    def falsified(self, device: Device, report: Report) -> Report:
        """Return a report that says nothing good."""
        return all_is_lost(report)


class FalseFigures(FalseReports):
    """Devices report impossible values: none, negative, the largest, or random ones."""

    broken = "the new model is good, and {rate} of the devices report impossible figures"
    holds = GETS_THERE
    rate = 0.05
    did = "reports with false figures so far"

    def falsified(self, device: Device, report: Report) -> Report:
        """Return a report with impossible or random values."""
        kind = int(device.chance.share() * (len(_FIXED) + 1))
        return msgspec.structs.replace(report, vitals=_FIXED[kind] if kind < len(_FIXED) else _random_vitals(device))

    def _alter(self, device: Device, report: Report) -> Report:
        self.lies += 1
        return self.falsified(device, report)


class Grinders(Fault):
    """An attacker enrols ids after the plan's salt is known, keeps those in the canary, and reports the opposite."""

    broken = (
        "an attacker enrols as many ids as {rate} of the devices once the plan exists, keeps those in its "
        "canary and makes them report the opposite"
    )
    holds = GETS_THERE
    rate = 1.0
    did = "made-up devices in the canary"
    kept = 0

    def started(self, fleet: SimulatedFleet) -> None:
        """Schedule the enrolment after the attacker has read the plan."""
        fleet.events.after(_READS, lambda: self._grind(fleet))

    def count(self, fleet: SimulatedFleet) -> int:
        return self.kept

    def _grind(self, fleet: SimulatedFleet) -> None:
        """Enrol devices with ids from the control plane; every id needs another key."""
        plan = fleet.plan
        assert plan is not None  # noqa: S101 - the rollout has started
        count = round(self.rate * fleet.settings.devices)
        chance = SeededRandom(fleet.settings.seed, "grinder")
        secret = chance.bytes(18).hex()
        fleet.served.token(secret, _BATCH, count)
        requests = [
            Enrolment(
                token=secret, key=base64.b64encode(chance.bytes(32)).decode(), name=f"ground-{number + 1}",
                profile="gateway", product=PRODUCT,
            )
            for number in range(count)
        ]  # fmt: skip
        for answer in fleet.served.enrol_all(requests) if requests else ():
            if position(plan.salt, plan.id, answer.device) >= plan.stages[0].percent:
                continue
            device = fleet.add(f"ground {self.kept}")
            device.enrolled(answer)
            device.alter_report = all_is_well if fleet.bad else all_is_lost
            fleet.devices.append(device)
            fleet.excluded.add(device.number)
            device.wake(60.0)
            self.kept += 1
        fleet.observer.say(f"an attacker enrols {count:,} ids and keeps {self.kept:,} that are in the plan's canary")


class Clones(Fault):
    """Some devices are cloned, including their disks, half an hour after the start."""

    broken = "{rate} of the devices are copied, key and all"
    holds = ("clones are quarantined", *GETS_THERE[:2])
    rate = 0.05
    calm = False
    did = "devices, originals and copies, that know of their quarantine"

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Schedule the cloning."""
        fleet.events.after(_HALF_AN_HOUR, lambda: self._copy(fleet))

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(device.twins and bool(device.device_state.quarantined) for device in fleet.devices)

    def _copy(self, fleet: SimulatedFleet) -> None:
        count = max(1, round(self.rate * len(fleet.devices)))
        for device in fleet.devices[:count]:
            twin = fleet.add(f"clone {device.number}")
            copy_of(device, twin)
            fleet.devices.append(twin)
            fleet.excluded |= {device.number, twin.number}
            twin.wake(60.0)
        fleet.observer.say(f"{count} devices are copied, keys and all")


class StolenOnlineKey(Fault):
    """An operator pauses the canary; then a thief signs the last stage for all devices, and a forged plan."""

    broken = "a thief with all online keys publishes that the paused rollout is in its last stage, and a forged plan"
    holds = ("nothing beyond the stage", "the plan's pace")
    spoils = (*TAKEN_BACK, "no device is bricked")
    days = 0.5
    calm = False
    did = "states of the metadata that were published so far"

    def started(self, fleet: SimulatedFleet) -> None:
        """Schedule the pause and the theft."""
        fleet.events.after(_HALF_AN_HOUR, lambda: _pause(fleet))
        fleet.events.after(2 * _HALF_AN_HOUR, lambda: _push(fleet))

    def count(self, fleet: SimulatedFleet) -> int:
        return fleet.verifier.newest


def all_is_well(report: Report) -> Report:
    """Return a report without problems."""
    vitals = report.vitals and msgspec.structs.replace(report.vitals, unsure=0, alarms=0, drifting=())
    return _changed(report, vitals, "reverted", {"result": "confirmed", "because": ""})


def all_is_lost(report: Report) -> Report:
    """Return a report with failures only."""
    vitals = report.vitals and msgspec.structs.replace(
        report.vitals, unsure=report.vitals.windows, alarms=10_000, latency=(9.0, 9.0)
    )
    return _changed(report, vitals, "confirmed", {"result": "reverted", "because": "unsure"})


def _changed(report: Report, vitals: Vitals | None, because: str, instead: dict[str, str]) -> Report:
    """Replace the vitals of a report and its outcomes of one kind."""

    def falsified(outcome: Outcome) -> Outcome:
        return msgspec.structs.replace(outcome, **instead) if outcome.result == because else outcome

    return msgspec.structs.replace(report, outcomes=tuple(map(falsified, report.outcomes)), vitals=vitals)


def _random_vitals(device: Device) -> Vitals:
    chance = device.chance
    windows = int(chance.between(0.0, 1e6))
    return Vitals(
        seconds=chance.between(0.0, 1e6), windows=windows, unsure=int(chance.share() * windows),
        alarms=int(chance.between(0.0, 1e4)), crashes=int(chance.between(0.0, 100.0)),
        latency=(chance.between(0.0, 10.0), chance.between(0.0, 10.0)), memory=int(chance.between(0.0, 2.0**33)),
        channels=6,
    )  # fmt: skip


def _pause(fleet: SimulatedFleet) -> None:
    assert fleet.plan is not None  # noqa: S101 - it has started
    if fleet.observer.halted is not None:
        return  # another fault was faster
    fleet.served.rollouts.steer(fleet.plan.id, "operator", "paused", "to watch the canary overnight")
    fleet.served.look()
    fleet.observer.say("an operator pauses the rollout at the canary")


def _push(fleet: SimulatedFleet) -> None:
    plan, now = fleet.plan, fleet.events.now
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
    publish(fleet.served.fleet, {}, now, index=index)
    if fleet.observer.first("thief"):
        fleet.observer.say("a thief signs with the online keys: last stage, for all devices, and a forged plan")
    fleet.served.look()
    fleet.events.after(_SIX_HOURS, lambda: _push(fleet))


FAULTS: dict[str, Fault] = {
    "liars": Liars(), "slander": Slander(), "false-figures": FalseFigures(), "grinders": Grinders(),
    "clones": Clones(), "stolen-online-key": StolenOnlineKey(),
}  # fmt: skip
