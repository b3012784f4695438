"""Rules that must hold despite faults; each rule checks a finished simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

from edgewright.fleet.protocol.plans.decision import earliest
from edgewright.fleet.server.rollouts.offered import UNTIL
from edgewright.fleet.simulator.device import POLL, Device
from edgewright.fleet.simulator.disk import SimulatedOutbox
from edgewright.fleet.simulator.fleet import SimulatedFleet
from edgewright.fleet.simulator.network import BEGIN
from edgewright.fleet.simulator.result import RuleVerdict

Rule = Callable[[SimulatedFleet], RuleVerdict]
RULES: dict[str, Rule] = {}
_FIRST, _DRAINED = 5, 300.0
_FEW = 20
"""Devices in the stages up to one, below which its gates may need the whole dwell."""


def _rule(name: str, words: str) -> Callable[[Callable[[SimulatedFleet], tuple[bool, str]]], Rule]:
    def register(look: Callable[[SimulatedFleet], tuple[bool, str]]) -> Rule:
        def rule(fleet: SimulatedFleet) -> RuleVerdict:
            holds, text = look(fleet)
            return RuleVerdict(name=name, rule=words, holds=holds, observation=text)

        RULES[name] = rule
        return rule

    return register


def _some(devices: Iterable[Device], none: str) -> tuple[bool, str]:
    names = [device.name for device in devices]
    more = f" and {len(names) - _FIRST:,} more" if len(names) > _FIRST else ""
    return not names, f"{', '.join(names[:_FIRST])}{more}" if names else none


def _bricked_devices(fleet: SimulatedFleet) -> list[Device]:
    """Return the devices whose model does not answer, or differs from the one that the device reports."""
    dead = []
    for device in fleet.devices:
        current = device.device_state
        release = device.disk.slots.get(current.active) if current.active else None
        whole = release is not None and release.counter == current.counter
        if (
            release is None
            or not whole
            or device.disk.digests[current.active] != release.sha256
            or not device.answering
        ):
            dead.append(device)
    return dead


@_rule("no device is bricked", "every device is alive, and its model answers from an intact package")
def _bricked(fleet: SimulatedFleet) -> tuple[bool, str]:
    return _some(_bricked_devices(fleet), f"{len(fleet.devices):,} devices answer")


@_rule("only the stage dies", "no device is dead but those of the stage in which the fault was found")
def _dead(fleet: SimulatedFleet) -> tuple[bool, str]:
    within = fleet.observer.within(fleet.observer.detected_stage) & fleet.observer.exposed.keys()
    dead = _bricked_devices(fleet)
    return _some((device for device in dead if device.number not in within), f"{len(dead):,} of {len(within):,} are")


def _never(kind: str, fleet: SimulatedFleet) -> tuple[bool, str]:
    wrong = fleet.observer.wrong.get(kind, [])
    return not wrong, "; ".join(wrong[:_FIRST]) or f"{fleet.observer.outcomes['activated']:,} activations"


_rule("only signed releases", "no device activates bytes that the offline keys did not sign")(partial(_never, "signed"))
_rule("never an older release", "no device activates a release older than the one it confirmed")(
    partial(_never, "older")
)


@_rule("halted", "the rollout is halted by its gates")
def _halted(fleet: SimulatedFleet) -> tuple[bool, str]:
    after = fleet.observer.halted_after()
    return after is not None, "never" if after is None else f"{after / 3600.0:.2f} h after the beginning"


@_rule("in time", "halted within two rounds of the report that decided, or of the time when few devices do")
def _in_time(fleet: SimulatedFleet) -> tuple[bool, str]:
    observer = fleet.observer
    if observer.halted is None:
        return False, "never halted"
    within = observer.within(observer.detected_stage)
    reports = (*observer.ended.items(), *observer.shown.items())
    reported = [at for number, at in reports if number in within and at <= observer.halted]
    last = max(reported, default=None)
    if last is None:
        return False, "halted before any device reported"
    decided, subject, soon = last, "report", 2 * max(POLL, fleet.settings.rounds_s)
    if len(within) < _FEW and fleet.plan is not None:
        # So few may all be bad by chance: gates on shares wait for the dwell, gates on measured values twice as long.
        dwell = fleet.plan.stages[observer.detected_stage].dwell
        # A device starts within two poll periods of the stage's begin.
        entered = min(observer.exposed[number] for number in within & observer.exposed.keys()) - 2 * POLL
        waited = [entered + times * dwell for times in (1, 2) if last < entered + times * dwell <= observer.halted]
        decided, subject = max(((at + 2 * POLL, "wait") for at in waited), default=(last, "report"))
    after = observer.halted - decided
    return after <= soon, f"{max(0.0, after):.0f} s after the decisive {subject}"


@_rule("exposed", "no device ran the bad release beyond the stage in which its fault showed first")
def _exposed(fleet: SimulatedFleet) -> tuple[bool, str]:
    observer = fleet.observer
    within = observer.within(observer.detected_stage)
    beyond = observer.beyond()
    more = f", and {len(beyond):,} beyond it" if beyond else ""
    stage = "no stage" if fleet.plan is None else f"stage {fleet.plan.stages[observer.detected_stage].name}"
    return not beyond, f"{len(observer.exposed.keys() & within):,} of the {len(within):,} devices of {stage}{more}"


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
    exposed = [
        exposed_device
        for exposed_device in fleet.devices
        if exposed_device.number in fleet.observer.exposed and not exposed_device.dead
    ]
    stuck = []
    for device in exposed:
        current = device.device_state
        release = device.disk.slots.get(current.active)
        if current.trial is not None or release is None or release.sha256 != old:
            stuck.append(device)
    return _some(stuck, f"{len(exposed):,} of {len(exposed):,}")


@_rule("all devices update", "at the end every capable device has confirmed the new release")
def _arrived(fleet: SimulatedFleet) -> tuple[bool, str]:
    new = fleet.new
    stages = fleet.observer.stages()
    wanted = [
        exposed_device
        for exposed_device in fleet.devices
        if exposed_device.number not in fleet.excluded and stages.get(exposed_device.number) is not None
    ]
    late = [
        device for device in wanted
        if new is None or device.device_state.counter != new.counter or device.device_state.trial is not None
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
    dead = [(begin + UNTIL, end) for begin, end in fleet.served.dead]  # a permission is valid for some time
    begun = fleet.observer.begun
    early = [device for at, device in begun if any(begin < at < end for begin, end in dead)]
    return _some(early, f"{len(begun):,} permitted activations")


@_rule("every started trial ends", "a device that still runs ends its trial even if no server answers")
def _ended(fleet: SimulatedFleet) -> tuple[bool, str]:
    exposed = [
        exposed_device
        for exposed_device in fleet.devices
        if exposed_device.number in fleet.observer.exposed and not exposed_device.dead
    ]
    return _some((device for device in exposed if device.device_state.trial is not None), f"{len(exposed):,} did")


@_rule("nothing beyond the stage", "no device outside the stage that the operator allowed runs the release")
def _beyond(fleet: SimulatedFleet) -> tuple[bool, str]:
    within = fleet.observer.within(fleet.observer.stage)
    beyond = [device for _, device in fleet.observer.begun if device.number not in within]
    return _some(beyond, f"{len(fleet.observer.exposed):,} of the {len(within):,} devices of the stage, no others")


@_rule("clones are quarantined", "all devices that share a key are in quarantine")
def _clones(fleet: SimulatedFleet) -> tuple[bool, str]:
    shut_out = fleet.served.quarantined()
    free = [device for device in fleet.devices if device.twins and device.id not in shut_out]
    count = len({device.id for device in fleet.devices if device.id in shut_out})
    return _some(free, f"{count:,} keys quarantined")


@_rule("no legitimate device is quarantined", "no device with a unique key is mistaken for a clone")
def _honest(fleet: SimulatedFleet) -> tuple[bool, str]:
    shut_out = fleet.served.quarantined()
    wrongly = [device for device in fleet.devices if device.id in shut_out and not device.twins]
    return _some(wrongly, "nobody is")


@_rule("no acknowledged data is lost", "the database has every outcome and item that a device knows to be acknowledged")
def _kept(fleet: SimulatedFleet) -> tuple[bool, str]:
    record, sent = fleet.served.kept()
    lost, count = [], 0
    for device in fleet.devices:
        if device.twins:
            continue  # clones number their outcomes independently
        assert device.state is not None  # noqa: S101 - every device has a disk
        waiting = {outcome.number for outcome in device.state.outcomes}
        gone = set(range(1, device.device_state.outcome + 1)) - waiting
        settled = device.outbox.settled if isinstance(device.outbox, SimulatedOutbox) else set()
        count += len(gone) + len(settled)
        if not (gone <= record.get(device.id, set()) and settled <= sent.get(device.id, set())):
            lost.append(device)
    return _some(lost, f"{count:,} records are there")


@_rule("drained after an outage", "5 minutes after the outage, the control plane has everything of who is connected")
def _drained(fleet: SimulatedFleet) -> tuple[bool, str]:
    # Without an answer a device retries at least every minute; quarantined devices never drain, and false reports may
    # be refused with the items in them.
    boxes = [(device, box) for device in fleet.devices
             if isinstance(box := device.outbox, SimulatedOutbox) and math.isfinite(box.until)
             and not device.twins and device.alter_report is None]  # fmt: skip
    took, late = [], []
    for device, box in boxes:
        back = _connected(fleet, device, BEGIN + box.until)
        drained = fleet.end if box.drained[1] is None else BEGIN + box.drained[1]
        if drained > back + _DRAINED:
            late.append(device)
        elif box.drained[1] is not None:
            took.append(max(0.0, drained - back))
    took.sort()
    dropped = sum(box.dropped for _, box in boxes)
    text = f"half after {took[len(took) // 2]:.0f} s, the last after {took[-1]:.0f} s" if took else "nothing was"
    return _some(late, f"{text}; {dropped:,} older ones were dropped")


def _connected(fleet: SimulatedFleet, device: Device, since: float) -> float:
    """Return from when on a device is connected long enough to send its waiting items; seconds since 1970."""
    for begin, end in sorted([*device.link.away, *device.downs, *fleet.served.dead]):
        if begin < since + _DRAINED and end > since:
            since = end
    return since


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
