"""The agent of a fleet at work: releases confirmed, gone back from, called back, fetched in parts, reported."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.faults.fleet_device import Device, Fleet, content, plan
from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from edgewright.core.records.fleet import Acknowledged, TrialLimits
from edgewright.device.store.database import Connect, connect

_QUICK = TrialLimits(seconds=20.0, crashes=0, boots=100)
_LAST = 21
"""A release that is published after the fault: a device that can take it is not bricked."""


class Promise(NamedTuple):
    """What must hold from now on.

    Attributes:
        active: counter that runs; `floor` and `burned` as they are, which only grow.
        acknowledged: highest outcome that the other side has; `outcomes` that it has not.
        nonce: of the last acknowledgement; `sequence` of the last report.
    """

    active: int
    floor: int
    burned: frozenset[int]
    acknowledged: int
    outcomes: frozenset[int]
    nonce: str
    sequence: int


def promise(device: Device, acknowledged: int) -> Promise:
    """Return what the device holds now."""
    device_state, link = device.state.device_state, device.state.link
    outcomes = frozenset(one.number for one in device.state.outcomes)
    return Promise(
        device_state.counter,
        device_state.floor,
        frozenset(device_state.burned),
        acknowledged,
        outcomes,
        link.nonce,
        link.sequence,
    )


def use(folder: Path, recorder: Recorder) -> None:
    """Seven releases and what becomes of them."""
    device = Device(folder, Fleet(), opener=recorder.connect)
    acknowledged = 0

    def promise_state() -> None:
        recorder.promise(promise(device, acknowledged))

    promise_state()
    for counter, old, state in ((1, 0, ""), (3, 1, "aborted"), (5, 4, "crash"), (7, 4, "cut"), (9, 7, "broken")):
        device.fleet.publish(plan(counter, old=old, gated=counter == 1, trial=_QUICK))
        if state == "broken":
            device.fleet.broken_after = 2000
            device.run(3.0)
            device.restart()
            device.fleet.broken_after = None
        device.run(70.0 if device.state.device_state.floor else 10.0)
        promise_state()
        if state == "crash":
            device.process.crash()
        elif state == "cut":
            device.cut()
        device.run(30.0)
        promise_state()
        if state == "aborted":
            device.fleet.stand(f"plan-{counter}", "aborted", revert=True)
            device.run(70.0)
            promise_state()
        device.state.next_sequence()
        promise_state()
        last = device.state.device_state.outcome
        device.state.acknowledge(Acknowledged(nonce=f"n{counter}", outcomes=last))
        acknowledged = last
        promise_state()
    device.restart()
    promise_state()
    device.state.close()


def recover(folder: Path, recorder: Recorder) -> None:
    """Start again; a killed process left the state."""
    device = _again(folder, recorder.connect)
    device.run(5.0)
    device.state.close()


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return what is wrong with a device after a cut; empty for nothing."""
    device = _again(folder, connect)
    try:
        kept = promise(device, 0)
        problem = _kept(kept, before, after or before) if before is not None else ""
        return problem or _alive(device)
    finally:
        device.state.close()


def _kept(kept: Promise, before: Promise, after: Promise) -> str:
    if kept.floor < before.floor:
        return f"floor {kept.floor} after {before.floor}"
    if not before.burned - {c for c in before.burned if c <= kept.floor} <= kept.burned:
        return f"burned {set(kept.burned)} after {set(before.burned)}"
    # Between two promises a release may have been activated and gone back from.
    passed = range(min(before.active, after.active), max(before.active, after.active) + 3)
    if kept.active not in passed:
        return f"release {kept.active}, between {before.active} and {after.active}"
    if kept.active < before.floor or kept.active in before.burned:
        return f"release {kept.active} below floor {before.floor}, or burned"
    lost = {number for number in before.outcomes if number > after.acknowledged} - kept.outcomes
    if lost:
        return f"outcomes {lost} are lost"
    if kept.sequence < before.sequence or kept.nonce not in {before.nonce, after.nonce, "n2"}:
        return f"report {kept.sequence} with {kept.nonce!r} after {before.sequence} with {before.nonce!r}"
    return ""


def _alive(device: Device) -> str:
    """Check that the device runs signed bytes and installs the next release."""
    device_state = device.state.device_state
    runs = device.active()
    if runs < 0 or runs < device_state.floor:
        return f"runs release {runs} at floor {device_state.floor}"
    signed = content(100) if runs == 0 else device.fleet.bytes[f"packages/pump-{runs}.edge"]
    if device.slots.path(device_state.active).read_bytes() != signed:
        return "bytes that were not signed"
    device.follow(plan(_LAST, trial=_QUICK), 150.0)
    if (device.active(), device.state.device_state.floor) != (_LAST, _LAST):
        return f"the next release was not taken: {device.agent.why}"
    return ""


def _again(folder: Path, opener: Connect) -> Device:
    """Return a start after a fault; the fleet has everything that was ever signed, and no rollout that goes on."""
    fleet = Fleet()
    for counter, old in ((1, 0), (3, 1), (5, 4), (7, 4), (9, 7)):
        fleet.publish(plan(counter, old=old, trial=_QUICK), "paused")
    return Device(folder, fleet, opener=opener)


WORKLOAD = Workload("fleet agent at work", use, recover, check)
