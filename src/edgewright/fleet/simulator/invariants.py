"""What must hold, whatever is broken: each rule looks at a simulation that is over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from edgewright.fleet.protocol.plans.decision import earliest
from edgewright.fleet.server.rollouts.intents import UNTIL
from edgewright.fleet.simulator.device import POLL, Device
from edgewright.fleet.simulator.fleet import SimulatedFleet
from edgewright.fleet.simulator.outbox import SimulatedOutbox
from edgewright.fleet.simulator.result import RuleVerdict

Rule = Callable[[SimulatedFleet], RuleVerdict]
RULES: dict[str, Rule] = {}
_FIRST = 5


def _rule(name: str, words: str) -> Callable[[Callable[[SimulatedFleet], tuple[bool, str]]], Rule]:
    def register(look: Callable[[SimulatedFleet], tuple[bool, str]]) -> Rule:
        def rule(fleet: SimulatedFleet) -> RuleVerdict:
            held, found = look(fleet)
            return RuleVerdict(name=name, rule=words, held=held, found=found)

        RULES[name] = rule
        return rule

    return register


def _some(what: Iterable[Device], none: str) -> tuple[bool, str]:
    names = [device.name for device in what]
    more = f" and {len(names) - _FIRST:,} more" if len(names) > _FIRST else ""
    return not names, f"{', '.join(names[:_FIRST])}{more}" if names else none


@_rule("no device is bricked", "every device has an intact active package")
def _bricked(fleet: SimulatedFleet) -> tuple[bool, str]:
    dead = []
    for device in fleet.devices:
        held = device.held
        release = device.disk.slots.get(held.active) if held.active else None
        if release is None or release.counter != held.counter or device.disk.digests[held.active] != release.sha256:
            dead.append(device)
    return _some(dead, f"{len(fleet.devices):,} devices run a package")


@_rule("only signed releases", "no device activates bytes that the offline keys did not sign")
def _signed(fleet: SimulatedFleet) -> tuple[bool, str]:
    wrong = fleet.observer.wrong.get("signed", [])
    return not wrong, "; ".join(wrong[:_FIRST]) or f"{fleet.observer.outcomes['activated']:,} activations"


@_rule("never an older release", "no device activates a release older than the one it confirmed")
def _older(fleet: SimulatedFleet) -> tuple[bool, str]:
    wrong = fleet.observer.wrong.get("older", [])
    return not wrong, "; ".join(wrong[:_FIRST]) or f"{fleet.observer.outcomes['activated']:,} activations"


@_rule("halted", "the rollout is halted by its gates")
def _halted(fleet: SimulatedFleet) -> tuple[bool, str]:
    after = fleet.observer.halted_after()
    return after is not None, "never" if after is None else f"{after / 3600.0:.2f} h after the beginning"


@_rule("in time", "halted within two poll periods of the canary's reports")
def _in_time(fleet: SimulatedFleet) -> tuple[bool, str]:
    observer = fleet.observer
    if observer.halted is None:
        return False, "never halted"
    reported = [at for number, at in observer.ended.items() if number in observer.canary() and at <= observer.halted]
    last = max(reported, default=None)
    if last is None:
        return False, "halted before any device reported"
    return observer.halted - last <= 2 * POLL, f"{observer.halted - last:.0f} s after the report that decided"


@_rule("exposed", "only the canary, and devices already updating at the halt, ran the bad release")
def _exposed(fleet: SimulatedFleet) -> tuple[bool, str]:
    observer = fleet.observer
    halted = fleet.end if observer.halted is None else observer.halted
    before = {number for number, at in observer.exposed.items() if at <= halted}
    late = len(observer.exposed) - len(before)
    canary = observer.canary()
    found = f"{len(before):,} of {len(canary):,} canaries, {late:,} under way"
    return before <= canary, found


@_rule("no start after the halt", "two poll periods after the halt, no device activates the release")
def _after(fleet: SimulatedFleet) -> tuple[bool, str]:
    observer = fleet.observer
    halted = observer.halted
    if halted is None:
        return False, "never halted"
    return _some((device for at, device in observer.begun if at > halted + 2 * POLL), "nobody did")


@_rule("all back", "all devices that ran the bad release, offline ones too, run the old bytes again")
def _back(fleet: SimulatedFleet) -> tuple[bool, str]:
    old = fleet.served.old.sha256
    exposed = [device for device in fleet.devices if device.number in fleet.observer.exposed]
    stuck = []
    for device in exposed:
        held = device.held
        release = device.disk.slots.get(held.active)
        if held.trial is not None or release is None or release.sha256 != old:
            stuck.append(device)
    return _some(stuck, f"{len(exposed):,} of {len(exposed):,}")


@_rule("all devices update", "at the end every capable device has confirmed the new release")
def _arrived(fleet: SimulatedFleet) -> tuple[bool, str]:
    new = fleet.new
    wanted = [device for device in fleet.devices if device.number not in fleet.excluded]
    late = [
        device for device in wanted
        if new is None or device.held.counter != new.counter or device.held.trial is not None
    ]  # fmt: skip
    return _some(late, f"{len(wanted):,} devices")


@_rule("a good release continues", "a good release is not halted")
def _goes_on(fleet: SimulatedFleet) -> tuple[bool, str]:
    return fleet.observer.halted is None, "not halted" if fleet.observer.halted is None else "halted"


@_rule("the plan's pace", "no device starts before its stage's time in the offline plan")
def _pace(fleet: SimulatedFleet) -> tuple[bool, str]:
    plan, stages = fleet.plan, fleet.observer.stages()
    if plan is None:
        return False, "no plan"
    early = []
    for at, device in fleet.observer.begun:
        stage = stages.get(device.number)
        if stage is None or at < plan.starts + earliest(plan, stage):
            early.append(device)
    return _some(early, f"{len(fleet.observer.begun):,} activations on time")


@_rule("no start without permission", "while the control plane is down, only devices it had permitted start")
def _allowed(fleet: SimulatedFleet) -> tuple[bool, str]:
    dead = [(begin + UNTIL, end) for begin, end in fleet.served.dead]  # a leave holds for a while
    begun = fleet.observer.begun
    early = [device for at, device in begun if any(begin < at < end for begin, end in dead)]
    return _some(early, f"{len(begun):,} permitted activations")


@_rule("every started trial ends", "a device ends its trial even if no server answers")
def _ended(fleet: SimulatedFleet) -> tuple[bool, str]:
    exposed = [device for device in fleet.devices if device.number in fleet.observer.exposed]
    return _some((device for device in exposed if device.held.trial is not None), f"{len(exposed):,} did")


@_rule("nothing beyond the stage", "no device outside the stage that the operator allowed runs the release")
def _beyond(fleet: SimulatedFleet) -> tuple[bool, str]:
    canary = fleet.observer.canary()
    beyond = [device for _, device in fleet.observer.begun if device.number not in canary]
    return _some(beyond, f"{len(fleet.observer.exposed):,} of {len(canary):,} canaries, no others")


@_rule("clones are quarantined", "all devices that share a key are in quarantine")
def _clones(fleet: SimulatedFleet) -> tuple[bool, str]:
    shut_out = fleet.served.quarantined()
    free = [device for device in fleet.devices if device.twins and device.id not in shut_out]
    count = len({device.id for device in fleet.devices if device.id in shut_out})
    return _some(free, f"{count:,} keys quarantined")


@_rule("no legitimate device is quarantined", "no device with a unique key is mistaken for a clone")
def _honest(fleet: SimulatedFleet) -> tuple[bool, str]:
    shut_out = fleet.served.quarantined()
    taken = [device for device in fleet.devices if device.id in shut_out and not device.twins]
    return _some(taken, "nobody is")


@_rule("no acknowledged data is lost", "the database has every outcome and item that a device knows to be acknowledged")
def _kept(fleet: SimulatedFleet) -> tuple[bool, str]:
    record, sent = fleet.served.kept()
    lost, count = [], 0
    for device in fleet.devices:
        if device.twins:
            continue  # two devices of one name number their outcomes apart
        assert device.state is not None  # noqa: S101 - every device was given its disk
        waiting = {one.number for one in device.state.outcomes}
        gone = set(range(1, device.held.outcome + 1)) - waiting
        settled = device.outbox.settled if isinstance(device.outbox, SimulatedOutbox) else set()
        count += len(gone) + len(settled)
        if not (gone <= record.get(device.id, set()) and settled <= sent.get(device.id, set())):
            lost.append(device)
    return _some(lost, f"{count:,} records are there")


@_rule("drained after an outage", "5 minutes after an outage, the control plane has stored everything that waited")
def _drained(fleet: SimulatedFleet) -> tuple[bool, str]:
    limit = 300.0  # while nobody answers a device tries again every two minutes at most; who is shut out stays so
    boxes = [(device, box) for device in fleet.devices
             if isinstance(box := device.outbox, SimulatedOutbox) and math.isfinite(box.until)
             and not device.twins]  # fmt: skip
    took = sorted(box.drained[1] - box.until for _, box in boxes if box.drained[1] is not None)
    late = [device for device, box in boxes if box.drained[1] is None or box.drained[1] - box.until > limit]
    dropped = sum(box.dropped for _, box in boxes)
    found = f"half after {took[len(took) // 2]:.0f} s, the last after {took[-1]:.0f} s" if took else "nothing was"
    return _some(late, f"{found}; {dropped:,} older ones were dropped")


@_rule("alarms first", "no device's alarms come after its other items")
def _alarms(fleet: SimulatedFleet) -> tuple[bool, str]:
    late = []
    for device in fleet.devices:
        box = device.outbox
        if isinstance(box, SimulatedOutbox) and box.drained[1] is not None:
            first = box.drained[0]
            if first is None or first > box.drained[1]:
                late.append(device)
    return _some(late, "none did")
